"""Files of the exchange's archive: a zip with one CSV a symbol and UTC day, and its checksum.

    <archive>/data/spot/daily/klines/SOLUSDT/1m/SOLUSDT-1m-2025-10-20.zip  (and .zip.CHECKSUM)

https://github.com/binance/binance-public-data
"""

import asyncio
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO

from loguru import logger

from ingest.http import Answer, Host

TRIES = 2
BUFFER_BYTES = 1 << 20
UNREADABLE = zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError


class Damaged(Exception):
    """A file that cannot be used; the text says why."""


@dataclass(frozen=True)
class Zipped:
    """A zip of one file. `told`: the text of its checksum, None where the archive has none."""

    answer: Answer
    told: bytes | None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.answer.body).hexdigest()

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file in it, unpacked as it is read."""
        with zipfile.ZipFile(io.BytesIO(self.answer.body)) as archive:
            names = archive.namelist()
            if not names:
                raise zipfile.BadZipFile("it is empty")
            with archive.open(names[0]) as file:
                yield file

    def lines(self) -> Iterator[bytes]:
        """The lines of that, without their ends, and without a header, which newer files have."""
        with self.opened() as file:
            for number, line in enumerate(io.BufferedReader(file, BUFFER_BYTES)):
                if (line := line.strip()) and (number or line[:1].isdigit()):
                    yield line

    def flaw(self) -> str | None:
        """Why it cannot be used: it is not what its checksum says, or cannot be unpacked."""
        if self.told is not None and self.told.lower().split()[:1] != [self.sha256.encode()]:
            return "its sha256 is not the one of its CHECKSUM"
        try:
            with self.opened() as file:
                while file.read(BUFFER_BYTES):
                    pass
        except UNREADABLE as error:
            return f"it is no whole zip ({error})"
        return None


async def fetch(host: Host, path: str, total_s: float) -> Zipped | None:
    """A file of the archive, None where there is none of that name; `total_s`: what it may take.

    A damaged one is fetched once more, as it may just have been replaced; then Damaged.
    """
    for _ in range(TRIES):
        answer = await host.file(path, total_s)
        if answer is None:
            return None
        told = await host.file(f"{path}.CHECKSUM")
        found = Zipped(answer, told.body if told else None)
        flaw = await asyncio.to_thread(found.flaw)
        if flaw is None:
            return found
        logger.debug("{}: {}", path, flaw)
    raise Damaged(f"{flaw}, fetched twice")
