"""Asking a lake's files: why a question fails, and asking again where a build replaces a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb

from runner.build.stage import sql_error
from runner.models import sql_files
from runner.models.models import Models
from runner.stoppable import stoppable

# DuckDB opens a Parquet file twice: where a build replaces it in between, a read may fail, though
# never be wrong, and is done once more.
READS = 3

Answer = TypeVar("Answer")

# What is wrong with the SQL itself; all other errors are of the data that it reads.
FAULTS = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


class Absent(Exception):
    """The relation that is asked is not there, and need not be."""


class Unreadable(Exception):
    """A file that the answer needs cannot be read: DuckDB's reason in one line."""


@contextmanager
def asking(path: Path, may_be_absent: bool) -> Iterator[None]:
    """Tell apart why the SQL of `path` fails: Absent, Unreadable, or ClickException where the SQL
    itself is at fault.
    """
    try:
        yield
    except FAULTS as error:
        is_absent = isinstance(error, duckdb.CatalogException) and "does not exist" in str(error)
        if may_be_absent and is_absent:
            raise Absent from error
        raise sql_error(path, error) from error
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise Unreadable(" ".join(str(error).split())) from error


def again(ask: Callable[[], Answer]) -> Answer:
    """The answer to a question that reads; asked again where a build replaces a file just then."""
    for _ in range(READS - 1):
        try:
            return ask()
        except (duckdb.IOException, duckdb.InvalidInputException):
            continue
    return ask()


def read(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    """The rows of a query; asked again where a build replaces a file at that moment."""
    return again(lambda: stoppable(con, lambda: con.execute(sql).fetchall()))


def ask(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    path: Path,
    statement: Callable[[str], str] = str,
    **values,
) -> list[tuple]:
    """The rows of an SQL file, a template that is told `values`; ClickException names the file
    where its SQL is wrong. `statement`: makes of its query what is executed.
    """
    sql = statement(models.rendered(path, sql_files.read(path), **values))
    try:
        return read(con, sql)
    except FAULTS as error:
        raise sql_error(path, error) from error
