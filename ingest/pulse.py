"""Whether data still flows: kline_1s comes every second for every symbol and counts its trades.

A pair that nobody trades is quiet, not stalled: its klines go on.
"""

from ingest.clock import Clock

# Seconds without a kline, once one was seen; seconds that a counted trade may be late.
PATIENCE_S = 10.0
TRADE_LATE_S = 5.0
# A symbol that goes on being silent after a reconnect (halted?) must not cost the others a
# reconnect every time: its patience doubles up to this.
LONGEST_PATIENCE_S = 3600.0
# Without any kline on the connection (a recording without them) only silence of all can be judged.
SILENCE_S = 60.0
STEADY_BEATS = 60


class Pulse:
    """The signs of life of one symbol on one connection."""

    __slots__ = ("beat_us", "beats", "newest_id", "owed_id", "owed_us", "patience_s")

    def __init__(self, patience_s: float) -> None:
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

    def why_stalled(self, now_us: int, subscribed_us: int) -> str | None:
        """Why this symbol counts as stalled, None when it does not."""
        if self.newest_id >= self.owed_id:
            self.owed_id = -1
        elif now_us - self.owed_us > TRADE_LATE_S * 1e6:
            return f"trade {self.owed_id} was counted by a kline and did not arrive"
        silent_s = (now_us - (self.beat_us or subscribed_us)) / 1e6
        if silent_s <= self.patience_s:
            return None
        return f"no kline for {silent_s:.0f} s" if self.beats else "no data since subscribing"


class Watch:
    """The pulses of a connection. `patience`: seconds by symbol, kept from one to the next."""

    def __init__(self, symbols: list[str], clock: Clock, patience: dict[str, float]) -> None:
        self._clock = clock
        self._patience = patience
        self.pulses = {symbol: Pulse(patience.get(symbol, PATIENCE_S)) for symbol in symbols}
        self.subscribed_us: int | None = None
        self.heard_us = 0

    def stalled(self) -> tuple[str | None, str] | None:
        """(symbol or None for all, why) when the connection must be replaced, else None."""
        if self.subscribed_us is None:
            return None
        now_us = self._clock.heard_until()
        beating = any(pulse.beats for pulse in self.pulses.values())
        if not beating:
            silent_s = (now_us - max(self.heard_us, self.subscribed_us)) / 1e6
            limit_s = SILENCE_S if self.heard_us else PATIENCE_S
            return (None, f"no data for {silent_s:.0f} s") if silent_s > limit_s else None
        found = {
            symbol: why
            for symbol, pulse in self.pulses.items()
            if (why := pulse.why_stalled(now_us, self.subscribed_us))
        }
        if not found:
            return None
        for symbol in found:
            self._lose_patience(symbol)
        symbol, why = next(iter(found.items()))
        return (None if len(found) == len(self.pulses) > 1 else symbol), why

    def _lose_patience(self, symbol: str) -> None:
        pulse = self.pulses[symbol]
        longer_s = min(2 * pulse.patience_s, LONGEST_PATIENCE_S)
        self._patience[symbol] = PATIENCE_S if pulse.beats > STEADY_BEATS else longer_s
