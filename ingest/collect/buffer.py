"""Lines on their way from the socket to the disk, in memory and bounded.

Each raw folder has a lane. A lane's lines are grouped into segments, one for each part that they
belong to, by their receive time alone: so a replay cuts the same parts at any speed.
"""

from dataclasses import dataclass
from itertools import count
from sys import maxsize

from runner.paths import HOUR_US

# Bytes of lines that may wait before trades are dropped (they can be fetched by id later), and
# before quotes are dropped too. Some minutes of a busy market, for a disk that is full for a while.
TRADE_LIMIT = 128 * 2**20
QUOTE_LIMIT = 192 * 2**20


@dataclass(slots=True)
class Segment:
    """Lines of one part. `part`: the same number for all segments of that part."""

    lane: str
    part: int
    first_us: int
    cut_us: int
    lines: list[str]


class Room:
    """How many bytes wait for the disk, over all lanes, and at how many messages are dropped."""

    __slots__ = ("used", "trade_limit", "quote_limit", "_limits")

    def __init__(self, trade_limit: int = TRADE_LIMIT, quote_limit: int = QUOTE_LIMIT) -> None:
        self.used = 0
        self._limits = trade_limit, quote_limit
        self.drop(True)

    def drop(self, wanted: bool) -> None:
        """Drop at the limits, or (where the sender can wait) not at all."""
        self.trade_limit, self.quote_limit = self._limits if wanted else (maxsize, maxsize)

    def filled(self, share: float) -> bool:
        """Whether this share of what trades may take is used."""
        return self.used > share * self._limits[0]


class Lane:
    """The lines of one raw folder (`binance/BTCUSDT`) that the writer has not taken yet."""

    __slots__ = ("name", "room", "segments", "append", "low_us", "cut_us", "interval_us", "_parts")

    def __init__(self, name: str, room: Room, interval_us: int) -> None:
        self.name = name
        self.room = room
        self.interval_us = interval_us
        self.segments: list[Segment] = []
        self.low_us = self.cut_us = 0
        self._parts = count(1)

    def add(self, recv_us: int, line: str) -> None:
        """Put a line, newline included, into the part of its receive time."""
        if not self.low_us <= recv_us < self.cut_us:
            self._begin_part(recv_us)
        self.room.used += len(line)
        self.append(line)

    def take(self) -> list[Segment]:
        """All segments with lines; the lane goes on with the part of the last one."""
        taken = [segment for segment in self.segments if segment.lines]
        if taken:
            last = self.segments[-1]
            self._begin_segment(last.part, last.first_us)
        return taken

    def _begin_part(self, recv_us: int) -> None:
        """A part ends after the interval, and never spans an hour; nor does a clock set back."""
        hour_us = recv_us // HOUR_US * HOUR_US
        self.low_us = hour_us
        self.cut_us = min(recv_us + self.interval_us, hour_us + HOUR_US)
        kept = [segment for segment in self.segments if segment.lines]
        self._begin_segment(next(self._parts), recv_us)
        self.segments[:0] = kept

    def _begin_segment(self, part: int, first_us: int) -> None:
        segment = Segment(self.name, part, first_us, self.cut_us, [])
        self.segments = [segment]
        self.append = segment.lines.append
