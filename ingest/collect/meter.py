"""What is shown of the running collector: counts, latencies and the newest prices, by symbol."""

from collections import deque

# Latencies kept for a symbol between two log lines: enough for a 95th percentile.
SAMPLES = 2000


class Meter:
    """The newest of one symbol. Latencies in µs: receive time minus event time, uncorrected.

    `seen_us`: when its newest message of any kind came, 0 = none yet.
    """

    __slots__ = ("trades", "quotes", "price", "bid", "ask", "latencies", "seen_us")

    def __init__(self) -> None:
        self.trades = self.quotes = self.seen_us = 0
        self.price = self.bid = self.ask = ""
        self.latencies: deque[int] = deque(maxlen=SAMPLES)

    def latency_ms(self, offset_us: int | None) -> tuple[float, float] | None:
        """50th and 95th percentile with the clocks brought together, None without trades.

        `offset_us`: the exchange's time minus ours.
        """
        if not self.latencies:
            return None
        ordered = sorted(self.latencies)
        at = [ordered[(len(ordered) - 1) * percent // 100] for percent in (50, 95)]
        return tuple((value + (offset_us or 0)) / 1000 for value in at)

    def spread(self) -> float | None:
        """Best ask minus best bid, for the eye only; None without both."""
        try:
            return float(self.ask) - float(self.bid)
        except ValueError:
            return None


def latency_line(meters: dict[str, Meter], offset_us: int | None) -> str | None:
    """The latencies of all symbols on one line, and a new count begun; None without trades."""
    parts = []
    for symbol, meter in meters.items():
        if latency := meter.latency_ms(offset_us):
            parts.append(f"{symbol} {latency[0]:.0f}/{latency[1]:.0f}")
            meter.latencies.clear()
    return f"latency p50/p95 in ms: {', '.join(parts)}" if parts else None
