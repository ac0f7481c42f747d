"""The catalog: the views and macros that users query, in `lake.db` and in in-memory connections
alike.

A stored relation's view takes exchange, symbol and day from the path of its files, so that filters
prune files.
"""

import re
from collections.abc import Container, Iterable
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb

from runner import engine
from runner.build.execute import prepare
from runner.build.publish import literal, publish, scan, sql_text, steps, target
from runner.build.stage import sql_error
from runner.config import Lake
from runner.models import words
from runner.models.models import Models
from runner.models.sql_files import Model

# between statements of the catalog; no SQL holds it
BETWEEN = ";\n--;--\n"
# What follows are comments on columns, for lake.db alone: an in-memory connection, which every
# command opens, would take a fifth longer to come up.
COMMENTS = "\n--;;--\n"
STATEMENT = re.compile(r"\bcreate\s+(?:or\s+replace\s+)?(view|macro)\s+(\w+)", re.IGNORECASE)
# The catalog as SQL, as it was last built: an in-memory connection needs no more.
NOTED = "catalog.sql"
TRIES = 3
DAY_OF_NAME = "left(parse_path(filename, 'both_slash')[-1], 10)::date"
DAY_OF_FOLDERS = (
    "regexp_replace(filename, '.*year=(\\d+).month=(\\d+).day=(\\d+)[^=]*$', '\\1-\\2-\\3')::date"
)


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """An in-memory connection with the lake's views and macros, in UTC; it never opens lake.db."""
    noted = lake.base / NOTED
    text = noted.read_text(encoding="utf-8") if noted.exists() else ""
    if not text.startswith(_first_line(lake)):
        text = _made(Models(lake))
    con = duckdb.connect()
    # an ASOF JOIN whose left side DuckDB thinks small becomes a nested loop; `global`: also for the
    # cursors of this connection, which threads of a program use
    for setting in ("TimeZone = 'UTC'", "asof_loop_join_threshold = 0"):
        con.execute(f"set global {setting}")
    engine.hide_progress(con)
    run_statements(con, text)
    return con


def _made(models: Models) -> str:
    """The catalog where no build has left it, and the files without rows that it reads.

    Nobody waits for a build here, and one that begins clears the workshop: then once more.
    """
    for _ in range(TRIES - 1):
        try:
            return _make(models)
        except (FileNotFoundError, duckdb.IOException):
            continue
    return _make(models)


def _make(models: Models) -> str:
    with engine.connect(models) as scratch:
        broken = prepare(scratch, models)
        for model in models.stored():
            if model.name not in broken and schema_is_stale(scratch, models, model):
                write_schema(scratch, models, model)
        return statements(scratch, models, broken)


def statements(con: duckdb.DuckDBPyConnection, models: Models, broken: Container[str] = ()) -> str:
    """The SQL that makes the catalog: macros, a view a stored relation, the views of sql/views,
    table macros, comments on columns; without what is broken.
    """
    whole = [model for name, model in models.models.items() if name not in broken]
    views = {
        model.name: _stored_view(con, models.lake.base, model) for model in whole if model.file
    }
    newest = partial(_newest, con, models)
    views |= {
        model.name: models.render(model.name, newest=newest) for model in whole if model.is_view
    }
    order = TopologicalSorter(
        {name: models.reads(name) & set(views) for name in views}
    ).static_order()
    parts = [_first_line(models.lake), *models.macros.sql()]
    for name in order:
        parts.append(f"create or replace view {name} as\n{views[name]}")
        parts.append(f"comment on view {name} is '{sql_text(models[name].sentence)}'")
    parts += models.macros.sql_of_rows()
    text = BETWEEN.join(part.strip().rstrip(";") for part in parts)
    return f"{text}{COMMENTS}{_comments(models, views)}"


def _comments(models: Models, names: Iterable[str]) -> str:
    """SQL that says of each column what `lake describe` does."""
    return "".join(
        f"""comment on column {name}."{column.replace('"', '""')}" is '{sql_text(told)}';\n"""
        for name in names
        for column, told in words.of(models, name).items()
        if told.meaning
    )


def run_statements(con: duckdb.DuckDBPyConnection, text: str, models: Models | None = None) -> None:
    """Execute a catalog but for the comments on columns; with models, an error names the SQL
    file.
    """
    for statement in text.partition(COMMENTS)[0].split(BETWEEN):
        try:
            con.execute(statement)
        except duckdb.Error as error:
            name = (re.search(STATEMENT, statement) or ["", "", ""])[2]
            if models is None or name not in models.models:
                raise
            raise sql_error(models[name].path, error) from error


def _first_line(lake: Lake) -> str:
    return f"-- the catalog of the lake in {lake.base.as_posix()}\nset TimeZone = 'UTC'"


def _stored_view(con: duckdb.DuckDBPyConnection, base: Path, model: Model) -> str:
    """A view over a relation's files: exchange, symbol and day come from the path, so that filters
    prune files.
    """
    parts = _parts(model)
    columns = []
    for row in con.execute(f"describe no_{model.name}").fetchall():
        name, kind = row[0], row[1]
        if name != "day" and f"{{{name}}}" in parts:
            place = parts.index(f"{{{name}}}") - len(parts)
            encoded = f"parse_path(filename, 'both_slash')[{place}]"
            # %3D as \x3D of a blob: url_decode came only with DuckDB 1.1
            columns.append(f"decode(replace({encoded}, '%', '\\x')::blob) as {name}")
        elif name == "day":
            columns.append(f"{DAY_OF_NAME if parts[-1] == '{day}' else DAY_OF_FOLDERS} as day")
        elif name == "interval" and "{interval}" in parts[-1]:
            columns.append(f"{_interval(parts[-1])} as interval")
        else:
            columns.append(f'"{name}"' if kind else name)
    path = _pattern(base, parts)
    listed = ",\n    ".join(columns)
    options = "filename = true, hive_partitioning = false"
    return f"select\n    {listed}\nfrom read_parquet('{sql_text(path)}', {options})"


def _interval(leaf: str) -> str:
    """SQL for the interval that the name of a file ends with."""
    start = len(leaf.partition("{")[0]) + 1
    return f"replace(parse_path(filename, 'both_slash')[-1][{start}:], '.parquet', '')"


def _newest(con: duckdb.DuckDBPyConnection, models: Models, name: str) -> str:
    """A stored relation, of which each symbol's newest day alone is read: the names of its files
    tell which one that is.
    """
    base, model = models.lake.base, models[name]
    pattern = sql_text(_pattern(base, _parts(model)))
    newest = f"select max(file) from glob('{pattern}') group by parse_path(file, 'both_slash')[:-5]"
    return f"({_stored_view(con, base, model)}\nwhere filename in ({newest}))"


def _parts(model: Model) -> list[str]:
    """The steps of a relation's path below the data folder, to the name of a file."""
    folder, leaf = steps(model)
    return [*folder.split("/"), "year=*", "month=*", "day=*", leaf]


def _pattern(base: Path, parts: list[str]) -> str:
    """The glob that finds all files of a relation."""
    pattern = "/".join("*" if part.startswith("{") else part for part in parts[:-1])
    return f"{literal(base)}/{pattern}/*.parquet"


def place(base: Path, model: Model) -> dict[str, str | int]:
    """Where a relation's files lie, for SQL that lists them: glob, name, and which step of a path,
    counted from its end, is the exchange or the symbol or ticker ("null" where none is).
    """
    parts = _parts(model)
    at = {part: parts.index(part) - len(parts) for part in parts}
    return {
        "relation": model.name,
        "pattern": sql_text(_pattern(base, parts)),
        "name": f"{parts[-1]}.parquet",
        "exchange_at": at.get("{exchange}", "null"),
        "symbol_at": at.get("{symbol}", at.get("{ticker}", "null")),
    }


def _schema_path(models: Models, model: Model) -> Path:
    return target(models.lake.base, model, "_schema", "_schema", "1970-01-01", "_schema")


def schema_is_stale(con: duckdb.DuckDBPyConnection, models: Models, model: Model) -> bool:
    """Whether the relation's file without rows is missing, damaged or has other columns."""
    path = _schema_path(models, model)
    if not path.exists():
        return True
    try:
        there = con.execute(f"describe from {scan([path])}").fetchall()
    except duckdb.Error:  # what a full disk or a copy cut short leaves
        return True
    wanted = con.execute(f"describe no_{model.name}").fetchall()
    return [row[:2] for row in there] != [row[:2] for row in wanted]


def write_schema(con: duckdb.DuckDBPyConnection, models: Models, model: Model) -> None:
    """DuckDB refuses a glob without a match: each relation has one file without rows."""
    con.execute(f"create or replace temp table published as from no_{model.name}")
    publish(con, models.lake.base, model, _schema_path(models, model), "zstd", {"sql": {}})
