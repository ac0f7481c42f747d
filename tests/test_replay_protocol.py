"""The replay speaks the exchange's WebSocket protocol: paths, modes, control messages."""

import asyncio
import json

import pytest
from replay_client import Heard, ask, client, hear_all, listen, streams
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from replay.control import Refused, Wishes, answer, request_in
from replay.market import Market
from replay.rules import Rules
from replay.server import Exchange

MARKET = Market(("SOLUSDT", "XLMUSDT"), seed=3, duration_s=20)
TRADE_KEYS = ["e", "E", "s", "t", "p", "q", "T", "m", "M"]


def _once(market=MARKET, names=None, unit="MICROSECOND", **options) -> Heard:
    async def run():
        async with Exchange(market, speed=None, **options) as exchange:
            return await hear_all(exchange, names or streams(market.symbols), unit=unit)

    return asyncio.run(run())


def test_combined_frames_hold_stream_data_and_receive_time_and_end_with_4000():
    heard = _once()
    assert (heard.code, heard.reason) == (4000, "end of recording")
    assert all(list(message) == ["stream", "data", "recv"] for message in heard.messages)
    received = [message["recv"] for message in heard.messages]
    assert received == sorted(received)
    assert list(heard.of("solusdt@trade")[0]["data"]) == TRADE_KEYS
    assert list(heard.of("solusdt@bookTicker")[0]["data"]) == ["u", "s", "b", "B", "a", "A"]
    assert all(":" not in text.replace('":', "") for text in heard.texts[:50])


def test_times_are_milliseconds_unless_the_address_asks_for_microseconds():
    micro, milli = _once(), _once(unit="millisecond")
    both = list(zip(micro.of("solusdt@trade"), milli.of("solusdt@trade"), strict=True))
    assert all(m["data"]["T"] // 1000 == n["data"]["T"] for m, n in both)
    assert all(m["data"]["E"] // 1000 == n["data"]["E"] for m, n in both)
    second, same = micro.of("solusdt@kline_1s")[0], milli.of("solusdt@kline_1s")[0]
    assert second["data"]["k"]["T"] % 1_000_000 == 999_999
    assert same["data"]["k"]["T"] % 1_000 == 999


def test_the_same_seed_gives_the_same_frames_and_another_seed_others():
    assert _once().texts == _once().texts
    other = Market(("SOLUSDT", "XLMUSDT"), seed=4, duration_s=20)
    assert _once().texts != _once(other).texts


def test_raw_mode_sends_bare_events_for_the_stream_in_the_path():
    async def run():
        async with Exchange(MARKET, speed=None) as exchange:
            address = exchange.ws_url.replace("/stream", "/ws/solusdt@trade")
            async with connect(address, proxy=None) as socket:
                return await listen(socket)

    heard = asyncio.run(run())
    assert all(list(message) == TRADE_KEYS for message in heard.messages)
    assert heard.messages[0]["T"] < 10**13


@pytest.mark.parametrize("path", ["/ws", "/stream", "/stream?streams="])
def test_a_connection_without_streams_can_subscribe_afterwards(path):
    async def run():
        async with Exchange(MARKET, speed=None) as exchange:
            address = exchange.ws_url.replace("/stream", path)
            async with connect(address, proxy=None, close_timeout=0.2) as socket:
                answered = await ask(socket, "SUBSCRIBE", ["solusdt@trade"], request_id=7)
                return answered, json.loads(await socket.recv())

    answered, message = asyncio.run(run())
    assert answered == {"result": None, "id": 7}
    assert ("stream" in message) == (path != "/ws")


def test_control_messages_list_unsubscribe_and_flip_the_wrapping():
    async def run():
        async with Exchange(MARKET, speed=1) as exchange, client(exchange) as socket:
            names = ["solusdt@trade", "xlmusdt@bookTicker"]
            await ask(socket, "SUBSCRIBE", names)
            assert (await ask(socket, "LIST_SUBSCRIPTIONS", request_id="a1"))["result"] == names
            assert await ask(socket, "UNSUBSCRIBE", names[:1], None) == {"result": None, "id": None}
            assert (await ask(socket, "GET_PROPERTY", ["combined"]))["result"] is True
            await ask(socket, "SET_PROPERTY", ["combined", False])
            return exchange.connections.copy().pop().wishes

    wishes = asyncio.run(run())
    assert not wishes.combined and list(wishes.streams) == ["xlmusdt@bookTicker"]


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        ("hello", 3, "Invalid JSON: expected value at line 1 column 1"),
        ("[1]", 3, "Invalid JSON"),
        ('{"id":1}', 2, "missing field `method`"),
        ('{"method":"SUBSCRIBE","id":1}', 2, "missing field `params`"),
        ('{"method":"SUBSCRIB","id":1}', 2, "unknown variant `SUBSCRIB`, expected one of"),
        ('{"method":"LIST_SUBSCRIPTIONS","id":1.5}', 2, "request ID must be an unsigned integer"),
        ('{"method":"LIST_SUBSCRIPTIONS","id":true}', 2, "request ID must be"),
        ('{"method":"SUBSCRIBE","params":["btcusdt"],"id":1}', 2, "invalid stream"),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":1}', 2, "too many parameters"),
        ('{"method":"GET_PROPERTY","params":[1],"id":1}', 2, "property name must be a string"),
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0, "Unknown property"),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1, "expected Boolean"),
    ],
)
def test_a_bad_control_message_is_refused_with_its_code(message, code, words):
    with pytest.raises(Refused, match=words.replace("(", r"\(")) as refusal:
        answer(Wishes(combined=True), request_in(message))
    assert refusal.value.code == code


def test_errors_are_nested_and_a_malformed_stream_name_ends_the_connection():
    async def run(rules):
        async with Exchange(MARKET, rules=rules) as exchange, client(exchange) as socket:
            first = await ask(socket, "SET_PROPERTY", ["colour", True]) if rules is None else None
            await socket.send('{"method":"SUBSCRIBE","params":["btcusdt"],"id":2}')
            return first, await listen(socket)

    first, heard = asyncio.run(run(None))
    assert first == {"error": {"code": 0, "msg": "Unknown property"}, "id": 1}
    refusal = {"code": 2, "msg": "Invalid request: invalid stream"}
    assert heard.messages == [{"error": refusal, "id": 2}] and heard.code == 1008
    _, heard = asyncio.run(run(Rules(flat_errors=True)))
    assert heard.messages == [{**refusal, "id": 2}]


def test_a_stream_that_does_not_exist_is_acknowledged_and_stays_silent():
    async def run():
        async with Exchange(MARKET, speed=None) as exchange, client(exchange) as socket:
            answered = await ask(socket, "SUBSCRIBE", ["nosuch@trade", "SOLUSDT@trade"])
            return answered, await listen(socket)

    answered, heard = asyncio.run(run())
    assert answered == {"result": None, "id": 1}
    assert heard.texts == [] and heard.code == 4000


@pytest.mark.parametrize(
    ("path", "status"),
    [("/streams", 404), ("/stream?streams=a@trade&timeUnit=HOUR", 400), ("/ws/btcusdt", 400)],
)
def test_an_address_that_is_none_is_refused(path, status):
    async def run():
        async with Exchange(MARKET) as exchange:
            with pytest.raises(InvalidStatus) as refusal:
                await connect(exchange.ws_url.replace("/stream", path), proxy=None)
            return refusal.value.response.status_code

    assert asyncio.run(run()) == status


def test_a_url_encoded_address_works():
    async def run():
        async with Exchange(MARKET, speed=None) as exchange:
            return await hear_all(exchange, ["solusdt%40trade"])

    assert asyncio.run(run()).of("solusdt@trade")


def test_a_second_client_gets_what_comes_from_then_on():
    async def run():
        names = streams(["SOLUSDT"])
        async with Exchange(MARKET, speed=20) as exchange, client(exchange, names) as first:
            early = [json.loads(await first.recv()) for _ in range(100)]
            late, rest = await asyncio.gather(hear_all(exchange, names), listen(first))
            return early, rest, late

    early, rest, late = asyncio.run(run())
    assert late.messages[0]["recv"] >= early[-1]["recv"] and late.code == rest.code == 4000
    assert late.texts == rest.texts[-len(late.texts) :]
