"""The candles of one symbol as REST serves them, of any interval, exact and ready to send.

Trades belong to the interval of their trade time, in the order of their ids; an interval without
one repeats the last close. Rows are kept as text, a block of intervals at a time, once the block
is over, so that a page of 1,000 rows is a few slices.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from typing import NamedTuple

from replay.events import decimal
from replay.history import MINUTE_US, History
from replay.ledger import Ledger

INTERVALS = {
    **{"1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600},
    **{"2h": 7200, "4h": 14_400, "6h": 21_600, "8h": 28_800, "12h": 43_200, "1d": 86_400},
}
BLOCK = 240  # intervals
KEPT = 1200  # blocks, half a year of minutes


class Candle(NamedTuple):
    """Prices and base volumes count 1e-8, quote volumes 1e-16."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    count: int
    taker_volume: int
    taker_quote_volume: int


class Rows(NamedTuple):
    """Rows as text, each with a comma behind it; `ends[i]` is where the i-th one ends."""

    opens: array
    ends: array
    text: bytes

    def between(self, first_us: int, last_us: int) -> tuple[int, int]:
        return bisect_left(self.opens, first_us), bisect_right(self.opens, last_us)

    def part(self, low: int, high: int) -> bytes:
        return self.text[self.ends[low - 1] if low else 0 : self.ends[high - 1]]


class Candles:
    """Pages of one symbol and interval, in ms or µs. `history`: candles before the first trade."""

    def __init__(
        self, ledger: Ledger, symbol: str, interval: str, history: History, milliseconds: bool
    ):
        self._ledger, self._tape, self._history = ledger, ledger.tapes[symbol], history
        self._step_us = INTERVALS[interval] * 1_000_000
        self._milliseconds = milliseconds
        self._blocks: OrderedDict[int, Rows] = OrderedDict()
        self._revision = 0

    def page(self, start_us: int | None, end_us: int | None, limit: int) -> bytes:
        """A JSON list: of the candles that open from start to end, both included, the oldest
        `limit` when there is a start, else the newest."""
        first_us, last_us = self._range(start_us, end_us)
        parts: list[bytes] = []
        span_us = BLOCK * self._step_us
        blocks = range(first_us // span_us, last_us // span_us + 1) if first_us <= last_us else ()
        for number in blocks if start_us is not None else reversed(blocks):
            rows = self._rows(number, first_us, last_us)
            low, high = rows.between(first_us, last_us)
            if start_us is not None:
                high = min(high, low + limit)
            else:
                low = max(low, high - limit)
            if low < high:
                parts.append(rows.part(low, high))
                limit -= high - low
            if not limit:
                break
        text = b"".join(parts if start_us is not None else reversed(parts))
        return b"[%b]" % text[:-1]

    def _range(self, start_us: int | None, end_us: int | None) -> tuple[int, int]:
        """First and last moment at which a candle that is asked for, and is there, may open."""
        first_us = self._history.start_us
        if first_us is None:
            first_us = self._tape.first_us(self._ledger.end_us + 1)
        first_us -= first_us % self._step_us
        last_us = min(self._ledger.now_us(), max(self._ledger.end_us, self._ledger.start_us) - 1)
        if start_us is not None:
            first_us = max(first_us, start_us)
        return first_us, last_us if end_us is None else min(last_us, end_us)

    def _rows(self, number: int, first_us: int, last_us: int) -> Rows:
        """The rows of a block, at least from first to last; kept when nothing can change them."""
        if self._revision != self._tape.revision:
            self._revision = self._tape.revision
            self._blocks.clear()
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        step_us, begin_us = self._step_us, number * BLOCK * self._step_us
        end_us = begin_us + BLOCK * step_us
        if not self._ledger.over and end_us > self._ledger.now_us():
            begin_us = max(begin_us, first_us // step_us * step_us)
            return self._made(begin_us, min(end_us, last_us + 1))
        self._blocks[number] = self._made(begin_us, end_us)
        if len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)
        return self._blocks[number]

    def _made(self, begin_us: int, end_us: int) -> Rows:
        """The rows that open from begin (a start of an interval) to end."""
        step_us, history = self._step_us, self._history
        candles = self._candles(begin_us, end_us)
        close = self._close_before(begin_us)
        opens, ends, texts, size = array("q"), array("q"), [], 0
        for open_us in range(begin_us, end_us, step_us):
            candle = candles.get(open_us)
            if candle is None:
                if close is None or history.halted(open_us, open_us + step_us):
                    continue
                candle = Candle(close, close, close, close, 0, 0, 0, 0, 0)
            close = candle.close
            texts.append(_row(open_us, step_us, candle, self._milliseconds))
            size += len(texts[-1])
            opens.append(open_us)
            ends.append(size)
        return Rows(opens, ends, "".join(texts).encode())

    def _candles(self, begin_us: int, end_us: int) -> dict[int, Candle]:
        """The candles in which something happened, by their opening."""
        found: dict[int, list[int]] = {}
        step_us, from_us = self._step_us, self._history.end_us
        for open_us, candle in self._history.candles(begin_us, end_us, min(step_us, MINUTE_US)):
            _merge(found, open_us - open_us % step_us, *candle)
        tape, now_us = self._tape, self._ledger.now_us()
        end_us = min(-(-end_us // step_us) * step_us, now_us + 1)
        for i in range(tape.before(begin_us), tape.until(end_us)):
            time_us = tape.times[i]
            if begin_us <= time_us < end_us and time_us >= from_us:
                price, qty = tape.prices[i], tape.qtys[i]
                money, taker = price * qty, not tape.buyer_is_maker[i]
                fill = (price, price, price, price, qty, money, 1, taker * qty, taker * money)
                _merge(found, time_us - time_us % step_us, *fill)
        return {open_us: Candle(*candle) for open_us, candle in found.items()}

    def _close_before(self, time_us: int) -> int | None:
        """The last price before a moment, None when nothing happened before it."""
        at = self._tape.until(time_us) - 1
        while at >= 0 and self._tape.times[at] >= time_us:
            at -= 1
        if at >= 0 and self._tape.times[at] >= self._history.end_us:
            return self._tape.prices[at]
        return self._history.close_before(time_us)


def _merge(found, key, open, high, low, close, volume, money, count, taker, taker_money) -> None:
    """Adds a candle, or a fill, to the one that began before it."""
    old = found.get(key)
    if old is None:
        found[key] = [open, high, low, close, volume, money, count, taker, taker_money]
    else:
        if high > old[1]:
            old[1] = high
        if low < old[2]:
            old[2] = low
        old[3] = close
        old[4] += volume
        old[5] += money
        old[6] += count
        old[7] += taker
        old[8] += taker_money


def _row(open_us: int, step_us: int, candle: Candle, milliseconds: bool) -> str:
    close_us = open_us + step_us
    times = (open_us // 1000, close_us // 1000 - 1) if milliseconds else (open_us, close_us - 1)
    return (
        f'[{times[0]},"{decimal(candle.open)}","{decimal(candle.high)}","{decimal(candle.low)}",'
        f'"{decimal(candle.close)}","{decimal(candle.volume)}",{times[1]},'
        f'"{decimal(candle.quote_volume // 10**8)}",{candle.count},'
        f'"{decimal(candle.taker_volume)}","{decimal(candle.taker_quote_volume // 10**8)}","0"],'
    )
