"""How much may be asked of a host: a weight in each window of its clock, and pauses it orders.

Windows are aligned to the clock (a call at 00:01:23 counts to minute 00:01), not the last 60 s.
What other processes of this address use is seen in the header of each answer.
"""

import asyncio
import time

from loguru import logger

# The clocks agree to about a round trip: a window begins a little later for us.
MARGIN_US = 250_000
# Waits from this many seconds on are told.
TOLD_S = 1.0


class Timer:
    """The clock of a source as it was read once, running on evenly at its speed. Times in µs.

    It runs while a replay's own clock stands, too: a limit must come to its end.
    """

    def __init__(self) -> None:
        self.follow(time.time_ns() // 1000, 1.0)

    def follow(self, source_us: int, speed: float) -> None:
        """Go on from this time of the source. `speed`: seconds of it that pass in a real one."""
        self._from_us, self.speed, self._since = source_us, speed, time.perf_counter()

    def now_us(self) -> int:
        """The time at the source."""
        return self._from_us + int((time.perf_counter() - self._since) * self.speed * 1e6)

    async def sleep(self, seconds: float) -> None:
        """Wait for seconds of the source."""
        await asyncio.sleep(seconds / self.speed)


class Budget:
    """A `limit` of weight in each `window_s` seconds; a sixtieth is left to other processes."""

    def __init__(self, timer: Timer, limit: int, window_s: int = 60) -> None:
        self._timer = timer
        self._limit = limit - limit // 60
        self._window_us = window_s * 1_000_000
        self._window = 0
        self._used = self._asked = 0

    async def take(self, weight: int) -> int:
        """Wait until `weight` may be used; the window that it is used in."""
        while wait_us := self._wait_us(weight):
            if wait_us / self._timer.speed >= TOLD_S * 1e6:
                logger.debug("the weight of this minute is used: waiting {:.0f} s", wait_us / 1e6)
            await self._timer.sleep(wait_us / 1e6)
        self._asked += weight
        return self._window

    def answered(self, weight: int, window: int, used: int | None) -> None:
        """A call has ended. `used`: the weight of all in this window, as the host counts it."""
        self._asked -= weight
        if window == self._window:
            self._used = self._used + weight if used is None else max(self._used, used)

    def rest_s(self) -> float:
        """Seconds until the next window."""
        into_us = (self._timer.now_us() - MARGIN_US) % self._window_us
        return (self._window_us - into_us) / 1e6

    def _wait_us(self, weight: int) -> int:
        window = (self._timer.now_us() - MARGIN_US) // self._window_us
        if window != self._window:
            self._window, self._used = window, 0
        if self._used + self._asked + weight <= self._limit:
            return 0
        return int(self.rest_s() * 1e6) + 1
