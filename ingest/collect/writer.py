"""From the lanes in memory to the journal on disk, in a thread, four times a second and more."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from loguru import logger

from ingest.collect.buffer import Lane, Room
from ingest.collect.clock import Clock
from ingest.collect.journal import Journal, wait_until

PAUSE_S = 0.2  # a batch at least every 250 ms
RETRY_S = 1.0  # while the disk refuses
COMPLAIN_S = 60.0
LAST_TRY_S = 4.0  # at the end of a run, for a disk that is full


class Writer:
    """The only one that touches the journal while lines arrive.

    `failing`: whether the disk refused the last batch. `acknowledged`: set at each batch.
    """

    def __init__(self, journal: Journal, lanes: list[Lane], room: Room, clock: Clock) -> None:
        self.failing = False
        self.acknowledged = asyncio.Event()
        self._journal = journal
        self._lanes = lanes
        self._room = room
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "writer")
        self._complained = float("-inf")

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self.batch()
            await asyncio.sleep(RETRY_S if self.failing else PAUSE_S)

    async def batch(self) -> None:
        """Write what has arrived and seal what is over."""
        now_us = self._clock.now()
        segments = [segment for lane in self._lanes for segment in lane.take()]
        # Shielded: a batch that was taken out of memory must reach the disk although we stop.
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, self._write, segments, now_us
        )
        acknowledged, failure = await asyncio.shield(work)
        self._room.used -= acknowledged
        self.acknowledged.set()
        self._report(failure)

    def close(self) -> int:
        """Write and seal everything; the number of lines that were lost to a full disk."""
        self._thread.shutdown(wait=True)
        segments = [segment for lane in self._lanes for segment in lane.take()]
        self._journal.write(segments)
        if wait_until(self._journal, time.monotonic() + LAST_TRY_S):
            self._report(None)  # what the disk refused before, it took at the last try
        return self._journal.close()

    def _write(self, segments: list, now_us: int) -> tuple[int, OSError | None]:
        acknowledged, failure = self._journal.write(segments)
        return acknowledged, self._journal.seal_due(now_us) or failure

    def _report(self, failure: OSError | None) -> None:
        """One line a minute while the disk refuses, one when it takes lines again."""
        if failure and time.monotonic() - self._complained > COMPLAIN_S:
            self._complained = time.monotonic()
            logger.error(
                "the disk refuses raw lines ({}); {:.1f} MiB wait in memory, trying again",
                failure,
                self._room.used / 2**20,
            )
        elif self.failing and not failure:
            self._complained = float("-inf")
            logger.info("the disk takes raw lines again")
        self.failing = failure is not None
