"""What `lake build --dry-run` prints: what a build would do, why, and how much that is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from runner.build.report import UP_TO_DATE, Report
from runner.moments import day_number

WIDTH = 80
COLUMNS = (14, 20, 26)  # what, of whom, days; how much takes the rest
INDENT = " " * COLUMNS[0]
SHOWN_ROWS = 24
SHOWN_NAMES = 2
# So many stretches of days of one relation and reason are told apart.
STRETCHES = 3


@dataclass(frozen=True)
class Task:
    """One thing to do. `why`: a reason, perhaps with its details after a colon; `bytes`: to read;
    `unit`: what is counted, such as file.
    """

    what: str
    of: str
    day: str
    why: str
    bytes: int = 0
    unit: str = "file"


def folded(report: Report) -> list[str]:
    """A table that a person can read: relations, with symbols and days folded into ranges."""
    if report.is_empty:
        return [*report.told_ignored(), UP_TO_DATE]
    tasks = list(_tasks(report))
    rows = [row for group in _by_reason(tasks) for row in _rows(group)]
    lines = report.told_ignored()
    if rows:
        lines += [_line(("what", "of", "days", "how much")), "─" * (WIDTH - 1)]
    for cells, why in rows[:SHOWN_ROWS]:
        lines += [_line(cells), *wrap(why, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)]
    if len(rows) > SHOWN_ROWS:
        lines.append(f"… and {len(rows) - SHOWN_ROWS:,} more rows; --all names every file")
    lines += _told_perhaps(report)
    if report.catalog:
        lines += wrap(report.catalog, WIDTH, subsequent_indent="  ")
    return lines + _total(report, tasks)


def each(report: Report) -> list[str]:
    """A line for each hour, file and view."""
    if report.is_empty:
        return [*report.told_ignored(), UP_TO_DATE]
    lines = [f"stage    {one}  ({why})" for one, why in [*report.staged, *report.answers]]
    lines += [f"publish  {unit}  ({unit.why})" for unit in report.units]
    lines += [f"perhaps  {one}  (once {one.once})" for one in report.perhaps]
    return lines + ([f"catalog  {report.catalog}"] if report.catalog else [])


def _tasks(report: Report) -> Iterator[Task]:
    for hour, why in report.staged:
        size = sum(size for _, size in hour.parts)
        yield Task("raw lines", hour.symbol, hour.day, why, size, "hour")
    for one, why in report.answers:
        yield Task("raw answers", one.symbol, one.day, why, one.size or 0)
    for unit in report.units:
        size = _bytes(unit.reads)
        yield Task(unit.relation, unit.symbol or unit.exchange, unit.day, unit.why, size)


def _by_reason(tasks: Iterable[Task]) -> list[list[Task]]:
    """The tasks of one kind and reason together, in the order in which they come."""
    groups: dict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in tasks:
        groups[task.what, task.why.partition(":")[0]].append(task)
    return list(groups.values())


def _rows(tasks: list[Task]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Rows of one kind and reason: symbols of the same days together; cells, and the reason."""
    days_of: dict[str, set[str]] = defaultdict(set)
    for task in tasks:
        days_of[task.of].add(task.day)
    symbols: dict[frozenset[str], list[str]] = defaultdict(list)
    for symbol, days in days_of.items():
        symbols[frozenset(days)].append(symbol)
    if len(symbols) > STRETCHES:
        symbols = {frozenset().union(*symbols): list(days_of)}
    for days, names in symbols.items():
        own = [task for task in tasks if task.of in names]
        cells = own[0].what, _names(names), _days(days), _much(own)
        yield cells, _why([task.why for task in own])


def _why(reasons: list[str]) -> str:
    """One reason for all; where its details differ, those of the first."""
    return reasons[0] if len(set(reasons)) == 1 else f"{reasons[0]}, …"


def _names(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found) if len(found) <= SHOWN_NAMES else f"{len(found)} symbols"


def _days(days: Iterable[str]) -> str:
    """Days as a range where none between is missing.

    >>> _days(["2025-10-21", "2025-10-20"]), _days(["2025-10-01", "2025-10-20"])
    ('2025-10-20 to 2025-10-21', '2 days to 2025-10-20')
    """
    found = sorted(days)
    first, last = found[0], found[-1]
    if first == last:
        return first
    is_whole = day_number(last) - day_number(first) + 1 == len(found)
    return f"{first} to {last}" if is_whole else f"{len(found):,} days to {last}"


def _much(tasks: list[Task]) -> str:
    total = sum(task.bytes for task in tasks)
    return _counted(len(tasks), tasks[0].unit) + (f", {_size(total)}" if total else "")


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def _counted(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'s' * (count != 1)}"


def _size(count: int) -> str:
    """Bytes for people.

    >>> _size(950), _size(91_400), _size(4_200_000), _size(71_000_000_000)
    ('950 B', '91 kB', '4.2 MB', '71 GB')
    """
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    digits = 1 if value < 9.95 and unit not in ("B", "kB") else 0
    return f"{value:,.{digits}f} {unit}"


def _line(cells: tuple[str, ...]) -> str:
    padded = [f"{cell:{width - 1}} " for cell, width in zip(cells, COLUMNS, strict=False)]
    return "".join([*padded, cells[-1]]).rstrip()


def _told_perhaps(report: Report) -> list[str]:
    """What the first steps may make stale, in a sentence a step."""
    steps: dict[str, list] = defaultdict(list)
    for one in report.perhaps:
        steps[one.once].append(one)
    lines = []
    for once, found in steps.items():
        relations = ", ".join(sorted({one.relation for one in found}))
        days = {one.day for one in found if one.day}
        symbols = {one.symbol for one in found if not one.symbol.startswith("_")}
        of = f"{_names(symbols)}{f', {_days(days)}' if days else ''}"
        text = f"once {once}: what changes of {relations} ({of})"
        lines += wrap(text, WIDTH, subsequent_indent="  ")
    return lines


def _total(report: Report, tasks: list[Task]) -> list[str]:
    """How much it is in all."""
    raw = [task for task in tasks if task.what.startswith("raw ")]
    parts = [f"{_size(sum(task.bytes for task in raw))} of raw to read"] if raw else []
    if report.units:
        read: set[Path] = set().union(*(unit.reads for unit in report.units))
        size = _bytes(read)
        made = f" from {_size(size)}" if size else ""
        parts.append(f"{_counted(len(report.units), 'file')} to publish{made}")
    if raw and report.perhaps:
        parts.append("and what follows of it")
    return [f"in all: {', '.join(parts)}"] if parts else []
