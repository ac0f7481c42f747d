"""Days of a symbol that a plan may pass over: nothing of them was stale, and nothing that bears on
them has changed since.

After a plan that found them as they should be, the workshop notes what they rest on; without that
note, or where anything of it differs, every day is planned. Only days before all hour parts and raw
can be settled, so that a build does not take longer the more sealed days lie behind it.
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import msgspec

from runner.build.inventory import Symbol, day_folders
from runner.build.metadata import Metadata, Published
from runner.build.publish import target
from runner.build.stage import run
from runner.build.ticks import HOURS
from runner.build.unchanged import Stamp, stamp
from runner.files import write_whole
from runner.models.models import Models
from runner.moments import DAY_US, day_number, day_text, hours_of
from runner.paths import HOUR_US, encode

NEVER = "9999-12-31"
# Where notes tell of ids, and in which of the two rows of numbers these are.
IDS = {"trade_hours": "trades", "absent": "trades", "quote_hours": "quotes"}

# Relation → day → path and metadata.
Files = dict[str, dict[str, tuple[Path, Published]]]


class Basis(msgspec.Struct):
    """What the settled days of a symbol rest on.

    `edge`: the last of them; it is loaded, as the next day carries its last trade, quote and cover
    on, but not planned. `last`: the greatest trade and update id up to its end. `context`: the SQL,
    the settings and the connections of that time. `files`: what is published of these days, with
    size and time of change; None for a day's folder that lacks its file. `days`: their folders, by
    relation.
    """

    edge: str
    last: dict[str, int]
    context: str
    files: dict[str, Stamp | None]
    days: dict[str, list[str]]


class Settled:
    """The settled days of one symbol: none, or those up to `edge`."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        models: Models,
        symbol: Symbol,
        complete_until_us: int,
        relations: tuple[str, ...],
    ):
        self.con, self.models, self.symbol = con, models, symbol
        self.complete_until_us, self.relations = complete_until_us, relations
        folder = models.lake.base / "work" / "settled" / encode(symbol.exchange)
        self.path = folder / f"{encode(symbol.name)}.msgpack"
        self.first_open = _first_open(symbol)
        self.basis: Basis | None = None

    @property
    def edge(self) -> str:
        """The day from which files are loaded; empty for all."""
        return self.basis.edge if self.basis else ""

    def load(self) -> None:
        """Take what was noted, if it all still holds."""
        try:
            basis = msgspec.msgpack.decode(self.path.read_bytes(), type=Basis)
        except (FileNotFoundError, msgspec.DecodeError):
            return
        if (
            basis.edge < self.first_open
            and basis.context == self._context(basis.edge)
            and _follow(self.symbol.staged.values(), basis.last)
            and basis.days == self._days(basis.edge)
            and all(stamp(path) == known for path, known in basis.files.items())
        ):
            self.basis = basis

    def is_overrun(self, published: Files) -> bool:
        """Whether a later day's file holds ids as small as those of settled days."""
        return bool(self.basis) and not _follow(_after(published, self.edge), self.basis.last)

    def note(self, cache: Metadata, published: Files, changed: set[str]) -> None:
        """Remember what the settled days rest on. `changed`: the days of which something did."""
        days = [day for day in published["bars_1s"] if self.edge < day < self.first_open]
        edge = max(days, default="")
        if (
            not edge
            or any(day <= edge for day in changed)
            or not self._is_clean_cut(published, edge)
        ):
            return
        days = self._days(edge)
        files = dict(self.basis.files) if self.basis else {}
        for name, known in days.items():
            for day in (day for day in known if day >= self.edge):
                path = target(self.models.lake.base, self.models[name], *self.symbol.of, day)
                seen = cache.seen.get(path.as_posix())
                files[str(path)] = (seen.size, seen.mtime_ns) if seen else None
        if context := self._context(edge):
            basis = Basis(edge, self._last(published, edge), context, files, days)
            write_whole(self.path, msgspec.msgpack.encode(basis))

    def _days(self, edge: str) -> dict[str, list[str]]:
        """The days up to one that have a folder, by relation."""
        found = {}
        for name in self.relations:
            path = target(self.models.lake.base, self.models[name], *self.symbol.of, edge)
            found[name] = [day for day in day_folders(path.parents[3]) if day <= edge]
        return found

    def _is_clean_cut(self, published: Files, edge: str) -> bool:
        """Whether the day before the cut has all that the days after it ask of what lies before:
        its ids are greater than all older ones and smaller than all later ones.
        """
        if any(edge not in published[name] for name in (*HOURS, "covers", "tape_days")):
            return False
        at_edge = [published[stream][edge][1].note for stream in HOURS]
        has_both = all(note[key] for note, key in zip(at_edge, HOURS.values(), strict=True))
        later = [*_after(published, edge), *self.symbol.staged.values()]
        before = day_text(day_number(edge) - 1)
        return (
            has_both
            and _follow(at_edge, self._last(published, before))
            and _follow(later, self._last(published, edge))
        )

    def _last(self, published: Files, until: str) -> dict[str, int]:
        """The greatest ids of the days up to one."""
        last = dict(self.basis.last) if self.basis else dict.fromkeys(HOURS, -1)
        for stream, key in HOURS.items():
            notes = [meta.note for day, (_, meta) in published[stream].items() if day <= until]
            ids = [row["last_id"] for note in notes for row in note[key]]
            last[stream] = max([last[stream], *ids])
        return last

    def _context(self, edge: str) -> str | None:
        """SQL, settings and connections as they bear on the days up to one; None while it is not
        over.
        """
        end_us = (hours_of(edge)[-1] + 1) * HOUR_US
        if self.complete_until_us < end_us:
            return None
        run(self.con, self.models, "past_connections", {"to_us": end_us})
        content = self.con.execute("select content from past_connections").fetchone()[0]
        return f"{self.models.lake.base} {self.models.known.program} {content}"


def _first_open(symbol: Symbol) -> str:
    """The first day that raw or an hour part bears on."""
    days = {*symbol.raw_days, *(hour.day for hour in symbol.hours)}
    numbers = set()
    for folder, note in symbol.staged.items():
        days.add(folder.parent.name)
        rows = [*note["trade_hours"], *note["quote_hours"]]
        hours = [row["hour"] for row in rows] + [
            int(hour) for held in note["held"].values() for hour in held
        ]
        numbers |= {hour // 24 for hour in hours}
        numbers |= {piece["start_us"] // DAY_US for piece in note["pieces"]}
    return min([*days, *map(day_text, numbers)], default=NEVER)


def _after(published: Files, edge: str) -> list[dict]:
    """The notes of tick files of the days after one."""
    return [
        meta.note for stream in HOURS for day, (_, meta) in published[stream].items() if day > edge
    ]


def _follow(notes: Iterable[dict], last: dict[str, int]) -> bool:
    """Whether all ids that notes tell of are greater than these."""
    return all(
        row["first_id"] > last[stream]
        for note in notes
        for key, stream in IDS.items()
        for row in note.get(key, ())
    )
