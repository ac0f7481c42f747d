"""Which files hold the trades and quotes of a symbol, and views over some hours of them."""

from datetime import date, timedelta
from pathlib import Path

import duckdb

from runner.inventory import Symbol
from runner.metadata import Published
from runner.models import Models
from runner.paths import HOUR_US
from runner.publish import scan
from runner.seals import Seals
from runner.stage import run, unit_values

COLUMNS = {
    "trades": "trade_id, price, qty, side, source, ts_event, ts_recv",
    "quotes": "update_id, bid, bid_qty, ask, ask_qty, ts_event, ts_recv",
}
HOURS = {"trades": "trade_hours", "quotes": "quote_hours"}


class Ticks:
    """The sources of a symbol's ticks: its hour parts, and day files that hold what no hour part
    has any more.

    `anew`: days that still have raw are read from raw alone.
    """

    def __init__(
        self, symbol: Symbol, published: dict[str, dict[str, tuple[Path, Published]]], anew: bool
    ):
        self.symbol, self.anew = symbol, anew
        raw_hours = {f"{hour.day}/{hour.hour:02}" for hour in symbol.hours}
        self.seals = Seals(published["archive"], raw_hours, anew)
        self.staged = self.seals.late(symbol.staged)
        self.kept = {stream: self._kept(stream, published[stream]) for stream in HOURS}
        self.files = {
            stream: {
                **{folder / f"{stream}.parquet": note[key] for folder, note in self.staged.items()},
                **{path: note[key] for path, note in self.kept[stream].values()},
            }
            for stream, key in HOURS.items()
        }
        self.overlapping: set[tuple[str, int]] = set()

    def _kept(
        self, stream: str, published: dict[str, tuple[Path, Published]]
    ) -> dict[str, tuple[Path, dict]]:
        """Day files that are a source themselves: they are sealed, or hold more than the hour
        parts, whose raw is gone.

        Not where an hour part itself once held more: then SQL leaves ticks out, which must not pass
        in silence.
        """
        key = HOURS[stream]
        staged: dict[int, int] = {}
        shrunk: set[int] = set()
        for note in self.staged.values():
            shrunk |= {int(hour) for hour in note["held"][stream]}
            for row in note[key]:
                staged[row["hour"]] = staged.get(row["hour"], 0) + row[stream]
        kept = {}
        for day, (path, meta) in published.items():
            is_short = any(staged.get(row["hour"], 0) < row[stream] for row in meta.note[key])
            is_read_anew = self.anew and day in self.symbol.raw_days
            is_gone = is_short and not is_read_anew and not shrunk & set(hours_of(day))
            if day in self.seals.days or is_gone:
                kept[day] = (path, meta.note)
        return kept

    def of_hours(self, stream: str, hours: list[int]) -> tuple[Path, ...]:
        """The files that hold ticks of some hours (since 1970), or copies of them."""
        wanted = set(hours)
        files = self.files[stream]
        found = {path for path, rows in files.items() if any(row["hour"] in wanted for row in rows)}
        if self.has_copies(stream, hours):
            ranges = [
                (row["first_id"], row["last_id"])
                for path in found
                for row in files[path]
                if row["hour"] in wanted
            ]
            least = min((first for first, _ in ranges), default=0)
            most = max((last for _, last in ranges), default=-1)
            found |= {
                path
                for path, rows in files.items()
                for row in rows
                # most files are of other days: they are told by one look
                if row["first_id"] <= most
                and row["last_id"] >= least
                and any(
                    row["first_id"] <= last and row["last_id"] >= first for first, last in ranges
                )
            }
        return tuple(sorted(found))

    def has_copies(self, stream: str, hours: list[int]) -> bool:
        """Whether an id of these hours may be in two files.

        A day file that is a source may be replaced in this very build, by one that holds all.
        """
        is_kept = any(day_text(hour // 24) in self.kept[stream] for hour in hours)
        return is_kept or any((stream, hour) in self.overlapping for hour in hours)

    def is_sealed(self, hours: list[int]) -> bool:
        """Whether the day of these hours is sealed: then its files stand against changed SQL."""
        return day_text(hours[0] // 24) in self.seals.days

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
    is_sealed: bool = False,
) -> None:
    """Make the view `trades` or `quotes` of one UTC day, or of hours of it.

    `of`: exchange and symbol; `sources`: the files that hold ticks of them; `hours`: first and
    last, counted from
    1970; `until_us`: ticks from this moment on are left out; `has_copies`: whether an id may be in
    two sources; `is_sealed`: what is published stands, whatever the SQL is now.
    """
    day = day_text(hours[0] // 24)
    folder = models.lake.base / "work"
    groups = {"false": [path for path in sources if path.is_relative_to(folder)]}
    groups["true"] = [path for path in sources if not path.is_relative_to(folder)]
    stands = [path for path in groups["true"] if is_sealed and path.stem == day]
    groups["true"] = [path for path in groups["true"] if path not in stands]
    scans = [
        f"select {COLUMNS[stream]}, {is_kept} as is_kept from {scan(paths)}"
        for is_kept, paths in groups.items()
        if paths
    ] or [f"select {COLUMNS[stream]}, false as is_kept from no_{stream}"]
    con.execute(f"create or replace temp view staged_{stream} as {' union all '.join(scans)}")
    end_us = (hours[1] + 1) * HOUR_US
    unit = unit_values(*of, day)
    unit |= {
        "from_us": hours[0] * HOUR_US,
        "to_us": end_us if until_us is None else min(end_us, until_us),
    }
    unit["has_copies"] = has_copies
    if not stands:
        run(con, models, stream, unit, kind="view")
        return
    con.execute(
        f"create or replace temp view sealed_{stream} as from {scan(stands)} "
        f"where epoch_us(ts_event) // {HOUR_US} between {hours[0]} and {hours[1]}"
    )
    late = models.render(stream, **unit)
    con.execute(f"create or replace temp view late_{stream} as {late}")
    run(con, models, f"reopened_{stream}", unit, kind="view")
    whole = f"reopened_{stream}" if len(stands) < len(sources) else f"sealed_{stream}"
    con.execute(f"create or replace temp view {stream} as from {whole}")


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
