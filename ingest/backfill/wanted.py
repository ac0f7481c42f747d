"""Which klines a backfill wants, and what of it no answer covers yet: the SQL of sql/backfill."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import duckdb

from runner import catalog, engine
from runner.asking import ask
from runner.build.publish import file_list
from runner.config import Lake
from runner.models.models import Models
from runner.moments import WIDTHS_US
from runner.paths import encode

# Rows of the largest page that the exchange gives.
PAGE = 1000
# The exchange's database may lag: that it has no candle of the last minutes may be wrong.
YOUNG_US = 600_000_000
SPANS = "symbol varchar, interval varchar, from_us bigint, to_us bigint"


@dataclass(frozen=True)
class Wanted:
    """Symbols, interval, and a range in µs whose candles have all closed; its end is exclusive."""

    symbols: tuple[str, ...]
    interval: str
    from_us: int
    to_us: int

    @property
    def width_us(self) -> int:
        return WIDTHS_US[self.interval]

    @property
    def kind(self) -> str:
        """The folder of its answers."""
        return f"klines_{self.interval}"


@dataclass(frozen=True)
class Piece:
    """Candles in a row that no answer covers, as many as a page holds; from the begin of a hole
    (`is_first`) or within it, up to its end at `hole_to_us`. Times in µs.
    """

    symbol: str
    from_us: int
    to_us: int
    hole_to_us: int
    is_first: bool


@dataclass(frozen=True)
class Day:
    """A whole day of which something is missing, and when it begins."""

    symbol: str
    day: str
    from_us: int


@dataclass(frozen=True)
class Stretch:
    """Where the exchange has no candles, and how many that are."""

    symbol: str
    from_us: int
    to_us: int
    candles: int


class Plan:
    """A connection that says what is missing of what is wanted. ClickException names SQL that is
    wrong.
    """

    def __init__(self, lake: Lake, wanted: Wanted) -> None:
        models = Models(lake)
        self.wanted, self._query = wanted, _Query(models, engine.connect(models), wanted)
        self._con = self._query.con
        self._con.execute(f"create temp table answered_spans ({SPANS})")
        folder = lake.base / "raw" / "binance" / "_rest" / wanted.kind
        for symbol in wanted.symbols:
            if files := sorted((folder / encode(symbol)).glob("*/answers*.jsonl")):
                self._query.insert("answered_spans", files=file_list(files), young_us=YOUNG_US)

    def __enter__(self) -> "Plan":
        return self

    def __exit__(self, *exception: object) -> None:
        self._con.close()

    def pieces(self) -> list[Piece]:
        """The pages that are missing, a symbol after the other, in order of time."""
        page_us = PAGE * self.wanted.width_us
        return [Piece(*row) for row in self._query.rows("pages", page_us=page_us)]

    def days(self) -> list[Day]:
        """The days of which something is missing, where whole days are wanted."""
        return [Day(*row) for row in self._query.rows("days")]

    def cover(self, symbol: str, from_us: int, to_us: int) -> None:
        """Take note of an answer that has come since."""
        row = [symbol, self.wanted.interval, from_us, to_us]
        self._con.execute("insert into answered_spans values (?, ?, ?, ?)", row)


def not_stored(
    lake: Lake, wanted: Wanted, closed_us: int, is_whole: bool
) -> tuple[list[str], list[Stretch]]:
    """What of the range is not there, to be asked when all is built: answers that cannot be read
    exactly, in words, and where there are no candles. `closed_us`: up to when candles had closed;
    of the newest ones it cannot be said yet, nor of any unless all is answered (`is_whole`).
    """
    sure_us = (closed_us - YOUNG_US) // wanted.width_us * wanted.width_us
    sure = replace(wanted, to_us=min(wanted.to_us, sure_us))
    with catalog.connect(lake) as con:
        models = Models(lake)
        odd = _Query(models, con, wanted).rows("unreadable")
        is_asked = is_whole and sure_us > wanted.from_us
        rows = _Query(models, con, sure).rows("absent") if is_asked else []
    told = [f"{file}, line {line}: {reason}" for file, line, reason in odd]
    return told, [Stretch(*row) for row in rows]


class _Query:
    """The SQL of sql/backfill, asked in a connection of what is wanted."""

    def __init__(self, models: Models, con: duckdb.DuckDBPyConnection, wanted: Wanted) -> None:
        self.con, self._models, self._wanted = con, models, wanted
        folders = [encode(symbol) for symbol in wanted.symbols]
        con.execute("set variable backfill_symbols = $1::varchar[]", [list(wanted.symbols)])
        con.execute("set variable backfill_folders = $1::varchar[]", [folders])

    def rows(self, name: str, statement: Callable[[str], str] = str, **values) -> list[tuple]:
        path, wanted = self._models.file(f"sql/backfill/{name}.sql.jinja"), self._wanted
        return ask(
            self.con,
            self._models,
            path,
            statement,
            interval=wanted.interval,
            width_us=wanted.width_us,
            from_us=wanted.from_us,
            to_us=wanted.to_us,
            **values,
        )

    def insert(self, name: str, **values) -> None:
        """Insert into the table of that name."""
        self.rows(name, lambda sql: f"insert into {name} by name {sql}", **values)
