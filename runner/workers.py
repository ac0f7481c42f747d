"""Threads that work off units, each with its own DuckDB connection: `threads` is a setting of a whole database."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import click
import duckdb

from runner import engine, notes
from runner.execute import prepare
from runner.models import Models


class Workers:
    """A pool whose connections hold the shipped macros, an empty relation of each kind, and some shared tables."""

    def __init__(self, models: Models, threads: int):
        self.models, self.local = models, threading.local()
        self.pool = ThreadPoolExecutor(max_workers=threads)
        self.opened: list[duckdb.DuckDBPyConnection] = []
        self.shared: dict[str, tuple[list[dict], dict[str, str]]] = {}
        self.version = 0

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        for con in self.opened:
            con.close()

    def share(self, con: duckdb.DuckDBPyConnection, *tables: str) -> None:
        """Give all workers a copy of some small tables."""
        for table in tables:
            self.shared[table] = notes.table(con, table)
        self.version += 1

    def connection(self) -> duckdb.DuckDBPyConnection:
        """The calling thread's connection."""
        if not hasattr(self.local, "con"):
            self.local.con = engine.connect(self.models)
            self.local.version = 0
            self.opened.append(self.local.con)
            prepare(self.local.con, self.models)
        if self.local.version != self.version:
            for table, (rows, types) in self.shared.items():
                notes.load(self.local.con, table, rows, types)
            self.local.version = self.version
        return self.local.con

    def map(self, work: Callable, items: Iterable) -> list:
        """work(connection, item) of each item, in order; where it fails, the ClickException stands for the result."""

        def one(item: object) -> object:
            try:
                con = self.connection()
                engine.clear(con, self.models, keep=tuple(self.shared))
                return work(con, item)
            except click.ClickException as error:
                return error

        return list(self.pool.map(one, items))
