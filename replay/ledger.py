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
# So many trades, or of so long, are noted at a time: less than the streams read ahead.
WAITING, NOTED_EVERY_US = 2048, 1_000_000


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

    def extend(self, trades: list[Trade]) -> None:
        """Adds trades; quickly where they are in order, as they nearly always are."""
        ids = [trade.trade_id for trade in trades]
        times = [trade.trade_us for trade in trades]
        follow = not self.ids or (ids[0] > self.ids[-1] and times[0] >= self._newest_us)
        try:
            if not follow or ids != sorted(set(ids)) or times != sorted(times):
                raise ValueError
            columns = (
                (self.ids, array("q", ids)),
                (self.times, array("q", times)),
                (self.prices, array("q", [_scaled(trade.price) for trade in trades])),
                (self.qtys, array("q", [_scaled(trade.qty) for trade in trades])),
                (self.buyer_is_maker, bytes(trade.buyer_is_maker for trade in trades)),
            )
        except (ValueError, OverflowError):
            for trade in trades:
                self.add(trade)
            return
        for column, more in columns:
            column.extend(more)
        self._newest_us = times[-1]

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

    def first_us(self, otherwise_us: int) -> int:
        """The time of the earliest trade."""
        return min(self.times[: self.until(self.times[0]) + 1]) if self.ids else otherwise_us

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
        """The source's events, noted a second of them at a time while they pass."""
        waiting: list[Trade] = []
        due_us, recv_us = 0, self._source.start_us
        for event in self._source:
            recv_us = event.recv_us
            if type(event) is Trade:
                waiting.append(event)
            if recv_us >= due_us or len(waiting) >= WAITING:
                due_us = recv_us + NOTED_EVERY_US
                self._note(waiting, recv_us)
                waiting = []
            yield event
        self._note(waiting, recv_us)

    def _note(self, trades: list[Trade], recv_us: int) -> None:
        """All events until `recv_us` are known now."""
        by_symbol: dict[str, list[Trade]] = {}
        for trade in trades:
            by_symbol.setdefault(trade.symbol, []).append(trade)
        for symbol, its_trades in by_symbol.items():
            self.tapes[symbol].extend(its_trades)
            self.end_us = max(self.end_us, its_trades[-1].trade_us + 1)
        self.end_us = max(self.end_us, recv_us - self._source.skew_us)

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


def _scaled(number: str) -> int:
    """A decimal in 1e-8, quickly when it has eight places."""
    return int(number[:-9] + number[-8:]) if number[-9:-8] == "." else scaled(number)
