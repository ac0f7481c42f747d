"""Spot market data by REST: candles and trades, as far as they have happened."""

from array import array
from bisect import bisect_left

from aiohttp import web

from replay.candles import INTERVALS, Candles
from replay.events import decimal
from replay.history import History
from replay.ledger import Ledger, Tape
from replay.questions import BadRequest, Question, reply

WEIGHTS = {
    "/api/v3/klines": 2,
    "/api/v3/trades": 25,
    "/api/v3/historicalTrades": 25,
    "/api/v3/aggTrades": 4,
}


class Spot:
    """Answers from the ledger. `histories` by symbol; `oldest_ids`: of trades still held, too."""

    def __init__(
        self, ledger: Ledger, histories: dict[str, History], oldest_ids: dict[str, int] | None
    ):
        self._ledger, self._histories, self._oldest = ledger, histories, oldest_ids or {}
        self._candles: dict[tuple[str, str, bool], Candles] = {}
        self._orders = {symbol: _Orders(tape) for symbol, tape in ledger.tapes.items()}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v3/klines", self._klines)
        app.router.add_get("/api/v3/trades", self._trades)
        app.router.add_get("/api/v3/historicalTrades", self._historical_trades)
        app.router.add_get("/api/v3/aggTrades", self._aggregate_trades)

    def candles(self, symbol: str, interval: str, milliseconds: bool) -> Candles:
        """The candles of a symbol, interval and unit of time; KeyError when there is no such."""
        key = (symbol, interval, milliseconds)
        if key not in self._candles:
            history = self._histories[symbol]
            self._candles[key] = Candles(self._ledger, symbol, interval, history, milliseconds)
        return self._candles[key]

    async def _klines(self, request: web.Request) -> web.Response:
        keys = ("symbol", "interval", "startTime", "endTime", "timeZone", "limit")
        question = Question(request, keys)
        symbol = question.symbol(self._ledger.tapes)
        if question.text("interval") not in INTERVALS:
            raise BadRequest(-1120, "Invalid interval.")
        if "timeZone" in question and question.text("timeZone") != "0":
            raise BadRequest(-1130, "Data sent for parameter 'timeZone' is not served here.")
        candles = self.candles(symbol, question.text("interval"), question.milliseconds)
        return reply(candles.page(*question.times_us(), question.limit()))

    async def _trades(self, request: web.Request) -> web.Response:
        question = Question(request, ("symbol", "limit"))
        return self._newest(question, question.symbol(self._ledger.tapes))

    async def _historical_trades(self, request: web.Request) -> web.Response:
        question = Question(request, ("symbol", "fromId", "limit"))
        symbol, from_id = question.symbol(self._ledger.tapes), question.number("fromId")
        if from_id is None:
            return self._newest(question, symbol)
        first = self._index_of(symbol, from_id)
        last = min(first + question.limit(), self._ledger.happened(symbol))
        return reply(self._text(symbol, first, last, question.milliseconds))

    def _newest(self, question: Question, symbol: str) -> web.Response:
        last = self._ledger.happened(symbol)
        first = max(self._index_of(symbol, 0), last - question.limit())
        return reply(self._text(symbol, first, last, question.milliseconds))

    def _index_of(self, symbol: str, trade_id: int) -> int:
        """Where the first trade from this id on is that is still held: no error tells of others."""
        oldest = self._oldest.get(symbol, 0)
        return bisect_left(self._ledger.tapes[symbol].ids, max(trade_id, oldest))

    def _text(self, symbol: str, first: int, last: int, milliseconds: bool) -> bytes:
        tape, unit = self._ledger.tapes[symbol], 1000 if milliseconds else 1
        rows = [
            f'{{"id":{tape.ids[i]},"price":"{decimal(price)}","qty":"{decimal(qty)}",'
            f'"quoteQty":"{decimal(price * qty // 10**8)}","time":{tape.times[i] // unit},'
            f'"isBuyerMaker":{_json(tape.buyer_is_maker[i])},"isBestMatch":true}}'
            for i in range(first, last)
            for price, qty in [(tape.prices[i], tape.qtys[i])]
        ]
        return f"[{','.join(rows)}]".encode()

    async def _aggregate_trades(self, request: web.Request) -> web.Response:
        question = Question(request, ("symbol", "fromId", "startTime", "endTime", "limit"))
        symbol, from_id = question.symbol(self._ledger.tapes), question.number("fromId")
        start_us, end_us = question.times_us()
        if from_id is not None and (start_us, end_us) != (None, None):
            raise BadRequest(-1128, "Combination of optional parameters invalid.")
        tape, orders = self._ledger.tapes[symbol], self._orders[symbol]
        happened = self._ledger.happened(symbol)
        if end_us is not None:
            happened = min(happened, bisect_left(tape.times, end_us + 1))
        starts = orders.starts()
        low = bisect_left(starts, self._index_of(symbol, 0))
        high = bisect_left(starts, happened)
        if from_id is not None:
            low = max(low, from_id - orders.first_id)
        elif start_us is not None:
            low = max(low, bisect_left(starts, bisect_left(tape.times, start_us)))
        else:
            low = max(low, high - question.limit())
        high = min(high, low + question.limit())
        rows = [orders.row(i, happened, question.milliseconds) for i in range(low, high)]
        return reply(f"[{','.join(rows)}]".encode())


class _Orders:
    """The trades of a tape by taker's order: same moment, price and side, ids without a hole."""

    def __init__(self, tape: Tape):
        self._tape, self._starts, self._seen, self._revision = tape, array("q"), 0, 0

    @property
    def first_id(self) -> int:
        """The aggregate id of the first one; aggregates have a row of ids of their own."""
        return self._tape.ids[0] // 2 if len(self._tape) else 0

    def starts(self) -> array:
        """Index of the first trade of each."""
        tape = self._tape
        if self._revision != tape.revision:
            self._starts, self._seen, self._revision = array("q"), 0, tape.revision
        for i in range(self._seen, len(tape)):
            if not (i and self._key(i) == self._key(i - 1) and tape.ids[i] == tape.ids[i - 1] + 1):
                self._starts.append(i)
        self._seen = len(tape)
        return self._starts

    def _key(self, i: int) -> tuple[int, int, int]:
        return self._tape.times[i], self._tape.prices[i], self._tape.buyer_is_maker[i]

    def row(self, number: int, happened: int, milliseconds: bool) -> str:
        tape, starts = self._tape, self._starts
        first = starts[number]
        end = min(starts[number + 1] if number + 1 < len(starts) else len(tape), happened)
        return (
            f'{{"a":{self.first_id + number},"p":"{decimal(tape.prices[first])}",'
            f'"q":"{decimal(sum(tape.qtys[first:end]))}","f":{tape.ids[first]},'
            f'"l":{tape.ids[end - 1]},"T":{tape.times[first] // (1000 if milliseconds else 1)},'
            f'"m":{_json(tape.buyer_is_maker[first])},"M":true}}'
        )


def _json(flag: int) -> str:
    return "true" if flag else "false"
