"""The plan of one symbol: SQL compares what its files would hold with what the published ones say
they hold.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from runner import notes
from runner.inventory import Symbol, published_days
from runner.metadata import Metadata, Published
from runner.models import Models
from runner.paths import encode
from runner.publish import target
from runner.stage import run, unit_values
from runner.ticks import HOUR_US, HOURS, Ticks, day_text, hours_of, view_ticks
from runner.unit import Unit, why_stale

# What the plan computes, in the order in which one reads the other; `covers` and `tape_days` are
# also published.
PLAN_MODELS = [
    "stalls",
    "tape_span",
    "tape_hours",
    "quote_tape_hours",
    "merged_covers",
    "recorded_days",
    "holes",
    "bar_hours",
    "tick_days",
    "covers",
    "tape_days",
]
OF_SYMBOL = ("trades", "quotes", "covers", "rejects", "tape_days", "bars_1s")


@dataclass
class SymbolPlan:
    """What is stale of a symbol, and how many published trades are in no file any more, by day."""

    symbol: str
    units: list[Unit]
    lost: dict[str, int]


class Planner:
    """The plan of one symbol on one connection. `force`: all is stale, and loss is accepted."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        models: Models,
        symbol: Symbol,
        complete_until_us: int,
        force: bool = False,
        may_lose: bool = False,
    ):
        self.con, self.models, self.symbol = con, models, symbol
        self.base, self.of = models.lake.base, symbol.of
        self.complete_until_us, self.force, self.may_lose = complete_until_us, force, may_lose

    def plan(self) -> SymbolPlan:
        """The stale units; where published trades are lost, only those of ticks, which refuse by
        themselves.
        """
        cache = Metadata(
            self.base / "work" / "metadata" / encode(self.of[0]) / f"{encode(self.of[1])}.msgpack"
        )
        self.published = {name: self._published(cache, name) for name in OF_SYMBOL}
        cache.save()
        self.ticks = Ticks(self.symbol, self.published)
        self._tables()
        lost = {} if self.may_lose else self._lost()
        units = self._tick_units() + self._reject_units()
        if not lost:
            units += (
                self._daily_units("covers") + self._daily_units("tape_days") + self._bar_units()
            )
        return SymbolPlan(self.symbol.name, units, lost)

    def _published(self, cache: Metadata, name: str) -> dict[str, tuple[Path, Published]]:
        days = published_days(self.base, self.models[name], *self.of)
        found = cache.read(self.con, list(days.values()))
        return {day: (path, found[path]) for day, path in days.items() if path in found}

    def _tables(self) -> None:
        """Load the notes and compute the plan's relations."""
        days = self.ticks.kept_days()
        kept = [note for files in self.ticks.kept.values() for _, note in files.values()]
        kept += [meta.note for day, (_, meta) in self.published["covers"].items() if day in days]
        notes.load_notes(self.con, list(self.symbol.staged.values()), kept)
        unit = unit_values(*self.of, "1970-01-01") | {"complete_until_us": self.complete_until_us}
        run(self.con, self.models, "overlapping_hours", unit)
        self.overlapping = set(self.con.execute("from overlapping_hours").fetchall())
        for stream, hour in sorted(self.overlapping):
            self._count_exactly(stream, hour)
        for name in PLAN_MODELS:
            run(self.con, self.models, name, unit)

    def _count_exactly(self, stream: str, hour: int) -> None:
        """Note an hour from its rows, where several files hold the same range of ids."""
        sources = self.ticks.of_hours(stream, [hour])
        view_ticks(self.con, self.models, stream, self.of, sources, (hour, hour))
        self.con.execute(f"create or replace temp view noted_{stream} as from {stream}")
        run(self.con, self.models, HOURS[stream], {}, kind="view")
        self.con.execute(f"insert into exact_{HOURS[stream]} by name from {HOURS[stream]}")

    def _lost(self) -> dict[str, int]:
        """Published trades that are in no file any more: the certificate knew more than there is
        now.
        """
        counts = dict(self.con.execute("select day::varchar, count from tape_days").fetchall())
        known = {day: meta.note["trades"] for day, (_, meta) in self.published["tape_days"].items()}
        return {
            day: count - counts.get(day, 0)
            for day, count in known.items()
            if count > counts.get(day, 0)
        }

    def _tick_units(self) -> list[Unit]:
        units = []
        rows = self.con.execute(
            "select stream, day_number, digest from tick_days order by all"
        ).fetchall()
        for stream, number, digest in rows:
            day, inputs = day_text(number), {"ticks": digest}
            sources = self.ticks.of_hours(stream, hours_of(day))
            is_its_own = day in self.ticks.kept[stream] and len(sources) == 1
            why = None if is_its_own else self._why(stream, day, inputs)
            if why:
                context = {"has_copies": self._has_copies(stream, hours_of(day))}
                note = self._tick_note(stream, number)
                units.append(
                    self._unit(
                        stream, day, why, sources=sources, inputs=inputs, note=note, context=context
                    )
                )
        return units

    def _has_copies(self, stream: str, hours: list[int]) -> bool:
        """Whether an id may be in two files that hold ticks of these hours."""
        return any((stream, hour) in self.overlapping for hour in hours)

    def _tick_note(self, stream: str, day_number: int) -> dict:
        """What later plans ask of a day file without its rows; like the file, up to the last
        complete hour.
        """
        where = f"hour // 24 = {day_number} and (hour + 1) * {HOUR_US} <= {self.complete_until_us}"
        if stream == "quotes":
            return {
                "quote_hours": notes.rows_of(
                    self.con, f"(from quote_tape_hours where {where} order by hour)"
                )
            }
        return {
            "trade_hours": notes.rows_of(
                self.con, f"(from tape_hours where {where} order by hour)"
            ),
            "trade_runs": notes.rows_of(
                self.con, f"(select distinct * from noted_runs where {where} order by all)"
            ),
        }

    def _reject_units(self) -> list[Unit]:
        """The days of receipt with unreadable lines, or that had some."""
        days: dict[str, list[tuple[Path, dict]]] = {}
        for folder, note in self.symbol.staged.items():
            days.setdefault(folder.parent.name, []).append((folder, note))
        units = []
        for day, hours in sorted(days.items()):
            files = [
                (folder / "rejects.parquet", note) for folder, note in hours if note["rejects"]
            ]
            total = sum(int(note["rejects_hash"]) for _, note in files)
            inputs = {"rejects": sum(note["rejects"] for _, note in files), "hash": str(total)}
            if files or day in self.published["rejects"]:
                why = self._why("rejects", day, inputs)
                sources = tuple(path for path, _ in files)
                units += (
                    [self._unit("rejects", day, why, sources=sources, inputs=inputs)] if why else []
                )
        return units

    def _daily_units(self, name: str) -> list[Unit]:
        """Small relations that the plan has computed whole: compared by their rows."""
        units = []
        for day, table in notes.tables_by_day(self.con, name).items():
            inputs = {"rows": table.digest}
            if why := self._why(name, day, inputs):
                note = self._daily_note(name, day)
                units.append(
                    self._unit(
                        name, day, why, inputs=inputs, note=note, context={"published": table}
                    )
                )
        return units

    def _daily_note(self, name: str, day: str) -> dict:
        """What later plans ask of the file: a certificate's count, a day's covers."""
        if name == "tape_days":
            return {
                "trades": self.con.execute(
                    "select count from tape_days where day = $day", {"day": day}
                ).fetchone()[0]
            }
        times = "select epoch_us(start_at) as start_us, epoch_us(end_at) as end_us from covers"
        return {
            "covers": notes.rows_of(self.con, f"({times} where day = date '{day}' order by all)")
        }

    def _bar_units(self) -> list[Unit]:
        days: dict[str, dict[str, str]] = {}
        for number, hour, digest in self.con.execute(
            "select day_number, hour, digest from bar_hours order by hour"
        ).fetchall():
            days.setdefault(day_text(number), {})[str(hour)] = digest
        found = [
            (day, digests, self._why("bars_1s", day, digests)) for day, digests in days.items()
        ]
        return [self._bar_unit(day, digests, why) for day, digests, why in found if why]

    def _bar_unit(self, day: str, digests: dict[str, str], why: str) -> Unit:
        """The bars of a day: from the first hour that changed to the last; the file's other hours
        stay.
        """
        _, old = self.published["bars_1s"].get(day, (None, None))
        is_usable = old and not self.force and old.sql == self.models.fingerprint("bars_1s")
        kept = old.inputs if is_usable and set(old.inputs) <= set(digests) else {}
        changed = [int(hour) for hour, digest in digests.items() if kept.get(hour) != digest]
        hours = tuple(range(min(changed), max(changed) + 1))
        if kept:
            why = f"{len(changed)} of {len(digests)} hours changed"
        sources = {stream: self.ticks.of_hours(stream, list(hours)) for stream in HOURS}
        copies = {stream: self._has_copies(stream, list(hours)) for stream in HOURS}
        context = {"sources": sources, "has_copies": copies, **self._bar_context(hours)}
        return self._unit("bars_1s", day, why, hours=hours, inputs=digests, context=context)

    def _bar_context(self, hours: tuple[int, ...]) -> dict[str, notes.Table]:
        """What the plan's relations say of some hours, and of the cover that a carried quote lies
        in.
        """
        first, end = hours[0], hours[-1] + 1
        quoted = self.con.execute(
            "select min(quote_us) from bar_hours where hour between $first and $last",
            {"first": first, "last": hours[-1]},
        ).fetchone()[0]
        since_us = min(first * HOUR_US, quoted or first * HOUR_US)
        parts = {
            "bar_hours": f"hour >= {first} and hour < {end}",
            "holes": f"to_second >= {first * 3600} and from_second < {end * 3600}",
            "merged_covers": f"end_us >= {since_us} and start_us < {end * HOUR_US}",
        }
        return {
            name: notes.table(self.con, f"(from {name} where {where})")
            for name, where in parts.items()
        }

    def _why(self, name: str, day: str, inputs: dict) -> str | None:
        _, found = self.published[name].get(day, (None, None))
        why = why_stale(found, self.models.fingerprint(name), inputs)
        return why or ("asked for" if self.force else None)

    def _unit(self, name: str, day: str, why: str, **more) -> Unit:
        return Unit(
            name, *self.of, day, target(self.base, self.models[name], *self.of, day), why, **more
        )
