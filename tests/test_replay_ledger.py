"""The list of trades behind REST: sorted by id, each once, however a recording holds them."""

import asyncio
import random
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from replay_client import client, get, listen

from replay.events import Trade
from replay.ledger import Tape
from replay.server import Exchange

START_US = 1_760_972_100_000_000


def _trade(trade_id: int, at_s: float, price="1.50000000", qty="2", received_s=None) -> Trade:
    time_us = START_US + round(at_s * 1e6)
    recv_us = START_US + round((at_s if received_s is None else received_s) * 1e6) + 5_000
    return Trade(
        *(recv_us, "abcusdt@trade", "ABCUSDT", time_us + 1000, time_us),
        *(trade_id, price, qty, trade_id % 2 == 0),
    )


@dataclass
class Events:
    """A source of given events."""

    events: list[Trade]
    symbols: dict = field(default_factory=lambda: {"ABCUSDT": ("0.0001", "1")})
    prices: dict = field(default_factory=dict)
    start_us: int = START_US
    skew_us: int = 0
    title: str = "given trades"

    def __iter__(self):
        return iter(self.events)


@pytest.mark.parametrize("seed", range(20))
def test_a_tape_is_sorted_by_id_and_holds_each_trade_once(seed):
    chance = random.Random(seed)
    trades = [_trade(number, number / 10) for number in range(300) if chance.random() < 0.9]
    shuffled = trades[:]
    for _ in range(chance.randrange(20)):
        at = chance.randrange(len(shuffled))
        shuffled.insert(at + chance.randrange(9), shuffled.pop(at))
        shuffled.insert(chance.randrange(len(shuffled)), chance.choice(shuffled))
    tape = Tape()
    while shuffled:
        size = chance.randrange(1, 60)
        tape.extend(shuffled[:size])
        del shuffled[:size]
    assert list(tape.ids) == [trade.trade_id for trade in trades]
    assert list(tape.times) == [trade.trade_us for trade in trades]
    assert [bool(maker) for maker in tape.buyer_is_maker] == [t.buyer_is_maker for t in trades]
    assert set(tape.prices) == {150_000_000} and set(tape.qtys) == {200_000_000}


@pytest.mark.parametrize("seed", range(20))
def test_what_lies_before_a_time_is_found_though_times_go_back(seed):
    chance = random.Random(seed)
    trades = [_trade(number, number + chance.uniform(-4, 4)) for number in range(200)]
    tape, order = Tape(), sorted(trades, key=lambda _: chance.random())
    for trade in trades if seed % 2 else order:
        tape.add(trade)
    for _ in range(50):
        at_us = START_US + chance.randrange(-5_000_000, 205_000_000)
        before = [number for number, trade in enumerate(trades) if trade.trade_us < at_us]
        assert all(number in before for number in range(tape.before(at_us)))
        assert all(number < tape.until(at_us) for number in before)


def test_what_is_no_number_or_far_too_large_is_left_out():
    tape = Tape()
    odd = [
        _trade(2, 2, "NaN"),
        _trade(3, 3, qty="93000000000"),
        _trade(2**63, 4),
        _trade(5, 5, "1.5"),
    ]
    tape.extend([_trade(1, 1), *odd])
    assert list(tape.ids) == [1, 5] and list(tape.prices) == [150_000_000] * 2


def _candles(trades: list[Trade], interval_s: int) -> dict[int, tuple]:
    """The candles of these trades in which there is trading, in order of id."""
    found: dict[int, list[Trade]] = {}
    for trade in sorted({t.trade_id: t for t in trades}.values(), key=lambda t: t.trade_id):
        found.setdefault(trade.trade_us // 1_000_000 // interval_s, []).append(trade)
    return {
        number: (
            *(Decimal(fills[0].price), Decimal(fills[-1].price), len(fills)),
            sum(Decimal(fill.qty) for fill in fills),
        )
        for number, fills in found.items()
    }


@pytest.mark.parametrize(("interval", "seed"), [("1s", 1), ("1s", 2), ("1s", 3), ("1m", 4)])
def test_candles_of_a_recording_with_holes_duplicates_and_late_trades(interval, seed):
    chance = random.Random(seed)
    trades = [
        _trade(number, number / 3 + chance.uniform(-2, 2), f"{1 + number / 1000:.8f}", str(number))
        for number in range(1, 900)
        if number % 70
    ]
    received = sorted([*trades, *trades[40:90]], key=lambda trade: trade.recv_us)
    late = received.pop(200)
    received.insert(500, late)

    async def run():
        async with Exchange(Events(received), rest_only=True) as exchange:
            return exchange.klines("ABCUSDT", interval)

    step = {"1s": 1, "1m": 60}[interval]
    rows = {row[0] // 1_000_000 // step: row for row in asyncio.run(run())}
    expected = _candles(trades, step)
    for number, (open_, close, count, volume) in expected.items():
        row = rows[number]
        assert (Decimal(row[1]), Decimal(row[4]), row[8]) == (open_, close, count)
        assert Decimal(row[5]) == volume
    assert all(row[8] == 0 for number, row in rows.items() if number not in expected)
    assert list(rows) == list(range(min(rows), max(rows) + 1))


def test_a_trade_that_comes_late_is_in_the_candles_that_were_told_before():
    trades = [_trade(number, number) for number in range(1, 400)]
    late = trades.pop(10)
    trades.insert(380, _trade(late.trade_id, late.trade_id, received_s=382))

    async def run():
        async with Exchange(Events(trades), speed=100) as exchange:
            query = dict(symbol="ABCUSDT", interval="1m", limit=1, startTime=START_US)
            async with client(exchange, ["abcusdt@trade"]) as socket:
                while exchange.clock.now_us() < START_US + 300_000_000:
                    await socket.recv()
                before = await get(exchange, "/api/v3/klines", **query)
                await listen(socket)
            return before.json, (await get(exchange, "/api/v3/klines", **query)).json

    ((before,), (after,)) = asyncio.run(run())
    assert (before[8], after[8]) == (58, 59)
