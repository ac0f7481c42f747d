"""Threads that work off units, each with its own DuckDB connection: `threads` is a setting of a
whole database.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import click
import duckdb

from runner import engine, notes
from runner.models import Models


class Workers:
    """A pool whose connections hold the shipped macros, an empty relation of each kind, and some
    shared tables.
    """

    def __init__(self, models: Models, threads: int):
        self.models, self.local = models, threading.local()
        self.pool = ThreadPoolExecutor(max_workers=threads)
        self.opened: list[duckdb.DuckDBPyConnection] = []
        self.shared: dict[str, notes.Table] = {}
        self.version = 0

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        for con in self.opened:
            con.close()

    def share(self, con: duckdb.DuckDBPyConnection, *tables: str) -> None:
        """Give all workers a copy of some small tables."""
        for name in tables:
            self.shared[name] = notes.table(con, name)
        self.version += 1

    def connection(self) -> duckdb.DuckDBPyConnection:
        """The calling thread's connection."""
        if not hasattr(self.local, "con"):
            self.local.con = engine.connect(self.models)
            self.local.version = 0
            self.opened.append(self.local.con)
        if self.local.version != self.version:
            for name, table in self.shared.items():
                table.load(self.local.con, name)
            self.local.version = self.version
        return self.local.con

    def map(self, work: Callable, items: Sequence, doing: str) -> list:
        """work(connection, item) of each item, in order; a ClickException stands for a failed one's
        result. On a terminal a bar shows how far it is.
        """

        def one(item: object) -> object:
            con = self.connection()
            engine.clear(con, self.models, keep=tuple(self.shared))
            try:
                return work(con, item)
            except click.ClickException as error:
                return error
            except (duckdb.Error, OSError) as error:
                return click.ClickException(f"{item}: {error}")

        results = self.pool.map(one, items)
        if len(items) > 1 and sys.stderr is not None and sys.stderr.isatty():
            return list(_shown(results, len(items), doing))
        return list(results)


def _shown(results: Iterable, total: int, doing: str) -> Iterable:
    """The results as they come, counted by a bar on stderr that goes away at the end."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(results, description=doing, total=total, console=console, transient=True)
