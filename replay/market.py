"""A synthetic market: the same events for the same seed, symbols, start and duration, always.

Each symbol is its own walk of a best bid and ask: taker orders come at random, now and then in
bursts, and fill against the touch, several fills of one order in one moment; when the touch is
eaten the price moves. Every fill is at the bid or ask of the quote before it. Events reach the
client a few ms later, now and then tens of ms, and in order within a symbol, as over one socket.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from random import Random

from replay.events import Event, Quote, Trade, decimal, scaled
from replay.symbols import LISTINGS, unknown_symbol

DEFAULT_SYMBOLS = ("SOLUSDT", "SUIUSDT", "ADAUSDT", "BTCUSDT", "AAVEUSDT", "XLMUSDT")
DEFAULT_START = datetime(2025, 10, 20, 14, 55, tzinfo=UTC)
DEFAULT_DURATION_S = 600.0


class Market:
    """Seeded events of several symbols; iterate as often as needed, each time the same.

    `skew_us`: how far the receiving clock is ahead of the exchange's. `busy` multiplies the rate of
    orders. Times of events lie between `start` and `start + duration_s` on the exchange's clock.
    """

    def __init__(
        self,
        symbols: Iterable[str] = DEFAULT_SYMBOLS,
        seed: int = 1,
        start: datetime = DEFAULT_START,
        duration_s: float = DEFAULT_DURATION_S,
        skew_us: int = 0,
        busy: float = 1.0,
    ):
        for symbol in symbols:
            if symbol not in LISTINGS:
                raise unknown_symbol(symbol, LISTINGS, "the synthetic market")
        self.symbols = {name: (LISTINGS[name].tick, LISTINGS[name].lot) for name in symbols}
        self.prices = {name: LISTINGS[name].price for name in symbols}
        self.seed, self.skew_us, self.busy = seed, skew_us, busy
        self._first_us = round(start.timestamp() * 1_000_000)
        self._end_us = self._first_us + round(duration_s * 1_000_000)
        self.start_us = self._first_us + skew_us
        self.title = f"the synthetic market, seed {seed}, {duration_s:g} s from {start:%F %TZ}"

    def __iter__(self) -> Iterator[Event]:
        books = [_Book(name, self.seed, self._first_us, self.skew_us) for name in self.symbols]
        walks = [book.walk(self._end_us, self.busy) for book in books]
        return heapq.merge(*walks, key=lambda event: event.recv_us)


class _Book:
    """One symbol: its touch in ticks and lots, its next ids, and the time on the exchange."""

    def __init__(self, symbol: str, seed: int, first_us: int, skew_us: int):
        self.random = Random(f"{seed} {symbol}")
        self.symbol, self.skew_us = symbol, skew_us
        self.trade_stream = f"{symbol.lower()}@trade"
        self.quote_stream = f"{symbol.lower()}@bookTicker"
        listing = LISTINGS[symbol]
        self.tick, self.lot = scaled(listing.tick), scaled(listing.lot)
        self.order_lots = max(1, scaled(listing.order) // self.lot)
        self.rate = listing.orders_per_second
        self.bid = scaled(listing.price) // self.tick
        self.ask = self.bid + 1
        self.bid_lots, self.ask_lots = self._depth(), self._depth()
        self.trade_id = self.random.randrange(10**8, 10**9)
        self.update_id = self.random.randrange(10**10, 5 * 10**10)
        self.now_us = self.received_us = first_us
        self.burst_until_us = 0

    def walk(self, end_us: int, busy: float) -> Iterator[Event]:
        """Quotes, and orders with their fills, until `end_us` on the exchange's clock."""
        random = self.random
        yield self._quote()
        while True:
            rate = self.rate * busy * (25 if self.now_us < self.burst_until_us else 1)
            # Two quote changes to each order, and no symbol's quotes sleep for minutes.
            self.now_us += 1 + int(random.expovariate(3 * rate + 0.1) * 1e6)
            if self.now_us >= end_us:
                return
            if random.random() < rate / (3 * rate + 0.1):
                yield from self._order()
                if self.now_us > self.burst_until_us and random.random() < 0.005:
                    self.burst_until_us = self.now_us + random.randrange(1_000_000, 3_000_000)
            else:
                self._change()
                yield self._quote()

    def _order(self) -> Iterator[Event]:
        """A taker's order: fills at the touch in one moment, then the quote that it leaves."""
        random = self.random
        sell = random.random() < 0.5
        fills = 1 if random.random() < 0.6 else random.randrange(2, 9)
        for _ in range(fills):
            there = self.bid_lots if sell else self.ask_lots
            lots = min(there, 1 + int(random.expovariate(1 / self.order_lots)))
            yield self._trade(self.bid if sell else self.ask, lots, sell)
            if lots == there:
                # The level is eaten: the touch moves, and the client sees that before more fills.
                self._move(-1 if sell else 1)
                yield self._quote()
            elif sell:
                self.bid_lots -= lots
            else:
                self.ask_lots -= lots
        yield self._quote()

    def _change(self) -> None:
        """Somebody else's order: other sizes, or the touch moves by a tick, or the spread."""
        chance = self.random.random()
        if chance < 0.5:
            self.bid_lots = self._depth()
        elif chance < 0.9:
            self.ask_lots = self._depth()
        elif chance < 0.97:
            self._move(self.random.choice((-1, 1)))
        else:
            self.ask = self.bid + self.random.randrange(1, 4)

    def _move(self, ticks: int) -> None:
        self.bid = max(1, self.bid + ticks)
        self.ask = self.bid + 1
        self.bid_lots, self.ask_lots = self._depth(), self._depth()

    def _depth(self) -> int:
        return 1 + int(self.random.expovariate(1 / (4 * self.order_lots)))

    def _trade(self, price: int, lots: int, sell: bool) -> Trade:
        self.trade_id += 1
        event_us = self.now_us + self.random.randrange(200, 3000)
        received_us = self._receive(event_us)
        money = (decimal(price * self.tick), decimal(lots * self.lot))
        times = (event_us, self.now_us)
        return Trade(
            received_us, self.trade_stream, self.symbol, *times, self.trade_id, *money, sell
        )

    def _quote(self) -> Quote:
        self.update_id += self.random.randrange(1, 12)
        received_us = self._receive(self.now_us + 300)
        bid = (decimal(self.bid * self.tick), decimal(self.bid_lots * self.lot))
        ask = (decimal(self.ask * self.tick), decimal(self.ask_lots * self.lot))
        return Quote(received_us, self.quote_stream, self.symbol, self.update_id, *bid, *ask)

    def _receive(self, sent_us: int) -> int:
        """When the client gets what was sent then: 3 ms and jitter later, never out of order."""
        slow = 40_000 if self.random.random() < 0.01 else 4_000
        latency_us = 3_000 + int(self.random.random() * slow)
        self.received_us = max(self.received_us, sent_us + latency_us)
        return self.received_us + self.skew_us
