"""What lies in a lake: raw hours, hour parts, published files. Listings only, no rows are read."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.build import notes, raw_hours
from runner.build.publish import target
from runner.models.sql_files import Model
from runner.paths import decode, encode, hour_of_part, is_day, is_encoded

# In raw/ beside exchanges and symbols: what others read.
OWN = {"_open", "_rejected", "_rest", "_sessions", "yahoo"}


@dataclass
class Symbol:
    """Everything on disk that belongs to one symbol of one exchange."""

    exchange: str
    name: str
    hours: list[raw_hours.Hour] = field(default_factory=list)
    staged: dict[Path, dict] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def of(self) -> tuple[str, str]:
        """Exchange and symbol."""
        return self.exchange, self.name

    @property
    def raw_days(self) -> set[str]:
        """The days of which there is raw that can be read."""
        return {hour.day for hour in self.hours}


def exchanges(base: Path) -> list[str]:
    """The exchanges that have raw market data or ticks; Yahoo's raw answers are no stream."""
    found = {
        decode(path.name)
        for root in ("raw", "ticks")
        for path in folders(base / root)
        if path.name not in OWN and _is_name(path)
    }
    return sorted(found)


def symbols(base: Path, exchange: str) -> list[str]:
    """The symbols of an exchange that have raw, hour parts or ticks."""
    place = encode(exchange)
    roots = [base / "raw" / place, base / "work" / "staged" / place]
    roots += [base / "ticks" / place / stream for stream in ("trades", "quotes")]
    found = {decode(path.name) for root in roots for path in folders(root) if _is_name(path)}
    return sorted(found)


def look(
    base: Path, exchange: str, name: str, reads_packed: Callable[[str], bool] = lambda day: False
) -> Symbol:
    """List the raw and the hour parts of a symbol; packed raw only of the days asked for."""
    symbol = Symbol(exchange, name)
    raw = base / "raw" / encode(exchange) / encode(name)
    asked = {day for day in packed_days(raw) if reads_packed(day)}
    for day in sorted({folder.name for folder in folders(raw) if is_day(folder.name)} | asked):
        symbol.hours += raw_hours.hours_of_day(raw / day, exchange, name, day, day in asked)
    for day in folders(base / "work" / "staged" / encode(exchange) / encode(name)):
        for hour in folders(day):
            note = notes.read(hour / "note.json")
            if note and _is_whole(hour, note):
                symbol.staged[hour] = note
    return symbol


def ignored(base: Path) -> Iterator[Path]:
    """What lies among the raw market data and is not read: files and folders of other names."""
    raw = base / "raw"
    for exchange in _listed(raw):
        if not _is_name(exchange):
            yield exchange
            continue
        for symbol in _listed(exchange):
            if not _is_name(symbol):
                yield symbol
                continue
            for day in _listed(symbol):
                yield from _ignored_of_day(day)


def _is_name(folder: Path) -> bool:
    """Whether a folder may be an exchange's or a symbol's."""
    return folder.is_dir() and is_encoded(folder.name) and not folder.name.startswith("_")


def _ignored_of_day(day: Path) -> Iterator[Path]:
    if is_day(day.name) and day.is_dir():
        for path in _listed(day):
            is_part = hour_of_part(path.name) is not None and path.is_file()
            if not (is_part or path.name.endswith((".open", ".torn"))):
                yield path
    elif not (day.name.endswith(".jsonl.zst") and is_day(day.name[:10])):
        yield day


def _listed(folder: Path) -> list[Path]:
    """What a folder holds, sorted; the lake's own names and hidden files left out."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.name not in OWN and not path.name.startswith(".")
    )


def _is_whole(hour: Path, note: dict) -> bool:
    """Whether an hour part's files are those that its note speaks of."""
    files = {name: hour / name for name in note["sizes"]}
    return all(
        path.is_file() and path.stat().st_size == note["sizes"][name]
        for name, path in files.items()
    )


def packed_days(raw: Path) -> list[str]:
    """The days of a symbol's raw folder that are packed."""
    names = [path.name.partition(".")[0] for path in raw.glob("*.jsonl.zst")]
    return sorted(filter(is_day, names))


def published_days(
    base: Path,
    model: Model,
    exchange: str,
    symbol: str | None,
    since: str = "",
    interval: str = "",
) -> dict[str, Path]:
    """The days, from one on, for which a relation's file of a symbol exists."""
    example = target(base, model, exchange, symbol, "1970-01-01", interval)
    found = {}
    for day, folder in day_folders(example.parents[3]).items():
        path = Path(folder, example.name.replace("1970-01-01", day))
        if day >= since and path.is_file():
            found[day] = path
    return found


def day_folders(root: Path) -> dict[str, str]:
    """The folders of days in a symbol's folder of a relation, in order."""
    found = {}
    for year in _folders(root):
        for month in _folders(year.path):
            for folder in _folders(month.path):
                day = "-".join(one.name.partition("=")[2] for one in (year, month, folder))
                if is_day(day):
                    found[day] = folder.path
    return found


def _folders(root: str | Path) -> list[os.DirEntry]:
    try:
        with os.scandir(root) as entries:
            return sorted((one for one in entries if one.is_dir()), key=lambda one: one.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def folders(root: Path) -> list[Path]:
    """The folders in a folder, sorted; none where it does not exist."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir())
