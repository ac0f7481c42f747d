"""Rows on the terminal: as a table, CSV or JSON."""

import csv
import io
from collections.abc import Iterator

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table

ROWS_SHOWN = 200


def printed(con: duckdb.DuckDBPyConnection, query: str, form: str) -> Iterator[str]:
    """The text of a query's rows, piece by piece. CSV and JSON (an object a line) hold all rows,
    as DuckDB writes them.
    """
    relation = con.sql(query)
    if relation is None:
        return
    names = relation.columns
    if form == "json":
        yield from _json(con, relation, names)
        return
    texts = _texts(con, relation)
    if form == "csv":
        yield _csv_line(names)
        for row in texts:
            yield _csv_line(row)
        return
    yield _table(names, [str(kind) for kind in relation.types], texts)


def _texts(con: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation) -> Iterator[tuple]:
    """All values as text."""
    cursor = con.execute("select columns(*)::varchar from relation")
    while rows := cursor.fetchmany(10_000):
        yield from rows


def _json(
    con: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, names: list[str]
) -> Iterator[str]:
    cursor = con.execute("select to_json(row)::varchar from relation as row")
    while rows := cursor.fetchmany(10_000):
        for (text,) in rows:
            yield f"{text}\n"


def _csv_line(values: tuple | list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _table(names: list[str], types: list[str], texts: Iterator[tuple]) -> str:
    """A table as wide as its values; a long answer is cut and says so."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, kind in zip(names, types, strict=True):
        is_number = kind.startswith(
            ("DECIMAL", "DOUBLE", "FLOAT", "BIGINT", "INTEGER", "HUGEINT", "UBIGINT")
        )
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    more = 0
    for number, row in enumerate(texts):
        if number < ROWS_SHOWN:
            table.add_row(*("" if value is None else value for value in row))
        else:
            more += 1
    console = Console(soft_wrap=True, file=io.StringIO(), width=10_000)
    console.print(table)
    text = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"
    return text + (f"… {more} more rows (--format csv shows all)\n" if more else "")
