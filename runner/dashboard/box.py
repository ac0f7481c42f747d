"""The SQL box: a query reads the lake's relations, and can neither write nor read any other file.

Two locks, as either has a hole. DuckDB's own keeps every path out but the folders of published
files; in these it could still write, even from a `select` (a CTE may hold a COPY). So the query's
syntax tree, as DuckDB itself reads it, must be made of reading alone.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import click
import duckdb
import msgspec
import pyarrow as pa

from runner import catalog
from runner.build.publish import sql_text
from runner.config import Lake
from runner.models.models import Models

ROWS = 10_000
SECONDS = 60
MEMORY = "2GB"

READING = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
# Table functions that read no file; the lake's table macros come on top.
HARMLESS = {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}

ONE_SELECT = (
    "the box takes one query that reads (select, from, with, values, describe, summarize); "
    "of a pivot, name the columns: pivot … on state in ('traded', 'dark')"
)


@dataclass(frozen=True)
class Answer:
    """The rows of a query, at most ROWS; `is_cut`: there are more."""

    rows: pa.Table
    is_cut: bool


def connect(lake: Lake, models: Models) -> duckdb.DuckDBPyConnection:
    """A connection with the lake's views that opens their files and nothing else, for good."""
    con = catalog.connect(lake)
    tops = {model.file.partition("/")[0] for model in models.stored()}
    folders = ", ".join(f"'{sql_text((lake.base / top).as_posix())}/'" for top in sorted(tops))
    con.execute(f"set memory_limit = '{MEMORY}'; set temp_directory = ''")
    con.execute("set python_enable_replacements = false")
    con.execute(f"set allowed_directories = [{folders}]")
    con.execute("set enable_external_access = false; set lock_configuration = true")
    return con


def ask(con: duckdb.DuckDBPyConnection, query: str, models: Models) -> Answer:
    """The first rows of a query; ClickException in one sentence for what it must not or cannot do,
    duckdb.IOException where a build replaces a file at that moment.
    """
    try:
        refuse(con, query, set(models.macros) | HARMLESS)
    except RecursionError:
        raise click.ClickException("the query is nested too deeply for the box") from None
    timer = threading.Timer(SECONDS, con.interrupt)
    timer.start()
    try:
        return _first(con.sql(query))
    except duckdb.InterruptException:
        raise click.ClickException(
            f"the query was stopped after {SECONDS} s; filter on symbol and day"
        ) from None
    except duckdb.OutOfMemoryException:
        raise click.ClickException(
            f"the query needs more than {MEMORY} of memory; filter on symbol and day, or ask it "
            "with `lake sql`"
        ) from None
    finally:
        timer.cancel()


def _first(relation: duckdb.DuckDBPyRelation | None) -> Answer:
    if relation is None:
        raise click.ClickException(ONE_SELECT)
    reader = relation.to_arrow_reader(ROWS + 1)
    batches, count = [], 0
    for batch in reader:
        batches.append(batch)
        count += batch.num_rows
        if count > ROWS:
            break
    rows = pa.Table.from_batches(batches, reader.schema)
    return Answer(rows.slice(0, ROWS), rows.num_rows > ROWS)


def refuse(con: duckdb.DuckDBPyConnection, query: str, functions: set[str]) -> None:
    """ClickException for a query that does anything but read relations."""
    for node in _nodes(_tree(con, query)):
        kind, function = node.get("type"), node.get("function")
        name = function.get("function_name", "") if isinstance(function, dict) else ""
        if str(kind).endswith("_NODE") and kind not in READING:
            raise click.ClickException(ONE_SELECT)
        if kind == "TABLE_FUNCTION" and name.lower() not in functions:
            raise click.ClickException(
                f"{name}() is not for the box, which reads the lake's relations alone; "
                "use `lake sql` for files"
            )
        table = node.get("table_name", "") if kind == "BASE_TABLE" else ""
        if not table.replace("_", "a").isalnum() and table:
            raise click.ClickException(
                f"{table!r} is no relation; the box reads no files: `show tables` lists what it has"
            )


def _tree(con: duckdb.DuckDBPyConnection, query: str) -> dict:
    """The syntax tree of a query; DuckDB makes one of a `select` alone."""
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise click.ClickException(str(error)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise click.ClickException(ONE_SELECT)
    [(text,)] = con.execute("select json_serialize_sql($query)", {"query": query}).fetchall()
    tree = msgspec.json.decode(text)
    if tree["error"]:
        raise click.ClickException(tree["error_message"])
    return tree


def _nodes(tree: object) -> Iterator[dict]:
    """Every object of a syntax tree."""
    if isinstance(tree, dict):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(part, dict | list):
            yield from _nodes(part)
