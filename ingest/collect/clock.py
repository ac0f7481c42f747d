"""The one source of time while collecting: the wall clock, or the clock of a replay.

A replay stamps each frame with its receive time. Timers then run on a clock that stands at the
newest of these stamps and goes on at the replay's speed until the next frame comes. Live, each
connection has the wall clock as it was when it was opened, running on evenly: when that is set
anew, lines of before and after would else share a minute, and quotes land in the wrong second.
"""

import asyncio
import time

# The pace of the clock between two frames of a replay at full speed, which has no pace itself.
FULL_SPEED = 1000.0
# Real seconds without a frame that mean nothing yet: at full speed every pause of 10 ms to breathe
# would look like a stall of 10 s, and a busy machine lets a process wait for half a second.
BREATH_S = 1.0
RESTARTED_US = 60_000_000


class Even:
    """The wall clock as it is now, running on evenly though that should be set. Times in µs."""

    replay = False

    def __init__(self) -> None:
        self.base_ns = time.time_ns() - time.perf_counter_ns()

    def now(self) -> int:
        """The time in µs."""
        return (self.base_ns + time.perf_counter_ns()) // 1000

    heard_until = now

    def set_by_s(self) -> float:
        """How many seconds the wall clock was set forward since (negative: back)."""
        return (time.time_ns() - time.perf_counter_ns() - self.base_ns) / 1e9

    def real_seconds(self, seconds: float) -> float:
        """How long these seconds really take."""
        return seconds


class Clock:
    """Now in µs since 1970, and waits in seconds of that clock.

    `speed`: None live; in a replay how many of its seconds pass in a real one.
    """

    def __init__(self) -> None:
        self.speed: float | None = None
        self._full_speed = False
        self._running = False
        self._newest_us = 0
        self._heard = 0.0
        self._last_conn_us = 0

    @property
    def replay(self) -> bool:
        """Whether this is the clock of a replay."""
        return self.speed is not None

    @property
    def pace(self) -> float | None:
        """A replay's speed, 0.0 for one that is sent as fast as it is read; None live."""
        return 0.0 if self._full_speed else self.speed

    def of_connection(self) -> "Clock | Even":
        """The time of a connection that is opened now, and of whatever must not jump."""
        return self if self.replay else Even()

    def set_by_s(self) -> float:
        """A replay's clock is not set."""
        return 0.0

    def follow(self, recv_us: int, speed: str) -> None:
        """Be the clock of a replay that stands at `recv_us`. `speed`: a number, or "max"."""
        self._full_speed = speed == "max"
        self.speed = FULL_SPEED if self._full_speed else float(speed)
        # Frames of another connection may have come while the answer was under way; a clock that
        # is much earlier is another replay's.
        if not self._newest_us - RESTARTED_US < recv_us <= self._newest_us:
            self._newest_us = recv_us
        self._heard = time.monotonic()

    def start(self) -> None:
        """Let a replay's clock run: at first it stands still, until something is subscribed."""
        if not self._running:
            self._running, self._heard = True, time.monotonic()

    def stand_still(self) -> None:
        """Let a replay's clock stand until `start`: we are busy, the exchange is not silent."""
        self._running = False

    def received(self, recv_us: int) -> None:
        """Take note of a frame's receive time. Out of order it moves nothing back."""
        if recv_us > self._newest_us:
            self._newest_us = recv_us
        self._heard = time.monotonic()

    def now(self) -> int:
        """The time in µs."""
        if self.speed is None:
            return time.time_ns() // 1000
        if not self._running:
            return self._newest_us
        silence_s = time.monotonic() - self._heard
        if self._full_speed:
            silence_s = max(0.0, silence_s - BREATH_S)
        return self._newest_us + int(silence_s * self.speed * 1e6)

    def heard_until(self) -> int:
        """The time in µs up to which whatever was sent has arrived.

        Live it is now. In a replay the newest frame's time, until silence is more than a breath.
        """
        if self.speed is None:
            return self.now()
        if self._running and time.monotonic() - self._heard > BREATH_S:
            return self.now()
        return self._newest_us

    def connection_id(self) -> int:
        """Now in µs, and later than every connection before."""
        self._last_conn_us = max(self.heard_until(), self._last_conn_us + 1)
        return self._last_conn_us

    def real_seconds(self, seconds: float) -> float:
        """How long these seconds of the clock really take."""
        return seconds / (self.speed or 1.0)

    async def sleep(self, seconds: float) -> None:
        """Wait for seconds of the clock."""
        await asyncio.sleep(self.real_seconds(seconds))
