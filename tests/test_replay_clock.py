"""How fast a replay goes, and what a client loses that was away."""

import asyncio
import json
import time

import pytest
from replay_client import client, hear_all, listen, streams

from replay.market import Market
from replay.server import Exchange

MARKET = Market(("SOLUSDT",), seed=5, duration_s=60)
ALL = streams(["SOLUSDT"])


def _ids(market=MARKET) -> list[int]:
    return [event.trade_id for event in market if event.stream.endswith("@trade")]


def test_at_a_speed_events_come_when_their_time_has_come():
    async def run():
        async with Exchange(MARKET, speed=40) as exchange:
            began = time.monotonic()
            heard = await hear_all(exchange, ALL)
            return heard, time.monotonic() - began

    heard, seconds = asyncio.run(run())
    assert heard.trade_ids("SOLUSDT") == _ids()
    assert 1.3 < seconds < 15


def test_frames_are_the_same_at_every_speed():
    async def run(speed):
        async with Exchange(MARKET, speed=speed) as exchange:
            return (await hear_all(exchange, ALL)).texts

    assert asyncio.run(run(None)) == asyncio.run(run(100))


def test_at_full_speed_the_slowest_reader_sets_the_pace_and_nobody_loses_anything():
    async def slow(exchange):
        async with client(exchange, ALL, max_queue=1) as socket:
            texts = []
            for _ in range(300):
                texts.append(await socket.recv())
                await asyncio.sleep(0.0005)
            return [*texts, *(await listen(socket)).texts]

    async def run():
        async with Exchange(MARKET, speed=None) as exchange, client(exchange) as ready:
            slow_texts, quick = await asyncio.gather(slow(exchange), hear_all(exchange, ALL))
            await listen(ready)
            return slow_texts, quick, exchange

    slow_texts, quick, exchange = asyncio.run(run())
    assert len(set(quick.texts) - set(slow_texts)) == 0
    assert sorted(exchange.delivered["SOLUSDT"]) == _ids()


@pytest.mark.parametrize("speed", [100, None])
def test_what_passes_while_a_client_is_away_is_lost_to_it(speed):
    market = Market(("SOLUSDT",), seed=5, duration_s=400)

    async def run():
        async with Exchange(market, speed=speed, faults=["drop=at:30s"]) as exchange:
            before = await hear_all(exchange, ALL)
            while exchange.clock.now_us() < market.start_us + 50_000_000:
                await asyncio.sleep(0.002)
            after = await hear_all(exchange, ALL)
            return before, after, exchange

    before, after, exchange = asyncio.run(run())
    assert (before.code, after.code) == (1006, 4000)
    away_s = (after.messages[0]["recv"] - before.messages[-1]["recv"]) / 1e6
    assert away_s > 15
    got = before.trade_ids("SOLUSDT") + after.trade_ids("SOLUSDT")
    assert got == sorted(exchange.delivered["SOLUSDT"]) and exchange.doubtful == {}
    assert set(got) < set(_ids(market))


def test_who_comes_after_the_end_is_told_so():
    async def run():
        async with Exchange(MARKET, speed=None) as exchange:
            await hear_all(exchange, ALL)
            return await hear_all(exchange, ALL)

    heard = asyncio.run(run())
    assert (heard.code, heard.texts) == (4000, [])


def test_a_client_that_leaves_in_the_middle_makes_doubt_not_false_certainty():
    async def run():
        async with Exchange(MARKET, speed=None) as exchange:
            async with client(exchange, ALL) as socket:
                texts = [await socket.recv() for _ in range(500)]
            while exchange.connections:
                await asyncio.sleep(0.01)
            return texts, exchange

    texts, exchange = asyncio.run(run())
    messages = [json.loads(text) for text in texts]
    got = {m["data"]["t"] for m in messages if m["stream"] == "solusdt@trade"}
    assert got <= {*exchange.delivered.get("SOLUSDT", ()), *exchange.doubtful.get("SOLUSDT", ())}
