"""What a page of official klines must be before it is kept.

    [1760961600000000,"187.1","187.3","187.0","187.2","53.1",1760961659999999,"9936.2",41,"20","3742","0"]

https://developers.binance.com/docs/binance-spot-api-docs/rest-api#klinecandlestick-data
"""

import re
from itertools import chain, pairwise
from typing import Any

import msgspec

from runner.moments import iso

# The last field has no meaning.
Row = tuple[int, str, str, str, str, str, int, str, int, str, str, Any]
# Opening and closing time, and the number of trades; all else are decimals as text.
OPEN, CLOSE, TRADES = 0, 6, 8
DECIMAL = re.compile(r"\d{1,20}(?:\.\d{1,20})?")
# Larger times are microseconds, smaller ones milliseconds.
LARGEST_MS = 10**14


class Page:
    """The rows of an answer. `flaw`: why they cannot be what was asked for, None when they can.

    `opens`: when its candles open, in µs.
    """

    def __init__(self, body: object, from_us: int, to_us: int, width_us: int) -> None:
        self.rows, self.opens, self._width_us = [], [], width_us
        try:
            self.rows = msgspec.convert(body, list[Row])
        except msgspec.ValidationError as error:
            self.flaw = f"it is no list of klines: {error}"
            return
        scale = 1 if self.rows and self.rows[0][OPEN] > LARGEST_MS else 1000
        self.opens = [row[OPEN] * scale for row in self.rows]
        self.flaw = self._order(from_us, to_us, width_us) or self._values(width_us, scale)

    def has(self, from_us: int, to_us: int) -> bool:
        """Whether it begins with all candles of this time."""
        expected = list(range(from_us, to_us, self._width_us))
        return self.opens[: len(expected)] == expected

    def _order(self, from_us: int, to_us: int, width_us: int) -> str | None:
        """What is wrong with the times."""
        for us in self.opens:
            if not from_us <= us < to_us:
                return f"it was not asked for the candle that opens at {us} µs"
            if us % width_us:
                return f"no candle opens at {iso(us)}"
        for before, after in pairwise(self.opens):
            if after <= before:
                kind = "there twice" if after == before else "out of order"
                return f"the candle of {iso(after)} is {kind}"
        return None

    def _values(self, width_us: int, scale: int) -> str | None:
        """What is wrong with the other fields."""
        for row, open_us in zip(self.rows, self.opens, strict=True):
            if (row[CLOSE] + 1) * scale != open_us + width_us:
                return f"the candle of {iso(open_us)} does not close when it should"
            numbers = chain(row[1:CLOSE], row[CLOSE + 1 : TRADES], row[TRADES + 1 : -1])
            if row[TRADES] < 0 or not all(map(DECIMAL.fullmatch, numbers)):
                return f"the candle of {iso(open_us)} holds a value that is no number"
        return None
