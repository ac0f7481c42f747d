"""Which files hold the trades and quotes of a symbol, and views over some hours of them."""

from pathlib import Path

import duckdb

from runner.build.inventory import Symbol
from runner.build.metadata import Published
from runner.build.publish import scan
from runner.build.stage import run, unit_values
from runner.models.models import Models
from runner.moments import HOURS_A_DAY, day_text, hours_of
from runner.paths import HOUR_US
from runner.seal.seals import Seals

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
        is_kept = any(day_text(hour // HOURS_A_DAY) in self.kept[stream] for hour in hours)
        return is_kept or any((stream, hour) in self.overlapping for hour in hours)

    def is_sealed(self, hours: list[int]) -> bool:
        """Whether the day of these hours is sealed: then its files stand against changed SQL."""
        return day_text(hours[0] // HOURS_A_DAY) in self.seals.days

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
    last, counted from 1970; `until_us`: ticks from this moment on are left out; `has_copies`:
    whether an id may be in two sources; `is_sealed`: what is published stands, whatever the SQL is.
    """
    day = day_text(hours[0] // HOURS_A_DAY)
    workshop = models.lake.base / "work"
    kept = [path for path in sources if not path.is_relative_to(workshop)]
    stands = [path for path in kept if is_sealed and path.stem == day]
    staged = _staged(
        stream,
        [path for path in sources if path not in kept],
        [path for path in kept if path not in stands],
    )
    con.execute(f"create or replace temp view staged_{stream} as {staged}")
    end_us = (hours[1] + 1) * HOUR_US
    unit = unit_values(*of, day) | {
        "from_us": hours[0] * HOUR_US,
        "to_us": end_us if until_us is None else min(end_us, until_us),
        "has_copies": has_copies,
    }
    if stands:
        _view_reopened(con, models, stream, hours, stands, unit, len(stands) < len(sources))
    else:
        run(con, models, stream, unit, kind="view")


def _view_reopened(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    stream: str,
    hours: tuple[int, int],
    stands: list[Path],
    unit: dict,
    has_late: bool,
) -> None:
    """Make the view of a sealed day's hours: its own file, and what came late."""
    con.execute(
        f"create or replace temp view sealed_{stream} as from {scan(stands)} "
        f"where epoch_us(ts_event) // {HOUR_US} between {hours[0]} and {hours[1]}"
    )
    late = models.render(stream, **unit)
    con.execute(f"create or replace temp view late_{stream} as {late}")
    run(con, models, f"reopened_{stream}", unit, kind="view")
    whole = f"reopened_{stream}" if has_late else f"sealed_{stream}"
    con.execute(f"create or replace temp view {stream} as from {whole}")


def _staged(stream: str, hour_parts: list[Path], day_files: list[Path]) -> str:
    """SQL for the ticks of files; `is_kept`: from a day file."""
    scans = [
        f"select {COLUMNS[stream]}, {is_kept} as is_kept from {scan(paths)}"
        for is_kept, paths in (("false", hour_parts), ("true", day_files))
        if paths
    ]
    nothing = f"select {COLUMNS[stream]}, false as is_kept from no_{stream}"
    return " union all ".join(scans) or nothing
