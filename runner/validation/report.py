"""The report of a validation: Markdown for people, JSON for programs, lines for the terminal."""

import textwrap
from pathlib import Path

import click
import jinja2
import msgspec

from runner.config import SHIPPED, Lake
from runner.files import write_whole
from runner.validation.rules import ROWS_SHOWN, Result

WIDTH = 80
LINES_SHOWN = 100
TEMPLATE = "reports/validation.md.jinja"


class Section(msgspec.Struct, frozen=True):
    """A table of the report; `absent` says why it holds no rows."""

    title: str
    note: str
    absent: str = ""
    columns: list[str] = []
    rows: list[tuple] = []


class Report(msgspec.Struct, frozen=True):
    """What a validation found. Times are ISO texts in UTC; `end` is the first moment after the
    range; `bars` is None where they cannot be read.
    """

    verdict: str
    reason: str
    mode: str
    run_at: str
    source: str
    tf: str
    start: str
    end: str
    bars: int | None
    first_bar: str | None
    last_bar: str | None
    newest_day: str | None
    symbols: list[str]
    thresholds: str
    fingerprint: str
    versions: dict[str, str]
    results: list[Result]
    sections: list[Section]


def write(lake: Lake, found: Report, target: Path | None) -> list[Path]:
    """Write the report and its JSON; returns their paths."""
    stamp = found.run_at.replace(":", "")
    report = target or lake.base / "reports" / f"validation_{found.run_at[:10]}.md"
    data = lake.base / "logs" / "validation" / f"validation_{stamp}.json"
    _put(report, markdown(lake, found))
    _put(data, msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n")
    return [report, data]


def _put(path: Path, text: str) -> None:
    """Write a file as a whole; a report that could be read half is none."""
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


def markdown(lake: Lake, found: Report) -> str:
    """The report as Markdown that reads well as plain text too."""
    loader = jinja2.FileSystemLoader([lake.folder, SHIPPED])
    jinja = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    jinja.filters |= {"table": table, "wrapped": wrapped, "text": text}
    rules = [(one.label, one.sentence, *_counts(one)) for one in found.results]
    template = jinja.get_template(TEMPLATE)
    shown = {"rows_shown": ROWS_SHOWN, "lines_shown": LINES_SHOWN}
    return template.render(report=found, rules=rules, **shown).strip() + "\n"


def _counts(result: Result) -> tuple:
    """Checked, violations and their share in percent; nothing of a rule that was not asked."""
    if result.outcome not in ("kept", "broken"):
        return None, None, None
    return result.checked, result.violations, round(result.share * 100, 4)


def text(value: object) -> str:
    """A value as the report shows it.

    >>> text(1234567), text(0.5), text(None), text(float("nan"))
    ('1,234,567', '0.5', '', 'nan')
    """
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def wrapped(line: str, indent: str = "  ") -> str:
    """A long line broken at the width of a terminal; what follows is indented."""
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def table(rows: list[tuple], columns: list[str]) -> str:
    """A table in Markdown whose columns stand under each other in plain text too.

    >>> print(table([("A", 1), ("B", 1000)], ["symbol", "bars"]))
    | symbol |  bars |
    |--------|------:|
    | A      |     1 |
    | B      | 1,000 |
    """
    names = [name.replace("_", " ") for name in columns]
    cells = [[text(value).replace("|", "\\|") for value in row] for row in rows]
    wide = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [any(isinstance(row[at], int | float) for row in rows) for at in range(len(names))]
    lines = [_line(names, wide, right), _rule(wide, right)]
    return "\n".join(lines + [_line(row, wide, right) for row in cells])


def _line(cells: list[str], wide: list[int], right: list[bool]) -> str:
    padded = [
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, wide, right, strict=True)
    ]
    return f"| {' | '.join(padded)} |"


def _rule(wide: list[int], right: list[bool]) -> str:
    dashes = [
        "-" * (width + 1) + ":" if is_right else "-" * (width + 2)
        for width, is_right in zip(wide, right, strict=True)
    ]
    return f"|{'|'.join(dashes)}|"


def summary(found: Report) -> list[str]:
    """The verdict and each rule, a line each, for the terminal."""
    wide = max((len(result.sentence) for result in found.results), default=0)
    lines = [
        f"{result.label:4} {result.sentence:{wide}}  {_told(result)}" for result in found.results
    ]
    return [*lines, f"{found.verdict}: {found.reason}"]


def _told(result: Result) -> str:
    """What a rule found, in a few words."""
    if result.outcome == "broken":
        return f"{result.violations:,} × broken ({result.severity})"
    return "holds" if result.outcome == "kept" else f"{result.outcome}: {result.why}"
