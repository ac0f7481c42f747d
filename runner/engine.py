"""DuckDB connections as the build needs them: in memory, one thread, UTC, the lake's macros
loaded.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click
import duckdb

from runner.models.models import Models

SETTINGS = """
set threads = 1;
set TimeZone = 'UTC';
set preserve_insertion_order = false;
set asof_loop_join_threshold = 0;
set disabled_optimizers = 'statistics_propagation';
"""
# `threads` is per database, so each worker has its own. An ASOF JOIN whose left side DuckDB thinks
# small becomes a
# nested loop, 38 times slower. With statistics propagation, Parquet columns are marked REQUIRED
# where a plan proves
# that no NULL occurs, and the bytes of a file depend on the route that its rows took.


def connect(models: Models, memory_limit: str = "500MB") -> duckdb.DuckDBPyConnection:
    """A connection for one worker; spills to the lake's work/spill."""
    spill = models.lake.base / "work" / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(config={"temp_directory": str(spill), "memory_limit": memory_limit})
    con.execute(SETTINGS)
    hide_progress(con)
    for macro in models.macros.sql():
        _make(con, models, macro)
    return con


def hide_progress(con: duckdb.DuckDBPyConnection) -> None:
    """Show no progress bar. In Jupyter without ipywidgets there is none, and setting it fails."""
    if con.execute("select current_setting('enable_progress_bar')").fetchone()[0]:
        con.execute("set enable_progress_bar = false")


def _make(con: duckdb.DuckDBPyConnection, models: Models, macro: str) -> None:
    """Make a macro; an error names its file, the line and DuckDB's message."""
    try:
        con.execute(macro)
    except duckdb.Error as error:
        name = re.search(r"macro\s+(\w+)", macro, re.IGNORECASE)[1]
        line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
        where = f"{models.macros[name]}, line {line[1] if line else 1}"
        raise click.ClickException(f"{where}: {error}") from error


@contextmanager
def memory(con: duckdb.DuckDBPyConnection, limit: str) -> Iterator[None]:
    """Another memory limit for a while."""
    before = con.execute("select current_setting('memory_limit')").fetchone()[0]
    con.execute(f"set memory_limit = '{limit}'")
    try:
        yield
    finally:
        con.execute(f"set memory_limit = '{before}'")


def clear(con: duckdb.DuckDBPyConnection, models: Models, keep: tuple[str, ...] = ()) -> None:
    """Drop the relations that the unit before left behind: a table frees memory, a view may become
    a table.
    """
    left = con.execute(
        "select 'table', table_name from duckdb_tables() where temporary "
        "union all select 'view', view_name from duckdb_views() where temporary"
    ).fetchall()
    for kind, name in left:
        if (name in models.models or name == "published") and name not in keep:
            con.execute(f"drop {kind} {name}")
