"""Every fault does what it says, the same for the same seed, and the replay knows what was lost."""

import asyncio
import json

import aiohttp
import pytest
from replay_client import Heard, client, hear_all, streams

from replay.events import Trade, text
from replay.faults import parse
from replay.klines import with_klines
from replay.market import Market
from replay.server import Exchange
from replay.stream_faults import GARBLES, with_faults

MARKET = Market(("SOLUSDT", "SUIUSDT"), seed=5, duration_s=60)
ALL = streams(MARKET.symbols)
IDS = {
    symbol: [e.trade_id for e in MARKET if type(e) is Trade and e.symbol == symbol]
    for symbol in MARKET.symbols
}


def _replayed(*faults: str, speed: float | None = None, seed: int = 1) -> tuple[Heard, Exchange]:
    """One client's first connection, from its subscription to its end, and the exchange."""

    async def run():
        async with Exchange(MARKET, speed=speed, faults=faults, seed=seed) as exchange:
            return await hear_all(exchange, ALL, max_size=None), exchange

    return asyncio.run(run())


def _lost(exchange: Exchange, symbol: str) -> list[int]:
    return [i for i in IDS[symbol] if i not in exchange.delivered[symbol]]


def _offset_s(message: dict) -> float:
    return (message["recv"] - MARKET.start_us) / 1e6


def test_without_faults_everything_is_delivered_and_known_to_be():
    heard, exchange = _replayed()
    for symbol, ids in IDS.items():
        assert heard.trade_ids(symbol) == ids == list(exchange.delivered[symbol])
    assert exchange.doubtful == {}


def test_drop_breaks_the_connection_without_a_close_frame_at_its_moment():
    heard, exchange = _replayed("drop=at:20s")
    assert heard.code == 1006
    assert 19 < _offset_s(heard.messages[-1]) <= 20
    assert heard.trade_ids("SOLUSDT") == list(exchange.delivered["SOLUSDT"])
    assert exchange.doubtful == {}


def test_a_fault_every_so_often_hits_every_new_connection():
    async def run():
        async with Exchange(MARKET, speed=None, faults=["drop=every:20s"]) as exchange:
            return [(await hear_all(exchange, ALL)).code for _ in range(3)]

    assert asyncio.run(run()) == [1006, 1006, 4000]


def test_close_is_clean_with_its_code_and_reason():
    heard, exchange = _replayed("close=at:20s,code:1008,reason:Too many requests")
    assert (heard.code, heard.reason) == (1008, "Too many requests")
    assert heard.trade_ids("SOLUSDT") == list(exchange.delivered["SOLUSDT"])
    assert _replayed("close=at:1s")[0].code == 1001


def test_a_stall_stops_data_and_what_passes_meanwhile_is_lost():
    heard, exchange = _replayed("stall=at:20s,for:10s")
    assert heard.code == 4000
    offsets = [_offset_s(message) for message in heard.messages]
    assert not any(20 < offset < 29.9 for offset in offsets)
    assert max(offsets) > 55
    lost = _lost(exchange, "SOLUSDT")
    assert lost and heard.trade_ids("SOLUSDT") == list(exchange.delivered["SOLUSDT"])


def test_a_stall_can_be_of_one_stream_only():
    heard, exchange = _replayed("stall=at:20s,symbol:SOLUSDT,stream:trade")
    assert max(_offset_s(message) for message in heard.of("solusdt@trade")) < 20
    assert max(_offset_s(message) for message in heard.of("solusdt@kline_1s")) > 55
    assert heard.trade_ids("SUIUSDT") == IDS["SUIUSDT"]


@pytest.mark.parametrize(("pings", "comes"), [("yes", True), ("no", False)])
def test_a_stall_goes_with_or_without_pings(pings, comes):
    async def run():
        faults = [f"stall=at:5s,pings:{pings}"]
        market = Market(("SOLUSDT", "SUIUSDT"), duration_s=900)
        async with Exchange(market, speed=None, faults=faults) as exchange:
            return await _after_stall(exchange)

    kinds = asyncio.run(run())
    assert (aiohttp.WSMsgType.PING in kinds) == comes
    assert (aiohttp.WSMsgType.TEXT in kinds) == comes  # the answer to a control message


async def _after_stall(exchange: Exchange) -> set[aiohttp.WSMsgType]:
    """What still comes in the 800 replayed seconds after all data has stopped."""
    address = f"{exchange.ws_url}?streams={'/'.join(ALL)}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, autoping=False) as socket,
    ):
        async for message in socket:
            if message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
                if exchange.clock.now_us() >= MARKET.start_us + 5_000_000:
                    break
        (connection,) = exchange.connections
        while connection.streams:
            await asyncio.sleep(0.001)
        kinds = set()
        await socket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        while exchange.clock.now_us() < MARKET.start_us + 800_000_000:
            try:
                kinds.add((await socket.receive(timeout=0.005)).type)
            except TimeoutError:
                continue
        return kinds


def test_gap_skips_trades_of_its_symbol_and_nothing_else():
    heard, exchange = _replayed("gap=at:20s,count:25,symbol:SOLUSDT")
    lost = _lost(exchange, "SOLUSDT")
    assert len(lost) == 25 and lost == list(range(lost[0], lost[0] + 25))
    assert heard.trade_ids("SUIUSDT") == IDS["SUIUSDT"]
    assert heard.trade_ids("SOLUSDT") == [i for i in IDS["SOLUSDT"] if i not in lost]
    quotes = [e for e in MARKET if e.stream == "solusdt@bookTicker"]
    assert len(heard.of("solusdt@bookTicker")) == len(quotes)


def test_a_gap_is_no_gap_in_the_candles():
    gapped = _replayed("gap=at:20s,count:25")[0]
    assert gapped.of("solusdt@kline_1s") == _replayed()[0].of("solusdt@kline_1s")


def test_duplicate_sends_the_last_events_again():
    heard, exchange = _replayed("duplicate=at:20s,count:4,stream:trade,symbol:SOLUSDT")
    got = heard.trade_ids("SOLUSDT")
    at = next(i for i in range(len(got)) if got[i] != IDS["SOLUSDT"][i])
    assert got[at : at + 4] == got[at - 4 : at]
    assert sorted(set(got)) == IDS["SOLUSDT"] == list(exchange.delivered["SOLUSDT"])
    received = [message["recv"] for message in heard.messages]
    assert received == sorted(received)


@pytest.mark.parametrize("how", ["count:3,by:2", "late:3s"])
def test_reorder_sends_events_later_than_their_place(how):
    heard, exchange = _replayed(f"reorder=at:20s,{how},symbol:SOLUSDT")
    got = heard.trade_ids("SOLUSDT")
    assert got != IDS["SOLUSDT"] and sorted(got) == IDS["SOLUSDT"]
    assert list(exchange.delivered["SOLUSDT"]) == IDS["SOLUSDT"]
    received = [message["recv"] for message in heard.messages]
    assert received == sorted(received)
    if how == "late:3s":
        late = [m for m in heard.of("solusdt@trade") if m["recv"] - m["data"]["E"] > 2_900_000]
        assert len(late) == 1


@pytest.mark.parametrize("kind", GARBLES)
def test_malformed_frames_come_in_place_of_good_ones_and_their_trades_are_lost(kind):
    heard, exchange = _replayed(f"malformed=at:20s,count:2,symbol:SOLUSDT,kind:{kind}")
    good = {text(event, True, False) for event in with_klines(MARKET, MARKET.skew_us)}
    bad = [message for message in heard.texts if message not in good]
    lost = _lost(exchange, "SOLUSDT")
    assert len(bad) == len(lost) == 2 and heard.code == 4000
    if kind in ("invalid", "truncated"):
        for message in bad:
            with pytest.raises(ValueError):
                json.loads(message)
        return
    data = json.loads(bad[0])["data"]
    value = {"wrong_type": ["1"], "null_price": None, "nan": "NaN", "missing_key": "missing"}
    assert data.get("p", "missing") == value[kind] and data["t"] == lost[0]


def test_malformed_takes_its_kinds_in_turn():
    heard, exchange = _replayed("malformed=at:20s,count:6,stream:bookTicker")
    assert list(exchange.delivered["SOLUSDT"]) == IDS["SOLUSDT"]
    broken = 0
    for message in heard.texts:
        try:
            json.loads(message)
        except ValueError:
            broken += 1
    assert broken == 2


def test_an_oversized_frame_repeats_an_event_and_ends_a_client_with_the_usual_limit():
    fault = "oversized=at:20s,size:1100000,symbol:SOLUSDT"
    heard, exchange = _replayed(fault)
    (huge,) = [message for message in heard.texts if len(message) > 2**20]
    assert len(huge) == 1_100_000 and json.loads(huge)["data"]["e"] == "trade"
    assert list(exchange.delivered["SOLUSDT"]) == IDS["SOLUSDT"]

    async def run():
        async with Exchange(MARKET, speed=None, faults=[fault]) as exchange:
            heard = await hear_all(exchange, ALL)
            while exchange.connections:
                await asyncio.sleep(0.001)
            return heard, exchange

    heard, exchange = asyncio.run(run())
    assert heard.code in (1006, 1009)
    assert heard.trade_ids("SOLUSDT") == list(exchange.delivered["SOLUSDT"])
    assert exchange.doubtful == {}


def test_delay_holds_everything_and_sends_it_in_one_burst():
    heard, exchange = _replayed("delay=at:20s,for:5s")
    offsets = [_offset_s(message) for message in heard.messages]
    assert not any(20 <= offset < 25 for offset in offsets)
    assert offsets.count(25.0) > 50
    assert heard.trade_ids("SOLUSDT") == IDS["SOLUSDT"] == list(exchange.delivered["SOLUSDT"])
    assert heard.of("solusdt@trade") != _replayed()[0].of("solusdt@trade")


def test_random_faults_are_the_same_for_the_same_seed():
    faults = ("gap=random:7s,count:3", "duplicate=random:5s,count:2", "malformed=random:9s")
    first = _replayed(*faults)[0].texts
    assert first == _replayed(*faults)[0].texts
    assert first != _replayed(*faults, seed=2)[0].texts


def test_all_faults_of_the_stream_work_together():
    names = ("gap", "delay", "reorder", "duplicate", "malformed", "oversized")
    faults = [parse(f"{name}=every:3s") for name in names]
    events = list(with_faults(faults, with_klines(MARKET, 0), MARKET.start_us))
    assert all(a.recv_us <= b.recv_us for a, b in zip(events, events[1:], strict=False))
    assert {type(event).__name__ for event in events} == {
        "Trade",
        "Quote",
        "Kline",
        "Garbled",
        "Oversized",
    }


def test_a_message_that_nobody_can_read_is_not_repeated_oversized():
    oversized = "size:2000,stream:bookTicker"
    faults = [f"oversized=every:{period}s,{oversized}" for period in (2, 3)]
    faults += ["malformed=every:1s,count:20,stream:bookTicker", "malformed=every:1s,count:9"]
    heard, exchange = _replayed(*faults)
    huge = [text for text in heard.texts if len(text) == 2000]
    assert heard.code == 4000 and huge
    assert all(json.loads(text)["data"]["u"] for text in huge)
    assert set(exchange.delivered["SOLUSDT"]) < set(IDS["SOLUSDT"])


def test_a_client_can_leave_during_a_stall_and_come_back_to_data():
    market, faults = Market(("SUIUSDT",), duration_s=1800), ["stall=at:5s,pings:no"]

    async def until_mute(exchange: Exchange) -> Heard:
        heard = Heard()
        async with client(exchange, ALL) as socket:
            heard.texts.append(await socket.recv())
            (connection,) = exchange.connections
            while True:
                try:
                    heard.texts.append(await asyncio.wait_for(socket.recv(), 0.01))
                except TimeoutError:
                    if connection.mute:
                        return heard

    async def run():
        async with Exchange(market, speed=None, faults=faults) as exchange:
            return await until_mute(exchange), await hear_all(exchange, ALL), exchange

    before, after, exchange = asyncio.run(run())
    assert after.code == 4000 and after.trade_ids("SUIUSDT")
    got = before.trade_ids("SUIUSDT") + after.trade_ids("SUIUSDT")
    assert got == list(exchange.delivered["SUIUSDT"]) and exchange.doubtful == {}
