"""Faults of REST: what a client really gets, and which requests are hit."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import pytest
from replay_client import Got, client, get

from replay.market import Market
from replay.rules import Rules
from replay.server import Exchange

START = datetime(2025, 10, 20, 12, tzinfo=UTC)
MARKET = Market(("SOLUSDT", "XLMUSDT"), seed=9, start=START, duration_s=570, busy=0.05)
QUERY = dict(symbol="SOLUSDT", interval="1m")


def _answers(fault: str, count: int = 2, path: str = "/api/v3/klines", **query) -> list:
    """What so many requests get: an answer, or the name of what went wrong with it."""

    async def run():
        async with Exchange(MARKET, rest_only=True, faults=[fault]) as exchange:
            answers = [await _one(exchange, path, query or QUERY) for _ in range(count)]
            noted = [served.status for served in exchange.requests]
            # A client that met a reset may have asked again by itself.
            assert len(noted) >= count and noted[-1] == answers[-1].status
            assert all(type(got) is Got for got in answers) or noted[0] == 0
            return answers

    return asyncio.run(run())


async def _one(exchange: Exchange, path: str, query: dict) -> Got | str:
    try:
        async with asyncio.timeout(2):
            return await get(exchange, path, **query)
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "retry"),
    [
        ("429", 429, "application/json", "10"),
        ("429,retry:no", 429, "application/json", None),
        ("403", 403, "text/html", None),
        ("451", 451, "application/json", None),
        ("500", 500, "text/html", None),
        ("502", 502, "text/html", None),
        ("503", 503, "text/html", None),
        ("504", 504, "text/html", None),
    ],
)
def test_a_status_comes_once_with_the_body_that_belongs_to_it(kind, status, content_type, retry):
    bad, good = _answers(f"rest=kind:{kind},call:1")
    assert bad.status == status and bad.headers["Content-Type"].startswith(content_type)
    assert bad.headers.get("Retry-After") == retry
    assert "X-MBX-USED-WEIGHT-1M" in bad.headers
    assert good.status == 200 and len(good.json) == 10


def test_a_ban_goes_on_until_it_is_over_and_says_when():
    first, second = _answers("rest=kind:418,call:1,retry:50s")
    assert first.status == second.status == 418
    assert first.headers["Retry-After"] == "50" and 45 <= int(second.headers["Retry-After"]) <= 50
    until_ms = int(first.json["msg"].partition("banned until ")[2].partition(".")[0])
    end_ms = 1_760_961_600_000 + 570_000
    assert end_ms + 40_000 < until_ms < end_ms + 60_000


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset,count:2", "ServerDisconnectedError"),
        ("silent", "TimeoutError"),
        ("slow,for:60s", "TimeoutError"),
        ("late,for:60s", "TimeoutError"),
        ("truncated", "ClientPayloadError"),
    ],
)
def test_what_breaks_on_the_way_breaks_in_the_client_and_the_next_is_whole(kind, error):
    bad, good = _answers(f"rest=kind:{kind},call:1")
    assert bad == error
    assert good.status == 200 and len(good.json) == 10


def test_a_slow_answer_is_whole_in_the_end():
    (slow,) = _answers("rest=kind:slow,for:200ms,call:1", 1)
    (late,) = _answers("rest=kind:late,for:200ms,call:1", 1)
    assert slow.json == late.json and len(slow.json) == 10


def test_a_body_may_be_empty_cut_no_json_or_a_page():
    for kind in ("empty", "invalid", "html", "gzip"):
        bad, good = _answers(f"rest=kind:{kind},call:1")
        assert bad.status == 200 and good.json
        assert (bad.headers.get("Content-Encoding") == "gzip") == (kind == "gzip")
        with pytest.raises(json.JSONDecodeError):
            bad.json  # noqa: B018
        assert (kind == "empty") == (bad.body == b"")
        assert bad.headers["Content-Type"].startswith("text/html") == (kind == "html")


@pytest.mark.parametrize("path", ["/api/v3/klines", "/api/v3/historicalTrades"])
def test_rows_may_be_missing_twice_or_in_the_wrong_order(path):
    query = QUERY if "klines" in path else dict(symbol="SOLUSDT", limit=100)
    for kind in ("missing", "duplicated", "unsorted"):
        bad, good = (got.json for got in _answers(f"rest=kind:{kind},call:1", 2, path, **query))
        keys = [json.dumps(row) for row in good]
        got = [json.dumps(row) for row in bad]
        if kind == "missing":
            assert len(got) < len(keys) and [key for key in keys if key in got] == got
        elif kind == "duplicated":
            assert len(got) > len(keys) and list(dict.fromkeys(got)) == keys
        else:
            assert got != keys and sorted(got) == sorted(keys)


def test_a_price_may_be_changed_a_candle_revised_and_a_value_of_another_type():
    bad, good = (got.json for got in _answers("rest=kind:price,call:1"))
    assert [row[4] == other[4] for row, other in zip(bad, good, strict=True)].count(False) == 1
    bad, good = (got.json for got in _answers("rest=kind:revised,call:1"))
    ((row, other),) = [pair for pair in zip(bad, good, strict=True) if pair[0] != pair[1]]
    assert other != good[-1], "the last one is open and may change anyway"
    assert (row[:5], row[8]) == (other[:5], other[8] + 1)
    more = Decimal(row[5]) - Decimal(other[5])
    assert abs(Decimal(row[7]) - Decimal(other[7]) - more * Decimal(row[4])) < Decimal("1e-7")
    (bad,) = _answers("rest=kind:wrong_type,call:1", 1)
    assert sum(type(row[4]) is dict for row in bad.json) == 1
    bad, good = _answers("rest=kind:wrong_type,call:1", 2, "/api/v3/trades", symbol="SOLUSDT")
    assert sum(type(row["id"]) is dict for row in bad.json) == 1


def _statuses(fault: str, paths: list[str], seed: int = 1) -> list[int]:
    async def run():
        async with Exchange(MARKET, rest_only=True, faults=[fault], seed=seed) as exchange:
            for path in paths:
                await get(exchange, path)
            return [served.status for served in exchange.requests]

    return asyncio.run(run())


def test_requests_are_hit_by_their_number_in_a_row_or_by_chance():
    pings = ["/api/v3/ping"] * 12
    assert _statuses("rest=call:3,count:2", pings) == [200, 200, 503, 503] + [200] * 8
    assert _statuses("rest=calls:5", pings) == ([200] * 4 + [503]) * 2 + [200] * 2
    chance = [_statuses("rest=share:30%", pings * 5, seed) for seed in (1, 1, 2)]
    assert chance[0] == chance[1] != chance[2] and 8 <= chance[0].count(503) <= 28
    assert _statuses("rest=share:100%", pings) == [503] * 12


def test_only_what_is_meant_is_hit_and_counted():
    paths = ["/api/v3/ping", "/api/v3/time", "/api/v3/klines?symbol=XLMUSDT&interval=1m"]
    assert _statuses("rest=call:2,path:time", paths * 2) == [200, 200, 200, 200, 503, 200]
    assert _statuses("rest=call:1,symbol:XLMUSDT", paths * 2) == [200, 200, 503, 200, 200, 200]
    assert _statuses("rest=call:1,symbol:SOLUSDT", paths) == [200] * 3


def test_a_fault_of_rest_may_come_at_a_time_of_the_replay():
    async def run():
        faults = ["rest=kind:500,at:30s,count:2"]
        async with Exchange(MARKET, speed=50, faults=faults) as exchange:
            before = await get(exchange, "/api/v3/ping")
            async with client(exchange, ["solusdt@trade"]) as socket:
                while exchange.clock.now_us() < MARKET.start_us + 31_000_000:
                    await socket.recv()
                after = [await get(exchange, "/api/v3/ping") for _ in range(3)]
            return [got.status for got in (before, *after)]

    assert asyncio.run(run()) == [200, 500, 500, 200]


def test_over_the_limit_is_429_until_the_minute_ends_and_who_goes_on_is_banned():
    async def run():
        rules = Rules(weight_per_minute=50, calls_until_ban=3)
        async with Exchange(MARKET, rest_only=True, rules=rules) as exchange:
            answers = [await get(exchange, "/api/v3/historicalTrades", symbol="SOLUSDT")]
            answers += [await get(exchange, "/api/v3/klines", **QUERY) for _ in range(17)]
            return answers

    answers = asyncio.run(run())
    assert [got.status for got in answers] == [200] * 13 + [429] * 3 + [418] * 2
    assert [int(got.headers["X-MBX-USED-WEIGHT-1M"]) for got in answers[:3]] == [25, 27, 29]
    refused, banned = answers[13], answers[16]
    assert refused.json["code"] == banned.json["code"] == -1003
    assert "current limit is 50 request weight per 1 MINUTE" in refused.json["msg"]
    assert 25 <= int(refused.headers["Retry-After"]) <= 40
    assert int(refused.headers["X-MBX-USED-WEIGHT-1M"]) == 51
    assert int(banned.headers["Retry-After"]) == 120
    assert "IP banned until 1760962" in banned.json["msg"]


def test_the_window_of_the_limit_is_a_minute_of_the_replay_also_while_its_clock_stands():
    async def run():
        rules = Rules(weight_per_minute=3)
        async with Exchange(MARKET, speed=600, rest_only=True, rules=rules) as exchange:
            await get(exchange, "/api/v3/time")
            for _ in range(4):
                got = await get(exchange, "/api/v3/ping")
                if got.status == 429:
                    await asyncio.sleep(int(got.headers["Retry-After"]) / 600)
                    return (await get(exchange, "/api/v3/ping")).status
            return got.status

    assert asyncio.run(run()) == 200
