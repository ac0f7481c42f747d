"""The session log, raw/binance/_sessions: what happened to a run and its connections."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from ingest.collect.buffer import Lane
from ingest.collect.part import moment

LANE = "binance/_sessions"


class Line(msgspec.Struct):
    """One line of the session log; absent values are null, times in µs.

    `offset`: the exchange's time minus ours. `first_id`, `last_id`, `count`: what was dropped.
    `stalled` is noted for when it was found; of the quotes alone (`stream`) for the last one.
    """

    event: str
    ts_recv: int
    conn: int | None = None
    mode: str | None = None
    symbols: list[str] | None = None
    symbol: str | None = None
    stream: str | None = None
    first_id: int | None = None
    last_id: int | None = None
    count: int | None = None
    offset: int | None = None
    detail: str | None = None


class SessionLog:
    """Writes session lines at the time that the clock shows."""

    def __init__(self, lane: Lane, now_us: Callable[[], int]) -> None:
        self._lane = lane
        self._now_us = now_us

    def note(
        self, event: str, conn: int | None = None, at_us: int | None = None, **facts: object
    ) -> None:
        """Add a line. `at_us`: when it was, if not now."""
        line = Line(event, at_us or self._now_us(), conn, **facts)
        self._lane.add(line.ts_recv, encode(line))


def encode(line: Line) -> str:
    """A session line as it is written, keys in their fixed order."""
    return msgspec.json.encode(line).decode() + "\n"


def read(path: Path) -> list[Line]:
    """The whole lines of a session file; what is not a session line is passed over."""
    lines = []
    for text in path.read_bytes().split(b"\n")[:-1]:
        try:
            lines.append(msgspec.json.decode(text, type=Line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return lines


def files(raw: Path, newest_first: bool = False) -> Iterator[Path]:
    """The session files, open ones included, in order of time."""
    for day in sorted((raw / LANE).glob("*/"), reverse=newest_first):
        parts = [path for path in day.iterdir() if moment(path)]
        yield from sorted(parts, key=moment, reverse=newest_first)


def mode_of_lake(raw: Path) -> str | None:
    """What the lake's first session says, "live" or "replay"; None before the first one."""
    for path in files(raw):
        for line in read(path):
            if line.event == "start" and line.mode:
                return line.mode
    return None
