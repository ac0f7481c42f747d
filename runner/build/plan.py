"""The plan of one symbol: SQL compares what its files would hold with what the published ones say
they hold.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from runner.build import day_notes, notes
from runner.build.bar_plan import bar_units
from runner.build.inventory import Symbol, published_days
from runner.build.metadata import Metadata
from runner.build.publish import target
from runner.build.settled import Settled
from runner.build.stage import run, unit_values
from runner.build.ticks import HOURS, Ticks, day_text, hours_of, view_ticks
from runner.build.unit import Unit, why_stale
from runner.models.models import Models
from runner.paths import encode
from runner.seal.seals import standing

# What the plan computes, in the order in which one reads the other; `covers` and `tape_days` are
# also published.
PLAN_MODELS = [
    "stalls",
    "tape_span",
    "tape_hours",
    "quote_tape_hours",
    "merged_covers",
    "recorded_days",
    "absent_ids",
    "absent_days",
    "holes",
    "grid_hours",
    "bar_hours",
    "tick_days",
    "covers",
    "tape_days",
]
NOTE_OF = {"tape_days": day_notes.of_certificate, "covers": day_notes.of_covers}
OF_SYMBOL = ("trades", "quotes", "covers", "rejects", "tape_days", "bars_1s", "archive")


@dataclass
class SymbolPlan:
    """What is stale of a symbol, how many published ticks are in no file any more, by day, and
    which days are sealed: their ticks stand.
    """

    symbol: str
    units: list[Unit]
    lost: dict[str, str]
    standing: list[str]


class Planner:
    """The plan of one symbol on one connection. `force`: all is stale; `may_lose`: loss is
    accepted; `is_whole`: settled days are planned too.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        models: Models,
        symbol: Symbol,
        complete_until_us: int,
        force: bool = False,
        may_lose: bool = False,
        is_whole: bool = False,
    ):
        self.con, self.models, self.symbol = con, models, symbol
        self.base, self.of = models.lake.base, symbol.of
        self.complete_until_us, self.force, self.may_lose = complete_until_us, force, may_lose
        self.is_whole = is_whole

    def plan(self) -> SymbolPlan:
        """The stale units; where published trades are lost, only those of ticks, which refuse by
        themselves.
        """
        settled = Settled(self.con, self.models, self.symbol, self.complete_until_us, OF_SYMBOL)
        if not (self.force or self.may_lose or self.is_whole):
            settled.load()
        cache = self._read(settled.edge)
        if settled.is_overrun(self.published):
            settled.basis = None
            cache = self._read("")
        self.ticks = Ticks(self.symbol, self.published, anew=self.may_lose)
        self._tables()
        self.quotes = dict(self.con.execute("select hour, quotes from quote_tape_hours").fetchall())
        lost = {} if self.may_lose else self._lost()
        units = self._tick_units() + self._reject_units()
        if not lost:
            units += self._daily_units("covers") + self._daily_units("tape_days") + bar_units(self)
        units = [unit for unit in units if unit.day > settled.edge]
        if not (lost or self.force or self.may_lose):
            changed = {unit.day for unit in units}
            changed |= {day for day, count in self.missing_quotes.items() if count}
            settled.note(cache, self.published, changed)
        return SymbolPlan(self.symbol.name, units, lost, sorted(self.ticks.seals.days))

    def _read(self, since: str) -> Metadata:
        """Read what is published, from a day on; returns the cache that knows the files."""
        recent = ".recent" if since else ""
        folder = self.base / "work" / "metadata" / encode(self.of[0])
        cache = Metadata(folder / f"{encode(self.of[1])}{recent}.msgpack")
        self.published = {
            name: cache.of_days(
                self.con, published_days(self.base, self.models[name], *self.of, since)
            )
            for name in OF_SYMBOL
        }
        cache.save()
        return cache

    def _tables(self) -> None:
        """Load the notes and compute the plan's relations."""
        notes.load_notes(self.con, [*self.ticks.staged.values(), *self._kept_notes()])
        unit = unit_values(*self.of, "1970-01-01") | {"complete_until_us": self.complete_until_us}
        run(self.con, self.models, "overlapping_hours", unit)
        self.ticks.overlapping |= set(self.con.execute("from overlapping_hours").fetchall())
        for stream, hour in sorted(self.ticks.overlapping):
            self._count_exactly(stream, hour)
        for name in PLAN_MODELS:
            run(self.con, self.models, name, unit)

    def _kept_notes(self) -> list[dict]:
        """The notes of day files that are a source, with the covers and the certificate of their
        days.
        """
        kept = [note for files in self.ticks.kept.values() for _, note in files.values()]
        for day in self.ticks.kept_days() & set(self.published["covers"]):
            kept.append(self.published["covers"][day][1].note)
        for day in set(self.ticks.kept["trades"]) & set(self.published["tape_days"]):
            note = self.published["tape_days"][day][1].note
            row = {"day_number": hours_of(day)[0] // 24, "duplicates": note["duplicates"]}
            kept.append({"certificate": [row], "absent": note.get("absent", [])})
        return kept

    def _count_exactly(self, stream: str, hour: int) -> None:
        """Note an hour from its rows, where several files hold the same range of ids."""
        sources = self.ticks.of_hours(stream, [hour])
        is_sealed = self.ticks.is_sealed([hour])
        view_ticks(
            self.con, self.models, stream, self.of, sources, (hour, hour), is_sealed=is_sealed
        )
        self.con.execute(f"create or replace temp view noted_{stream} as from {stream}")
        run(self.con, self.models, HOURS[stream], {}, kind="view")
        self.con.execute(f"insert into exact_{HOURS[stream]} by name from {HOURS[stream]}")

    def _lost(self) -> dict[str, str]:
        """Published ticks that are in no file any more: a certificate, or bars, knew more than is
        there now.

        Trades are compared day by day; quotes altogether, as another clock may move them over
        midnight.
        """
        lost = {}
        trades = dict(self.con.execute("select day::varchar, count from tape_days").fetchall())
        for day, (_, meta) in self.published["tape_days"].items():
            if meta.note["trades"] > trades.get(day, 0):
                lost[day] = f"{meta.note['trades'] - trades.get(day, 0)} trades"
        missing = {
            day: meta.note["quotes"] - self.quotes_in(meta.inputs)
            for day, (_, meta) in self.published["bars_1s"].items()
        }
        self.missing_quotes = missing
        if sum(missing.values()) > 0:
            lost = {day: f"{count} quotes" for day, count in missing.items() if count > 0} | lost
        return lost

    def quotes_in(self, digests: dict[str, str]) -> int:
        """How many quotes there are in the hours of a day of bars."""
        return sum(self.quotes.get(int(hour), 0) for hour in digests)

    def _tick_units(self) -> list[Unit]:
        units = []
        rows = self.con.execute(
            "select stream, day_number, ticks, digest from tick_days order by all"
        ).fetchall()
        for stream, number, ticks, digest in rows:
            day, inputs = day_text(number), {"ticks": digest}
            sources = self.ticks.of_hours(stream, hours_of(day))
            is_its_own = day in self.ticks.kept[stream] and len(sources) == 1
            why = None if is_its_own else self.why(stream, day, inputs)
            if why:
                context = {
                    "has_copies": self.ticks.has_copies(stream, hours_of(day)),
                    "is_sealed": self.ticks.is_sealed(hours_of(day)),
                    "content": (ticks, f"{digest}-{self.models.sql_hash(stream)}"),
                }
                note = day_notes.of_ticks(self.con, stream, number, self.complete_until_us)
                own = {"inputs": inputs, "note": note, "context": context}
                units.append(self.unit(stream, day, why, sources=sources, **own))
        return units

    def _reject_units(self) -> list[Unit]:
        """The days of receipt with unreadable lines, or that had some."""
        days: dict[str, list[tuple[Path, dict]]] = {}
        for folder, note in self.symbol.staged.items():
            days.setdefault(folder.parent.name, []).append((folder, note))
        units = []
        for day, hours in sorted(days.items()):
            files = [
                (folder / "rejects.parquet", note)
                for folder, note in hours
                if self.ticks.seals.late_rejects(folder, note)
            ]
            kept = self.ticks.seals.rejected(day)
            total = sum(int(note["rejects_hash"]) for _, note in files) + int(kept["hash"])
            count = sum(note["rejects"] for _, note in files) + kept["rejects"]
            inputs = {"rejects": count, "hash": str(total)}
            if not (files or day in self.published["rejects"]):
                continue
            if why := self.why("rejects", day, inputs):
                sources = tuple(path for path, _ in files)
                if kept["rejects"] and day in self.published["rejects"]:
                    sources += (self.published["rejects"][day][0],)
                units.append(self.unit("rejects", day, why, sources=sources, inputs=inputs))
        return units

    def _daily_units(self, name: str) -> list[Unit]:
        """Small relations that the plan has computed whole: compared by their rows."""
        units = []
        for day, table in notes.tables_by_day(self.con, name).items():
            inputs = {"rows": table.digest}
            if name == "tape_days" and (absent := day_notes.absent(self.con, day)):
                inputs["absent"] = absent
            if why := self.why(name, day, inputs):
                note = NOTE_OF[name](self.con, day)
                context = {"published": table}
                units.append(self.unit(name, day, why, inputs=inputs, note=note, context=context))
        return units

    def why(self, name: str, day: str, inputs: dict) -> str | None:
        """Why a day's file of a relation is stale, None when it is not."""
        _, found = self.published[name].get(day, (None, None))
        sql = self.models.fingerprint(name)
        if found and day in self.ticks.seals.days:
            sql = standing(name, found.sql, sql)
        why = why_stale(found, sql, inputs)
        # raw that is not all there cannot be read anew: that sealed day stays as it is
        stands = self.may_lose and day in self.ticks.seals.days
        return why or ("asked for" if self.force and not stands else None)

    def unit(self, name: str, day: str, why: str, **more) -> Unit:
        return Unit(
            name, *self.of, day, target(self.base, self.models[name], *self.of, day), why, **more
        )
