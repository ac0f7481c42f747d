"""The SQL box: a query reads the lake's relations, and can neither write nor read any other file.

Two locks, as either has a hole. DuckDB's own keeps every path out but the folders of published
files; in these it could still write, even from a `select` (a CTE may hold a COPY). So the query's
syntax tree, as DuckDB itself reads it, must be made of reading alone.
"""

import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import click
import duckdb
import msgspec
import pyarrow as pa

from runner import catalog
from runner.build.publish import literal, sql_text
from runner.config import Lake
from runner.models.models import Models

ROWS = 10_000
BATCH = 500
BYTES = 64 << 20
SECONDS = 60
MEMORY = "2GB"

READING = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
# Table functions that read no file; the lake's table macros come on top.
HARMLESS = {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}
# An `explain analyze` asks the query, and so may ask no more than the box itself.
EXPLAIN = re.compile(r"explain(\s+analyze)?\b", re.IGNORECASE)

ONE_SELECT = (
    "the box takes one query that reads (select, from, with, values, describe, summarize, "
    "explain); "
    "of a pivot, name the columns: pivot … on state in ('traded', 'dark')"
)


@dataclass(frozen=True)
class Answer:
    """The rows of a query, at most ROWS; `is_cut`: there are more; `is_plan`: of an `explain`."""

    rows: pa.Table
    is_cut: bool
    is_plan: bool = False


def connect(lake: Lake, models: Models) -> duckdb.DuckDBPyConnection:
    """A connection with the lake's views that opens their files and nothing else, for good."""
    con = catalog.connect(lake)
    tops = {model.file.partition("/")[0] for model in models.stored()}
    bases = {lake.base.as_posix(), literal(lake.base)}  # as files are named, and as globs are
    folders = ", ".join(f"'{sql_text(f'{base}/{top}/')}'" for base in bases for top in sorted(tops))
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
    stopped = threading.Event()
    timer = threading.Timer(SECONDS, lambda: (stopped.set(), con.interrupt()))
    timer.start()
    try:
        return _first(con.sql(query))
    except (duckdb.Error, OSError) as error:
        raise _fault(error, stopped.is_set()) from None
    finally:
        timer.cancel()


def _fault(error: duckdb.Error | OSError, is_stopped: bool) -> Exception:
    """What to tell of a query that failed; in the midst of an answer it is Arrow that fails."""
    if is_stopped:
        return click.ClickException(
            f"the query was stopped after {SECONDS} s; filter on symbol and day"
        )
    if str(error).startswith("Out of Memory"):
        return click.ClickException(
            f"the query needs more than {MEMORY} of memory; filter on symbol and day, or ask it "
            "with `lake sql`"
        )
    return error if isinstance(error, duckdb.Error) else duckdb.IOException(str(error))


def _first(relation: duckdb.DuckDBPyRelation | None) -> Answer:
    if relation is None:
        raise click.ClickException(ONE_SELECT)
    reader = relation.to_arrow_reader(BATCH)
    batches, count, size = [], 0, 0
    for batch in reader:
        batches.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
        if size > BYTES:
            raise click.ClickException(
                f"the first {count:,} rows are larger than {BYTES >> 20} MB, too much for the box: "
                "ask for fewer or smaller columns, or with `lake sql`"
            )
        if count > ROWS:
            break
    rows = pa.Table.from_batches(batches, reader.schema)
    rows = rows.rename_columns(_unique(rows.column_names))
    is_plan = rows.column_names == ["explain_key", "explain_value"]
    return Answer(rows.slice(0, ROWS), rows.num_rows > ROWS, is_plan)


def _unique(names: list[str]) -> list[str]:
    """Names of columns told apart as DuckDB does where it must: a table shows one of each.

    >>> _unique(["a", "b", "a"])
    ['a', 'b', 'a_1']
    """
    told: list[str] = []
    for name in names:
        numbers = itertools.count(1)
        one = name
        while one in told:
            one = f"{name}_{next(numbers)}"
        told.append(one)
    return told


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
    """The syntax tree of a query, or of the one that it explains; DuckDB makes one of a `select`
    alone."""
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise click.ClickException(str(error)) from None
    if [one.type for one in statements] == [duckdb.StatementType.EXPLAIN]:
        return _tree(con, EXPLAIN.sub("", statements[0].query))
    if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
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
