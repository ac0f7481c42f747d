"""How long to wait before the next connection; the waits that `websockets.connect` asks for."""

import random
from collections import deque
from collections.abc import Iterator

from ingest.collect.clock import Clock, Even

# The exchange allows 300 connections in 5 minutes and bans whoever goes on.
CONNECTS = 200
WINDOW_S = 300.0


class Backoff(Iterator):
    """An endless series of waits in real seconds; the first is the shortest."""

    def __init__(self, first_s: float, longest_s: float, clock: Clock | Even) -> None:
        self._first_s = min(first_s, longest_s)
        self._longest_s = longest_s
        self._clock = clock
        self._tries = 0
        self._asked_s = 0.0
        self._connects: deque[int] = deque(maxlen=CONNECTS)

    def __next__(self) -> float:
        """The next wait; at its end a connection is made."""
        # Beyond 2^30 times the first wait every longest wait is reached.
        step_s = min(self._first_s * 2 ** min(self._tries, 30), self._longest_s)
        wait_s = step_s if not self._tries else step_s * random.uniform(0.75, 1.0)
        self._tries += 1
        wait_s = max(wait_s, self._asked_s, self._room_s())
        self._asked_s = 0.0
        self._connects.append(self._clock.now() + int(wait_s * 1e6))
        return self._clock.real_seconds(wait_s)

    def reset(self) -> None:
        """Data came: the next wait is the first one again."""
        self._tries = 0

    def at_least(self, seconds: float) -> None:
        """The exchange asked for this much (Retry-After)."""
        self._asked_s = seconds

    def _room_s(self) -> float:
        """Seconds until one more connection stays within the exchange's limit."""
        if len(self._connects) < CONNECTS:
            return 0.0
        return WINDOW_S - (self._clock.now() - self._connects[0]) / 1e6
