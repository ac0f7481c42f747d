"""Whether anything changed since the last build: names, sizes and times of change, no file is
opened.

A build with nothing stale ends here, before duckdb, jinja2 or sqlglot are imported. The mark lies
in the workshop and
may be deleted at any time: the next build then plans in full.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from runner.config import SHIPPED, Lake
from runner.files import write_whole

# Size in bytes and time of change in nanoseconds.
Stamp = tuple[int, int]
NOT_PUBLISHED = {"raw", "work", "logs", "reports"}


class Mark(msgspec.Struct):
    """What a whole build has left: a hash of its sources, and the stamps of its results."""

    sources: str
    results: dict[bytes, Stamp | None]


def sources(lake: Lake) -> str:
    """Hash of what a build reads: raw parts, SQL, macros, configuration, and its own program."""
    digest = hashlib.sha256(f"{lake.base} {program(lake)}".encode())
    raw = lake.base / "raw"
    for exchange in _sorted(raw):
        if _is_folder(exchange) and not exchange.name.startswith("_"):
            _add(digest, Path(exchange.path))
    return digest.hexdigest()


def program(lake: Lake) -> str:
    """Hash of SQL, macros, configuration and the build's own program, wherever the data lie."""
    digest = hashlib.sha256(repr(lake.written).encode())
    _add(digest, Path(__file__).parent.parent, skip="__pycache__")
    for folder in dict.fromkeys([SHIPPED, lake.folder]):
        for name in ("sql", "macros"):
            _add(digest, folder / name)
    return digest.hexdigest()


def results(lake: Lake) -> dict[bytes, Stamp]:
    """Stamps of what a build writes: published files, and folders in which others may appear."""
    found: dict[bytes, Stamp] = {}
    for entry in _sorted(lake.base):
        if _is_folder(entry) and entry.name not in NOT_PUBLISHED:
            _add_results(found, entry.path)
    return found


def is_unchanged(lake: Lake, found: str) -> bool:
    """Whether all is as the last whole build left it, and no lake.next.db waits.

    `found`: sources() as they are now.
    """
    if lake.db.with_name("lake.next.db").exists() or not lake.db.exists():
        return False
    try:
        mark = msgspec.msgpack.decode(_mark(lake).read_bytes(), type=Mark)
    except (FileNotFoundError, msgspec.DecodeError):
        return False
    return mark.sources == found and all(stamp(path) == was for path, was in mark.results.items())


def note(lake: Lake, built_from: str) -> None:
    """Remember a whole build; `built_from`: sources() as they were before it looked at them."""
    write_whole(_mark(lake), msgspec.msgpack.encode(Mark(built_from, results(lake))))


def stamp(path: str | bytes) -> Stamp | None:
    """Size (bytes) and time of change of a file or folder; None where there is none."""
    try:
        stat = os.stat(path)  # noqa: PTH116 (of thousands of files: a Path takes twice as long)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _add_results(found: dict[bytes, Stamp], folder: str) -> None:
    """Add all files below a folder, and the folders but those of days with the one file they have:
    there are too many of these to be asked at every build.
    """
    found[os.fsencode(folder)] = stamp(folder)
    for entry in _sorted(folder):
        if not _is_folder(entry):
            found[os.fsencode(entry.path)] = stamp(entry.path)
        elif there := stamp(only := _day_file(entry.path)):
            found[os.fsencode(only)] = there
        else:
            _add_results(found, entry.path)


def _day_file(folder: str) -> str:
    """The file that a day's folder holds, by the names of its folders."""
    names = folder.split(os.sep)[-3:]  # noqa: PTH206 (of thousands: a Path takes half of the time)
    day = "-".join(name.partition("=")[2] for name in names)
    return f"{folder}{os.sep}{day}.parquet"


def _mark(lake: Lake) -> Path:
    return lake.base / "work" / "unchanged"


def _add(digest: "hashlib._Hash", folder: Path, skip: str = "") -> None:
    """Add all files below a folder, whatever order the system lists them in."""
    for path, size, mtime_ns in _walk(str(folder), skip):
        digest.update(os.fsencode(path) + f"|{size}|{mtime_ns}\n".encode())


def _walk(folder: str, skip: str) -> Iterator[tuple[str, int, int]]:
    for entry in _sorted(folder):
        if _is_folder(entry):
            if entry.name != skip:
                yield from _walk(entry.path, skip)
        elif not entry.name.endswith(".open"):
            followed = not entry.is_symlink() or Path(entry.path).is_file()
            stat = entry.stat(follow_symlinks=followed)
            yield entry.path, stat.st_size, stat.st_mtime_ns


def _is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder; a link that leads back to where it lies, or nowhere, is none."""
    if not entry.is_symlink():
        return entry.is_dir()
    path = Path(entry.path)
    return path.is_dir() and not path.parent.resolve().is_relative_to(path.resolve())


def _sorted(folder: str | Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
