"""Candles of the days before the first trade: synthetic, the same for the same symbol and minute.

180 days of trades are too much to make up for a test of a backfill, so these days have candles
only: up to four prices a minute, each in a second of its own, from a seed of symbol and stretch.
The price wanders by a few percent and ends at the first trade's. Some minutes have no trade.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from random import Random

from replay.events import scaled

STRETCH = 240  # minutes that are made at a time
MINUTE_US, DAY_US = 60_000_000, 86_400_000_000
QUIET = 32  # one minute of so many has no trade
FADE = 1440  # minutes before the end in which the price closes in on the first trade's

# Second of the minute, price, quantity, and whether the buyer was the taker.
Fill = tuple[int, int, int, int]


class History:
    """`days` whole days and what has passed of the last until `end_us`; 0 of them: no history.

    `price`, `tick` and `lot` are decimals as text; `halts` are (first, end) in µs: no candles.
    """

    def __init__(
        self,
        symbol: str,
        price: str,
        steps: tuple[str, str],
        end_us: int,
        days: int = 0,
        halts: Iterable[tuple[int, int]] = (),
    ):
        self._tick, self._lot = (scaled(step) for step in steps)
        self._symbol, self._price = symbol, scaled(price) // self._tick
        end_us -= end_us % MINUTE_US
        self.end_us = end_us if days else 0
        self.start_us = end_us - end_us % DAY_US - days * DAY_US if days else None
        self._halts = list(halts)
        self._stretch = lru_cache(64)(self._stretch)

    def halted(self, begin_us: int, end_us: int) -> bool:
        """Whether the market stood still in all of this time."""
        return any(first <= begin_us and end_us <= last for first, last in self._halts)

    def candles(self, begin_us: int, end_us: int, step_us: int) -> Iterator[tuple[int, tuple]]:
        """Opening and candle of each minute (or second, by the step) in which there was trading."""
        if self.start_us is None:
            return
        begin_us, end_us = max(begin_us, self.start_us), min(end_us, self.end_us)
        for minute in range(begin_us // MINUTE_US, -(-end_us // MINUTE_US)):
            fills = self._fills(minute)
            if fills and step_us == MINUTE_US:
                yield minute * MINUTE_US, _candle(fills)
                continue
            for fill in fills:
                open_us = minute * MINUTE_US + fill[0] * 1_000_000
                if begin_us <= open_us < end_us:
                    yield open_us, _candle([fill])

    def close_before(self, time_us: int) -> int | None:
        """The last price before this moment (and before the first trade), in 1e-8."""
        if self.start_us is None:
            return None
        time_us = min(time_us, self.end_us)
        for minute in range((time_us - 1) // MINUTE_US, self.start_us // MINUTE_US - 1, -1):
            for second, price, _, _ in reversed(self._fills(minute)):
                if minute * MINUTE_US + second * 1_000_000 < time_us:
                    return price
        return None

    def _fills(self, minute: int) -> list[Fill]:
        begin_us = minute * MINUTE_US
        for first, last in self._halts:
            if first < begin_us + MINUTE_US and begin_us < last:
                return []
        return self._stretch(minute // STRETCH)[minute % STRETCH]

    def _stretch(self, number: int) -> list[list[Fill]]:
        """The fills of its minutes; between its ends the price goes straight, with some noise."""
        random = Random(f"{self._symbol} {number}")
        here, there = self._away(number), self._away(number + 1)
        noise = self._price // 2000 + 2
        end = self.end_us // MINUTE_US
        minutes, close = [], None
        for i in range(STRETCH):
            bits = random.getrandbits(96)
            away = here + (there - here) * (i + 1) // STRETCH
            left = min(FADE, max(0, end - 1 - number * STRETCH - i))
            target = self._price + away * left // FADE + (bits & 0xFFF) * noise // 2048 - noise
            target = max(3, target)
            bits >>= 12
            if close is not None and i < STRETCH - 1 and bits % QUIET == 0:
                minutes.append([])
                continue
            minutes.append(self._minute(close or target, target, bits >> 5))
            close = target
        return minutes

    def _away(self, number: int) -> int:
        """How many ticks the price at the start of a stretch is from the first trade's."""
        reach = self._price // 25 + 1
        return Random(f"{self._symbol} {number} starts").randrange(-reach, reach)

    def _minute(self, open: int, close: int, bits: int) -> list[Fill]:
        """Four fills from open to close, the highest and lowest between them, or one alone."""
        tick, lot = self._tick, self._lot
        reach = self._price // 4000 + 1
        high = max(open, close) + (bits & 0xFF) * reach // 256
        low = max(1, min(open, close) - (bits >> 8 & 0xFF) * reach // 256)
        prices = (open, high, low, close) if bits >> 16 & 1 else (open, low, high, close)
        if bits >> 17 & 31 == 0:
            prices = (close,)
        bits >>= 22
        fills, second = [], bits & 7
        for price in prices:
            bits >>= 3
            lots = 1 + (bits & 0xFFF) * (bits & 7)
            fills.append((second, price * tick, lots * lot, bits >> 12 & 1))
            second += 1 + (bits >> 5 & 15)
            bits >>= 10
        return fills


def _candle(fills: list[Fill]) -> tuple:
    """The values of a candle, in the order of `replay.candles.Candle`."""
    prices = [fill[1] for fill in fills]
    volume = money = taker = taker_money = 0
    for _, price, qty, buyer_is_taker in fills:
        volume += qty
        money += price * qty
        if buyer_is_taker:
            taker += qty
            taker_money += price * qty
    ends = (prices[0], max(prices), min(prices), prices[-1])
    return (*ends, volume, money, len(fills), taker, taker_money)


def histories(source, days: int, halts: Iterable[tuple[int, int]]) -> dict[str, History]:
    """The days before a source begins, by symbol."""
    end_us, halts = source.start_us - source.skew_us, list(halts)
    return {
        symbol: History(symbol, source.prices.get(symbol, "1"), steps, end_us, days, halts)
        for symbol, steps in source.symbols.items()
    }
