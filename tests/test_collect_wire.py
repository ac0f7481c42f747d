"""The collector and what comes over the wire: exact lines, rejects, replies, broken protocol."""

import asyncio
import base64
import json
import re
import time

import click
import pytest
import wire
from loguru import logger
from websockets.asyncio.server import serve
from wire import Wire, collect, events, frame, ids, kline, lake, quote, rows, trade

from ingest import status

KEYS = ["symbol", "ts_event", "ts_recv", "price", "qty", "side", "bid", "ask", "stream"]


def served(folder, *messages: str | bytes, **options) -> tuple:
    """(lake, summary) after an exchange has sent these messages and said that it is over."""

    async def script(socket, number):
        for message in messages:
            await socket.send(message)
        await socket.close(4000, "end of recording")

    async def main():
        async with Wire(script) as exchange:
            for name, value in options.items():
                setattr(exchange, name, value)
            return await collect(lake(folder), exchange)

    return lake(folder), asyncio.run(main())


def rejects(of) -> list[dict]:
    return rows(of, "_rejected/binance")


def test_a_trade_and_a_quote_become_the_lines_of_the_contract(tmp_path):
    before_us = time.time_ns() // 1000
    here, summary = served(tmp_path / "lake", trade(7, T=5, E=6), quote(8), trade(9, m=False))
    sold, quoted, bought = rows(here)
    assert list(sold) == [*KEYS, "trade_id", "event_time", "source", "conn"]
    assert list(quoted) == [*KEYS, "update_id", "bid_qty", "ask_qty", "conn"]
    assert sold["ts_event"] == 5 and sold["event_time"] == 6 and sold["trade_id"] == 7
    assert (sold["price"], sold["qty"]) == ("187.21000000", "0.50000000")
    assert (sold["side"], bought["side"]) == ("sell", "buy")
    assert (quoted["bid"], quoted["ask_qty"]) == ("187.20000000", "9.10000000")
    assert quoted["ts_event"] == quoted["ts_recv"] >= before_us
    assert sold["conn"] == events(here, "connected")[0]["conn"] <= sold["ts_recv"]
    assert summary.messages == summary.lines == 3


def test_raw_lines_are_compact_and_end_with_a_newline(tmp_path):
    here, _ = served(tmp_path / "lake", trade(7))
    (part,) = (here.base / "raw/binance/SOLUSDT").glob("*/*.jsonl")
    text = part.read_bytes()
    assert text.endswith(b"}\n")
    assert text == json.dumps(json.loads(text), separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    "text",
    [
        "{not json",
        trade(1)[:-9],
        trade(1, p=None),
        trade(1, p=187.21),
        trade(1, t="7"),
        trade(1, t=-7),
        trade(1, t=2**63),
        trade(1, t=7.0),
        trade(1, T=True),
        trade(1, m="yes"),
        trade(1, q="1" * 101),
        trade(1, s="BTCUSDT"),
        trade(1, e="aggTrade"),
        trade(1).replace('"p"', '"price"'),
        trade(1).replace('"187.21000000"', r'"\ud800"'),
        quote(1, b=None),
        quote(1, u="1"),
        kline().replace('"n"', '"x"'),
        frame("solusdt@depth", {"u": 1}),
        frame("btcusdt@trade", {"e": "trade"}),
        "[1]",
        "null",
        "",
        '"text"',
        '{"result":null,"id":99}',
        '{"data":{}}',
        "{" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=lambda text: re.sub(r"\d{10,}", "…", text)[:60],  # the same whenever they are collected
)
def test_what_cannot_be_read_is_kept_word_for_word_and_counted(tmp_path, text):
    here, summary = served(tmp_path / "lake", trade(5), text, trade(6))
    (reject,) = rejects(here)
    assert list(reject) == ["ts_recv", "conn", "reason", "text"]
    assert reject["text"] == text and reject["reason"]
    assert reject["conn"] == events(here, "connected")[0]["conn"]
    assert summary.rejected == 1 and summary.reconnects == 0
    assert ids(here) == [5, 6]


def test_bytes_that_are_no_text_are_kept_too(tmp_path):
    async def script(socket, number):
        await socket.send(b'{"stream":"solusdt@trade","data":"\xff\xfe"}', text=True)
        await socket.send(trade(1).encode())  # a binary frame, whatever is in it
        await socket.send([trade(2)[:20], trade(2)[20:]])  # a message in two fragments
        await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            return await collect(lake(tmp_path / "lake"), exchange)

    asyncio.run(main())
    here = lake(tmp_path / "lake")
    bad_text, binary = rejects(here)
    assert bad_text["reason"].endswith("(text is base64)")
    assert base64.b64decode(bad_text["text"]) == b'{"stream":"solusdt@trade","data":"\xff\xfe"}'
    assert binary["reason"] == "binary frame" and json.loads(binary["text"])["data"]["t"] == 1
    assert ids(here) == [2]


def test_strings_of_the_exchange_arrive_verbatim_even_odd_ones(tmp_path):
    odd = ["NaN", "1e-9", "-0", "", 'a"b', "back\\slash", "line\nfeed", "日本", "\u2028"]
    here, summary = served(tmp_path / "lake", *(trade(n, p=text) for n, text in enumerate(odd)))
    assert [line["price"] for line in rows(here)] == odd
    assert summary.rejected == 0
    bids = [quote(n, b=text, A=text) for n, text in enumerate(odd)]
    here, _ = served(tmp_path / "other", *bids)
    assert [(line["bid"], line["ask_qty"]) for line in rows(here)] == [(one, one) for one in odd]


def test_new_removed_and_reordered_keys_do_no_harm(tmp_path):
    event = json.loads(trade(3))["data"]
    reordered = json.dumps({"data": event, "stream": "solusdt@trade", "new": [1, {}]})
    old = trade(1, a=5, b=6, rateType="x")
    here, summary = served(tmp_path / "lake", old, trade(2).replace(',"M":true', ""), reordered)
    assert ids(here) == [1, 2, 3] and summary.rejected == 0


def test_a_live_exchange_cannot_set_our_clock(tmp_path):
    message = trade(1)[:-1] + ',"recv":1}'
    here, summary = served(tmp_path / "lake", message)
    assert summary.mode == "live" and rows(here)[0]["ts_recv"] > 1_700_000_000_000_000


def test_the_clock_offset_stands_in_the_session_log(tmp_path):
    async def script(socket, number):
        while not any("round trip" in text for text in heard):
            await asyncio.sleep(0.01)
            await socket.send(quote(1))
        await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            exchange.ahead_us = 1_273_000
            return await collect(lake(tmp_path / "lake"), exchange)

    heard: list[str] = []
    sink = logger.add(lambda text: heard.append("round trip" if "clock" in text else ""))
    asyncio.run(main())
    logger.remove(sink)
    (clock,) = events(lake(tmp_path / "lake"), "clock")
    assert abs(clock["offset"] - 1_273_000) < 50_000
    assert list(clock)[:3] == ["event", "ts_recv", "conn"] and list(clock)[-1] == "detail"


def test_a_run_is_told_from_start_to_stop(tmp_path):
    here, _ = served(tmp_path / "lake", trade(1))
    told = [line for line in events(here) if line["event"] != "clock"]
    assert [line["event"] for line in told] == [
        "start",
        "connected",
        "subscribed",
        "disconnected",
        "stop",
    ]
    assert told[0]["mode"] == "live" and told[2]["symbols"] == ["SOLUSDT"]
    assert told[3]["detail"] == "closed by the exchange: 4000 end of recording"
    assert len({line["conn"] for line in told[1:4]}) == 1


@pytest.mark.parametrize("suffix", ["", "/", "/ws", "/stream", "/stream/"])
def test_every_form_of_the_address_leads_to_combined_streams_in_microseconds(tmp_path, suffix):
    async def script(socket, number):
        await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            await collect(lake(tmp_path / "lake"), exchange, ws_url=exchange.ws_url + suffix)
            return exchange.paths

    assert asyncio.run(main()) == ["/stream?timeUnit=MICROSECOND"]


def test_many_symbols_are_asked_for_in_small_messages_not_too_fast(tmp_path):
    symbols = tuple(f"SYMBOL{n:03}USDT" for n in range(130))
    asked: list[str] = []

    async def script(socket, number):
        if len(asked) == 390:
            await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            exchange.known = symbols

            def reply(request):
                asked.extend(request["params"])
                return json.dumps({"result": None, "id": request["id"]})

            exchange.reply = reply
            await collect(lake(tmp_path / "lake"), exchange, symbols=list(symbols))
            return exchange.requests

    requests = asyncio.run(main())
    assert len(requests) > 1 and all(len(text) < 4000 for _, text in requests)
    assert len(set(asked)) == 390 and "symbol129usdt@kline_1s" in asked
    times = [at for at, _ in requests]
    assert all(after - before > 0.25 for before, after in zip(times, times[1:], strict=False))


@pytest.mark.parametrize(
    "reply",
    [
        {"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": 1},
        {"code": 2, "msg": "Invalid request: invalid stream", "id": 1},
        {"error": {"code": 3, "msg": "Invalid JSON"}, "id": None},
    ],
)
def test_a_refused_subscription_is_tried_again_on_a_new_connection(tmp_path, reply):
    async def script(socket, number):
        await socket.send(trade(1))
        await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            fine = exchange.reply
            exchange.reply = lambda request: (
                fine(request) if len(exchange.connects) > 1 else json.dumps(reply)
            )
            return await collect(lake(tmp_path / "lake"), exchange)

    assert asyncio.run(main()).reconnects == 1
    here = lake(tmp_path / "lake")
    told = events(here, "disconnected")[0]["detail"]
    assert told.startswith("subscribing failed: ") and reply.get("msg", "Invalid") in told
    assert ids(here) == [1] and len(events(here, "subscribed")) == 1


def test_a_subscription_without_a_reply_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.collect.link.REPLY_S", 0.3)
    monkeypatch.setattr("ingest.collect.link.LEAST_REPLY_S", 0.3)

    async def script(socket, number):
        await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            fine = exchange.reply
            exchange.reply = lambda request: fine(request) if len(exchange.connects) > 1 else None
            return await collect(lake(tmp_path / "lake"), exchange)

    assert asyncio.run(main()).reconnects == 1
    (first, _) = events(lake(tmp_path / "lake"), "disconnected")
    assert first["detail"] == "subscribing failed: no reply"


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011])
def test_a_clean_close_means_connect_again(tmp_path, code):
    async def script(socket, number):
        await socket.send(trade(number))
        await socket.close(code if number == 1 else 4000, "going away")

    async def main():
        async with Wire(script) as exchange:
            return await collect(lake(tmp_path / "lake"), exchange)

    assert asyncio.run(main()).reconnects == 1
    here = lake(tmp_path / "lake")
    assert ids(here) == [1, 2]
    assert events(here, "disconnected")[0]["detail"] == f"closed by the exchange: {code} going away"


def test_a_broken_connection_means_connect_again(tmp_path):
    async def script(socket, number):
        await socket.send(trade(number))
        if number == 1:
            socket.transport.abort()
        else:
            await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            return await collect(lake(tmp_path / "lake"), exchange)

    assert asyncio.run(main()).reconnects == 1
    told = events(lake(tmp_path / "lake"), "disconnected")[0]["detail"]
    assert told == "lost without a closing message"


def test_a_message_that_is_too_big_is_noted_and_costs_only_the_connection(tmp_path):
    async def script(socket, number):
        await socket.send(trade(number))
        if number == 1:
            await socket.send("x" * (20 * 2**20 + 1))
        else:
            await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            return await collect(lake(tmp_path / "lake"), exchange)

    summary = asyncio.run(main())
    here = lake(tmp_path / "lake")
    assert ids(here) == [1, 2] and summary.reconnects == 1
    assert "too big" in rejects(here)[0]["reason"]


def test_without_rest_the_collector_warns_and_goes_on(tmp_path):
    async def script(socket, number):
        await socket.send(trade(1))
        await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            exchange.rest_url = "http://127.0.0.1:1"
            return await collect(lake(tmp_path / "lake"), exchange)

    heard: list[str] = []
    sink = logger.add(heard.append, level="WARNING")
    summary = asyncio.run(main())
    logger.remove(sink)
    assert summary.mode == "live" and ids(lake(tmp_path / "lake")) == [1]
    assert any("127.0.0.1:1" in line for line in heard)


def test_an_unknown_symbol_is_named_with_what_may_be_meant(tmp_path):
    async def main():
        async with Wire(lambda socket, number: None) as exchange:
            await collect(lake(tmp_path / "lake"), exchange, symbols=["SOLUSDT", "BTCUSD"])

    with pytest.raises(click.ClickException) as refused:
        asyncio.run(main())
    told = "the exchange has no symbol BTCUSD (did you mean BTCUSDT?)"
    assert refused.value.message == told
    assert not (lake(tmp_path / "lake").base / "raw").exists()


def test_a_second_collector_is_refused(tmp_path):
    async def script(socket, number):
        with pytest.raises(click.ClickException, match="already collecting into this lake"):
            await collect(lake(tmp_path / "lake"), exchange_of[0])
        await socket.close(4000)

    exchange_of = []

    async def main():
        async with Wire(script) as exchange:
            exchange_of.append(exchange)
            return await collect(lake(tmp_path / "lake"), exchange)

    assert asyncio.run(main()).reconnects == 0
    assert wire.ids(lake(tmp_path / "lake")) == []


@pytest.mark.parametrize(("code", "is_blocked"), [(451, True), (503, False)])
def test_why_there_is_no_connection_stands_in_the_status_until_there_is_one(
    tmp_path, code, is_blocked
):
    here = lake(tmp_path / "lake")
    tries: list[int] = []

    async def turn_down(connection, request):
        tries.append(code)
        is_over = len(tries) > 3 and not is_blocked
        return None if is_over else connection.respond(code, "no")

    async def stay(socket):
        await socket.wait_closed()

    async def main():
        async with (
            Wire(None) as exchange,
            serve(stay, "127.0.0.1", 0, process_request=turn_down) as it,
        ):
            address = f"ws://127.0.0.1:{it.sockets[0].getsockname()[1]}"
            await collect(here, exchange, 1.0, ws_url=address)
        return address

    address = asyncio.run(main())
    trouble = status.read(here.base).trouble
    if not is_blocked:
        assert len(tries) == 4 and trouble is None
        return
    assert trouble.startswith(f"cannot connect to {address}") and "HTTP 451" in trouble
    assert "wss://data-stream.binance.vision has the same market data" in trouble
