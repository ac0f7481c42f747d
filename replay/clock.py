"""The replay's clock: µs on the receive axis of what is replayed.

It stands still until the first subscription, so that the offset which a client measures is exact.
At speed N it then runs N times as fast as real time. At full speed it stands at the last event
delivered while a client reads, and runs at 1,000 times real time while none does.
"""

import time

IDLE_RATE = 1_000.0


class Clock:
    """`speed` is a factor, or None for full speed; `skew_us` is receive minus exchange time."""

    def __init__(self, start_us: int, speed: float | None, skew_us: int = 0):
        self.speed, self.skew_us = speed, skew_us
        self.started = False
        self._position_us = float(start_us)
        self._rate = 0.0
        self._since = self._created = time.monotonic()
        self._stood_us = 0.0

    def now_us(self) -> int:
        """The replay's time on the receive axis."""
        return int(self._position_us + (time.monotonic() - self._since) * self._rate * 1e6)

    def exchange_us(self) -> int:
        """The same moment on the exchange's clock."""
        return self.now_us() - self.skew_us

    def header(self, recv_us: int) -> dict[str, str]:
        """The header that tells a client the replay's speed and its time at this moment."""
        speed = "max" if self.speed is None else f"{self.speed:g}"
        return {"X-Lake-Replay": f"speed={speed}; recv={recv_us}"}

    def timer_us(self) -> int:
        """What timers run on (pings, limits, lifetime): it also runs before the first event."""
        if self.started:
            return self.now_us() + int(self._stood_us)
        return self.now_us() + int(self._waited_us())

    def start(self) -> None:
        if not self.started:
            self._stood_us = self._waited_us()
            self.started = True
            self.run(self.speed or 0.0)

    def stand_at(self, now_us: int) -> None:
        """Everything has been played: the clock stands at its end."""
        self.start()
        self._position_us, self._rate = float(now_us), 0.0

    def run(self, rate: float) -> None:
        """Go on from here at `rate` times real time; 0 = stand until `advance`."""
        if rate != self._rate:
            self._position_us = self.now_us()
            self._since = time.monotonic()
            self._rate = rate

    def advance(self, to_us: int) -> None:
        """Full speed with a reading client: the clock stands at the event delivered last."""
        if self._rate == 0.0 and to_us > self._position_us:
            self._position_us = to_us

    def _waited_us(self) -> float:
        return (time.monotonic() - self._created) * (self.speed or 1.0) * 1e6
