"""What sealing a day fixed: from then on its published ticks are a source of its builds.

The file of relation `archive` of a day tells it in its metadata: `consumed`, for each hour part
("day/hour") that the sealed files were made from, the hash of what it has of the day; `rejects`,
the same of the unreadable lines of the day's folder, and `rejected`, all of them; `pruned`,
whether the raw of the day's folder was removed.
"""

import hashlib
from pathlib import Path

import msgspec

from runner.build.metadata import Published
from runner.moments import HOURS_A_DAY, day_number

HOURLY = ("trade_hours", "trade_runs", "quote_hours")


def key(folder: Path) -> str:
    """How notes call an hour part: the day and hour of its folder."""
    return f"{folder.parent.name}/{folder.name}"


def content_of(note: dict, number: int) -> str | None:
    """Hash of what an hour part has of a day (counted from 1970), None for nothing."""
    rows = [
        sorted((row for row in note[name] if _is_of(row, number)), key=lambda row: row["hour"])
        for name in ("trade_hours", "quote_hours")
    ]
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()[:16] if any(rows) else None


def _is_of(row: dict, number: int) -> bool:
    return row["hour"] // HOURS_A_DAY == number


class Seals:
    """The sealed days of a symbol, by what their archive files say.

    `anew`: a day all of whose raw is there is read from raw, so it is none of them; `raw_hours`:
    the hours of receipt of which there is raw.
    """

    def __init__(
        self, archives: dict[str, tuple[Path, Published]], raw_hours: set[str], anew: bool
    ):
        notes = {day: meta.note for day, (_, meta) in archives.items() if "consumed" in meta.note}
        pruned = {day for day, note in notes.items() if note["pruned"]}
        self.days = {
            day: note
            for day, note in notes.items()
            if not anew
            or not set(note["consumed"]) <= raw_hours
            or pruned & {hour.partition("/")[0] for hour in note["consumed"]}
        }
        self.numbers = {day_number(day): day for day in self.days}

    def late(self, staged: dict[Path, dict]) -> dict[Path, dict]:
        """The notes of hour parts without what sealed files hold already."""
        return {folder: self._late(folder, note) for folder, note in staged.items()}

    def _late(self, folder: Path, note: dict) -> dict:
        found = {
            row["hour"] // HOURS_A_DAY
            for name in ("trade_hours", "quote_hours")
            for row in note[name]
        }
        known = {
            number for number in found & set(self.numbers) if self._holds(folder, note, number)
        }
        if not known:
            return note
        kept = {
            name: [row for row in note[name] if row["hour"] // HOURS_A_DAY not in known]
            for name in HOURLY
        }
        return {**note, **kept}

    def _holds(self, folder: Path, note: dict, number: int) -> bool:
        consumed = self.days[self.numbers[number]]["consumed"]
        return consumed.get(key(folder)) == content_of(note, number)

    def late_rejects(self, folder: Path, note: dict) -> bool:
        """Whether an hour part has unreadable lines that its day's sealed file does not hold."""
        seal = self.days.get(folder.parent.name)
        is_known = seal and seal["rejects"].get(key(folder)) == note.get("rejects_hash")
        return bool(note["rejects"]) and not is_known

    def rejected(self, day: str) -> dict:
        """How many unreadable lines of a day the sealed file held, and the sum of their hashes."""
        return self.days.get(day, {}).get("rejected", {"rejects": 0, "hash": "0"})


def standing(name: str, old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """The SQL that a file of a sealed day is held against: how raw is read counts no more.

    `old`: the fingerprint in the file; `new`: of relation `name` now.

    >>> standing("bars_1s", {"sql/staging/trades.sql": "1"}, {"sql/staging/trades.sql": "2"})
    {'sql/staging/trades.sql': '1'}
    """
    if name in ("trades", "quotes", "rejects", "covers"):
        return old
    kept = {file: digest for file, digest in new.items() if not file.startswith("sql/staging/")}
    return kept | {file: digest for file, digest in old.items() if file.startswith("sql/staging/")}
