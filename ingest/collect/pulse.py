"""Whether data still flows: kline_1s comes every second for every symbol and counts its trades.

A pair that nobody trades is quiet, not stalled: its klines go on. Quotes have no heartbeat, but a
trade changes the best quote: trades without any quote after them mean that the quotes stalled.
"""

import time
from typing import NamedTuple

from ingest.collect.clock import Clock, Even

# Seconds without a kline, once one was seen; seconds that a counted trade may be late.
PATIENCE_S = 10.0
TRADE_LATE_S = 5.0
# Seconds until the first kline of a symbol while others have theirs. (A replay cannot make one
# before it knows a price.)
FIRST_S = 60.0
# For a symbol that stays silent on the next connection too (halted?) patience doubles up to this.
LONGEST_PATIENCE_S = 3600.0
# Without any kline on the connection (a recording without them) only silence of all can be judged.
SILENCE_S = 60.0
# Real seconds that the first data may take, however fast a replay's clock runs.
FIRST_DATA_S = 1.0
STEADY_BEATS = 60
# The quote that a trade left may have come this long before the trade itself.
QUOTE_NEAR_US = 1_000_000


class Stall(NamedTuple):
    """What has stalled and why. `symbol`: None = all. `quotes_until_us`: only the quotes did, the
    last one came then."""

    symbol: str | None
    why: str
    quotes_until_us: int | None = None


class Pulse:
    """The signs of life of one symbol on one connection.

    `quote_us`: the newest quote; `unquoted_us`: the first trade that came well after it.
    """

    __slots__ = (
        *("beat_us", "beats", "newest_id", "owed_id", "owed_us", "patience_s"),
        *("quote_us", "unquoted_us"),
    )

    def __init__(self, patience_s: float) -> None:
        self.quote_us = self.unquoted_us = 0
        self.beat_us = 0
        self.beats = 0
        self.newest_id = -1
        self.owed_id = -1
        self.owed_us = 0
        self.patience_s = patience_s

    def beat(self, recv_us: int, trades: int, last_id: int) -> None:
        """Note a kline that counts trades up to last_id (-1: none)."""
        self.beat_us = recv_us
        self.beats += 1
        # The first one may count trades from before the subscription.
        if self.beats > 1 and trades > 0 and self.newest_id < last_id and self.owed_id < 0:
            self.owed_id, self.owed_us = last_id, recv_us

    def trade(self, recv_us: int, trade_id: int) -> None:
        """Note a trade."""
        if trade_id > self.newest_id:
            self.newest_id = trade_id
        if self.unquoted_us <= self.quote_us + QUOTE_NEAR_US:
            self.unquoted_us = recv_us

    def why_unquoted(self, now_us: int) -> str | None:
        """Why the quotes of this symbol count as stalled, None when they do not."""
        # Without any quote so far (a recording of trades alone) nothing is expected.
        if not 0 < self.quote_us < self.unquoted_us - QUOTE_NEAR_US:
            return None
        waited_s = (now_us - self.unquoted_us) / 1e6
        return (
            f"no quote for {waited_s:.0f} s after a trade" if waited_s > self.patience_s else None
        )

    def why_stalled(self, now_us: int, subscribed_us: int) -> str | None:
        """Why this symbol counts as stalled, None when it does not."""
        if self.newest_id >= self.owed_id:
            self.owed_id = -1
        elif now_us - self.owed_us > TRADE_LATE_S * 1e6:
            return f"trade {self.owed_id} was counted by a kline and did not arrive"
        silent_s = (now_us - (self.beat_us or subscribed_us)) / 1e6
        if silent_s <= self.patience_s or (not self.beats and silent_s <= FIRST_S):
            return None
        return f"no kline for {silent_s:.0f} s" if self.beats else "no data since subscribing"


class Watch:
    """The pulses of a connection. `patience`: seconds by symbol, kept from one to the next.

    `clock`: the connection's; `suspects`: the symbols that were found stalled.
    """

    def __init__(self, symbols: list[str], clock: Clock | Even, patience: dict[str, float]) -> None:
        self.clock = clock
        self._patience = patience
        self.pulses = {symbol: Pulse(patience.get(symbol, PATIENCE_S)) for symbol in symbols}
        self.suspects: set[str] = set()
        self.subscribed_us: int | None = None
        self.heard_us = 0
        self._subscribed = 0.0

    def subscribed(self) -> None:
        """Every stream is confirmed: from now on data is expected."""
        self.subscribed_us = self.clock.heard_until()
        self._subscribed = time.monotonic()

    def stalled(self) -> list[Stall]:
        """What has stalled since the last look."""
        if self.subscribed_us is None or len(self.suspects) == len(self.pulses):
            return []
        now_us = self.clock.heard_until()
        if any(pulse.beats for pulse in self.pulses.values()):
            found = self._without_pulse(now_us)
        else:
            found = self._silent(now_us)
        for stall in found:
            self._lose_patience(stall.symbol)
        self.suspects.update(stall.symbol for stall in found)
        whole = [stall for stall in found if stall.quotes_until_us is None]
        return [Stall(None, found[0].why)] if len(whole) == len(self.pulses) else found

    def _without_pulse(self, now_us: int) -> list[Stall]:
        found = []
        for symbol, pulse in self.pulses.items():
            if symbol in self.suspects:
                continue
            if why := pulse.why_stalled(now_us, self.subscribed_us):
                found.append(Stall(symbol, why))
            elif why := pulse.why_unquoted(now_us):
                found.append(Stall(symbol, why, pulse.quote_us))
        return found

    def _silent(self, now_us: int) -> list[Stall]:
        silent_s = (now_us - max(self.heard_us, self.subscribed_us)) / 1e6
        if silent_s <= (SILENCE_S if self.heard_us else PATIENCE_S):
            return []
        if not self.heard_us and time.monotonic() - self._subscribed < FIRST_DATA_S:
            return []
        return [Stall(symbol, f"no data for {silent_s:.0f} s") for symbol in self.pulses]

    def _lose_patience(self, symbol: str) -> None:
        pulse = self.pulses[symbol]
        longer_s = min(2 * pulse.patience_s, LONGEST_PATIENCE_S)
        self._patience[symbol] = PATIENCE_S if pulse.beats > STEADY_BEATS else longer_s
