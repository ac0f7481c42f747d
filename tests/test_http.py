"""One client for all questions over HTTP: its limits, its patience, and what it says at the end."""

import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable

import pytest
from aiohttp import web

from ingest import rest
from ingest.http import FILES, MIRROR, SPOT, Answer, Host, Limits, NoAnswer, Refused, Unreachable
from ingest.side_by_side import side_by_side
from replay.market import Market
from replay.rules import Rules
from replay.server import Exchange

PATH = "/api/v3/klines"
MINUTE_US = 60_000_000
# Waits of seconds are milliseconds here.
FAST = 1000.0
GOOD = b'[["1.50"]]'

Script = Callable[[web.Request], web.StreamResponse]


class Wire:
    """A server that answers by a script, one entry a request, the last one again and again."""

    def __init__(self, *script: object) -> None:
        self.script, self.times, self.paths = list(script), [], []

    async def __aenter__(self) -> "Wire":
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.times.append(time.perf_counter())
        self.paths.append(request.path)
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(entry, bytes):
            return web.Response(body=entry, content_type="application/json")
        return await entry(request)


def says(status: int, body: object = b"", **headers: str) -> Script:
    """An entry of a script: this status and body."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=text, headers=given)

    return answer


async def reset(request: web.Request) -> web.Response:
    request.transport.abort()
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    """Less than the length that was announced."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(GOOD)
    request.transport.close()
    return response


async def silent(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response(body=GOOD)


async def drops(request: web.Request) -> web.StreamResponse:
    """A byte now and then, never all of them."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    for _ in range(100):
        await response.write(b"[")
        await asyncio.sleep(0.05)
    return response


gzip_cut = says(200, gzip.compress(GOOD * 50)[:30], Content_Encoding="gzip")
FAULTS = {
    "reset": (reset, "disconnected"),
    "cut": (cut, "payload is not completed"),
    "silent": (silent, "no answer in time"),
    "drops": (drops, "no answer in time"),
    "gzip": (gzip_cut, "no JSON"),
    "no gzip": (says(200, GOOD, Content_Encoding="gzip"), "decode content-encoding: gzip"),
    "empty": (says(200), "an empty answer"),
    "html": (says(200, b"<html>back soon</html>"), "no JSON: '<html>back soon"),
    "half": (says(200, b'[["1.5'), "no JSON"),
    "500": (says(500, {"code": -1000, "msg": "An unknown error"}), "status 500"),
    "502": (says(502, b"<html>bad gateway</html>"), "status 502"),
    "503": (says(503), "status 503"),
    "504": (says(504, b"<html>"), "status 504"),
    "own trouble": (says(400, {"code": -1007, "msg": "Timeout waiting."}), "Timeout waiting."),
}


def ask(*script: object, limits: Limits = SPOT, **options) -> tuple[Answer | NoAnswer, Wire]:
    """What became of one question to a server with this script."""

    async def main() -> tuple[Answer | NoAnswer, Wire]:
        async with Wire(*script) as wire, Host(wire.url, limits, total_s=0.3) as host:
            host.timer.follow(30 * MINUTE_US, FAST)
            try:
                return await host.get(PATH, 2, {"symbol": "SOLUSDT"}, **options), wire
            except NoAnswer as error:
                return error, wire

    return asyncio.run(main())


@pytest.mark.parametrize("name", FAULTS)
def test_what_may_pass_is_asked_for_again(name):
    fault, _ = FAULTS[name]
    answer, wire = ask(fault, fault, GOOD)
    assert answer.json == [["1.50"]] and answer.body == GOOD and len(wire.times) == 3
    assert answer.body == GOOD


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_pass_is_told_in_one_sentence_after_five_tries(name):
    fault, why = FAULTS[name]
    error, wire = ask(fault)
    assert isinstance(error, Unreachable) and why in error.why
    assert error.message.startswith(f"{wire.url}{PATH} gave no usable answer (")
    assert error.message.endswith(
        "5 tries): look at the network and the address, then run the same command again"
    )
    # aiohttp itself asks once more where a connection was closed without an answer
    assert "\n" not in error.message and len(wire.times) == (10 if name == "reset" else 5)


def test_a_question_on_the_way_is_tried_once():
    error, wire = ask(says(503), GOOD, is_patient=False)
    assert isinstance(error, Unreachable) and len(wire.times) == 1


def test_each_wait_is_longer_than_the_one_before():
    _, wire = ask(says(503))
    waits = [after - before for before, after in zip(wire.times, wire.times[1:], strict=False)]
    assert all(wait >= 0.75 * 0.5 * 2**number / FAST for number, wait in enumerate(waits))


def test_an_error_of_the_exchange_is_told_with_code_and_text_and_not_asked_again():
    error, wire = ask(says(400, {"code": -1121, "msg": "Invalid symbol."}))
    assert isinstance(error, Refused) and len(wire.times) == 1
    assert (error.status, error.code, error.msg) == (400, -1121, "Invalid symbol.")
    assert error.message == f"{wire.url}{PATH} refuses with status 400: Invalid symbol. (-1121)"


def test_what_is_not_there_is_told_by_its_status():
    error, wire = ask(says(404), as_json=False, limits=FILES)
    assert isinstance(error, Refused) and error.status == 404 and error.code is None


@pytest.mark.parametrize("status", [403, 451])
def test_where_the_exchange_does_not_serve_us_the_mirror_is_named(status):
    error, wire = ask(says(status, b"<html>Request blocked</html>"))
    assert isinstance(error, Refused) and len(wire.times) == 1 and "\n" not in error.message
    assert f"(status {status}): {MIRROR} has the same market data" in error.message
    other, _ = ask(says(status), limits=FILES)
    assert MIRROR not in other.message and "from another network" in other.message


def test_after_429_nobody_asks_until_the_time_is_over():
    async def main() -> list[float]:
        busy = says(429, {"code": -1003, "msg": "Too much request weight used"}, Retry_After="300")
        async with Wire(busy, GOOD) as wire, Host(wire.url, SPOT) as host:
            host.timer.follow(30 * MINUTE_US, FAST)
            first = asyncio.create_task(host.get(PATH))
            while not wire.times:
                await asyncio.sleep(0.001)
            await asyncio.gather(first, *(host.get(PATH) for _ in range(5)))
            return wire.times

    times = asyncio.run(main())
    assert len(times) == 7 and all(after - times[0] >= 0.299 for after in times[1:])


def test_after_429_without_a_time_the_next_minute_is_waited_for():
    answer, wire = ask(says(429), GOOD)
    assert answer.status == 200 and wire.times[1] - wire.times[0] >= 0.050


@pytest.mark.parametrize("by", ["header", "text", "both"])
def test_a_ban_stops_all_calls_until_it_ends(by):
    until_ms = 34 * 60_000  # the clock stands at 30 minutes
    text = f"Way too much request weight used; IP banned until {until_ms:013}. Please use …"
    headers = {"Retry_After": "240"} if by != "text" else {}
    body = {"code": -1003, "msg": text if by != "header" else "banned"}

    async def main() -> list[float]:
        async with Wire(says(418, body, **headers), GOOD) as wire, Host(wire.url, SPOT) as host:
            host.timer.follow(30 * MINUTE_US, FAST)
            first = asyncio.create_task(host.get(PATH))
            while not wire.times:
                await asyncio.sleep(0.001)
            with pytest.raises(Unreachable, match="it asked us to wait"):
                await asyncio.sleep(0.02)
                await host.get(PATH, is_patient=False)
            await asyncio.gather(first, host.get(PATH))
            return wire.times

    times = asyncio.run(main())
    assert len(times) == 3 and all(after - times[0] >= 0.235 for after in times[1:])


@pytest.mark.parametrize("status", [418, 429])
def test_a_long_ban_ends_the_command_and_says_when_it_ends(status):
    body = {"code": -1003, "msg": "Way too much; IP banned until 1659146400000. Please"}

    async def main() -> tuple[NoAnswer, Wire]:
        async with (
            Wire(says(status, body, Retry_After="7200")) as wire,
            Host(wire.url, SPOT) as host,
        ):
            host.timer.follow(1_659_139_200_000_000, 1.0)
            with pytest.raises(Unreachable) as caught:
                await host.get(PATH)
            return caught.value, wire

    error, wire = asyncio.run(main())
    assert "has banned this address until 2022-07-30 02:00:00 UTC: run the same" in error.message
    assert len(wire.times) == 1


def test_a_minutes_weight_is_used_up_and_never_more_than_it():
    """100 calls of weight 2 where 60 a minute are allowed, of which one is left to others."""
    used: Counter[int] = Counter()

    async def main() -> None:
        async with (
            Exchange(
                Market(["SOLUSDT"], duration_s=1),
                60.0,
                rest_only=True,
                rules=Rules(weight_per_minute=60),
            ) as exchange,
            Host(exchange.rest_url, Limits(60)) as host,
        ):
            await rest.synchronise(host)

            async def one(number: int) -> None:
                await host.get("/api/v3/klines", 2, {"symbol": "SOLUSDT", "interval": "1m"})
                used[(host.timer.now_us() - 200_000) // MINUTE_US] += 2

            await side_by_side(one, range(100))
            assert {answered.status for answered in exchange.requests} == {200}

    asyncio.run(main())
    assert max(used.values()) <= 60
    middle = [used[minute] for minute in sorted(used)[1:-1]]
    assert middle and min(middle) >= 54, used


@pytest.mark.parametrize(("used", "waits"), [(5899, True), (5000, False)])
def test_what_others_use_is_seen_in_the_header(used, waits):
    """Two questions of weight 2, half a minute (30 ms, or 30 s) before the minute is over."""

    async def main() -> list[float]:
        full = says(200, [], X_MBX_USED_WEIGHT_1M=str(used))
        async with Wire(full) as wire, Host(wire.url, SPOT) as host:
            host.timer.follow(30 * MINUTE_US + 30_000_000, FAST if waits else 1.0)
            for _ in range(2):
                await host.get(PATH, 2)
            return wire.times

    first, second = asyncio.run(asyncio.wait_for(main(), 20))
    assert not waits or second - first >= 0.025


def test_calls_of_a_path_with_a_limit_of_its_own_are_counted():
    async def main() -> tuple[Wire, list[float]]:
        limits = Limits(2400, {"/few": (3, 300)})
        async with Wire(GOOD) as wire, Host(wire.url, limits) as host:
            host.timer.follow(31 * MINUTE_US, FAST)
            for path in ("/few", "/few", "/few", "/other", "/few"):
                await host.get(path)
            return wire, wire.times

    wire, times = asyncio.run(main())
    assert wire.paths[-2:] == ["/other", "/few"] and times[4] - times[0] >= 0.23


def test_the_clock_of_a_replay_is_that_of_its_answers():
    async def main() -> None:
        source = Market(["SOLUSDT"], duration_s=1, skew_us=-700_000)
        async with (
            Exchange(source, rest_only=True) as exchange,
            Host(exchange.rest_url, SPOT) as host,
        ):
            exchange_us = await rest.synchronise(host)
            answer = await host.get("/api/v3/ping")
            assert exchange_us == exchange.clock.exchange_us()
            assert answer.fetched_us == exchange.clock.now_us()

    asyncio.run(main())


def test_the_first_error_ends_what_runs_beside_it():
    began: list[int] = []

    async def work(number: int) -> None:
        began.append(number)
        if number == 3:
            raise Unreachable("no", "no")
        await asyncio.sleep(60 if number < 3 else 0)

    async def main() -> None:
        with pytest.raises(Unreachable):
            await asyncio.wait_for(side_by_side(work, range(100), at_once=4), 10)
        assert began == [0, 1, 2, 3]

    asyncio.run(main())
