"""A connection to a lake that knows, beside its relations, the files that they are made of.

What is known of files and grid are the SQL files of reports/checked; rules, reports and checks read
them by their names.
"""

import os
from pathlib import Path

import duckdb

from runner import catalog
from runner.asking import READS, Unreadable, asking
from runner.build.publish import file_list, sql_text
from runner.models import sql_files
from runner.models.models import Models

OF_FILES = {
    "footers": "file varchar, rows bigint",
    "file_columns": "file varchar, position bigint, name varchar, type varchar",
}


class Look:
    """A connection (`con`) with the lake's relations and `all_files`; `values` for their SQL.

    What it makes there is temporary, so `con` may be a cursor of one that knows the relations.
    """

    def __init__(self, models: Models, con: duckdb.DuckDBPyConnection | None = None):
        self.models = models
        self.con = con or _connected(models)
        stored = [model for model in models.stored() if self.has(model.name)]
        places = [catalog.place(models.lake.base, model) for model in stored]
        self.values = {"stored": stored, "places": places, "as_posix": as_posix}
        self.make("all_files")

    def read_files(self) -> None:
        """Make `published_files` and `declared_columns`, of the footers of `asked_files`."""
        rows = self.con.execute(
            "select file from asked_files union select file from all_files where is_schema"
        ).fetchall()
        for name, columns in OF_FILES.items():
            self.con.execute(f"create temp table {name} ({columns})")
            self.load(name, [Path(file) for (file,) in rows])
        for name in ("published_files", "declared_columns"):
            self.make(name)

    def has(self, relation: str) -> bool:
        """Whether the lake has a relation yet."""
        query = "select count(*) > 0 from duckdb_views() where view_name = $name"
        return self.con.execute(query, {"name": relation}).fetchone()[0]

    def load(self, name: str, paths: list[Path]) -> None:
        """Load what files say of themselves; one that cannot be read says nothing."""
        half = len(paths) // 2
        # a build may replace a file while it is read: a single one is tried again
        for _ in range(1 if half else READS):
            try:
                if paths:
                    sql = self.sql(name, files=file_list(paths))
                    self.con.execute(f"insert into {name} {sql}")
                return
            except duckdb.InterruptException:
                raise
            except duckdb.Error:
                continue
        for some in (paths[:half], paths[half:]) if half else ():
            self.load(name, some)

    def sql(self, name: str, folder: str = "checked", **values) -> str:
        """The SQL of a file in reports/, rendered for this range."""
        path = self.models.file(f"reports/{folder}/{name}.sql")
        return self.models.rendered(path, sql_files.read(path), **{**self.values, **values})

    def make(self, file: str, name: str | None = None, kind: str = "table", **values) -> None:
        """Make a relation of a file in reports/checked."""
        name, sql = name or file, self.sql(file, **values)
        try:
            with asking(self.models.file(f"reports/checked/{file}.sql"), may_be_absent=False):
                self.con.execute(f"create temp {kind} {name} as {sql}")
        except Unreadable:
            # a file that it reads is broken: what reads the relation will say so
            self.con.execute(f"create temp view {name} as {sql}")


def _connected(models: Models) -> duckdb.DuckDBPyConnection:
    con = catalog.connect(models.lake)
    spill = models.lake.base / "work" / "validation"
    con.execute(f"set temp_directory = '{sql_text(spill)}'")
    for macro in models.macros.sql():  # a lake's catalog may be older than a rule
        con.execute(macro)
    return con


def as_posix(column: str) -> str:
    """SQL for a path with / between its steps: DuckDB lists files as the system writes them."""
    return f"replace({column}, '\\', '/')" if os.name == "nt" else column
