"""The exchange's limits and timers: messages, streams, frames, connections, pings, lifetime."""

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from replay_client import ask, client, hear_all, listen
from websockets.exceptions import InvalidStatus

from replay.market import Market
from replay.rules import Rules
from replay.server import Exchange

MARKET = Market(("SOLUSDT", "XLMUSDT"), seed=3, duration_s=20)


def test_a_sixth_message_within_a_second_ends_the_connection():
    async def run():
        async with Exchange(MARKET) as exchange, client(exchange) as socket:
            for number in range(6):
                await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
            return await listen(socket)

    heard = asyncio.run(run())
    assert (heard.code, heard.reason) == (1008, "Too many requests")
    assert [message["id"] for message in heard.messages] == [0, 1, 2, 3, 4]


def test_pings_of_the_client_count_as_messages_and_are_answered():
    async def run():
        async with Exchange(MARKET) as exchange, client(exchange) as socket:
            for _ in range(5):
                await (await socket.ping())
            await socket.ping()
            return await listen(socket)

    assert asyncio.run(run()).code == 1008


def test_more_than_1024_streams_are_refused_and_the_connection_stays():
    rules = Rules(messages_per_second=50)

    async def run():
        async with Exchange(MARKET, rules=rules) as exchange, client(exchange) as socket:
            for first in range(0, 1024, 256):
                names = [f"a{number}@trade" for number in range(first, first + 256)]
                assert "result" in await ask(socket, "SUBSCRIBE", names)
            again = await ask(socket, "SUBSCRIBE", ["a1@trade"])
            refused = await ask(socket, "SUBSCRIBE", ["b@trade"])
            return again, refused, len((await ask(socket, "LIST_SUBSCRIPTIONS"))["result"])

    again, refused, count = asyncio.run(run())
    assert again == {"result": None, "id": 1} and count == 1024
    assert refused["error"] == {"code": 4, "msg": "Too many subscriptions"}


def test_a_client_frame_of_more_than_4096_bytes_gets_no_answer():
    def request(size: int) -> str:
        head = '{"method":"LIST_SUBSCRIPTIONS","id":5'
        return head + " " * (size - len(head) - 1) + "}"

    async def run():
        async with Exchange(MARKET) as exchange, client(exchange) as socket:
            await socket.send(request(4089))
            await socket.send(request(4088))
            first = json.loads(await socket.recv())
            return first, await ask(socket, "LIST_SUBSCRIPTIONS", request_id=6)

    assert [answered["id"] for answered in asyncio.run(run())] == [5, 6]


def test_too_many_connections_in_five_minutes_are_refused():
    async def run():
        async with Exchange(MARKET, rules=Rules(connects=2)) as exchange:
            for _ in range(2):
                async with client(exchange):
                    pass
            with pytest.raises(InvalidStatus) as refusal:
                async with client(exchange):
                    pass
            return refusal.value.response.status_code

    assert asyncio.run(run()) == 429


async def _pinged(exchange: Exchange, reply, seconds: float = 3) -> tuple[list[bytes], int | None]:
    """Payloads of pings that a client gets that treats each with `reply(socket, payload)`."""
    payloads = []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(exchange.ws_url, autoping=False) as socket,
    ):
        try:
            async with asyncio.timeout(seconds):
                async for message in socket:
                    payloads.append(bytes(message.data))
                    await reply(socket, payloads[-1])
        except TimeoutError:
            return payloads, None
        return payloads, socket.close_code


def test_pings_come_in_time_each_with_its_own_payload_and_answers_keep_the_connection():
    rules = Rules(ping_every_s=0.1, pong_within_s=0.3)

    async def run():
        async with Exchange(MARKET, rules=rules) as exchange:
            return await _pinged(exchange, lambda s, payload: s.pong(payload), seconds=1)

    payloads, code = asyncio.run(run())
    assert code is None and 3 <= len(payloads) <= 10
    assert len(set(payloads)) == len(payloads) and all(p.isdigit() for p in payloads)


def test_a_client_that_does_not_echo_a_ping_is_cut():
    rules = Rules(ping_every_s=0.1, pong_within_s=0.3, messages_per_second=100)

    async def run(reply):
        async with Exchange(MARKET, rules=rules) as exchange:
            return await _pinged(exchange, reply)

    async def silent(socket, payload):
        pass

    assert asyncio.run(run(silent))[1] in (1000, 1006)
    assert asyncio.run(run(lambda s, payload: s.pong(b"")))[1] in (1000, 1006)


def test_a_connection_lives_a_day_and_its_end_is_announced():
    day = Market(("XLMUSDT",), seed=1, duration_s=90_000)

    async def run():
        async with Exchange(day, speed=None) as exchange:
            return await hear_all(exchange, ["xlmusdt@bookTicker"])

    heard = asyncio.run(run())
    assert heard.code == 1001 and heard.reason == ""
    (shutdown,) = heard.of("!serverShutdown")
    assert list(shutdown["data"].items())[0] == ("e", "serverShutdown")
    assert list(shutdown["data"]) == ["e", "E"]
    assert 86_360 < (shutdown["recv"] - day.start_us) / 1e6 < 86_380
    assert 86_340 < (heard.messages[-1]["recv"] - day.start_us) / 1e6 < 86_410


def test_lifetime_code_and_lead_time_are_knobs():
    rules = Rules(lifetime_s=0.3, lifetime_code=1000, shutdown_lead_s=0.2)
    quiet = Market(("XLMUSDT",), start=datetime(2025, 1, 1, tzinfo=UTC), duration_s=5)

    async def run():
        async with Exchange(quiet, speed=1, rules=rules) as exchange:
            return await hear_all(exchange, ["nosuch@trade"])

    heard = asyncio.run(run())
    assert heard.code == 1000
    assert [message["data"]["e"] for message in heard.messages] == ["serverShutdown"]
