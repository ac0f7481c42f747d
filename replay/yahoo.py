"""Yahoo's chart service, as far as yfinance asks it for minutes: cookie, crumb, chart, consent.

Times are those of the exchange: nothing of the future, minutes of the last 30 days only, the
newest bar not final, and behind it the live quote at the second of asking.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from replay.clock import Clock
from replay.events import json_text
from replay.minutes import (
    DAY_S,
    Bar,
    Security,
    bars_of_day,
    is_open,
    known,
    provisional,
    security,
    sessions,
)

LONGEST_S, OLDEST_S = 8 * DAY_S, 30 * DAY_S
RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
CRUMB = "re.play/Crumb"
CONSENT = (
    '<html><body><form><input name="csrfToken" value="token"/>'
    '<input name="sessionId" value="session"/></form></body></html>'
)


@dataclass(frozen=True)
class YahooRules:
    """`tickers` that are known beside the usual ones; `rows`: bars of a ticker to serve as given.

    Bars that ended less than `revised_s` ago are not final. `walls`: 8 days a request, 30 in all.
    `with_crumb`: without the crumb there is no chart.
    """

    tickers: tuple[str, ...] = ()
    rows: Mapping[str, Iterable[Bar]] = field(default_factory=dict)
    revised_s: int = 0
    live_quote: bool = True
    walls: bool = True
    with_crumb: bool = False


class Yahoo:
    """Answers on Yahoo's paths, whatever the host's name was."""

    def __init__(self, clock: Clock, rules: YahooRules):
        self._clock, self._rules = clock, rules
        self._rows = {ticker: list(rows) for ticker, rows in rules.rows.items()}
        self._known = {*known(), *rules.tickers, *self._rows}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self._cookie)
        app.router.add_get("/v1/test/getcrumb", self._crumb)
        app.router.add_get("/consent", self._consent)
        app.router.add_get("/copyConsent", self._cookie)
        app.router.add_post("/v2/collectConsent", self._cookie)
        app.router.add_get("/v8/finance/chart/{ticker}", self._chart)
        app.router.add_get("/v10/finance/quoteSummary/{ticker}", self._summary)

    def bars(self, ticker: str, start_s: int, end_s: int) -> list[Bar]:
        """The bars from start to before end that there are by now, the newest as it is now."""
        if ticker in self._rows:
            end_s = min(end_s, self._now_s() + 1)
            return [bar for bar in self._rows[ticker] if start_s <= bar.ts < end_s]
        now_s = self._now_s()
        days = range(start_s // DAY_S, min(end_s - 1, now_s) // DAY_S + 1)
        return [
            bar if bar.ts + 60 + self._rules.revised_s <= now_s else provisional(bar)
            for day in days
            for bar in bars_of_day(ticker, day)
            if start_s <= bar.ts < end_s and bar.ts <= now_s
        ]

    def _now_s(self) -> int:
        return self._clock.exchange_us() // 1_000_000

    async def _cookie(self, request: web.Request) -> web.Response:
        response = web.Response(text="", status=404 if request.path == "/" else 200)
        response.set_cookie("A3", "d=replay", domain="yahoo.com", path="/", max_age=365 * DAY_S)
        return response

    async def _crumb(self, request: web.Request) -> web.Response:
        return web.Response(text=CRUMB)

    async def _consent(self, request: web.Request) -> web.Response:
        return web.Response(text=CONSENT, content_type="text/html")

    async def _summary(self, request: web.Request) -> web.Response:
        """What yfinance asks when it has no chart: not served here for any ticker."""
        problem = {"code": "Not Found", "description": "Quote not found."}
        return _json({"quoteSummary": {"result": None, "error": problem}}, 404)

    async def _chart(self, request: web.Request) -> web.Response:
        ticker, query = request.match_info["ticker"], request.query
        if self._rules.with_crumb and query.get("crumb") != CRUMB:
            problem = {"code": "Unauthorized", "description": "Invalid Crumb"}
            return _json({"finance": {"result": None, "error": problem}}, 401)
        if ticker not in self._known:
            return _error(404, "Not Found", "No data found, symbol may be delisted")
        interval = query.get("interval", "1d")
        if interval not in ("1m", "1d"):
            return _error(422, "Unprocessable Entity", f"Invalid input - interval={interval}")
        now_s = self._now_s()
        try:
            end_s = int(query.get("period2", now_s))
            start_s = int(query.get("period1", end_s - DAY_S))
        except ValueError:
            return _error(400, "Bad Request", "Invalid input - period1 and period2")
        if why := self._beyond(interval, start_s, end_s):
            return _error(422, "Unprocessable Entity", why)
        return self._answer(ticker, interval, start_s, end_s)

    def _beyond(self, interval: str, start_s: int, end_s: int) -> str | None:
        """Why these times cannot be asked for, None when they can."""
        times = f"startTime={start_s} and endTime={end_s}"
        if start_s >= end_s:
            return f"Invalid input - start date cannot be after end date. {times}"
        if interval != "1m" or not self._rules.walls:
            return None
        if end_s - start_s > LONGEST_S:
            return (
                f"1m data not available for {times}. Only 8 days worth of 1m granularity data are "
                "allowed to be fetched per request."
            )
        if start_s < self._now_s() - OLDEST_S:
            return (
                f"1m data not available for {times}. The requested range must be within the last "
                "30 days."
            )
        return None

    def _answer(self, ticker: str, interval: str, start_s: int, end_s: int) -> web.Response:
        traded, now_s = security(ticker), self._now_s()
        bars = self.bars(ticker, start_s, end_s)
        if interval == "1d":
            bars = _days(bars)
        live = self._rules.live_quote and ticker not in self._rows and interval == "1m"
        if live and bars and end_s > now_s and now_s % 60 and is_open(traded.hours, now_s):
            last = bars[-1].close or bars[-1].open
            bars.append(Bar(now_s, last, last, last, last, 0))
        result = {"meta": _meta(ticker, traded, interval, now_s)}
        if bars:
            periods = sessions(traded.hours, traded.zone, bars[0].ts, bars[-1].ts + 1)
            result["meta"]["tradingPeriods"] = [[period] for period in periods]
            result["timestamp"] = [bar.ts for bar in bars]
        keys = Bar._fields[1:]
        quote = {key: [getattr(bar, key) for bar in bars] for key in keys} if bars else {}
        result["indicators"] = {"quote": [quote]}
        return _json({"chart": {"result": [result], "error": None}})


def _meta(ticker: str, traded: Security, interval: str, now_s: int) -> dict:
    now = datetime.fromtimestamp(now_s, ZoneInfo(traded.zone))
    return {
        "currency": "USD",
        "symbol": ticker,
        "instrumentType": traded.kind,
        "regularMarketTime": now_s,
        "hasPrePostMarketData": traded.hours == "stocks",
        "gmtoffset": int(now.utcoffset().total_seconds()),
        "timezone": now.tzname(),
        "exchangeTimezoneName": traded.zone,
        "regularMarketPrice": traded.price,
        "priceHint": min(traded.digits, 4),
        "dataGranularity": interval,
        "range": "",
        "validRanges": RANGES,
    }


def _days(bars: list[Bar]) -> list[Bar]:
    """One bar a day of UTC."""
    whole = [bar for bar in bars if bar.close is not None]
    days: dict[int, list[Bar]] = {}
    for bar in whole:
        days.setdefault(bar.ts // DAY_S, []).append(bar)
    return [
        Bar(
            day * DAY_S,
            group[0].open,
            max(bar.high for bar in group),
            min(bar.low for bar in group),
            group[-1].close,
            sum(bar.volume for bar in group),
        )
        for day, group in days.items()
    ]


def _error(status: int, code: str, description: str) -> web.Response:
    problem = {"code": code, "description": description}
    return _json({"chart": {"result": None, "error": problem}}, status)


def _json(body: dict, status: int = 200) -> web.Response:
    return web.Response(body=json_text(body), status=status, content_type="application/json")
