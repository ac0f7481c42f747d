"""Rows on the terminal: as a table, CSV or JSON."""

import csv
import io
from collections.abc import Iterator
from itertools import chain, islice

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table

NUMBERS = ("DECIMAL", "DOUBLE", "FLOAT", "BIGINT", "INTEGER", "HUGEINT", "UBIGINT")
ROWS_SHOWN = 200
ROWS_AT_ONCE = 10_000


def printed(con: duckdb.DuckDBPyConnection, query: str, form: str) -> Iterator[str]:
    """The text of a query's rows, piece by piece; the first piece holds rows already.

    CSV, and JSON with an object a line, hold all rows, as DuckDB writes them.
    """
    relation = con.sql(query)
    if relation is None:
        return
    if form == "json":
        for rows in _batches(
            con, "select to_json(row)::varchar from rows_of_this_query as row", relation
        ):
            yield "".join(f"{text}\n" for (text,) in rows)
        return
    batches = _batches(con, "select columns(*)::varchar from rows_of_this_query", relation)
    if form == "table":
        yield _table(relation.columns, [str(kind) for kind in relation.types], batches)
        return
    yield _csv_line(relation.columns) + "".join(map(_csv_line, next(batches, [])))
    for rows in batches:
        yield "".join(map(_csv_line, rows))


def _batches(
    con: duckdb.DuckDBPyConnection, sql: str, rows_of_this_query: duckdb.DuckDBPyRelation
) -> Iterator[list[tuple]]:
    """The rows of an SQL text that reads `rows_of_this_query`: DuckDB finds the variable here."""
    cursor = con.execute(sql)
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        yield rows


def _csv_line(values: tuple | list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _table(names: list[str], types: list[str], batches: Iterator[list[tuple]]) -> str:
    """A table as wide as its values; a long answer is cut and says so."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, kind in zip(names, types, strict=True):
        justify = "right" if kind.startswith(NUMBERS) else "left"
        table.add_column(name, justify=justify, no_wrap=True)
    rows = list(islice(chain.from_iterable(batches), ROWS_SHOWN + 1))
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*("" if value is None else value for value in row))
    # wide enough for anything: a terminal wraps better than cells do
    console = Console(file=io.StringIO(), width=10_000, markup=False, emoji=False, highlight=False)
    console.print(table)
    text = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"
    cut = f"… more than these {ROWS_SHOWN} rows (--format csv shows all)\n"
    return text + (cut if len(rows) > ROWS_SHOWN else "")
