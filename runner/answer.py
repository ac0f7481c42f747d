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

NUMBERS = ("DECIMAL", "DOUBLE", "FLOAT", "BIGINT", "INTEGER", "HUGEINT", "UBIGINT")
ROWS_SHOWN = 200
ROWS_AT_ONCE = 10_000


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
        self.first = list(islice(self.pieces, 1))

    def __iter__(self) -> Iterator[str]:
        return chain(self.first, self.pieces)

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


def printed(con: duckdb.DuckDBPyConnection, query: str, form: str) -> Iterator[str]:
    """The text of a query's rows, piece by piece."""
    return iter(Answer(con, query, form))


def _csv_line(values: tuple | list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def table(
    names: list[str], types: list[str], batches: Iterable[list[tuple]], width: int | None = None
) -> str:
    """A table as wide as its values, or `width`: then columns in its middle are left out. What is
    cut says so.
    """
    rows = list(islice(chain.from_iterable(batches), ROWS_SHOWN + 1))
    shown = [["" if value is None else value for value in row] for row in rows[:ROWS_SHOWN]]
    wide = [max(map(cell_len, column)) for column in zip(names, *shown, strict=True)]
    gap, left, right = _fitting(wide, width)
    dots = [None] if left + right < len(names) else []
    kept = [*range(left), *dots, *range(len(names) - right, len(names))]
    padding = (0, gap >= 2, 0, gap >= 3)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=padding)
    for number in kept:
        is_number = number is not None and types[number].startswith(NUMBERS)
        name = "…" if number is None else names[number]
        drawn.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in shown:
        drawn.add_row(*("…" if number is None else row[number] for number in kept))
    # wide enough for anything: a terminal wraps better than cells do
    console = Console(file=io.StringIO(), width=10_000, markup=False, emoji=False, highlight=False)
    console.print(drawn)
    text = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"
    return text + "".join(_cuts(len(rows), left + right, len(names)))


def _cuts(rows: int, columns: int, all_columns: int) -> Iterator[str]:
    """What a table does not show, and how to see it."""
    if rows > ROWS_SHOWN:
        yield f"… more than these {ROWS_SHOWN} rows (--format csv shows all)\n"
    if columns < all_columns:
        some = f"{columns} of {all_columns} columns"
        yield f"… {some}: name those that you want (--format csv shows all)\n"


def _fitting(wide: list[int], width: int | None) -> tuple[int, int, int]:
    """The gap between columns, and how many of the left and of the right end fit: all of them if a
    narrower gap does it, else those beside a column of dots.

    >>> _fitting([10, 10, 10], 36), _fitting([10, 10, 10], 32), _fitting([10] * 9, None)
    ((3, 3, 0), (1, 3, 0), (3, 9, 0))
    >>> _fitting([10] * 9, 80), _fitting([90, 10], 80)
    ((3, 3, 3), (3, 1, 0))
    """
    for gap in (3, 2, 1):
        if width is None or sum(wide) + gap * (len(wide) - 1) <= width:
            return gap, len(wide), 0
    gap, left, right, used = 3, 1, 0, wide[0] + 3 + 1
    while left + right < len(wide) - 1:
        is_left = left <= right
        used += gap + (wide[left] if is_left else wide[len(wide) - 1 - right])
        if used > width:
            break
        left, right = left + is_left, right + (not is_left)
    return gap, left, right
