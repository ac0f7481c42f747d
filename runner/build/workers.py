"""Threads that work off units, each with its own DuckDB connection: `threads` is a setting of a
whole database.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import click
import duckdb

from runner import engine
from runner.build import notes
from runner.models.models import Models

GLANCE_S = 0.1


class Workers:
    """A pool whose connections hold the shipped macros, an empty relation of each kind, and some
    shared tables.
    """

    def __init__(self, models: Models, threads: int):
        self.models, self.local = models, threading.local()
        self.pool = ThreadPoolExecutor(max_workers=threads)
        self.opened: list[duckdb.DuckDBPyConnection] = []
        self.work: list[Future] = []
        self.shared: dict[str, notes.Table] = {}

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, error: type | None, *_) -> None:
        """Wait for what is being done; after an error or Ctrl+C stop it."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        while wait(self.work, timeout=GLANCE_S).not_done:
            for con in self.opened if error else ():
                con.interrupt()  # again and again: it stops one statement only
        for con in self.opened:
            con.close()

    def share(self, con: duckdb.DuckDBPyConnection, *tables: str) -> None:
        """Give all workers a copy of some small tables."""
        for name in tables:
            self.shared[name] = notes.table(con, name)

    def share_empty(self, con: duckdb.DuckDBPyConnection, *relations: str) -> None:
        """Give all workers the empty `no_…` of some relations, once: those never change."""
        for name in (f"no_{relation}" for relation in relations):
            if name not in self.shared:
                self.shared[name] = notes.empty(con, name)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """The calling thread's connection."""
        if not hasattr(self.local, "con"):
            self.local.con, self.local.loaded = engine.connect(self.models), {}
            self.opened.append(self.local.con)
        for name, table in self.shared.items():
            if self.local.loaded.get(name) is not table:
                table.load(self.local.con, name)
                self.local.loaded[name] = table
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

        self.work = [self.pool.submit(one, item) for item in items]
        results = map(_result, self.work)
        if len(items) > 1 and sys.stderr is not None and sys.stderr.isatty():
            return list(_shown(results, len(items), doing))
        return list(results)


def _result(work: Future) -> object:
    """What came of it, looked for now and then: on Windows a longer wait is deaf to Ctrl+C."""
    while wait([work], timeout=GLANCE_S).not_done:
        pass
    return work.result()


def _shown(results: Iterable, total: int, doing: str) -> Iterable:
    """The results as they come, counted by a bar on stderr that goes away at the end."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(results, description=doing, total=total, console=console, transient=True)
