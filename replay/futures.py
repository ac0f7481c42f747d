"""Futures by REST: funding rates and open interest, the same for the same symbol and moment.

Every symbol of the spot exchange is a perpetual here. There is nothing of the future, nothing
before 2020, and of open interest only the last 30 days.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from random import Random

from aiohttp import web

from replay.clock import Clock
from replay.events import decimal, json_text, scaled
from replay.limits import Gate
from replay.listings import listing, weight_limits
from replay.questions import BadRequest, Question, reply
from replay.rules import Rules

HOUR_MS = 3_600_000
FIRST_MS = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 1000
KEPT_MS = 30 * 24 * HOUR_MS
PERIODS = {
    **{"5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360},
    **{"12h": 720, "1d": 1440},
}
# Weight, and calls counted in pools of their own.
COSTS = {
    "/fapi/v1/time": {"weight": 1},
    "/fapi/v1/exchangeInfo": {"weight": 1},
    "/fapi/v1/fundingRate": {"funding": 1},
    "/fapi/v1/fundingInfo": {"funding": 1},
    "/futures/data/openInterestHist": {"open_interest": 1},
}


@dataclass(frozen=True)
class FuturesRules:
    """`hours` between fundings by symbol, where not 8; `jitter_ms`: funding is so late at most.

    `newest`: open interest of more rows than the limit is cut at its beginning, not its end.
    """

    hours: dict[str, int] = field(default_factory=dict)
    jitter_ms: int = 0
    rate_type: bool = True
    timestamp_as_text: bool = False
    newest: bool = False


class Futures:
    """Answers for the symbols of a source, at its prices."""

    def __init__(self, source, clock: Clock, rules: Rules, futures: FuturesRules):
        self._symbols, self._prices, self._clock = source.symbols, source.prices, clock
        self._limits, self._rules = rules, futures

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/fapi/v1/time", self._time)
        app.router.add_get("/fapi/v1/exchangeInfo", self._exchange_info)
        app.router.add_get("/fapi/v1/fundingRate", self._funding_rate)
        app.router.add_get("/fapi/v1/fundingInfo", self._funding_info)
        app.router.add_get("/futures/data/openInterestHist", self._open_interest)

    def funding(self, symbol: str, start_ms: int, end_ms: int) -> list[dict]:
        """The fundings from start to end, both included, oldest first."""
        step, jitter = self._rules.hours.get(symbol, 8) * HOUR_MS, self._rules.jitter_ms
        rows = []
        for due in range(_aligned(max(start_ms - jitter, FIRST_MS), step), end_ms + 1, step):
            random = Random(f"funding {symbol} {due}")
            at = due + (random.randrange(jitter + 1) if jitter else 0)
            if start_ms <= at <= end_ms:
                rate, mark = random.gauss(0.00005, 0.0001), self._price(symbol, random)
                row = {"symbol": symbol, "fundingRate": f"{rate:.8f}", "fundingTime": at}
                row["markPrice"] = decimal(mark)
                rows.append(row | ({"rateType": "Regular"} if self._rules.rate_type else {}))
        return rows

    def open_interest(self, symbol: str, period: str, start_ms: int, end_ms: int) -> list[dict]:
        """The figures of each period from start to end, both included, oldest first."""
        step = PERIODS[period] * 60_000
        return [
            self._interest(symbol, at) for at in range(_aligned(start_ms, step), end_ms + 1, step)
        ]

    def _interest(self, symbol: str, at_ms: int) -> dict:
        """The same for every period: what is open at that moment."""
        day, minute = divmod(at_ms // 60_000, 1440)
        here, there = _contracts(symbol, day), _contracts(symbol, day + 1)
        contracts = here + (there - here) * minute // 1440
        value = contracts * self._price(symbol, Random(f"mark {symbol} {at_ms}")) // 10**8
        return {
            "symbol": symbol,
            "sumOpenInterest": decimal(contracts),
            "sumOpenInterestValue": decimal(value),
            "CMCCirculatingSupply": decimal(10**15),
            "timestamp": str(at_ms) if self._rules.timestamp_as_text else at_ms,
        }

    def _price(self, symbol: str, random: Random) -> int:
        """A price around the first trade's, in 1e-8."""
        price = scaled(self._prices.get(symbol, "1"))
        return price + random.randrange(-price // 20, price // 20 + 1)

    def _now_ms(self) -> int:
        return self._clock.exchange_us() // 1000

    async def _time(self, request: web.Request) -> web.Response:
        recv_us = self._clock.now_us()
        time = (recv_us - self._clock.skew_us) // 1000
        return reply(json_text({"serverTime": time}), headers=self._clock.header(recv_us))

    async def _exchange_info(self, request: web.Request) -> web.Response:
        kind = {"contractType": "PERPETUAL", "marginAsset": "USDT"}
        symbols = [listing(name, *steps) | kind for name, steps in self._symbols.items()]
        limits = weight_limits(self._limits.futures_weight_per_minute)
        body = {"timezone": "UTC", "serverTime": self._now_ms(), "rateLimits": limits}
        return reply(json_text(body | {"symbols": symbols}))

    async def _funding_info(self, request: web.Request) -> web.Response:
        adjusted = [
            {
                "symbol": symbol,
                "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000",
                "fundingIntervalHours": hours,
                "disclaimer": False,
            }
            for symbol, hours in self._rules.hours.items()
        ]
        return reply(json_text(adjusted))

    async def _funding_rate(self, request: web.Request) -> web.Response:
        question = Question(request, ("symbol", "startTime", "endTime", "limit"))
        named = [question.symbol(self._symbols)] if "symbol" in question else list(self._symbols)
        limit = _limit(question, 100, 1000)
        start_ms, end_ms = _times_ms(question)
        end_ms = min(self._now_ms(), end_ms if end_ms is not None else self._now_ms())
        begin_ms = start_ms
        if start_ms is None:
            begin_ms = end_ms - limit * 8 * HOUR_MS
        else:
            end_ms = min(end_ms, max(start_ms, FIRST_MS) + limit * 8 * HOUR_MS)
        rows = [row for symbol in named for row in self.funding(symbol, begin_ms, end_ms)]
        rows.sort(key=lambda row: row["fundingTime"])
        return reply(json_text(rows[:limit] if start_ms is not None else rows[-limit:]))

    async def _open_interest(self, request: web.Request) -> web.Response:
        question = Question(request, ("symbol", "period", "startTime", "endTime", "limit"))
        symbol, period = question.symbol(self._symbols), question.text("period")
        if period not in PERIODS:
            raise BadRequest(-1130, "Data sent for parameter 'period' is not valid.")
        limit = _limit(question, 30, 500)
        start_ms, end_ms = _times_ms(question)
        oldest_ms = self._now_ms() - KEPT_MS
        if start_ms is not None and start_ms < oldest_ms:
            raise BadRequest(-1130, "Data sent for parameter 'startTime' is not valid.")
        end_ms = min(self._now_ms(), end_ms if end_ms is not None else self._now_ms())
        begin_ms, span_ms = start_ms or oldest_ms, limit * PERIODS[period] * 60_000
        if start_ms is None or self._rules.newest:
            begin_ms = max(begin_ms, end_ms - span_ms + 1)
        else:
            end_ms = min(end_ms, begin_ms + span_ms - 1)
        return reply(json_text(self.open_interest(symbol, period, begin_ms, end_ms)))


@lru_cache(1024)
def _contracts(symbol: str, day: int) -> int:
    """How much is open at the start of a day, in 1e-8."""
    return 10**13 + Random(f"interest {symbol} {day}").randrange(10**13)


def gate(clock: Clock, rules: Rules) -> Gate:
    """The limits of the futures' host."""
    pools = {
        "weight": (rules.futures_weight_per_minute, 60),
        "funding": (rules.funding_calls_per_5_minutes, 300),
        "open_interest": (rules.open_interest_calls_per_5_minutes, 300),
    }
    return Gate(clock, pools, rules.calls_until_ban)


def _aligned(time_ms: int, step_ms: int) -> int:
    return -(-time_ms // step_ms) * step_ms


def _limit(question: Question, default: int, most: int) -> int:
    """The number of rows; too many are refused here, not cut to what is allowed."""
    if (question.number("limit") or default) > most:
        raise BadRequest(-1130, "Data sent for parameter 'limit' is not valid.")
    return question.limit(default, most)


def _times_ms(question: Question) -> tuple[int | None, int | None]:
    start, end = question.number("startTime"), question.number("endTime")
    if start is not None and end is not None and start > end:
        raise BadRequest(-1023, "Start time is greater than end time.")
    return start, end
