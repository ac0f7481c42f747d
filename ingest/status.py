"""What the collector tells other processes of itself: a small file, a new one every second.

Times are in µs on the clock of the source, the replay's in a replay, but for `written_us`.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from runner.files import write_whole

EVERY_S = 1.0


class Symbol(msgspec.Struct, frozen=True):
    """What came of a symbol in this run. `seen_us`: its newest message of any kind, 0 = none."""

    seen_us: int
    trades: int
    quotes: int


class Status(msgspec.Struct, frozen=True):
    """A collector as it was at `now_us`, or by the machine's clock at `written_us`.

    `speed`: of a replay, None live, 0.0 = as fast as it is read; `connections`: on which data has
    come; `parts`: raw files begun; `refusing`: the disk takes no lines; `ended`: why, once it has;
    `trouble`: why there is no connection, where the last try failed.
    """

    pid: int
    mode: str
    now_us: int
    written_us: int
    started_us: int
    speed: float | None
    connections: int
    reconnects: int
    rejected: int
    dropped: int
    parts: int
    warnings: int
    refusing: bool
    clock_offset_us: int | None
    symbols: dict[str, Symbol]
    ended: str | None = None
    trouble: str | None = None


def file(base: Path) -> Path:
    """Where the status of a lake's collector lies."""
    return base / "logs" / "health" / "collector.json"


def read(base: Path) -> Status | None:
    """The newest status of a lake's collector, running or not; None where there is none."""
    try:
        return msgspec.json.decode(file(base).read_bytes(), type=Status)
    except (OSError, msgspec.MsgspecError):
        return None


def write(base: Path, status: Status) -> None:
    """Put a status in the place of the one before; a disk that does not take it is told of by the
    raw lines, which matter more."""
    try:
        write_whole(file(base), msgspec.json.encode(status))
    except OSError:
        return


async def keep(base: Path, now: Callable[[], Status]) -> None:
    """Write `now()` every second until cancelled; the loop that receives never waits for it."""
    while True:
        writing = asyncio.create_task(asyncio.to_thread(write, base, now()))
        try:
            await asyncio.shield(writing)
        finally:
            await writing  # or it would take the place of the last one, which says why it ended
        await asyncio.sleep(EVERY_S)


def machine_us() -> int:
    """The machine's clock."""
    return time.time_ns() // 1000
