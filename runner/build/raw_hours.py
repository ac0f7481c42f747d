"""The raw of a symbol by hours of receipt: which parts there are, and whether they must be staged.

Listings only; packed raw is known by its index.
"""

from dataclasses import dataclass
from pathlib import Path

import click

from runner.build.packed import Part, holds, known_parts, pack_of
from runner.models.fingerprint import why_changed
from runner.paths import encode, hour_of_part


@dataclass(frozen=True)
class Hour:
    """The raw parts of one hour of receipt of one symbol, with their sizes in bytes; `packed`:
    those that lie in the day's packed file, `loose`: those in the folder.
    """

    exchange: str
    symbol: str
    day: str
    hour: int
    folder: Path
    parts: tuple[tuple[str, int], ...]
    loose: tuple[str, ...]
    packed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.symbol} {self.day} {self.hour:02}h"

    def place(self, base: Path) -> Path:
        """The hour part's folder in the workshop."""
        symbol = base / "work" / "staged" / encode(self.exchange) / encode(self.symbol)
        return symbol / self.day / f"{self.hour:02}"


def hours_of_day(
    folder: Path, exchange: str, symbol: str, day: str, reads_packed: bool = False
) -> list[Hour]:
    """The hours of receipt that a raw day folder holds parts of, or its packed file if asked for.

    A loose part that is packed already (a crash left it) counts once.
    """
    known = _packed(pack_of(folder), reads_packed) if reads_packed or folder.is_dir() else {}
    loose: dict[int, list[tuple[str, int]]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        hour = hour_of_part(path.name)
        if hour is not None and path.is_file() and not holds(known, path):
            loose.setdefault(hour, []).append((path.name, path.stat().st_size))
    packed: dict[int, list[tuple[str, int]]] = {}
    for name, part in sorted(known.items()) if reads_packed else ():
        packed.setdefault(hour_of_part(name), []).append((name, part.size))
    return [
        Hour(exchange, symbol, day, hour, folder, tuple(here + there), _names(here), _names(there))
        for hour in sorted({*loose, *packed})
        for here, there in [(loose.get(hour, []), packed.get(hour, []))]
    ]


def _packed(pack: Path, reads_packed: bool) -> dict[str, Part]:
    """The packed parts by name. A damaged file stops only who reads it: without it all loose parts
    count, and what is there twice falls out by its id.
    """
    try:
        return known_parts(pack)
    except click.ClickException:
        if reads_packed:
            raise
        return {}


def _names(parts: list[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(name for name, _ in parts)


def why_stale(hour: Hour, note: dict | None, sql: dict, offsets: dict, stalls: dict) -> str | None:
    """Why an hour must be staged again, None when its note still holds. Raw that is missing is no
    reason.
    """
    if note is None:
        return "not staged yet"
    if changed := why_changed(note["sql"], sql):
        return changed
    known = {tuple(part) for part in note["raw"]}
    if fresh := [name for name, size in hour.parts if (name, size) not in known]:
        more = f" and {len(fresh) - 1} more" if fresh[1:] else ""
        return f"new raw parts: {fresh[0]}{more}"
    if any((offsets.get(row["conn"]) or 0) != row["offset_us"] for row in note["fallback"]):
        return "a connection's clock offset changed"
    for piece in note["pieces"]:
        for moment in stalls.get(piece["conn"], ()):
            if piece["first_recv_us"] <= moment < piece["last_recv_us"]:
                return "a connection's stall became known"
    return None


def gone(hour: Hour, note: dict | None) -> int:
    """How many raw parts that an hour part was made from are not there any more."""
    return len({tuple(part) for part in (note or {"raw": []})["raw"]} - set(hour.parts))
