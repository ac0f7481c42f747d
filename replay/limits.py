"""The exchange's limits of requests: counted in whole minutes of its clock; 429, then 418."""

import time
from typing import NamedTuple

from replay.clock import IDLE_RATE, Clock

FIRST_BAN_S, LONGEST_BAN_S = 120, 3 * 86_400


class Refusal(NamedTuple):
    """A request that is not answered: `status` 429 or 418, and what its sender is told."""

    status: int
    retry_after_s: int
    message: str


class _Pool:
    """At most `limit` within a window, which begins at whole multiples of its length."""

    def __init__(self, name: str, limit: int, window_s: int):
        self.name, self.limit = name, limit
        self.window_us, self.used = window_s * 1_000_000, 0
        self._window = 0

    def add(self, cost: int, now_us: int) -> bool:
        """Counts it; whether that is too much."""
        window = now_us // self.window_us
        if window != self._window:
            self._window, self.used = window, 0
        self.used += cost
        return bool(cost) and self.used > self.limit

    def rest_s(self, now_us: int) -> int:
        """Whole seconds until the next window."""
        return -(-(self.window_us - now_us % self.window_us) // 1_000_000)


class Gate:
    """One host's pools, by name with (limit, seconds); its clock never stands.

    A client's timers go on at the replay's speed (1,000 times real time at full speed) even while
    nothing is played, so do the windows here. `calls_until_ban`: so many calls within a window that
    was answered with 429 are answered with 429 too, more with a ban: each twice as long.
    """

    def __init__(self, clock: Clock, pools: dict[str, tuple[int, int]], calls_until_ban: int):
        self._clock, self._until_ban = clock, calls_until_ban
        self._pools = {name: _Pool(name, *numbers) for name, numbers in pools.items()}
        self._now_us, self._wall = float(clock.exchange_us()), time.monotonic()
        self._over_limit = 0  # calls since the first 429 of the window
        self._over_until_us = self._banned_until_us = 0
        self._next_ban_s = FIRST_BAN_S

    def follow(self) -> None:
        """A client reads the clock now, and has its windows from there, though the clock stands."""
        now_us, clock_us = self._tick(), self._clock.exchange_us()
        if now_us >= max(self._over_until_us, self._banned_until_us):
            self._now_us = min(self._now_us, float(clock_us))

    def ban(self, seconds: int) -> int:
        """Refuses everything for so long; the end of it in µs."""
        self._banned_until_us = self._tick() + seconds * 1_000_000
        return self._banned_until_us

    def used(self, name: str) -> int:
        """What the window has seen so far, refused calls too."""
        pool = self._pools[name]
        pool.add(0, self._tick())
        return pool.used

    def refuses(self, costs: dict[str, int]) -> Refusal | None:
        """Counts a call; the refusal when it is one too many."""
        now_us = self._tick()
        pools = [self._pools[name] for name in costs]
        spent = [pool for pool in pools if pool.add(costs[pool.name], now_us)]
        if now_us < self._banned_until_us:
            return self._ban(now_us)
        if not spent:
            return None
        rest_s = max(pool.rest_s(now_us) for pool in spent)
        if now_us >= self._over_until_us:
            self._over_limit, self._over_until_us = 0, now_us + rest_s * 1_000_000
        self._over_limit += 1
        if self._over_limit > self._until_ban:
            self._banned_until_us = now_us + self._next_ban_s * 1_000_000
            self._next_ban_s = min(2 * self._next_ban_s, LONGEST_BAN_S)
            return self._ban(now_us)
        minutes = spent[0].window_us // 60_000_000
        return Refusal(
            429,
            rest_s,
            f"Too much request weight used; current limit is {spent[0].limit} request weight per "
            f"{minutes} MINUTE. Please use WebSocket Streams for live updates to avoid polling "
            "the API.",
        )

    def _ban(self, now_us: int) -> Refusal:
        left_s = -(-(self._banned_until_us - now_us) // 1_000_000)
        return Refusal(418, left_s, ban_message(self._banned_until_us))

    def _tick(self) -> int:
        wall = time.monotonic()
        passed_us = (wall - self._wall) * (self._clock.speed or IDLE_RATE) * 1e6
        self._wall = wall
        self._now_us = max(self._now_us + passed_us, float(self._clock.exchange_us()))
        return int(self._now_us)


def ban_message(until_us: int) -> str:
    return (
        f"Way too much request weight used; IP banned until {until_us // 1000}. Please use "
        "WebSocket Streams for live updates to avoid bans."
    )
