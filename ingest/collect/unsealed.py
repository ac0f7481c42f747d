"""Which raw folders may hold open parts: a list beside them, so that recovery need not search."""

import os
from collections.abc import Iterator
from pathlib import Path

from runner.paths import is_day

NAME = "_open"


class Unsealed:
    """raw/_open: one day folder a line, written before the first part in it is used."""

    def __init__(self, raw: Path) -> None:
        self._raw = raw
        self._noted: set[Path] = set()

    def note(self, folder: Path) -> None:
        """Put a day folder on the list, on the disk."""
        if folder in self._noted:
            return
        with (self._raw / NAME).open("a", encoding="utf-8") as file:
            file.write(folder.relative_to(self._raw).as_posix() + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._noted.add(folder)

    def touch(self) -> None:
        """Make the list, empty, where there is none; OSError where it cannot be written."""
        with (self._raw / NAME).open("a"):
            pass

    def clear(self) -> None:
        """Nothing is open any more."""
        (self._raw / NAME).write_bytes(b"")
        self._noted.clear()


def folders(raw: Path) -> list[Path]:
    """The day folders that may hold open parts.

    Those on the list, and those that changed after it was written (somebody copied files here);
    all of them when there is no list (a copied lake).
    """
    try:
        listed = {raw / line for line in (raw / NAME).read_text(encoding="utf-8").splitlines()}
        since_ns = (raw / NAME).stat().st_mtime_ns
    except FileNotFoundError:
        listed, since_ns = set(), -1
    # As new counts too: file systems tell times apart by milliseconds only.
    newer = {folder for folder, changed_ns in _day_folders(raw) if changed_ns >= since_ns}
    return sorted(folder for folder in listed | newer if folder.is_dir())


def _day_folders(raw: Path) -> Iterator[tuple[Path, int]]:
    """Each raw/<exchange>/<symbol>/<day> with the time of its last change in ns."""
    for lane in raw.glob("*/*/"):
        with os.scandir(lane) as entries:
            for entry in entries:
                if is_day(entry.name) and entry.is_dir():
                    yield Path(entry.path), entry.stat().st_mtime_ns
