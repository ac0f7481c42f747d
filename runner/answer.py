"""Rows on the terminal: as a table, CSV or JSON."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import duckdb
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from runner.stoppable import stoppable

NUMBERS = ("DECIMAL", "DOUBLE", "FLOAT", "BIGINT", "INTEGER", "HUGEINT", "UBIGINT")
ROWS_SHOWN = 200
ROWS_AT_ONCE = 10_000
# Names of columns that tell less than others where they say the same in every row.
KEYS = ("exchange", "symbol", "day")
# The name of the column that goes last: whether a row can be trusted.
VERDICT = "verdict"
# Between columns of a table that cannot show all.
GAP = 2


class Answer:
    """The text of a query's rows, piece by piece; `rows`: how many it has told so far, None for a
    statement that returns none.

    CSV, and JSON with an object a line, hold all rows, as DuckDB writes them. `width`: of the
    terminal, for a table; None: as wide as its values.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, query: str, form: str, width: int | None = None
    ):
        self.con, self.query, self.form, self.width = con, query, form, width
        self.rows: int | None = None
        self.first: list[str] = []
        self.pieces = self._pieces()

    def begin(self) -> None:
        """Make the first piece, which holds rows already; duckdb.Error where that fails."""
        self.first = self._next()

    def __iter__(self) -> Iterator[str]:
        yield from self.first
        while piece := self._next():
            yield from piece

    def _next(self) -> list[str]:
        """The next piece, or none."""
        return stoppable(self.con, lambda: list(islice(self.pieces, 1)))

    def _pieces(self) -> Iterator[str]:
        relation = self.con.sql(self.query)
        if relation is None:
            return
        self.rows = 0
        if self.form == "json":
            rows_as = "select to_json(row)::varchar from rows_of_this_query as row"
            for rows in self._batches(rows_as, relation):
                yield "".join(f"{text}\n" for (text,) in rows)
            return
        batches = self._batches("select columns(*)::varchar from rows_of_this_query", relation)
        if self.form == "table":
            types = [str(kind) for kind in relation.types]
            yield table(relation.columns, types, batches, self.width)
            return
        yield _csv_line(relation.columns) + "".join(map(_csv_line, next(batches, [])))
        for rows in batches:
            yield "".join(map(_csv_line, rows))

    def _batches(
        self, sql: str, rows_of_this_query: duckdb.DuckDBPyRelation
    ) -> Iterator[list[tuple]]:
        """The rows of an SQL text that reads `rows_of_this_query`: DuckDB finds the variable
        here.
        """
        cursor = self.con.execute(sql)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            self.rows += len(rows)
            yield rows


def _csv_line(values: tuple | list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def table(
    names: list[str], types: list[str], batches: Iterable[list[tuple]], width: int | None = None
) -> str:
    """A table as wide as its values, or `width`: then columns are left out. What is cut says so."""
    rows = list(islice(chain.from_iterable(batches), ROWS_SHOWN + 1))
    shown = [["" if value is None else value for value in row] for row in rows[:ROWS_SHOWN]]
    columns = list(zip(names, *shown, strict=True))
    wide = [max(map(cell_len, column)) for column in columns]
    gap, kept = _fitting(wide, width, _going(columns))
    padding = (0, gap >= 2, 0, gap >= 3)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=padding)
    for number in kept:
        is_number = types[number].startswith(NUMBERS)
        justify = "right" if is_number else "left"
        drawn.add_column(names[number], justify=justify, no_wrap=True)
    for row in shown:
        drawn.add_row(*(row[number] for number in kept))
    # wide enough for anything: a terminal wraps better than cells do
    console = Console(file=io.StringIO(), width=10_000, markup=False, emoji=False, highlight=False)
    console.print(drawn)
    text = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"
    left_out = [name for number, name in enumerate(names) if number not in kept]
    return text + "".join(_cuts(len(rows), left_out, width))


def _cuts(rows: int, left_out: list[str], width: int | None) -> Iterator[str]:
    """What a table does not show, and how to see it."""
    if rows > ROWS_SHOWN:
        yield f"… more than these {ROWS_SHOWN} rows (--format csv shows all)\n"
    if left_out:
        yield _named(left_out, "(--format csv shows all)", width) + "\n"


def _named(left_out: list[str], how: str, width: int) -> str:
    """The columns that are left out, as many of them by name as a line holds.

    >>> _named(["day", "vwap", "spread"], "(all: csv)", 45)
    '… without day, vwap, spread (all: csv)'
    >>> _named(["day", "vwap", "spread"], "(all: csv)", 37)
    '… without day and 2 more (all: csv)'
    """
    line = f"… without {', '.join(left_out)} {how}"
    for known in range(len(left_out) - 1, 0, -1):
        if cell_len(line) <= width:
            break
        some = ", ".join(left_out[:known])
        line = f"… without {some} and {len(left_out) - known} more {how}"
    return line


def _going(columns: list[tuple]) -> list[int]:
    """The columns, each its name and its values, in the order in which they are left out.

    >>> _going([("day", 1, 1), ("symbol", 1, 2), ("verdict", 3, 3), ("count", 3, 3)])
    [0, 3, 1, 2]
    >>> _going([("day", 1), ("symbol", 1)])
    [1, 0]
    """

    def rank(number: int) -> tuple[bool, bool, int]:
        name, *values = columns[number]
        is_same = name in KEYS and len(values) > 1 and len(set(values)) == 1
        return not is_same, name == VERDICT, number if is_same else -number

    return sorted(range(len(columns)), key=rank)


def _fitting(wide: list[int], width: int | None, going: list[int]) -> tuple[int, list[int]]:
    """The gap between columns, and which fit: all of them if a narrower gap does it, else those
    that are left when others have gone.

    >>> _fitting([10] * 3, 36, [2, 1, 0]), _fitting([10] * 3, 32, [2, 1, 0])
    ((3, [0, 1, 2]), (1, [0, 1, 2]))
    >>> _fitting([10] * 4, None, [3, 2, 1, 0]), _fitting([10] * 4, 40, [0, 3, 2, 1])
    ((3, [0, 1, 2, 3]), (2, [1, 2, 3]))
    >>> _fitting([90, 10], 80, [1, 0])
    (2, [0])
    """
    kept = list(range(len(wide)))
    for gap in (3, 2, 1):
        if width is None or sum(wide) + gap * (len(wide) - 1) <= width:
            return gap, kept
    for number in going[:-1]:
        if sum(wide[one] + GAP for one in kept) - GAP <= width:
            break
        kept.remove(number)
    return GAP, kept
