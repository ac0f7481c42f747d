"""What `lake why` found, as people and as programs read it."""

import json

from runner.config import Lake
from runner.moments import iso
from runner.validation.report import WIDTH, wrapped
from runner.why.why import Section, Why

INDENT, BELOW = "  ", "      "


def as_json(lake: Lake, symbol: str, moment_us: int) -> str:
    """The explanation as one JSON object: a list of rows a section."""
    why = Why(lake, symbol, moment_us)
    told = {
        section.name: [dict(zip(section.columns, row, strict=True)) for row in section.rows]
        for section in why.sections()
    }
    return json.dumps({"symbol": symbol, "second": iso(why.from_us), **told}, default=str, indent=1)


def as_text(lake: Lake, symbol: str, moment_us: int) -> str:
    """The explanation as people read it."""
    why = Why(lake, symbol, moment_us)
    lines = [f"{symbol} {iso(why.from_us)}"]
    for section in why.sections():
        if not section.rows:
            lines += ["", wrapped(f"{section.title.partition(',')[0]}: {section.absent}")]
            continue
        is_text = section.columns == ["said"]
        said = [wrapped(f"{INDENT}{row[0]}", BELOW) for row in section.rows]
        lines += ["", wrapped(section.title), *(said if is_text else _aligned(section))]
    return "\n".join(lines)


def _aligned(section: Section) -> list[str]:
    """A small table as lines of text; columns that do not fit beside the others stand below."""
    rows = [["" if value is None else str(value) for value in row] for row in section.rows]
    cells = [section.columns, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    groups, room = [[]], WIDTH - len(INDENT)
    for place, width in enumerate(widths):
        if width > room and groups[-1]:
            groups.append([])
            room = WIDTH - len(BELOW)
        groups[-1].append(place)
        room -= width + 2
    lines = []
    for row in cells:
        for group in groups:
            text = "  ".join(row[place].ljust(widths[place]) for place in group).rstrip()
            lines.append(wrapped(f"{BELOW if group[0] else INDENT}{text}", BELOW))
    return lines
