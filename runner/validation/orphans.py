"""The files of a lake that nothing reads."""

import os
from collections.abc import Iterator
from pathlib import Path

from runner.build import answers
from runner.catalog import NOTED
from runner.config import Lake
from runner.models.models import Models
from runner.seal.archive import SUMS

# In the data folder: what is looked at apart (raw), what may go at any time, what people read.
KNOWN_FOLDERS = {"raw", "work", "logs", "reports"}


def look_through(models: Models, published: set[Path]) -> tuple[list[Path], int]:
    """The files below the data folder that no relation, raw part, log or known place explains,
    and the bytes of all files. Hidden files are nobody's business.
    """
    lake = models.lake
    found, size = answers.unread(lake.base, models.models.values()), 0
    for entry in _files(lake.base):
        path = Path(entry.path)
        size += _size(entry)
        steps = path.relative_to(lake.base).parts
        is_known = (
            path in published
            or steps[0] in KNOWN_FOLDERS
            or (steps[1:] and path.name == SUMS)
            or (len(steps) == 1 and _is_own(path.name))
            or _is_of_lake(lake, path)
        )
        if not is_known and not any(step.startswith(".") for step in steps):
            found.append(path)
    return sorted(found), size


def _size(entry: os.DirEntry) -> int:
    """Bytes of a file; none of one that a build has taken away just now."""
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _is_own(name: str) -> bool:
    """Whether a file directly in the data folder is one that the commands keep there."""
    is_db = name.startswith("lake.") and name.endswith((".db", ".db.wal"))
    return is_db or name.startswith(NOTED.partition(".")[0]) or name.endswith(".lock")


def _is_of_lake(lake: Lake, path: Path) -> bool:
    """Whether it belongs to the lake's own folder, where that is the data folder too."""
    if lake.folder != lake.base:
        return False
    own = (lake.file, lake.folder / "sql", lake.folder / "macros", lake.folder / "reports")
    return any(path == one or one in path.parents for one in own)


def _files(folder: Path | str) -> Iterator[os.DirEntry]:
    """All files below a folder; what a build takes away meanwhile is left out."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(entry.path)
                else:
                    yield entry
    except FileNotFoundError:
        return
