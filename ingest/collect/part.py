"""One raw file while it is written: part_001.jsonl.open, sealed as part_001.jsonl."""

import os
from datetime import UTC, datetime
from pathlib import Path

from runner.files import replace, sync_folder
from runner.paths import HOUR_US, PART, part_name

OPEN = ".open"


class Part:
    """An open raw file. `size`: bytes in it, all of them whole lines after a finished write."""

    def __init__(self, folder: Path, first_us: int) -> None:
        """Open the part of the UTC minute of `first_us` in folder/<day>/."""
        moment = datetime.fromtimestamp(first_us // 1_000_000, UTC)
        self.folder = folder / f"{moment:%Y-%m-%d}"
        self.hour_us = first_us // HOUR_US * HOUR_US
        self.size = 0
        self._named = False
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path, self._descriptor = _create(self.folder, moment.hour * 60 + moment.minute)

    def write(self, data: memoryview) -> int:
        """Bytes of data that the file took; OSError when it took none."""
        written = os.write(self._descriptor, data)
        self.size += written
        return written

    def cut(self, size: int) -> None:
        """Cut the file back to its first `size` bytes."""
        os.ftruncate(self._descriptor, size)
        self.size = size

    def seal(self) -> None:
        """Bring the lines to the disk and give the file its name; an empty file is removed."""
        if self._descriptor >= 0:
            if self.size:
                os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        if not self._named:  # an earlier try may have come that far
            rename(self.path, empty=not self.size)
            self._named = True
        sync_folder(self.folder)

    def abandon(self) -> None:
        """Close the file and leave it to recovery."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _create(folder: Path, minute: int) -> tuple[Path, int]:
    """A new .open file of a minute: the first free name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
    again = 1
    while True:
        sealed = folder / part_name(minute, again)
        path = sealed.with_name(sealed.name + OPEN)
        again += 1
        try:
            descriptor = os.open(path, flags, 0o644)
        except FileExistsError:
            continue
        # Looked at after creating: an older part of the minute may just have been sealed.
        if not sealed.exists():
            return path, descriptor
        os.close(descriptor)
        path.unlink()


def seal(path: Path, empty: bool = False) -> Path | None:
    """Rename an .open file, already on the disk, to a free sealed name; None when it is empty."""
    sealed = rename(path, empty)
    sync_folder(path.parent)
    return sealed


def rename(path: Path, empty: bool) -> Path | None:
    """The same, but the new name may not outlive a power cut yet."""
    if empty:
        path.unlink()
        return None
    sealed = _free_name(path)
    replace(path, sealed)
    return sealed


def _free_name(path: Path) -> Path:
    """The sealed name of an .open file; another number when a file of that name is there."""
    stem = path.name.removesuffix(OPEN).removesuffix(".jsonl")
    sealed = path.with_name(f"{stem}.jsonl")
    again = 2
    while sealed.exists():
        sealed = path.with_name(f"{stem.rsplit('_', stem.count('_') - 1)[0]}_{again}.jsonl")
        again += 1
    return sealed


def moment(path: Path) -> tuple[str, int, int] | None:
    """What raw parts are ordered by: day, number, and which of that number; None for other files.

    >>> moment(Path("2025-10-20/part_061_2.jsonl.open"))
    ('2025-10-20', 61, 2)
    """
    match = PART.match(path.name.removesuffix(OPEN))
    return (path.parent.name, int(match[1]), int(match[2] or 1)) if match else None
