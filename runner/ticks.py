"""Which files hold the trades and quotes of a symbol, and views over some hours of them."""

from datetime import date, timedelta
from pathlib import Path

import duckdb

from runner.inventory import Symbol
from runner.metadata import Published
from runner.models import Models
from runner.publish import scan
from runner.stage import run, unit_values

COLUMNS = {
    "trades": "trade_id, price, qty, side, source, ts_event, ts_recv",
    "quotes": "update_id, bid, bid_qty, ask, ask_qty, ts_event, ts_recv",
}
HOURS = {"trades": "trade_hours", "quotes": "quote_hours"}
HOUR_US = 3_600_000_000


class Ticks:
    """The sources of a symbol's ticks: its hour parts, and day files that hold what no hour part
    has any more.
    """

    def __init__(self, symbol: Symbol, published: dict[str, dict[str, tuple[Path, Published]]]):
        self.symbol = symbol
        self.kept = {stream: self._kept(stream, published[stream]) for stream in HOURS}

    def _kept(
        self, stream: str, published: dict[str, tuple[Path, Published]]
    ) -> dict[str, tuple[Path, dict]]:
        """Day files that are a source themselves: their raw is gone or packed, whole or by the
        hour.
        """
        key = HOURS[stream]
        staged: dict[int, int] = {}
        for note in self.symbol.staged.values():
            for row in note[key]:
                staged[row["hour"]] = staged.get(row["hour"], 0) + row[stream]
        kept = {}
        for day, (path, meta) in published.items():
            there = [(row[stream], staged.get(row["hour"], 0)) for row in meta.note[key]]
            is_short = any(held < count for count, held in there)
            if is_short and (
                day not in self.symbol.raw_days or any(held == 0 for _, held in there)
            ):
                kept[day] = (path, meta.note)
        return kept

    def of_hours(self, stream: str, hours: list[int]) -> tuple[Path, ...]:
        """The files that hold ticks of some hours (since 1970)."""
        wanted, key = set(hours), HOURS[stream]
        notes = [
            (folder / f"{stream}.parquet", note) for folder, note in self.symbol.staged.items()
        ]
        notes += self.kept[stream].values()
        return tuple(
            sorted(path for path, note in notes if any(row["hour"] in wanted for row in note[key]))
        )

    def kept_days(self) -> set[str]:
        """The days that have a day file as a source."""
        return set(self.kept["trades"]) | set(self.kept["quotes"])


def view_ticks(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    stream: str,
    of: tuple[str, str],
    sources: tuple[Path, ...],
    hours: tuple[int, int],
    until_us: int | None = None,
    has_copies: bool = True,
) -> None:
    """Make the view `trades` or `quotes` of one UTC day, or of hours of it.

    `of`: exchange and symbol; `sources`: the files that hold ticks of them; `hours`: first and
    last, counted from
    1970; `until_us`: ticks from this moment on are left out; `has_copies`: whether an id may be in
    two sources.
    """
    files = scan(list(sources)) if sources else f"no_{stream}"
    con.execute(
        f"create or replace temp view staged_{stream} as select {COLUMNS[stream]} from {files}"
    )
    end_us = (hours[1] + 1) * HOUR_US
    unit = unit_values(*of, day_text(hours[0] // 24))
    unit |= {
        "from_us": hours[0] * HOUR_US,
        "to_us": end_us if until_us is None else min(end_us, until_us),
    }
    unit["has_copies"] = has_copies
    run(con, models, stream, unit, kind="view")


def day_text(number: int) -> str:
    """The day that lies so many days after 1970-01-01.

    >>> day_text(20381)
    '2025-10-20'
    """
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def hours_of(day: str) -> list[int]:
    """The hours of a day, counted from 1970.

    >>> hours_of("1970-01-02")[::23]
    [24, 47]
    """
    first = (date.fromisoformat(day) - date(1970, 1, 1)).days * 24
    return list(range(first, first + 24))
