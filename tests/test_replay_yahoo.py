"""Yahoo's charts: their shape, hours and walls, and yfinance itself fetching from them."""

import asyncio
import csv
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from replay_client import get

from replay.market import Market
from replay.minutes import Bar, bars_of_day
from replay.server import Exchange
from replay.yahoo import CRUMB, YahooRules

NOW_S = 1_760_972_130  # Monday 2025-10-20 14:55:30 UTC: New York has been open for 85 minutes
DAY_S = 86_400
REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "yahoo" / "SPY.csv"


def _market(at_s: int = NOW_S) -> Market:
    return Market(("XLMUSDT",), start=datetime.fromtimestamp(at_s, UTC), duration_s=5)


def _chart(ticker: str, start_s: int, end_s: int, rules=None, at_s: int = NOW_S, **query):
    """Status, the chart's result and error, of an exchange whose clock stands at `at_s`."""

    async def run():
        async with Exchange(_market(at_s), yahoo=rules) as exchange:
            asked = dict(period1=start_s, period2=end_s, interval="1m") | query
            got = await get(exchange, f"/v8/finance/chart/{ticker}", **asked)
            chart = got.json.get("chart", {})
            return got.status, (chart.get("result") or [None])[0], chart.get("error")

    return asyncio.run(run())


def test_minutes_of_an_open_market_end_with_the_open_one_and_the_live_quote():
    status, result, error = _chart("SPY", NOW_S - 3600, NOW_S + 600)
    (quote,) = result["indicators"]["quote"]
    times = result["timestamp"]
    assert status == 200 and error is None
    assert times == [*range(1_760_968_560, NOW_S, 60), NOW_S]
    assert all(len(quote[key]) == len(times) for key in ("open", "high", "low", "close", "volume"))
    for open_, high, low, close in zip(
        *(quote[key] for key in ("open", "high", "low", "close")), strict=True
    ):
        assert close is None or low <= min(open_, close) <= max(open_, close) <= high
    assert result["meta"]["exchangeTimezoneName"] == "America/New_York"
    ((period,),) = result["meta"]["tradingPeriods"]
    assert period["start"] == 1_760_967_000 and period["end"] == period["start"] + 390 * 60
    assert (period["timezone"], period["gmtoffset"]) == ("EDT", -4 * 3600)


def test_the_same_minutes_are_the_same_later_and_whatever_was_asked_for():
    _, early, _ = _chart("EURUSD=X", NOW_S - 7200, NOW_S - 3600)
    _, late, _ = _chart("EURUSD=X", NOW_S - 9000, NOW_S, at_s=NOW_S + 5 * DAY_S)
    got = dict(zip(late["timestamp"], late["indicators"]["quote"][0]["close"], strict=True))
    for ts, close in zip(early["timestamp"], early["indicators"]["quote"][0]["close"], strict=True):
        assert got[ts] == close
    assert set(late["indicators"]["quote"][0]["volume"]) <= {0, None}


def test_a_minute_without_trading_is_null_and_a_weekend_has_no_timestamps():
    day = NOW_S // DAY_S - 3
    _, result, _ = _chart("EURUSD=X", day * DAY_S, (day + 1) * DAY_S)
    (quote,) = result["indicators"]["quote"]
    assert 3 < quote["close"].count(None) < 40
    assert len(result["timestamp"]) == 22 * 60, "a Friday, to 22:00"
    _, saturday, error = _chart("EURUSD=X", (day + 1) * DAY_S, (day + 2) * DAY_S)
    assert saturday["indicators"] == {"quote": [{}]} and error is None
    assert "timestamp" not in saturday and "tradingPeriods" not in saturday["meta"]


def test_futures_pause_for_an_hour_a_day():
    _, result, _ = _chart("ES=F", NOW_S - 2 * DAY_S, NOW_S)
    hours = {datetime.fromtimestamp(ts, UTC).hour for ts in result["timestamp"]}
    assert result["meta"]["instrumentType"] == "FUTURE"
    assert hours == {22, 23, *range(15)}, "from Sunday 18:00 in New York on"
    _, result, _ = _chart("ES=F", NOW_S - 4 * DAY_S, NOW_S - 3 * DAY_S)
    assert 21 not in {datetime.fromtimestamp(ts, UTC).hour for ts in result["timestamp"]}


@pytest.mark.parametrize(
    ("ticker", "start_s", "end_s", "query", "status", "words"),
    [
        ("NOSUCH", NOW_S - 60, NOW_S, {}, 404, "may be delisted"),
        ("SPY", NOW_S - 9 * DAY_S, NOW_S, {}, 422, "Only 8 days worth of 1m"),
        ("SPY", NOW_S - 31 * DAY_S, NOW_S - 30 * DAY_S, {}, 422, "within the last 30 days"),
        ("SPY", NOW_S, NOW_S, {}, 422, "start date cannot be after end date"),
        ("SPY", NOW_S - 60, NOW_S, {"interval": "7m"}, 422, "interval=7m"),
        ("SPY", "soon", NOW_S, {}, 400, "period1"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_yahoos_words(
    ticker, start_s, end_s, query, status, words
):
    got, result, error = _chart(ticker, start_s, end_s, **query)
    assert (got, result) == (status, None) and words in error["description"]


def test_the_walls_the_crumb_and_further_tickers_are_knobs():
    old = (NOW_S - 40 * DAY_S, NOW_S - 39 * DAY_S)
    assert _chart("SPY", *old, YahooRules(walls=False))[0] == 200
    assert _chart("NOSUCH", NOW_S - 600, NOW_S, YahooRules(tickers=("NOSUCH",)))[0] == 200
    rules = YahooRules(with_crumb=True)
    assert _chart("SPY", NOW_S - 600, NOW_S, rules)[0] == 401
    assert _chart("SPY", NOW_S - 600, NOW_S, rules, crumb=CRUMB)[0] == 200


def test_bars_that_have_just_ended_may_still_change():
    rules = YahooRules(revised_s=120, live_quote=False)

    def closes(at_s: int):
        _, result, _ = _chart("SPY", NOW_S - 900, NOW_S, rules, at_s=at_s)
        (quote,) = result["indicators"]["quote"]
        bars = zip(quote["close"], quote["volume"], strict=True)
        return dict(zip(result["timestamp"], bars, strict=True))

    now, later = closes(NOW_S), closes(NOW_S + 600)
    changed = [ts for ts in now if now[ts] != later[ts]]
    assert changed and set(changed) <= {ts for ts in now if ts + 180 > NOW_S}
    assert all(now[ts][1] < later[ts][1] for ts in changed)


def test_given_rows_are_served_as_they_are():
    rows = [
        *(Bar(NOW_S - 300, 1.0, 2.0, 0.5, 1.5, 0), Bar(NOW_S - 300, 1.0, 2.0, 0.5, 1.5, 70)),
        *(Bar(NOW_S - 120, 2.0, 2.0, 2.0, 2.0, 9), Bar(NOW_S - 180, 3.0, 3.0, 3.0, 3.0, 9)),
        *(Bar(NOW_S - 60, None, None, None, None, None), Bar(NOW_S + 60, 9.0, 9.0, 9.0, 9.0, 9)),
    ]
    rules = YahooRules(rows={"ODD": rows})
    _, result, _ = _chart("ODD", NOW_S - 400, NOW_S + 400, rules)
    (quote,) = result["indicators"]["quote"]
    assert result["timestamp"] == [bar.ts for bar in rows[:5]]
    assert quote["volume"] == [0, 70, 9, 9, None] and quote["close"][3] == 3.0


# In a process of its own: yfinance keeps its session, cookies and settings for the whole process.
FETCH = """
import json, os, sys, tempfile, warnings
os.environ["YF_DISABLE_CURL_CFFI"] = "1"
warnings.simplefilter("ignore")
from urllib.parse import urlsplit
import requests, yfinance
from requests.adapters import HTTPAdapter

class ToUs(HTTPAdapter):
    def send(self, request, **how):
        address = urlsplit(request.url)
        request.url = f"{sys.argv[1]}{address.path}?{address.query}".rstrip("?")
        return super().send(request, **how)

yfinance.set_tz_cache_location(tempfile.mkdtemp())
yfinance.config.debug.hide_exceptions = False
session = requests.Session()
session.trust_env = False
session.mount("https://", ToUs())
for ticker, start, end in json.loads(sys.argv[2]):
    try:
        frame = yfinance.Ticker(ticker, session=session).history(
            interval="1m", start=start, end=end, auto_adjust=False, actions=False
        )
        times = [int(time.timestamp()) for time in frame.index]
        print(json.dumps([times, frame["Close"].tolist(), frame["Volume"].tolist()]))
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error)]))
    yfinance.data.YfData.cache_get.cache_clear()
"""


def _fetched(questions: list, rules=None, faults=(), at_s: int = NOW_S) -> tuple[list, list]:
    """What yfinance hands over for each (ticker, start, end), and what it asked for."""

    async def run():
        async with Exchange(_market(at_s), yahoo=rules, faults=faults) as exchange:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", FETCH, exchange.rest_url, json.dumps(questions)),
                stdout=asyncio.subprocess.PIPE,
            )
            printed, _ = await process.communicate()
            return [json.loads(line) for line in printed.splitlines()], exchange.requests

    return asyncio.run(run())


def test_yfinance_fetches_minutes_of_stocks_currencies_and_futures():
    questions = [(name, NOW_S - 3600, NOW_S - 600) for name in ("SPY", "EURUSD=X", "ES=F", "^VIX")]
    fetched, requests = _fetched(questions)
    for (ticker, start_s, end_s), (times, closes, volumes) in zip(questions, fetched, strict=True):
        bars = [
            bar
            for bar in bars_of_day(ticker, NOW_S // DAY_S)
            if start_s <= bar.ts < end_s and bar.close is not None
        ]
        assert times == [bar.ts for bar in bars], ticker
        assert closes == pytest.approx([bar.close for bar in bars])
        assert volumes == [bar.volume for bar in bars]
    assert "/v1/test/getcrumb" in [served.path for served in requests]
    assert all(served.query.get("crumb") == CRUMB for served in requests if "chart" in served.path)


def test_yfinance_says_why_there_is_nothing():
    questions = [
        ("EURUSD=X", NOW_S - 50 * 3600, NOW_S - 48 * 3600),
        ("SPY", NOW_S - 9 * DAY_S, NOW_S),
        ("SPY", NOW_S - 31 * DAY_S, NOW_S - 30 * DAY_S),
    ]
    fetched, requests = _fetched(questions)
    assert [name for name, _ in fetched] == ["YFPricesMissingError"] * 3
    assert "Only 8 days" in fetched[1][1] and "last 30 days" in fetched[2][1]
    assert {"/consent", "/v2/collectConsent"} <= {served.path for served in requests}


def test_yfinance_meets_a_limit_of_requests_and_a_broken_body():
    question = [("SPY", NOW_S - 3600, NOW_S - 600)]
    (answer,), _ = _fetched(question, faults=["rest=kind:429,share:100%,path:chart"])
    assert answer[0] == "YFRateLimitError"
    (answer,), _ = _fetched(question, faults=["rest=kind:truncated,call:2,path:chart"])
    assert answer[0] == "ChunkedEncodingError"
    (answer,), _ = _fetched(question, faults=["rest=kind:html,call:2,path:chart"])
    assert answer[0] == "JSONDecodeError"


@pytest.mark.skipif(not REAL.exists(), reason="no real recordings beside the project")
def test_real_rows_pass_yfinance_with_their_duplicates():
    with REAL.open(newline="") as lines:
        rows = [
            Bar(
                int(datetime.fromisoformat(row["Datetime"]).timestamp()),
                *(float(row[key]) if row[key] else None for key in ("Open", "High", "Low")),
                float(row["Close"]) if row["Close"] else None,
                int(float(row["Volume"])) if row["Volume"] else None,
            )
            for row in csv.DictReader(lines)
        ]
    start_s, end_s = rows[0].ts, rows[0].ts + 7 * DAY_S
    rules = YahooRules(rows={"SPY": rows})
    ((times, closes, _),), _ = _fetched(
        [("SPY", start_s, end_s)], rules, at_s=rows[0].ts + 8 * DAY_S
    )
    # Of several rows of a minute yfinance hands over the last, and none when that one is null.
    last = {bar.ts: bar for bar in rows if start_s <= bar.ts < end_s}
    whole = [bar for _, bar in sorted(last.items()) if bar.close is not None]
    assert times == [bar.ts for bar in whole] and len(times) > 1000
    assert closes == pytest.approx([bar.close for bar in whole])
