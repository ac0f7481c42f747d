"""Raw answers of single questions: each one line of JSON, appended and never changed.

    <folder>/<name>/<day fetched>/answers.jsonl, answers_2.jsonl …
    {"fetched_at":1760918400000000,"request":{…},"body":…}

Only the holder of the command's lock writes. A line is one write(): a kill leaves at most a torn
last line, which the next writer cuts off.
"""

import errno
import os
import re
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

import msgspec

from runner.files import sync_folder
from runner.moments import day_of
from runner.paths import encode

LARGEST = 64 * 2**20
NUMBERED = re.compile(r"answers(?:_(\d+))?\.jsonl$")
CHUNK = 2**20


class Answers:
    """Appends answers below a folder such as raw/binance/_rest/klines_1m; fsynced when it closes.

    `largest`: bytes from which a file is followed by another one.
    """

    def __init__(self, folder: Path, largest: int = LARGEST) -> None:
        self.folder, self._largest = folder, largest
        self._files: dict[str, tuple[str, FileIO]] = {}

    def __enter__(self) -> "Answers":
        return self

    def __exit__(self, *exception: object) -> None:
        for name in list(self._files):
            self._finish(name)

    def append(self, name: str, fetched_us: int, request: Mapping, body: bytes) -> None:
        """Append an answer. `name`: a symbol or ticker; `body`: JSON, kept as it is.

        OSError when the disk does not take it; nothing of it is left then.
        """
        flat = body.replace(b"\r", b" ").replace(b"\n", b" ")  # JSON has none within its texts
        asked = msgspec.json.encode(request)
        file = self._file(name, day_of(fetched_us))
        before = file.tell()
        line = b'{"fetched_at":%d,"request":%s,"body":%s}\n' % (fetched_us, asked, flat)
        try:
            whole = file.write(line) == len(line)
            if not whole:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
        except OSError:
            file.truncate(before)
            file.seek(before)
            raise

    def _file(self, name: str, day: str) -> FileIO:
        """The file that takes the next line of a name, at its end."""
        if name in self._files:
            opened_for, file = self._files[name]
            if opened_for == day and file.tell() < self._largest:
                return file
            self._finish(name)
        file = _opened(self.folder / encode(name) / day, self._largest)
        self._files[name] = day, file
        return file

    def _finish(self, name: str) -> None:
        """Close a name's file, durable."""
        _, file = self._files.pop(name)
        with file:
            os.fsync(file.fileno())
        sync_folder(Path(file.name).parent)


def _opened(folder: Path, largest: int) -> FileIO:
    """The newest file of a folder, or the one after it; without a torn last line."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [int(match[1] or 1) for path in folder.iterdir() if (match := _numbered(path))]
    number = max(found, default=1)
    file = _whole(folder / _name(number))
    if file.tell() < largest:
        return file
    file.close()
    return _whole(folder / _name(number + 1))


def _numbered(path: Path) -> re.Match | None:
    return NUMBERED.match(path.name)


def _name(number: int) -> str:
    return f"answers{'' if number == 1 else f'_{number}'}.jsonl"


def _whole(path: Path) -> FileIO:
    """A file opened at the end of its last whole line; what follows that is cut off."""
    file = path.open("ab", buffering=0)
    end = os.fstat(file.fileno()).st_size
    with path.open("rb") as reader:
        while end:
            begin = max(0, end - CHUNK)
            reader.seek(begin)
            if (found := reader.read(end - begin).rfind(b"\n")) >= 0:
                end = begin + found + 1
                break
            end = begin
    file.truncate(end)
    file.seek(end)
    return file
