"""What the pages of the dashboard ask the lake: each question is an SQL file of reports/dashboard.

A viewer has one connection in memory with the lake's views; lake.db is never opened, so nobody
waits for anybody.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from runner import catalog
from runner.asking import again, asking
from runner.build.publish import sql_text
from runner.config import Lake
from runner.models import sql_files
from runner.models.models import Models
from runner.moments import EPOCH, SECOND_US, day_of
from runner.validation.look import as_posix

FOLDER = "reports/dashboard"


@dataclass(frozen=True)
class Span:
    """A stretch of time in microseconds since 1970; the end is the first moment after it."""

    from_us: int
    to_us: int

    @property
    def values(self) -> dict[str, int | str]:
        """What the SQL of a question fills in: from_us, to_us, from_day, until_day (inclusive)."""
        return {
            "from_us": self.from_us,
            "to_us": self.to_us,
            "from_day": day_of(self.from_us),
            "until_day": day_of(max(self.from_us, self.to_us - 1)),
        }

    @property
    def seconds(self) -> int:
        return (self.to_us - self.from_us) // SECOND_US

    def text(self) -> str:
        """As people read it, in UTC.

        >>> Span(0, 60_000_000).text()
        '1970-01-01 00:00 to 1970-01-01 00:01 UTC'
        """
        return f"{moment_text(self.from_us)} to {moment_text(self.to_us)} UTC"


class Viewer:
    """A connection to a lake for one viewer; made anew once a build has changed the catalog."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.models = Models(lake)
        self._con: duckdb.DuckDBPyConnection | None = None
        self._noted: tuple[int, int] | None = None

    def ask(self, name: str, tables: dict[str, pa.Table] | None = None, **values) -> pa.Table:
        """The answer to a question. `tables`: earlier answers that its SQL reads, by their names.

        asking.Absent: the lake has no such relation yet; asking.Unreadable: a file is damaged.
        """
        path = self.models.file(f"{FOLDER}/{name}.sql")
        text = sql_files.read(path)
        sql = self.models.rendered(path, text, as_posix=as_posix, literal=literal, **values)
        with asking(path, may_be_absent=True):
            return again(lambda: self._answer(sql, tables or {}))

    def _answer(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        con = self.connection()
        for name, table in tables.items():
            con.register(name, table)
        try:
            return con.sql(sql).to_arrow_table()
        except duckdb.IOException:  # a build replaces a file, or the lake was made anew
            self._con = None
            raise

    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection with the lake's views as they are now."""
        noted = catalog_state(self.lake)
        if self._con is None or noted != self._noted:
            self._con, self._noted = catalog.connect(self.lake), noted
        return self._con

    def checked(self, name: str, **values) -> str:
        """The SQL of a question of reports/checked, for one of the dashboard that builds on it."""
        path = self.models.file(f"reports/checked/{name}.sql")
        return self.models.rendered(path, sql_files.read(path), as_posix=as_posix, **values)

    def symbols(self) -> pa.Table:
        """The symbols that have bars, each with its first and last day, by the names of files."""
        place = catalog.place(self.lake.base, self.models["bars_1s"])
        return self.ask("symbols", all_files=self.checked("all_files", places=[place]))


def catalog_state(lake: Lake) -> tuple[int, int] | None:
    """Changes when a build has written another catalog; None before the first."""
    try:
        there = (lake.base / catalog.NOTED).stat()
    except OSError:
        return None
    return there.st_mtime_ns, there.st_size


def literal(value: object) -> str:
    """A value as DuckDB's SQL writes it.

    >>> literal("it's"), literal(["a", "b"]), literal(3)
    ("'it''s'", "['a', 'b']", '3')
    """
    if isinstance(value, str):
        return f"'{sql_text(value)}'"
    if isinstance(value, Iterable):
        return f"[{', '.join(map(literal, value))}]"
    return str(value)


def moment_text(us: int) -> str:
    """A moment in UTC to the minute, with seconds where it has any."""
    moment = datetime.fromtimestamp(us // SECOND_US, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970; a moment without a zone is meant in UTC."""
    aware = moment.replace(tzinfo=moment.tzinfo or UTC)
    return int((aware - EPOCH).total_seconds()) * SECOND_US
