"""The replay's REST side: time on the replay's clock, listings, weights and errors."""

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from replay_client import client, listen

from replay.market import Market
from replay.server import Exchange

START = datetime(2025, 10, 20, 12, tzinfo=UTC)
START_US = 1_760_961_600_000_000
MARKET = Market(("SOLUSDT", "XLMUSDT"), start=START, duration_s=5, skew_us=-1_270_000)


def _get(path: str, headers: dict[str, str] | None = None, speed: float | None = None):
    """Status, headers and body of one request to a fresh exchange."""

    async def run():
        async with Exchange(MARKET, speed=speed) as exchange:
            return await _ask(exchange, path, headers)

    return asyncio.run(run())


async def _ask(exchange: Exchange, path: str, headers: dict[str, str] | None = None):
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(exchange.rest_url + path) as response,
    ):
        text = await response.text()
        is_json = response.content_type == "application/json"
        return response.status, response.headers, json.loads(text) if is_json else text


def test_ping_is_an_empty_object_and_every_answer_has_the_weight_used():
    status, headers, body = _get("/api/v3/ping")
    assert (status, body) == (200, {})
    assert headers["X-MBX-USED-WEIGHT-1M"] == "1"


def test_weights_add_up_within_a_minute_of_the_exchange_also_for_errors():
    async def run():
        async with Exchange(MARKET) as exchange:
            await _ask(exchange, "/api/v3/exchangeInfo")
            await _ask(exchange, "/api/v3/time")
            return await _ask(exchange, "/api/v3/exchangeInfo?symbol=NOSUCH")

    assert asyncio.run(run())[1]["X-MBX-USED-WEIGHT-1M"] == "41"


def test_the_clock_stands_at_the_start_until_the_first_subscription():
    async def run():
        async with Exchange(MARKET, speed=1000) as exchange, client(exchange) as socket:
            answers = [await _ask(exchange, "/api/v3/time") for _ in range(2)]
            await socket.send('{"method":"SUBSCRIBE","params":["solusdt@trade"],"id":1}')
            await listen(socket)
            return [*answers, await _ask(exchange, "/api/v3/time")]

    first, second, last = asyncio.run(run())
    assert first[1]["X-Lake-Replay"] == f"speed=1000; recv={START_US - 1_270_000}"
    assert second[1]["X-Lake-Replay"] == first[1]["X-Lake-Replay"]
    assert first[2] == {"serverTime": START_US // 1000}
    assert last[2]["serverTime"] >= START_US // 1000 + 4_000


def test_the_offset_of_the_clocks_is_exact_in_microseconds_at_any_moment():
    async def run():
        async with Exchange(MARKET, speed=7) as exchange, client(exchange, ["solusdt@trade"]):
            headers = {"X-MBX-TIME-UNIT": "microsecond"}
            return await _ask(exchange, "/api/v3/time", headers)

    _, headers, body = asyncio.run(run())
    received_us = int(headers["X-Lake-Replay"].partition("recv=")[2])
    assert body["serverTime"] - received_us == 1_270_000


def test_exchange_info_lists_symbols_with_tick_and_lot():
    _, _, body = _get("/api/v3/exchangeInfo")
    assert [listing["symbol"] for listing in body["symbols"]] == ["SOLUSDT", "XLMUSDT"]
    _, _, body = _get('/api/v3/exchangeInfo?symbols=["XLMUSDT"]')
    (listing,) = body["symbols"]
    assert (listing["status"], listing["baseAsset"], listing["quoteAsset"]) == (
        "TRADING",
        "XLM",
        "USDT",
    )
    assert [step.get("tickSize", step.get("stepSize")) for step in listing["filters"]] == [
        "0.0001",
        "1",
    ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("symbol=NOSUCH", -1121),
        ('symbols=["SOLUSDT","NOSUCH"]', -1121),
        ("symbol=solusdt", -1100),
        ("symbols=SOLUSDT", -1100),
        ("symbol=", -1105),
        ('symbol=SOLUSDT&symbols=["SOLUSDT"]', -1128),
    ],
)
def test_a_bad_question_is_answered_with_status_400_and_a_code(query, code):
    status, headers, body = _get(f"/api/v3/exchangeInfo?{query}")
    assert (status, body["code"]) == (400, code) and body["msg"]
    assert headers["X-MBX-USED-WEIGHT-1M"] == "20"


def test_an_unknown_path_is_404_and_html_only_for_who_asks_for_it():
    assert _get("/api/v1/time")[::2] == (404, "")
    assert _get("/api/v1/time", {"Accept": "text/html"})[1]["Content-Type"].startswith("text/html")
