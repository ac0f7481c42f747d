"""Candles and trades by REST: from the same trades as the streams, and only what has happened."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from replay_client import client, get, listen

from replay.events import Trade
from replay.market import Market
from replay.server import Exchange

START = datetime(2025, 10, 20, 14, 55, tzinfo=UTC)
START_US = 1_760_972_100_000_000
MINUTE_US = 60_000_000
MARKET = Market(("SOLUSDT", "XLMUSDT"), 5, START, duration_s=400, skew_us=-1_270_000, busy=0.3)
END_US = max(event.recv_us for event in MARKET) + 1_270_000
TRADES = {
    symbol: [e for e in MARKET if type(e) is Trade and e.symbol == symbol]
    for symbol in MARKET.symbols
}


def _ask(path: str, headers=None, market=MARKET, knobs=None, **query):
    """One answer of an exchange whose recording is over."""

    async def run():
        async with Exchange(market, rest_only=True, **(knobs or {})) as exchange:
            return await get(exchange, path, headers, **query)

    return asyncio.run(run())


def _expected(symbol: str, step_us: int) -> list[list]:
    """The candles of the market's trades by plain Decimal sums; empty ones repeat the close."""
    fills = defaultdict(list)
    for trade in TRADES[symbol]:
        fills[trade.trade_us // step_us].append(trade)
    rows, close = [], None
    for number in range(min(fills), (END_US - 1) // step_us + 1):
        prices = [Decimal(fill.price) for fill in fills[number]] or [close]
        money = [(Decimal(f.price) * Decimal(f.qty), Decimal(f.qty)) for f in fills[number]]
        taker = [m for m, f in zip(money, fills[number], strict=True) if not f.buyer_is_maker]
        close = prices[-1]
        rows.append(
            [number * step_us, prices[0], max(prices), min(prices), close]
            + [sum(qty for _, qty in money), (number + 1) * step_us - 1]
            + [sum(m for m, _ in money), len(money)]
            + [sum(qty for _, qty in taker), sum(m for m, _ in taker), Decimal(0)]
        )
    return rows


def _numbers(rows: list[list]) -> list[list]:
    return [[Decimal(v) if type(v) is str else v for v in row] for row in rows]


@pytest.mark.parametrize("symbol", ["SOLUSDT", "XLMUSDT"])
@pytest.mark.parametrize(("interval", "step_us"), [("1s", 10**6), ("1m", 60 * 10**6)])
def test_candles_are_the_sums_of_the_streams_trades_to_the_last_digit(symbol, interval, step_us):
    got = _ask("/api/v3/klines", symbol=symbol, interval=interval, startTime=0, limit=1000).json
    expected = _expected(symbol, step_us)
    assert _numbers(got) == expected
    assert all(len(row) == 12 and type(row[0]) is type(row[8]) is int for row in got)
    assert all(value.partition(".")[2].isdigit() for row in got for value in row[1:6])
    assert got[-1][11] == "0"


def test_higher_intervals_begin_at_multiples_of_their_length_and_sum_up_the_minutes():
    minutes = _ask("/api/v3/klines", symbol="SOLUSDT", interval="1m").json
    fives = _ask("/api/v3/klines", symbol="SOLUSDT", interval="5m").json
    days = _ask("/api/v3/klines", symbol="SOLUSDT", interval="1d").json
    assert [row[0] for row in fives] == [START_US, START_US + 5 * MINUTE_US]
    assert sum(Decimal(row[7]) for row in minutes) == sum(Decimal(row[7]) for row in fives)
    assert [row[0] for row in days] == [START_US // 86_400_000_000 * 86_400_000_000]
    assert days[0][8] == len(TRADES["SOLUSDT"]) == sum(row[8] for row in minutes)


def test_times_are_ms_unless_asked_for_and_may_be_sent_in_both():
    base = dict(symbol="SOLUSDT", interval="1m", limit=2)
    micro = _ask("/api/v3/klines", **base, startTime=START_US + 1).json
    milli = _ask("/api/v3/klines", {}, **base, startTime=START_US // 1000 + 1).json
    mixed = _ask("/api/v3/klines", {}, **base, startTime=START_US + 1).json
    assert [row[0] for row in micro] == [START_US + MINUTE_US, START_US + 2 * MINUTE_US]
    assert milli == mixed == [[m[0] // 1000, *m[1:6], m[6] // 1000, *m[7:]] for m in micro]
    assert milli[0][6] == milli[1][0] - 1


def test_both_ends_are_included_and_the_oldest_rows_come_first():
    def opens(**query):
        rows = _ask("/api/v3/klines", symbol="SOLUSDT", interval="1m", **query).json
        return [(row[0] - START_US) // MINUTE_US for row in rows]

    one, two = START_US + MINUTE_US, START_US + 2 * MINUTE_US
    assert opens() == [0, 1, 2, 3, 4, 5, 6]
    assert opens(limit=2) == [5, 6]
    assert opens(startTime=one, limit=2) == [1, 2]
    assert opens(endTime=two, limit=2) == [1, 2]
    assert opens(startTime=one, endTime=two) == [1, 2]
    assert opens(startTime=one, endTime=one) == [1]
    assert opens(startTime=one + 1, endTime=two - 1) == []
    assert opens(startTime=START_US + 3600 * 10**6) == []
    assert opens(endTime=START_US - 1) == []


def test_the_last_candle_is_open_and_holds_what_has_happened_so_far():
    async def run():
        async with Exchange(MARKET, speed=20) as exchange, client(exchange) as socket:
            before = await get(exchange, "/api/v3/klines", symbol="SOLUSDT", interval="1m")
            await socket.send('{"method":"SUBSCRIBE","params":["solusdt@trade"],"id":1}')
            while exchange.clock.exchange_us() < START_US + 90_000_000:
                await socket.recv()
            now_us = exchange.clock.exchange_us()
            query = dict(symbol="SOLUSDT", limit=1000)
            rows = await get(exchange, "/api/v3/klines", interval="1m", **query)
            trades = await get(exchange, "/api/v3/trades", **query)
            return before.json, now_us, rows.json, trades.json, exchange.clock.exchange_us()

    before, now_us, rows, trades, later_us = asyncio.run(run())
    assert before == []
    assert [(row[0] - START_US) // MINUTE_US for row in rows] == [0, 1]
    happened = [t for t in TRADES["SOLUSDT"] if t.trade_us <= now_us]
    assert len(happened) <= sum(row[8] for row in rows) < len(TRADES["SOLUSDT"]) / 2
    assert rows[1][6] > later_us
    assert now_us - 1_000_000 < trades[-1]["time"] <= later_us


def test_after_the_end_everything_is_served_to_who_comes_later():
    async def run():
        async with Exchange(MARKET, speed=None, stay=True) as exchange:
            async with client(exchange, ["solusdt@trade"]) as socket:
                assert (await listen(socket)).code == 4000
            rows = await get(exchange, "/api/v3/klines", symbol="XLMUSDT", interval="1m")
            assert exchange.klines("XLMUSDT", "1m") == rows.json
            return rows.json, (await get(exchange, "/api/v3/time")).json

    rows, time = asyncio.run(run())
    assert sum(row[8] for row in rows) == len(TRADES["XLMUSDT"])
    assert time["serverTime"] == END_US


def test_trades_are_told_by_id_from_any_id_on():
    first = TRADES["SOLUSDT"][0].trade_id
    page = _ask("/api/v3/historicalTrades", symbol="SOLUSDT", fromId=first + 7, limit=3).json
    expected = [
        {
            "id": trade.trade_id,
            "price": trade.price,
            "qty": trade.qty,
            "quoteQty": f"{Decimal(trade.price) * Decimal(trade.qty):.8f}",
            "time": trade.trade_us,
            "isBuyerMaker": trade.buyer_is_maker,
            "isBestMatch": True,
        }
        for trade in TRADES["SOLUSDT"][7:10]
    ]
    assert page == expected
    newest = _ask("/api/v3/trades", {}, symbol="SOLUSDT", limit=2).json
    assert [t["id"] for t in newest] == [t.trade_id for t in TRADES["SOLUSDT"][-2:]]
    assert newest[-1]["time"] == TRADES["SOLUSDT"][-1].trade_us // 1000
    last = TRADES["SOLUSDT"][-1].trade_id
    assert _ask("/api/v3/historicalTrades", symbol="SOLUSDT", fromId=last + 1).json == []
    assert len(_ask("/api/v3/historicalTrades", symbol="SOLUSDT").json) == 500


def test_from_an_id_that_is_no_longer_held_the_answer_begins_at_the_first_that_is():
    oldest = TRADES["SOLUSDT"][40].trade_id
    knobs = dict(oldest_ids={"SOLUSDT": oldest})
    page = _ask("/api/v3/historicalTrades", knobs=knobs, symbol="SOLUSDT", fromId=1, limit=2).json
    assert [trade["id"] for trade in page] == [oldest, oldest + 1]
    orders = _ask("/api/v3/aggTrades", knobs=knobs, symbol="SOLUSDT", fromId=1, limit=2).json
    assert orders[0]["f"] >= oldest
    other = _ask("/api/v3/trades", knobs=knobs, symbol="XLMUSDT").json
    assert len(other) == len(TRADES["XLMUSDT"]) > 0


def test_aggregate_trades_hold_the_fills_of_one_order_each():
    orders = _ask("/api/v3/aggTrades", symbol="SOLUSDT", startTime=0, limit=1000).json
    by_id = {trade.trade_id: trade for trade in TRADES["SOLUSDT"]}
    assert orders[0]["f"] == TRADES["SOLUSDT"][0].trade_id
    assert any(order["l"] > order["f"] for order in orders)
    for order, following in zip(orders, [*orders[1:], None], strict=True):
        fills = [by_id[number] for number in range(order["f"], order["l"] + 1)]
        assert {(f.price, f.trade_us, f.buyer_is_maker) for f in fills} == {
            (order["p"], order["T"], order["m"])
        }
        assert Decimal(order["q"]) == sum(Decimal(fill.qty) for fill in fills)
        assert not following or (following["a"], following["f"]) == (order["a"] + 1, order["l"] + 1)
    tenth = _ask("/api/v3/aggTrades", symbol="SOLUSDT", fromId=orders[9]["a"], limit=1).json
    assert tenth == orders[9:10]
    times = dict(startTime=orders[3]["T"], endTime=orders[5]["T"])
    within = [order for order in orders if orders[3]["T"] <= order["T"] <= orders[5]["T"]]
    assert _ask("/api/v3/aggTrades", symbol="SOLUSDT", **times).json == within
    newest = _ask("/api/v3/aggTrades", symbol="SOLUSDT", limit=1).json
    assert newest[0]["l"] == TRADES["SOLUSDT"][-1].trade_id


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("klines", dict(symbol="NOSUCH", interval="1m"), -1121),
        ("klines", dict(symbol="solusdt", interval="1m"), -1100),
        ("klines", dict(interval="1m"), -1102),
        ("klines", dict(symbol="SOLUSDT"), -1102),
        ("klines", dict(symbol="SOLUSDT", interval="1w1"), -1120),
        ("klines", dict(symbol="SOLUSDT", interval=""), -1105),
        ("klines", dict(symbol="SOLUSDT", interval="1m", fromId=1), -1104),
        ("klines", dict(symbol="SOLUSDT", interval="1m", startTime="soon"), -1100),
        ("klines", dict(symbol="SOLUSDT", interval="1m", limit=0), -1130),
        ("klines", dict(symbol="SOLUSDT", interval="1m", timeZone="8"), -1130),
        ("historicalTrades", dict(symbol="SOLUSDT", fromId=-1), -1100),
        ("aggTrades", dict(symbol="SOLUSDT", fromId=1, startTime=1), -1128),
    ],
)
def test_a_bad_question_is_answered_with_status_400_and_a_code(path, query, code):
    got = _ask(f"/api/v3/{path}", **query)
    assert (got.status, got.json["code"]) == (400, code) and got.json["msg"]
    assert int(got.headers["X-MBX-USED-WEIGHT-1M"]) in (2, 4, 25)


def test_more_rows_than_a_thousand_are_a_thousand():
    market = Market(("BTCUSDT",), seed=2, duration_s=120)
    for path in ("trades", "historicalTrades", "aggTrades"):
        rows = _ask(f"/api/v3/{path}", market=market, symbol="BTCUSDT", limit=5000).json
        assert len(rows) == 1000, path


def test_every_request_is_noted_with_its_status():
    async def run():
        async with Exchange(MARKET) as exchange:
            await get(exchange, "/api/v3/ping")
            await get(exchange, "/api/v3/klines", symbol="NOSUCH", interval="1m")
            await get(exchange, "/nowhere")
            return exchange.requests

    ping, klines, nowhere = asyncio.run(run())
    assert ping == ("/api/v3/ping", {}, 200)
    assert klines == ("/api/v3/klines", {"symbol": "NOSUCH", "interval": "1m"}, 400)
    assert nowhere.status == 404


def test_the_days_before_the_first_trade_have_candles_that_lead_up_to_it():
    async def run():
        halt = (START_US - 600 * MINUTE_US, START_US - 540 * MINUTE_US)
        knobs = dict(history_days=3, halts=[halt])
        async with Exchange(MARKET, rest_only=True, **knobs) as exchange:
            rows = exchange.klines("SOLUSDT", "1m")
            pages, start_us = [], 0
            while True:
                query = dict(symbol="SOLUSDT", interval="1m", startTime=start_us, limit=1000)
                page = (await get(exchange, "/api/v3/klines", **query)).json
                if not page:
                    break
                pages += page
                start_us = page[-1][0] + 1
            seconds = exchange.klines("SOLUSDT", "1s", START_US - MINUTE_US * 30, START_US - 1)
            return rows, pages, seconds, exchange.klines("SOLUSDT", "1d")

    rows, pages, seconds, days = asyncio.run(run())
    assert rows == pages
    numbers = [(row[0] - START_US) // MINUTE_US for row in rows]
    assert numbers == [*range(-3 * 1440 - 895, -600), *range(-540, 7)]
    history = _numbers(rows[:-7])
    assert 50 < sum(row[8] == 0 for row in history) < 400
    for (_, _, _, _, close, *_), row in zip(history, history[1:], strict=False):
        _, open_, high, low, last, volume, _, money, count, taker, taker_money, _ = row
        assert low <= min(open_, last) <= max(open_, last) <= high
        assert volume > 0 or open_ == high == low == close
        assert low * volume <= money <= high * volume and (count > 0) == (volume > 0)
        assert 0 <= taker <= volume and low * taker <= taker_money <= high * taker
    first = Decimal(TRADES["SOLUSDT"][0].price)
    assert abs(history[-1][4] - first) < first / 100
    assert sum(row[8] for row in rows[-7:]) == len(TRADES["SOLUSDT"])
    assert sum(Decimal(r[7]) for r in seconds) == sum(r[7] for r in history[-30:])
    assert len(seconds) == 1800 and seconds[-1][4] == rows[-8][4]
    assert sum(Decimal(row[5]) for row in days) == sum(Decimal(row[5]) for row in rows)
