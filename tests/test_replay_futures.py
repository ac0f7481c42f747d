"""Futures by REST: fundings and open interest, their walls and limits."""

import asyncio
from datetime import UTC, datetime

import pytest
from replay_client import get

from replay.futures import FuturesRules
from replay.market import Market
from replay.rules import Rules
from replay.server import Exchange

START = datetime(2025, 10, 20, 14, 55, tzinfo=UTC)
START_MS = 1_760_972_100_000
HOUR_MS = 3_600_000
MARKET = Market(("SOLUSDT", "XLMUSDT"), start=START, duration_s=20)
FUNDING, INTEREST = "/fapi/v1/fundingRate", "/futures/data/openInterestHist"


def _ask(path: str, futures=None, **query):
    async def run():
        async with Exchange(MARKET, futures=futures) as exchange:
            return await get(exchange, path, **query)

    return asyncio.run(run())


def test_fundings_come_every_eight_hours_the_newest_unless_asked_for_a_start():
    rows = _ask(FUNDING, symbol="SOLUSDT", limit=4).json
    last_ms = START_MS - START_MS % (8 * HOUR_MS)
    assert [row["fundingTime"] for row in rows] == [last_ms - n * 8 * HOUR_MS for n in (3, 2, 1, 0)]
    for row in rows:
        assert list(row) == ["symbol", "fundingRate", "fundingTime", "markPrice", "rateType"]
        assert row["symbol"] == "SOLUSDT" and abs(float(row["fundingRate"])) < 0.002
        assert 150 < float(row["markPrice"]) < 220
    assert len(_ask(FUNDING, symbol="SOLUSDT").json) == 100


def test_a_window_of_more_rows_than_the_limit_gives_the_oldest_and_both_ends_count():
    newest = _ask(FUNDING, symbol="SOLUSDT", limit=50).json
    first, tenth = newest[0]["fundingTime"], newest[9]["fundingTime"]
    query = dict(symbol="SOLUSDT", startTime=first)
    assert _ask(FUNDING, **query, limit=10).json == newest[:10]
    assert _ask(FUNDING, **query, endTime=tenth).json == newest[:10]
    assert _ask(FUNDING, symbol="SOLUSDT", startTime=tenth + 1, endTime=tenth + 2).json == []
    oldest = _ask(FUNDING, symbol="SOLUSDT", startTime=0, limit=2).json
    assert oldest[0]["fundingTime"] == 1_577_836_800_000
    assert _ask(FUNDING, symbol="SOLUSDT", startTime=START_MS).json == []


def test_intervals_jitter_and_keys_of_fundings_are_knobs():
    odd = FuturesRules(hours={"XLMUSDT": 4}, jitter_ms=9, rate_type=False)
    rows = _ask(FUNDING, odd, symbol="XLMUSDT", limit=30).json
    steps = {row["fundingTime"] // 1000 % (4 * 3600) for row in rows}
    assert steps == {0} and len({row["fundingTime"] % 1000 for row in rows}) > 3
    assert "rateType" not in rows[0]
    (info,) = _ask("/fapi/v1/fundingInfo", odd).json
    assert (info["symbol"], info["fundingIntervalHours"]) == ("XLMUSDT", 4)
    both = _ask(FUNDING, odd, startTime=START_MS - 24 * HOUR_MS).json
    assert [row["symbol"] for row in both].count("XLMUSDT") == 6 and len(both) == 9


def test_open_interest_is_that_of_a_moment_whatever_the_period():
    fives = _ask(INTEREST, symbol="SOLUSDT", period="5m", limit=500).json
    assert [row["timestamp"] for row in fives[-2:]] == [START_MS - 300_000, START_MS]
    assert len(fives) == 500 and len(_ask(INTEREST, symbol="SOLUSDT", period="5m").json) == 30
    hours = _ask(INTEREST, symbol="SOLUSDT", period="1h", limit=3).json
    assert [row for row in fives if row["timestamp"] % HOUR_MS == 0][-3:] == hours
    assert set(fives[0]) == {
        *("symbol", "sumOpenInterest", "sumOpenInterestValue"),
        *("CMCCirculatingSupply", "timestamp"),
    }
    text = _ask(INTEREST, FuturesRules(timestamp_as_text=True), symbol="SOLUSDT", period="5m").json
    assert text[-1] == fives[-1] | {"timestamp": str(START_MS)}


def test_open_interest_of_more_than_a_month_ago_is_gone():
    wall_ms = START_MS - 30 * 24 * HOUR_MS
    query = dict(symbol="SOLUSDT", period="5m", limit=2)
    rows = _ask(INTEREST, **query, startTime=wall_ms).json
    assert [row["timestamp"] for row in rows] == [wall_ms, wall_ms + 300_000]
    refused = _ask(INTEREST, **query, startTime=wall_ms - 1)
    assert (refused.status, refused.json["code"]) == (400, -1130)
    assert _ask(INTEREST, **query, endTime=wall_ms - 1).json == []
    newest = _ask(INTEREST, FuturesRules(newest=True), **query, startTime=wall_ms).json
    assert [row["timestamp"] for row in newest] == [START_MS - 300_000, START_MS]


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        (FUNDING, dict(symbol="NOSUCH"), -1121),
        (FUNDING, dict(symbol="SOLUSDT", limit=1001), -1130),
        (FUNDING, dict(symbol="SOLUSDT", startTime=2, endTime=1), -1023),
        (INTEREST, dict(symbol="SOLUSDT"), -1102),
        (INTEREST, dict(symbol="SOLUSDT", period="7m"), -1130),
        (INTEREST, dict(period="5m"), -1102),
        (INTEREST, dict(symbol="SOLUSDT", period="5m", limit=501), -1130),
    ],
)
def test_a_bad_question_is_answered_with_status_400_and_a_code(path, query, code):
    got = _ask(path, **query)
    assert (got.status, got.json["code"]) == (400, code)


def test_the_same_question_has_the_same_answer_on_another_day():
    async def run(start: datetime):
        market = Market(("SOLUSDT",), seed=9, start=start, duration_s=5)
        async with Exchange(market) as exchange:
            query = dict(symbol="SOLUSDT", startTime=START_MS - 48 * HOUR_MS, limit=5)
            rates = (await get(exchange, FUNDING, **query)).json
            assert exchange.futures.funding("SOLUSDT", rates[0]["fundingTime"], START_MS) == [
                *rates,
                *exchange.futures.funding("SOLUSDT", rates[-1]["fundingTime"] + 1, START_MS),
            ]
            return rates, (await get(exchange, INTEREST, **query, period="5m")).json

    assert asyncio.run(run(START)) == asyncio.run(run(START.replace(day=22)))


def test_each_kind_of_question_has_its_own_pool():
    rules = Rules(funding_calls_per_5_minutes=2, open_interest_calls_per_5_minutes=3)

    async def run():
        async with Exchange(MARKET, rules=rules) as exchange:
            statuses = []
            for path, count in ((FUNDING, 2), ("/fapi/v1/fundingInfo", 1), (INTEREST, 4)):
                for _ in range(count):
                    query = dict(symbol="SOLUSDT", period="5m") if path == INTEREST else {}
                    statuses.append((await get(exchange, path, **query)).status)
            spot = await get(exchange, "/api/v3/ping")
            time = await get(exchange, "/fapi/v1/time")
            return statuses, spot.status, time

    statuses, spot, time = asyncio.run(run())
    assert statuses == [200, 200, 429, 200, 200, 200, 429] and spot == 200
    assert time.json == {"serverTime": START_MS}
    assert time.headers["X-MBX-USED-WEIGHT-1M"] == "1"


def test_the_listing_of_futures_tells_the_limit():
    info = _ask("/fapi/v1/exchangeInfo").json
    assert [entry["symbol"] for entry in info["symbols"]] == ["SOLUSDT", "XLMUSDT"]
    assert info["symbols"][0]["contractType"] == "PERPETUAL"
    assert info["rateLimits"][0]["limit"] == 2400
