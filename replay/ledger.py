"""The trades that have happened, by id and by time: the one list behind all that REST tells.

The ledger reads along while the stream is played (before any fault), 33 bytes a trade, so that
streams, candles and archives come from the same trades. Trades of the future are not told.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from replay.clock import Clock
from replay.events import Event, Trade, scaled

LARGEST = 2**63 - 1
# Trades may be received this much after their time, and are known only then.
LATENCY_US = 1_000_000


class Tape:
    """One symbol's trades sorted by id, each once. Prices and quantities count 1e-8.

    A trade whose price or quantity is no number, or above 9.2e10, is left out.
    """

    def __init__(self) -> None:
        self.ids, self.times = array("q"), array("q")
        self.prices, self.qtys = array("q"), array("q")
        self.buyer_is_maker = bytearray()
        # Changes when a trade comes between others, and what was told of them is no longer right.
        self.revision = 0
        # No trade is earlier than one with a smaller id by more than this.
        self.disorder_us = 0
        self._newest_us = 0

    def add(self, trade: Trade) -> None:
        try:
            price, qty = scaled(trade.price), scaled(trade.qty)
        except ValueError:
            return
        if max(price, qty, trade.trade_id, trade.trade_us) > LARGEST:
            return
        at = len(self.ids)
        if at and trade.trade_id <= self.ids[-1]:
            at = bisect_left(self.ids, trade.trade_id)
            if self.ids[at] == trade.trade_id:
                return
            self.revision += 1
            self._note_disorder(at, trade.trade_us)
        else:
            self.disorder_us = max(self.disorder_us, self._newest_us - trade.trade_us)
        self._newest_us = max(self._newest_us, trade.trade_us)
        self.ids.insert(at, trade.trade_id)
        self.times.insert(at, trade.trade_us)
        self.prices.insert(at, price)
        self.qtys.insert(at, qty)
        self.buyer_is_maker.insert(at, trade.buyer_is_maker)

    def _note_disorder(self, at: int, time_us: int) -> None:
        """A trade comes between those at `at - 1` and `at`."""
        late_us = self.times[at - 1] - time_us if at else 0
        early_us = time_us - self.times[at]
        self.disorder_us += max(0, late_us, early_us)

    def __len__(self) -> int:
        return len(self.ids)

    def before(self, time_us: int) -> int:
        """How many trades from the first on are sure to lie before a time."""
        return bisect_left(self.times, time_us - self.disorder_us)

    def until(self, time_us: float) -> int:
        """How many trades from the first on hold all that lie before a time."""
        if time_us > self._newest_us:
            return len(self)
        return bisect_left(self.times, time_us + self.disorder_us)


class Ledger:
    """The tapes of a source's symbols. `over`: the recording has ended, everything has happened."""

    def __init__(self, source, clock: Clock):
        self.tapes = {symbol: Tape() for symbol in source.symbols}
        self.over = False
        self.start_us = source.start_us - source.skew_us
        # The newest event of all, on the exchange's clock.
        self.end_us = self.start_us
        self._source, self._clock = source, clock

    def reading(self) -> Iterator[Event]:
        """The source's events, noted while they pass."""
        tapes, skew_us = self.tapes, self._source.skew_us
        for event in self._source:
            self.end_us = max(self.end_us, event.recv_us - skew_us)
            if type(event) is Trade:
                tapes[event.symbol].add(event)
                self.end_us = max(self.end_us, event.trade_us + 1)
            yield event

    def read_all(self) -> None:
        """Everything has happened already."""
        for _ in self.reading():
            pass
        self.over = True

    def now_us(self) -> int:
        """Up to when the exchange tells what has happened, on its clock."""
        if self.over:
            return LARGEST
        return min(self._clock.exchange_us(), max(self.start_us, self.end_us - LATENCY_US))

    def happened(self, symbol: str) -> int:
        """How many trades of the tape have happened by now."""
        tape = self.tapes[symbol]
        return bisect_left(tape.times, min(self.now_us() + 1, LARGEST))
