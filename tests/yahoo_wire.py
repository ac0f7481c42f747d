"""Yahoo at the wire's end for tests: all its hosts on one port of loopback, and what goes wrong.

with Yahoo() as yahoo:
    yahoo.bars["SPY"] = [bar(minute_s, close) for …]
    yahoo.faults.append(lambda chart: web.Response(status=500))
    ...  # lake macro --url yahoo.url
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable

from aiohttp import web
from served import Served

DAY_S, MINUTE_S = 86_400, 60
MINUTES = "1m"


@dataclass(frozen=True)
class Chart:
    """A request for prices: `start` and `end` in seconds, None where it asks for a time zone."""

    ticker: str
    start: int | None
    end: int | None

    @property
    def is_minutes(self) -> bool:
        return self.start is not None


def bar(second: int, close: float = 100.0, volume: int = 10) -> tuple:
    """A minute: its begin, open, high, low, close, volume."""
    return second, close - 0.5, close + 1, close - 1, close, volume


class Yahoo(Served):
    """`bars`: the minutes of each ticker that exists; `faults`: each is asked with a Chart what to
    answer in place of them, None = nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clear()

    def clear(self) -> None:
        """Be as new."""
        super().clear()
        self.bars: dict[str, list[tuple]] = {}
        self.faults: list[Callable[[Chart], web.StreamResponse | Awaitable | None]] = []
        self.paths: list[str] = []
        self.charts: list[Chart] = []

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v3/time", self.time)
        app.router.add_get("/v1/test/getcrumb", self._crumb)
        app.router.add_get("/v8/finance/chart/{ticker}", self._chart)
        app.router.add_get("/{rest:.*}", self._other)

    def hang_on(self, ticker: str) -> None:
        """Give no answer to requests for a ticker's minutes."""
        self.faults.append(
            lambda chart: self.hang() if chart.ticker == ticker and chart.is_minutes else None
        )

    @property
    def asked(self) -> list[Chart]:
        """The requests for minutes."""
        return [chart for chart in self.charts if chart.is_minutes]

    async def _crumb(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        return web.Response(text="a.crumb")

    async def _other(self, request: web.Request) -> web.Response:
        """The cookie, and pages of consent."""
        self.paths.append(request.path)
        answer = web.Response(text="<html></html>", status=404, content_type="text/html")
        answer.set_cookie("A3", "d=x", domain=".yahoo.com", max_age=365 * DAY_S)
        return answer

    async def _chart(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        asked = request.query
        times = [int(asked[key]) if key in asked else None for key in ("period1", "period2")]
        chart = Chart(request.match_info["ticker"], *times)
        self.charts.append(chart)
        for fault in self.faults:
            answer = fault(chart)
            if isawaitable(answer):
                await answer
            elif answer is not None:
                return answer
        return self.answer(chart)

    def answer(self, chart: Chart) -> web.Response:
        """What Yahoo says when nothing is wrong."""
        if chart.ticker not in self.bars:
            return error(404, "Not Found", "No data found, symbol may be delisted")
        bars = self.bars[chart.ticker]
        if chart.is_minutes:
            bars = [row for row in bars if chart.start <= row[0] < chart.end]
        return web.json_response(body(chart.ticker, bars if chart.is_minutes else []))


def body(ticker: str, bars: list[tuple]) -> dict:
    """The JSON of prices; of an empty stretch as Yahoo gives it."""
    days = sorted({row[0] // DAY_S for row in bars})
    periods = [
        [{"timezone": "UTC", "start": day * DAY_S, "end": (day + 1) * DAY_S, "gmtoffset": 0}]
        for day in days
    ]
    meta = {
        "currency": "USD",
        "symbol": ticker,
        "instrumentType": "CURRENCY" if ticker.endswith("=X") else "ETF",
        "exchangeTimezoneName": "UTC",
        "dataGranularity": MINUTES,
        "validRanges": ["1d", "5d"],
    }
    if not bars:
        result = {"meta": meta, "indicators": {"quote": [{}]}}
    else:
        names = ("open", "high", "low", "close", "volume")
        columns = list(zip(*bars, strict=True))
        quote = dict(zip(names, map(list, columns[1:]), strict=True))
        meta["tradingPeriods"] = periods
        result = {"meta": meta, "timestamp": list(columns[0]), "indicators": {"quote": [quote]}}
    return {"chart": {"result": [result], "error": None}}


def error(status: int, code: str, text: str) -> web.Response:
    """Yahoo's error JSON."""
    told = {"chart": {"result": None, "error": {"code": code, "description": text}}}
    return web.json_response(told, status=status)
