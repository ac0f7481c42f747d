"""The raw files on disk: segments of lines go in, sealed parts come out.

A line is acknowledged once its write() has returned. Runs in the writer's thread; sealing, which
waits for the disk, has a thread of its own.
"""

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from loguru import logger

from ingest.collect.buffer import Segment
from ingest.collect.part import Part
from ingest.collect.unsealed import Unsealed
from runner.paths import HOUR_US

# Parts that may wait to be sealed; then the writer waits.
SEALS_WAITING = 128
RETRY_S = 1.0  # what could not be sealed
COMPLAIN_S = 60.0


class _Lot:
    """A segment as bytes, and how many of them are on disk."""

    __slots__ = ("segment", "data", "done", "room")

    def __init__(self, segment: Segment) -> None:
        text = "".join(segment.lines)
        self.segment = segment
        self.room = len(text)
        self.data = memoryview(text.encode())
        self.done = 0


class Journal:
    """All open parts under raw/. `standing`: lanes in which there is always an open part.

    `begun`: in how many parts lines were written so far.
    """

    def __init__(self, raw: Path, standing: tuple[str, ...] = ()) -> None:
        self.begun = 0
        self._raw = raw
        self._standing = standing
        self._unsealed = Unsealed(raw)
        self._parts: dict[str, tuple[Part, int, int]] = {}  # lane → part, its number, its cut_us
        self._waiting: dict[str, deque[_Lot]] = {}
        self._sealer = ThreadPoolExecutor(1, "sealer")
        self._seals: set[Future] = set()
        self._busy: deque[Part] = deque()
        self._tried = self._complained = float("-inf")

    def write(self, segments: list[Segment]) -> tuple[int, OSError | None]:
        """Write all that waits, lane by lane; characters of lines acknowledged, what went wrong.

        What the disk does not take stays here, and its exact rest is written by a later call.
        """
        for segment in segments:
            self._waiting.setdefault(segment.lane, deque()).append(_Lot(segment))
        acknowledged, failure = 0, None
        for lane, lots in self._waiting.items():
            try:
                while lots:
                    self._write_lot(lane, lots[0])
                    acknowledged += lots.popleft().room
            except OSError as error:
                failure = error
        self._waiting = {lane: lots for lane, lots in self._waiting.items() if lots}
        return acknowledged, failure

    def seal_due(self, now_us: int) -> OSError | None:
        """Seal the parts whose time is over; what went wrong, to be tried again by a later call.

        An empty standing part waits for its first line.
        """
        failure = None
        for lane, (part, _, cut_us) in list(self._parts.items()):
            if now_us < cut_us or lane in self._waiting:
                continue
            if lane not in self._standing:
                self._seal(self._parts.pop(lane)[0])
            elif part.size:
                try:
                    # Numbered 0, as no segment is: a line that comes late gets its own part.
                    self._open(lane, 0, now_us, now_us)
                except OSError as error:
                    failure = error
        self._seal_busy()
        return failure

    def close(self) -> int:
        """Seal everything; the number of lines that the disk did not take and that are lost."""
        lost = sum(self._give_up(lane) for lane in self._waiting)
        for part, _, _ in self._parts.values():
            self._seal(part)
        self._parts.clear()
        self._sealer.shutdown(wait=True)
        left = [part for part in self._busy if not self._sealed_at_last(part)]
        # A lost line may have been a session's end: recovery then writes that.
        if not left and not lost:
            self._unsealed.clear()
        return lost

    def _write_lot(self, lane: str, lot: _Lot) -> None:
        part = self._part_for(lane, lot.segment)
        self.begun += not part.size
        while lot.done < len(lot.data):
            lot.done += part.write(lot.data[lot.done :])

    def _part_for(self, lane: str, segment: Segment) -> Part:
        part, number, _ = self._parts.get(lane, (None, 0, 0))
        if part and number == segment.part:
            return part
        # A standing part opened ahead of its first line fits when it is of the same hour.
        if part and not part.size and part.hour_us == segment.first_us // HOUR_US * HOUR_US:
            self._parts[lane] = (part, segment.part, segment.cut_us)
            return part
        return self._open(lane, segment.part, segment.first_us, segment.cut_us)

    def _open(self, lane: str, number: int, first_us: int, cut_us: int) -> Part:
        """Open the lane's next part, then let the one before go to be sealed."""
        part = Part(self._raw / lane, first_us)
        try:
            self._unsealed.note(part.folder)
        except OSError:
            part.seal()
            raise
        before = self._parts.get(lane)
        self._parts[lane] = (part, number, cut_us)
        if before:
            self._seal(before[0])
        return part

    def _seal(self, part: Part) -> None:
        if len(self._seals) >= SEALS_WAITING:
            wait(self._seals, return_when=FIRST_COMPLETED)
        self._seals = {seal for seal in self._seals if not seal.done()}
        self._seals.add(self._sealer.submit(self._seal_now, part))

    def _seal_now(self, part: Part) -> None:
        try:
            part.seal()
        except OSError as error:
            if time.monotonic() - self._complained > COMPLAIN_S:
                self._complained = time.monotonic()
                logger.warning("{} cannot be sealed yet: {}; trying again", part.path, error)
            self._busy.append(part)

    def _seal_busy(self) -> None:
        """Once a second, what could not be sealed before: a build reads sealed parts only."""
        if self._busy and time.monotonic() - self._tried > RETRY_S:
            self._tried = time.monotonic()
            for _ in range(len(self._busy)):
                self._seal(self._busy.popleft())

    @staticmethod
    def _sealed_at_last(part: Part) -> bool:
        try:
            part.seal()
        except OSError as error:
            logger.error("{} stays open until the next command: {}", part.path, error)
            part.abandon()
            return False
        return True

    def _give_up(self, lane: str) -> int:
        """Cut a half-written line off; the lines that wait in this lane and are not on disk."""
        first, *others = self._waiting[lane]
        data = bytes(first.data)
        whole = data.rfind(b"\n", 0, first.done) + 1
        part, number, _ = self._parts.get(lane, (None, 0, 0))
        if part and number == first.segment.part:
            part.cut(part.size - (first.done - whole))
        return data.count(b"\n", whole) + sum(len(lot.segment.lines) for lot in others)


def wait_until(journal: Journal, deadline: float) -> bool:
    """Write what waits until nothing does; False when the deadline (monotonic s) came first."""
    while True:
        _, failure = journal.write([])
        if failure is None:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
