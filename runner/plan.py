"""The plan of one symbol: SQL compares what its files would hold with what the published ones say they hold."""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from runner import notes
from runner.inventory import Symbol, published_days
from runner.models import Models, why_changed
from runner.publish import Published, read_metadata, target
from runner.stage import run
from runner.ticks import day_text, view_ticks

# What the plan materialises, in the order in which one reads the other.
PLAN_MODELS = [
    "tape_span", "tape_hours", "quote_tape_hours", "merged_covers", "recorded_days", "holes", "bar_hours", "tick_days",
]
DAILY = ["covers", "tape_days"]
DAY_S = 86400


@dataclass(frozen=True)
class Unit:
    """One file to publish, and why. `hours`: for bars, the hours to compute; None = all of the day."""

    relation: str
    exchange: str
    symbol: str | None
    day: str
    path: Path
    why: str
    sources: tuple[Path, ...] = ()
    hours: tuple[int, ...] | None = None
    inputs: dict = field(default_factory=dict, hash=False)
    context: dict = field(default_factory=dict, hash=False)
    note: dict = field(default_factory=dict, hash=False)


@dataclass
class SymbolPlan:
    """What is stale of a symbol, and which published trades are in no file any more (day → count)."""

    units: list[Unit]
    lost: dict[str, int]
    quotes_kept: set[str] = field(default_factory=set)


class Planner:
    """Plans one symbol after the other on one connection."""

    def __init__(self, con: duckdb.DuckDBPyConnection, models: Models, complete_until_us: int, force: bool):
        self.con, self.models, self.base = con, models, models.lake.base
        self.complete_until_us, self.force = complete_until_us, force

    def plan(self, symbol: Symbol) -> SymbolPlan:
        """The stale units of a symbol; its sources are its hour parts and the day files that have no raw any more."""
        published = {
            name: self._published(name, symbol) for name in ("trades", "quotes", "covers", "tape_days", "bars_1s", "rejects")
        }
        kept = self._kept(symbol, published)
        self._load(symbol, kept)
        self._tables(symbol, kept)
        lost = self._lost(published["tape_days"])
        units = self._ticks(symbol, published, kept) + self._rejects(symbol, published["rejects"])
        if not lost:
            for name in DAILY:
                units += self._daily(name, symbol, published[name])
            units += self._bars(symbol, published["bars_1s"], kept)
        return SymbolPlan(units, lost)

    def _published(self, name: str, symbol: Symbol) -> dict[str, tuple[Path, Published]]:
        days = published_days(self.base, self.models[name], symbol.exchange, symbol.name)
        meta = read_metadata(self.con, list(days.values()))
        return {day: (path, meta[path]) for day, path in days.items() if path in meta}

    def _kept(self, symbol: Symbol, published: dict) -> dict[str, dict[str, tuple[Path, dict]]]:
        """Tick files that are a source themselves: of a day without raw, unless the hour parts hold as much."""
        kept: dict[str, dict] = {"trades": {}, "quotes": {}}
        for name, key in (("trades", "trade_hours"), ("quotes", "quote_hours")):
            staged: dict[int, int] = {}
            for note in symbol.staged.values():
                for row in note[key]:
                    staged[row["hour"]] = staged.get(row["hour"], 0) + row[name]
            for day, (path, meta) in published[name].items():
                if day in symbol.raw_days:
                    continue
                if any(staged.get(row["hour"], 0) < row[name] for row in meta.note[key]):
                    kept[name][day] = (path, meta.note)
        return kept

    def _load(self, symbol: Symbol, kept: dict) -> None:
        days = set(kept["trades"]) | set(kept["quotes"])
        covers = published_days(self.base, self.models["covers"], symbol.exchange, symbol.name)
        kept_notes = [note for files in kept.values() for _, note in files.values()]
        kept_notes += [meta.note for meta in read_metadata(self.con, [covers[day] for day in days & set(covers)]).values()]
        notes.load_notes(self.con, list(symbol.staged.values()), kept_notes)

    def _tables(self, symbol: Symbol, kept: dict) -> None:
        unit = {"exchange": symbol.exchange, "symbol": symbol.name, "complete_until_us": self.complete_until_us}
        run(self.con, self.models, "stalls", unit)
        run(self.con, self.models, "overlapping_hours", unit)
        for stream, hour in self.con.execute("from overlapping_hours").fetchall():
            self._count_exactly(stream, hour, symbol, kept)
        for name in PLAN_MODELS + DAILY:
            run(self.con, self.models, name, unit)

    def _count_exactly(self, stream: str, hour: int, symbol: Symbol, kept: dict) -> None:
        """Note an hour from its rows, where several files hold the same ids."""
        sources = self._sources(stream, symbol, kept, [hour])
        view_ticks(self.con, self.models, stream, symbol.exchange, symbol.name, sources, (hour, hour))
        self.con.execute(f"create or replace temp view noted_{stream} as from {stream}")
        notes_model = {"trades": "trade_hours", "quotes": "quote_hours"}[stream]
        run(self.con, self.models, notes_model, {}, kind="view")
        self.con.execute(f"insert into exact_{notes_model} by name from {notes_model}")

    def _sources(self, stream: str, symbol: Symbol, kept: dict, hours: list[int]) -> tuple[Path, ...]:
        """The files that hold ticks of some hours (since 1970)."""
        wanted, key = set(hours), {"trades": "trade_hours", "quotes": "quote_hours"}[stream]
        found = [
            folder / f"{stream}.parquet"
            for folder, note in symbol.staged.items()
            if any(row["hour"] in wanted for row in note[key])
        ]
        found += [path for path, note in kept[stream].values() if any(row["hour"] in wanted for row in note[key])]
        return tuple(sorted(found))

    def _lost(self, published: dict) -> dict[str, int]:
        """Published trades that are in no file any more: the certificate knew more than there is now."""
        if self.force:
            return {}
        counts = dict(self.con.execute("select day::varchar, count from tape_days").fetchall())
        return {
            day: meta.note["trades"] - counts.get(day, 0)
            for day, (_, meta) in published.items()
            if meta.note["trades"] > counts.get(day, 0)
        }

    def _ticks(self, symbol: Symbol, published: dict, kept: dict) -> list[Unit]:
        units = []
        rows = self.con.execute("select stream, day_number, digest from tick_days order by all").fetchall()
        for stream, number, digest in rows:
            day = day_text(number)
            hours = list(range(number * 24, number * 24 + 24))
            sources = self._sources(stream, symbol, kept, hours)
            only_itself = day in kept[stream] and len(sources) == 1
            why = self._why(stream, published[stream].get(day), {"ticks": digest}, only_itself)
            if why and not (only_itself and day in published[stream]):
                units.append(self._unit(stream, symbol, day, why, sources=sources, inputs={"ticks": digest},
                                        context={"duplicates": self._duplicates(stream, number)}))
        return units

    def _duplicates(self, stream: str, day_number: int) -> dict[str, int]:
        if stream != "trades":
            return {}
        rows = self.con.execute(
            "select hour, duplicates from tape_hours where hour // 24 = $day", {"day": day_number}
        ).fetchall()
        return dict(rows)

    def _rejects(self, symbol: Symbol, published: dict) -> list[Unit]:
        """A day's rejects: a file only where there are some, or were."""
        days: dict[str, list[tuple[Path, dict]]] = {}
        for folder, note in symbol.staged.items():
            days.setdefault(folder.parent.name, []).append((folder, note))
        units = []
        for day, found in days.items():
            files = tuple(folder / "rejects.parquet" for folder, note in found if note["rejects"])
            hashes = [int(note["rejects_hash"]) for _, note in found if note["rejects"]]
            inputs = {"rejects": len(hashes), "hash": str(sum(hashes))}
            if files or day in published:
                why = self._why("rejects", published.get(day), inputs)
                if why:
                    units.append(self._unit("rejects", symbol, day, why, sources=files, inputs=inputs))
        return units

    def _daily(self, name: str, symbol: Symbol, published: dict) -> list[Unit]:
        """Small relations that the plan has computed whole: compared by their rows."""
        columns = ", ".join(row[0] for row in self.con.execute(f"describe {name}").fetchall())
        units = []
        days = self.con.execute(
            f"select day::varchar, sum(hash({columns}))::varchar from {name} group by day order by day"
        ).fetchall()
        for day, digest in days:
            if why := self._why(name, published.get(day), {"rows": digest}):
                table = notes.table(self.con, f"(from {name} where day = date '{day}')")
                note = self._daily_note(name, day)
                units.append(self._unit(name, symbol, day, why, inputs={"rows": digest}, context={"table": table}, note=note))
        return units

    def _daily_note(self, name: str, day: str) -> dict:
        if name == "tape_days":
            return {"trades": self.con.execute("select count from tape_days where day = $day", {"day": day}).fetchone()[0]}
        rows = f"(select epoch_us(start_at) as start_us, epoch_us(end_at) as end_us from covers where day = date '{day}')"
        return {"covers": notes.rows_of(self.con, rows)}

    def _bars(self, symbol: Symbol, published: dict, kept: dict) -> list[Unit]:
        units = []
        for (number,) in self.con.execute("select distinct day_number from bar_hours order by all").fetchall():
            day = day_text(number)
            digests = {
                str(hour): digest
                for hour, digest in self.con.execute(
                    "select hour, digest from bar_hours where day_number = $day order by hour", {"day": number}
                ).fetchall()
            }
            found = published.get(day)
            why = self._why("bars_1s", found, digests)
            if why:
                units.append(self._bar_unit(symbol, day, digests, found, why, kept))
        return units

    def _bar_unit(
        self, symbol: Symbol, day: str, digests: dict, found: tuple[Path, Published] | None, why: str, kept: dict
    ) -> Unit:
        """The bars of a day: from the first hour that changed to the last; the file's other hours stay."""
        sql = self.models.fingerprint("bars_1s")
        old = found[1].inputs if found and found[1].sql == sql and not self.force else {}
        changed = [int(hour) for hour in digests if old.get(hour) != digests[hour]]
        gone = [hour for hour in old if hour not in digests]
        if not changed or gone:
            changed = [int(hour) for hour in digests]
        hours = list(range(min(changed), max(changed) + 1))
        sources = {stream: self._sources(stream, symbol, kept, hours) for stream in ("trades", "quotes")}
        if why.startswith("input"):
            why = f"{len(changed)} of {len(digests)} hours changed"
        return self._unit(
            "bars_1s", symbol, day, why, hours=tuple(hours), inputs=digests,
            context={"sources": sources, "tables": self._bar_context(hours)},
        )

    def _bar_context(self, hours: list[int]) -> dict[str, tuple[list[dict], dict]]:
        """What the plan's relations say of some hours."""
        first, last = hours[0], hours[-1]
        bar_hours = notes.table(self.con, f"(from bar_hours where hour between {first} and {last})")
        since_us = min([first * 3600_000_000, *(row["quote_us"] for row in bar_hours[0] if row["quote_us"])])
        return {
            "bar_hours": bar_hours,
            "holes": notes.table(
                self.con, f"(from holes where to_second >= {first * 3600} and from_second < {(last + 1) * 3600})"
            ),
            "merged_covers": notes.table(
                self.con,
                f"(from merged_covers where end_us >= {since_us} and start_us < {(last + 1) * 3600_000_000})",
            ),
        }

    def _why(self, name: str, found: tuple[Path, Published] | None, inputs: dict, any_sql: bool = False) -> str | None:
        """Why a published file is stale; None when it holds what it would hold after a rebuild."""
        if found is None:
            return "not there"
        if self.force:
            return "asked for"
        changed = why_changed(found[1].sql, self.models.fingerprint(name))
        if changed and not any_sql:
            return changed
        if found[1].inputs != inputs:
            return "inputs changed"
        return None

    def _unit(self, name: str, symbol: Symbol, day: str, why: str, **more) -> Unit:
        path = target(self.base, self.models[name], symbol.exchange, symbol.name, day)
        return Unit(name, symbol.exchange, symbol.name, day, path, why, **more)
