"""What a sealed day no longer needs: loose raw parts are packed, hour parts removed."""

import contextlib
import shutil
import uuid
from pathlib import Path

import click

from runner.build.inventory import folders
from runner.build.packed import (
    Index,
    content,
    count_lines,
    holds,
    known_parts,
    pack,
    pack_of,
)
from runner.build.raw_hours import Hour
from runner.files import replace, sync_folder
from runner.moments import DAY_US, HOURS_A_DAY, day_text
from runner.paths import encode, is_day
from runner.seal.seal import Sealing, is_over


class Sweep:
    """Packs and removes what lies in sealed days alone; `done` counts parts, bytes, hour parts."""

    def __init__(self, sealing: Sealing):
        self.sealing, self.plan = sealing, sealing.plan
        self.base, self.symbol = sealing.base, sealing.plan.symbol
        self.parts = self.bytes = self.hours = 0

    def run(self) -> None:
        """Pack first, remove last: at every moment all is still there in one form."""
        spare = {
            folder: note
            for folder, note in self.symbol.staged.items()
            if all(map(self._is_sealed, self._days(folder, note)))
        }
        days: dict[str, list[Hour]] = {}
        for hour in self.symbol.hours:
            note = spare.get(hour.place(self.base))
            if note and set(hour.parts) <= {tuple(part) for part in note["raw"]}:
                days.setdefault(hour.day, []).append(hour)
        for hours in days.values():
            ticks = {one for hour in hours for one in self._days_of(hour.place(self.base))}
            loose = [hour.folder / name for hour in hours for name in hour.loose]
            self._pack(hours[0].folder, loose, sorted(ticks))
        raw = self.base / "raw" / encode(self.symbol.exchange) / encode(self.symbol.name)
        for folder in folders(raw):
            if is_day(folder.name):
                self._remove_packed(folder)
        needed = {
            hour.place(self.base)
            for hour in self.symbol.hours
            if any((hour.folder / name).exists() for name in hour.loose)
        }
        for folder in sorted(set(spare) - needed):
            self._remove(folder)
        staged = self.base / "work" / "staged" / encode(self.symbol.exchange)
        for day in folders(staged / encode(self.symbol.name)):
            if not any(day.iterdir()):
                day.rmdir()

    def _is_sealed(self, day: str) -> bool:
        """Whether a day is sealed; one that is over and has no file at all has nothing to seal."""
        has_files = any(day in files for files in self.plan.published.values())
        is_empty = is_over(day, self.sealing.over_us) and not has_files
        return day in self.sealing.sealed or is_empty

    def _days(self, folder: Path, note: dict) -> set[str]:
        """All days that an hour part says something of."""
        days = {folder.parent.name, *self._days_of(folder)}
        for piece in note["pieces"]:
            days |= {day_text(piece[name] // DAY_US) for name in ("start_us", "end_us")}
        for ids in note["absent"]:
            rows = self.plan.con.execute(
                "select day_number from absent_days where first_id <= $last and last_id >= $first",
                {"first": ids["first_id"], "last": ids["last_id"]},
            ).fetchall()
            days |= {day_text(number) for (number,) in rows}
        return days

    def _days_of(self, folder: Path) -> set[str]:
        """The days that an hour part's ticks lie in."""
        note = self.symbol.staged[folder]
        hours = {row["hour"] for name in ("trade_hours", "quote_hours") for row in note[name]}
        return {day_text(hour // HOURS_A_DAY) for hour in hours}

    def _pack(self, folder: Path, loose: list[Path], days: list[str]) -> None:
        """Pack loose parts of a day beside its folder."""
        path = pack_of(folder)
        old = path if path.exists() else None
        staging = self.base / "work" / "publishing" / f"{uuid.uuid4().hex}.jsonl.zst"
        staging.parent.mkdir(parents=True, exist_ok=True)
        try:
            index = pack(staging, old, loose, days)
            _verify(staging, index, loose)
            replace(staging, path)
        finally:
            staging.unlink(missing_ok=True)
        sync_folder(path.parent)
        self.parts += len(loose)

    def _remove_packed(self, folder: Path) -> None:
        """Remove the loose parts that lie in the packed file too, and the folder if it is empty."""
        pack_file = pack_of(folder)
        known = known_parts(pack_file)
        for path in sorted(folder.glob("*.jsonl")) if known else ():
            if holds(known, path):
                self.bytes += path.stat().st_size
                path.unlink()
        if not any(folder.iterdir()):
            with contextlib.suppress(OSError):  # a late part came just now
                folder.rmdir()

    def _remove(self, folder: Path) -> None:
        """Remove an hour part: moved in one step to where every build clears up, then deleted."""
        aside = self.base / "work" / "publishing" / uuid.uuid4().hex
        aside.parent.mkdir(parents=True, exist_ok=True)
        replace(folder, aside)
        shutil.rmtree(aside)
        self.hours += 1


def _verify(path: Path, index: Index, loose: list[Path]) -> None:
    """Stop unless the packed file gives every part back, and a plain reader every line."""
    lines = 0
    for part in index.parts:
        content(path, part)
        lines += part.lines
    known = {part.name: part for part in index.parts}
    missing = [one for one in loose if not holds(known, one)]
    if missing or count_lines(path) != lines:
        raise click.ClickException(
            f"{loose[0].parent}: packing it did not give the same lines back, so it stays as it is"
        )
