"""The exchange's limits and timers, each a knob, and the windows in which limits are counted."""

import time
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """Defaults are the real exchange's. Seconds are the replay's: scaled by its speed."""

    ping_every_s: float = 20.0
    pong_within_s: float = 60.0
    lifetime_s: float = 86_400.0
    lifetime_code: int = 1001
    shutdown_lead_s: float = 30.0  # serverShutdown is sent this long before; 0 = never
    messages_per_second: int = 5
    streams_per_connection: int = 1024
    client_frame_bytes: int = 4096  # on the wire, with 8 of header; larger ones are ignored
    connects: int = 300
    connects_within_s: float = 300.0
    connects_status: int = 429
    flat_errors: bool = False  # {"code", "msg", "id"} as documented, not nested as seen
    # REST: of each host, in whole minutes of its clock
    weight_per_minute: int = 6000
    calls_per_5_minutes: int = 300_000
    futures_weight_per_minute: int = 2400
    funding_calls_per_5_minutes: int = 500
    open_interest_calls_per_5_minutes: int = 1000
    calls_until_ban: int = 10  # answered with 429 in one window; those after it with 418


class Limit:
    """At most `count` of something within `window_s`.

    Counted is what lies within the window on the wall clock *and* on the replay's: a client that
    keeps the limit in replayed time must not be cut because the replay is fast, and one that waits
    while the replay's clock stands must not be cut either.
    """

    def __init__(self, count: int, window_s: float):
        self._count, self._window_s = count, window_s
        self._seen: deque[tuple[float, float]] = deque()

    def exceeded(self, timer_us: int) -> bool:
        """Counts one more now; whether that is one too many."""
        wall, timer = time.monotonic(), timer_us / 1e6
        seen, window = self._seen, self._window_s
        while seen and (wall - seen[0][0] > window or timer - seen[0][1] > window):
            seen.popleft()
        seen.append((wall, timer))
        return len(seen) > self._count
