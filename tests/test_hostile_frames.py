"""Any frame over a real WebSocket: a raw line or one of raw/_rejected, and the collector lives."""

import asyncio
import base64
import json
from itertools import cycle
from random import Random

import pytest
import wire
from aiohttp import web
from wire import Wire, collect, events, ids, rows

ODD = [None, True, 0, -1, 1.5, 2**63 - 1, 2**63, 10**400, "", "1", "NaN", "x" * 101, [], {}, [[]]]
ODD += ["\u0000", '"', "\\", "\ud83d\ude00", {"a": {"b": 1}}, 1e300, "trade", "SOLUSDT", "BTCUSDT"]
STREAMS = ["solusdt@trade", "solusdt@bookTicker", "solusdt@kline_1s", "SOLUSDT@trade", "x@trade"]
STREAMS += ["solusdt@depth", "!serverShutdown2", "", "solusdt@trade ", None, 5]
TEXTS = ["", "null", "[]", "0", '"', "{", "[" * 2000, '{"stream":"solusdt@trade"}', '{"data":{}}']
TEXTS += ['{"stream":"solusdt@trade","data":null}', '{"id":null}', '{"result":null,"id":77}']


def frame(random: Random, number: int) -> str | bytes:
    """A trade, quote or kline with something wrong in it, or no such thing at all."""
    kind = random.random()
    if kind < 0.08:
        return random.choice(TEXTS) + " " * number
    if kind < 0.16:
        return random.randbytes(random.randrange(40)) + number.to_bytes(4, "big")
    event = json.loads(
        random.choice([wire.trade(number), wire.quote(number), wire.kline(1, number)])
    )
    if kind < 0.3:
        event["stream"] = random.choice(STREAMS)
    elif kind < 0.75:
        inner = random.choice([event, event["data"], event["data"].get("k", event["data"])])
        key = random.choice(list(inner))
        if random.random() < 0.3:
            del inner[key]
        else:
            inner[key] = random.choice(ODD)
    event["number"] = number
    text = json.dumps(event, separators=random.choice([(",", ":"), (", ", ": ")]))
    return text[: random.randrange(len(text))] + " " * number if random.random() < 0.1 else text


def collected(folder, frames: list[str | bytes]):
    """The lake and the summary after these frames, whose connection is ended as a replay's."""

    async def script(socket, number):
        for one in frames:
            await socket.send(one)
        await socket.close(4000, "end of recording")

    async def main():
        async with Wire(script) as exchange:
            return await collect(wire.lake(folder), exchange)

    return wire.lake(folder), asyncio.run(main())


def told(text: str | bytes) -> tuple | None:
    """What a raw line must say of a frame, by Python's own reader; None for a sign of life."""
    event = json.loads(text)["data"]
    if "k" in event:
        return None
    if "t" in event:
        side = "sell" if event["m"] else "buy"
        return event["t"], event["p"], event["q"], side, event["T"], event["E"]
    return event["u"], event["b"], event["B"], event["a"], event["A"]


def written(line: dict) -> tuple:
    keys = ["update_id", "bid", "bid_qty", "ask", "ask_qty"]
    if line["stream"] == "trade":
        keys = ["trade_id", "price", "qty", "side", "ts_event", "event_time"]
    return tuple(line[key] for key in keys)


@pytest.mark.parametrize("rounds", [1, pytest.param(60, marks=pytest.mark.soak)])
def test_every_frame_is_a_raw_line_or_a_reject_with_a_reason(tmp_path, campaign, rounds):
    saw = campaign("hostile frames", rounds)
    for seed in saw.seeds:
        random = Random(seed)
        frames = [frame(random, number) for number in range(1, 400)]
        here, summary = collected(tmp_path / str(seed), [*frames, wire.trade(400)])
        rejects = rows(here, "_rejected/binance")
        assert all(line["reason"] and line["conn"] for line in rejects)
        kept = [reject_bytes(line) for line in rejects]
        left = [one for one in frames if raw(one) not in kept]
        assert sorted(kept) == sorted(raw(one) for one in frames if raw(one) in kept)
        expected = [said for said in map(told, left) if said]
        assert [written(line) for line in rows(here)][:-1] == expected
        assert ids(here)[-1] == 400, f"--seed {seed}: the collector did not live on"
        assert summary.rejected == len(rejects) and summary.reconnects == 0
        saw.saw("frames rejected", len(rejects))
        saw.saw("frames written as raw lines", len(expected))
        saw.saw("klines", len(left) - len(expected))


def raw(one: str | bytes) -> bytes:
    return one if isinstance(one, bytes) else one.encode("utf-8", "surrogatepass")


def reject_bytes(line: dict) -> bytes:
    if line["reason"].endswith("(text is base64)"):
        return base64.b64decode(line["text"])
    return line["text"].encode()


TIMES = [
    *("null", "[]", "", "<html>", "{}", '{"serverTime":null}', '{"serverTime":true}', "1e999"),
    *('{"serverTime":Infinity}', '{"serverTime":NaN}', '{"serverTime":1e400}', '{"serverTime":-1}'),
    *('{"serverTime":"1760961600000000"}', '{"serverTime":1.5}', '{"serverTime":[]}', "\ufeff{}"),
    '{"serverTime":' + "9" * 30 + "}",
    '{"serverTime":' + "9" * 5000 + "}",
]


def test_a_time_that_is_none_costs_only_the_clock_offset(tmp_path):
    said = cycle(TIMES)

    class Garbage(Wire):
        async def _time(self, request):
            return web.Response(text=next(said), content_type="application/json")

    async def script(socket, number):
        await socket.send(wire.trade(number))
        await asyncio.sleep(0)
        await socket.close(1000 if number < len(TIMES) else 4000)

    async def main():
        async with Garbage(script) as exchange:
            return await collect(wire.lake(tmp_path / "lake", backoff_s=0.01), exchange)

    asyncio.run(main())
    here = wire.lake(tmp_path / "lake")
    # The first connection was the question whether this is a replay.
    assert ids(here) == list(range(2, len(TIMES) + 1)) and not events(here, "clock")
