"""Lost, silent and cut connections: nothing arrives twice too late, and every end is told."""

import asyncio
import time

import lakes
import pytest
from wire import Wire, collect, events, ids, kline, lake, quote, rows, trade

from ingest.backoff import Backoff
from ingest.collect.buffer import Room
from ingest.collect.clock import Clock
from replay.market import Market
from replay.recording import Recording
from replay.rules import Rules
from replay.server import Exchange


def replayed(folder, source, speed, faults=(), rules=None, **options) -> tuple:
    """(lake, summary, exchange) of a whole replay."""

    async def main():
        here = lake(folder, backoff_s=10)
        async with Exchange(source, speed, faults, rules=rules) as exchange:
            symbols = list(source.symbols)
            return here, await collect(here, exchange, symbols=symbols, **options), exchange

    return asyncio.run(main())


def complete(here, exchange) -> None:
    """Whatever the exchange knows to have arrived is on disk."""
    assert exchange.delivered
    for symbol, sent in exchange.delivered.items():
        assert set(sent) <= set(ids(here, symbol=symbol)), symbol


def test_a_whole_recording_at_full_speed_arrives_exactly_once(tmp_path):
    source = Market(["SOLUSDT", "SUIUSDT"], seed=3, duration_s=120)
    here, summary, exchange = replayed(tmp_path / "lake", source, None)
    for symbol, sent in exchange.delivered.items():
        assert ids(here, symbol=symbol) == sorted(sent)
    assert (summary.mode, summary.rejected, summary.reconnects) == ("replay", 0, 0)
    assert summary.ended == "the recording is over"


def test_a_real_recording_arrives_without_a_hole(tmp_path):
    if not lakes.CAPTURES.is_dir():
        pytest.skip("the real captures are not here (shared/data)")
    captures = [lakes.CAPTURES / f"btcusdt_2024080{day}.gz" for day in (8, 9)]
    here, summary, _ = replayed(tmp_path / "lake", Recording(captures), None)
    found = ids(here, symbol="BTCUSDT")
    assert sorted(found) == list(range(3735683259, 3735703163)) and summary.rejected == 0
    assert events(here, "clock")[0]["offset"] > 1_200_000
    assert summary.quotes == 73_174 == len(ids(here, "bookTicker", "BTCUSDT"))


def test_received_times_are_those_of_the_recording_at_any_speed(tmp_path):
    def times(folder, speed):
        source = Market(["SOLUSDT"], seed=3, duration_s=40)
        here, _, _ = replayed(folder, source, speed)
        parts = sorted((here.base / "raw/binance/SOLUSDT").glob("*/*"))
        return {part.name: part.read_bytes() for part in parts}

    assert times(tmp_path / "slow", 40.0) == times(tmp_path / "fast", None)


def test_a_dropped_connection_is_made_again_after_the_first_wait(tmp_path):
    source = Market(["SOLUSDT", "SUIUSDT"], duration_s=200)
    here, summary, exchange = replayed(tmp_path / "lake", source, 120.0, ["drop=every:70s"])
    assert summary.reconnects == 2
    complete(here, exchange)
    ended, connected = events(here, "disconnected"), events(here, "connected")
    for end, next_one in zip(ended, connected[1:], strict=False):
        assert next_one["ts_recv"] - end["ts_recv"] > 9.9e6


def test_one_silent_symbol_is_replaced_without_loss_for_the_others(tmp_path):
    source = Market(["SOLUSDT", "SUIUSDT"], duration_s=130)
    faults = ["stall=at:70s,symbol:SOLUSDT"]
    here, summary, exchange = replayed(tmp_path / "lake", source, 70.0, faults)
    (stalled,) = events(here, "stalled")
    assert stalled["symbol"] == "SOLUSDT" and summary.reconnects == 1
    others = sorted(set(ids(here, symbol="SUIUSDT")))
    assert others == list(range(others[0], others[-1] + 1))
    complete(here, exchange)
    assert events(here, "disconnected")[0]["detail"] == "stalled"


def test_a_connection_that_only_answers_pings_is_replaced(tmp_path):
    source = Market(["SOLUSDT", "SUIUSDT"], duration_s=150)
    here, summary, exchange = replayed(tmp_path / "lake", source, 50.0, ["stall=at:70s"])
    (stalled,) = events(here, "stalled")
    assert stalled["symbol"] is None and stalled["detail"].startswith("no kline for ")
    assert summary.reconnects == 1
    complete(here, exchange)


def test_trades_that_a_kline_counts_and_that_do_not_come_mean_stalled(tmp_path):
    source = Market(["SOLUSDT", "SUIUSDT"], duration_s=130)
    faults = ["stall=at:70s,symbol:SOLUSDT,stream:trade"]
    here, summary, _ = replayed(tmp_path / "lake", source, 70.0, faults)
    (stalled,) = events(here, "stalled")
    assert stalled["symbol"] == "SOLUSDT" and "did not arrive" in stalled["detail"]
    assert summary.reconnects == 1


def test_quotes_that_stall_alone_are_noticed_by_the_trades_that_go_on(tmp_path):
    source = Market(["SOLUSDT", "SUIUSDT"], duration_s=130)
    faults = ["stall=at:60s,symbol:SOLUSDT,stream:bookTicker"]
    here, summary, exchange = replayed(tmp_path / "lake", source, 70.0, faults)
    (stalled,) = events(here, "stalled")
    assert (stalled["symbol"], stalled["stream"]) == ("SOLUSDT", "bookTicker")
    assert summary.reconnects == 1 and "after a trade" in stalled["detail"]
    quotes = [row for row in rows(here) if row["stream"] == "bookTicker"]
    own = [row["ts_recv"] for row in quotes if row["conn"] == stalled["conn"]]
    assert stalled["ts_recv"] == max(own)  # from there on the quotes are not known
    assert len({row["conn"] for row in quotes}) == 2
    complete(here, exchange)


def test_a_recording_without_quotes_is_not_stalled(tmp_path):
    source = Market(["SOLUSDT"], duration_s=100)
    faults = ["stall=at:0s,stream:bookTicker"]
    here, summary, _ = replayed(tmp_path / "lake", source, 70.0, faults)
    assert not ids(here, "bookTicker") and ids(here)
    assert summary.reconnects == 0 and not events(here, "stalled")


def test_a_quiet_pair_is_not_stalled(tmp_path):
    source = Market(["XLMUSDT", "AAVEUSDT"], duration_s=900, busy=0.2)
    here, summary, _ = replayed(tmp_path / "lake", source, 400.0)
    assert summary.reconnects == 0 and not events(here, "stalled")
    times = sorted(line for line in ids(here, symbol="AAVEUSDT"))
    assert times  # some trades, minutes apart


def test_a_connection_is_replaced_before_the_exchange_cuts_it_and_nothing_is_missing(tmp_path):
    source = Market(["XLMUSDT"], duration_s=150)
    rules = Rules(lifetime_s=80.0, shutdown_lead_s=20.0)
    here, summary, exchange = replayed(tmp_path / "lake", source, 50.0, rules=rules)
    assert summary.reconnects == 0
    assert [line["detail"] for line in events(here, "disconnected")][0] == "rolled over"
    assert len(events(here, "connected")) >= 2
    found = set(ids(here, symbol="XLMUSDT"))
    assert found == set(range(min(found), max(found) + 1))
    complete(here, exchange)


def test_a_connection_of_23_hours_is_replaced_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.collect.link.PLANNED_LIFE_S", 60)
    source = Market(["XLMUSDT"], duration_s=100)
    here, summary, exchange = replayed(tmp_path / "lake", source, 50.0)
    assert [line["detail"] for line in events(here, "disconnected")][0] == "rolled over"
    assert summary.reconnects == 0
    complete(here, exchange)


def test_a_shutdown_notice_opens_a_connection_before_the_old_one_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.collect.connections.YOUNG_S", 0)
    open_now, most = set(), []

    async def script(socket, number):
        open_now.add(number)
        await socket.send(trade(number))
        if number == 1:
            await socket.send('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
            await socket.wait_closed()
        else:
            most.append(len(open_now))
            await socket.send(kline())
            await asyncio.sleep(0.3)
            await socket.close(4000)
        open_now.discard(number)

    async def main():
        async with Wire(script) as exchange:
            return await collect(lake(tmp_path / "lake"), exchange)

    summary = asyncio.run(main())
    here = lake(tmp_path / "lake")
    assert most == [2] and summary.reconnects == 0 and ids(here) == [1, 2]
    assert events(here, "disconnected")[0]["detail"] == "rolled over"


def test_no_data_after_subscribing_means_connect_again(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.collect.pulse.PATIENCE_S", 0.2)
    monkeypatch.setattr("ingest.collect.pulse.FIRST_DATA_S", 0.2)

    async def script(socket, number):
        if number > 1:
            await socket.send(trade(number))
            await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            return await collect(lake(tmp_path / "lake"), exchange)

    assert asyncio.run(main()).reconnects == 1
    (stalled,) = events(lake(tmp_path / "lake"), "stalled")
    assert stalled["symbol"] is None and stalled["detail"].startswith("no data")


def test_after_a_reconnect_somebody_can_fill_the_hole(tmp_path):
    reconnected = []

    async def script(socket, number):
        await socket.send(kline())
        await asyncio.sleep(0.2)
        await socket.close(1001 if number == 1 else 4000)

    async def main():
        async with Wire(script) as exchange:
            here = lake(tmp_path / "lake")
            await collect(here, exchange, on_reconnect=reconnected.append)

    asyncio.run(main())
    connected = events(lake(tmp_path / "lake"), "connected")
    assert reconnected == [connected[1]["conn"]]


def test_the_waits_begin_short_grow_with_jitter_and_begin_again_after_data():
    waits = Backoff(10, 300, Clock())
    series = [next(waits) for _ in range(40)]
    assert series[0] == 10 and max(series) <= 300
    assert 14 < series[1] <= 20 and 29 < series[2] <= 40
    assert all(224 < wait <= 300 for wait in series[6:]) and len(set(series[6:])) > 20
    waits.reset()
    assert next(waits) == 10


def test_the_waits_keep_the_exchange_s_limit_and_its_wishes():
    waits, clock = Backoff(0.001, 0.001, Clock()), Clock()
    begun_us = clock.now()
    total_s = sum(next(waits) for _ in range(201))
    assert total_s > 299 and clock.now() - begun_us < 10e6
    waits = Backoff(10, 300, Clock())
    waits.at_least(77)
    assert next(waits) == 77


def test_an_exchange_that_closes_at_once_is_not_stormed(tmp_path):
    async def script(socket, number):
        await socket.close(1001)

    async def main():
        async with Wire(script) as exchange:
            await collect(lake(tmp_path / "lake", backoff_s=0.2), exchange, 1.2)
            return exchange.connects

    assert 2 <= len(asyncio.run(main())) <= 5


def test_what_finds_no_room_is_dropped_trades_first_and_counted(tmp_path):
    async def script(socket, number):
        for n in range(300):
            await socket.send(trade(1000 + n))
            await socket.send(quote(5000 + n))
        await socket.close(4000)

    async def main(room):
        async with Wire(script) as exchange:
            return await collect(lake(tmp_path / "lake"), exchange, room=room)

    summary = asyncio.run(main(Room(trade_limit=10_000, quote_limit=10**6)))
    here = lake(tmp_path / "lake")
    dropped = events(here, "dropped")
    assert dropped and {line["stream"] for line in dropped} == {"trade"}
    assert sum(line["count"] for line in dropped) == summary.dropped == 300 - len(ids(here))
    kept = set(ids(here))
    for line in dropped:
        assert line["symbol"] == "SOLUSDT" and line["first_id"] not in kept
        assert line["last_id"] not in kept
    assert len(ids(here, "bookTicker")) == 300
    assert summary.lines == len(ids(here)) + 300


def test_a_replay_waits_for_the_disk_in_place_of_dropping(tmp_path):
    source = Market(["BTCUSDT"], duration_s=120)
    room = Room(trade_limit=1_600_000, quote_limit=1_700_000)
    here, summary, exchange = replayed(tmp_path / "lake", source, None, room=room)
    assert summary.dropped == 0
    complete(here, exchange)


def test_duration_is_counted_on_the_replay_s_clock(tmp_path):
    source = Market(["SOLUSDT"], duration_s=600)
    started = time.monotonic()
    here, summary, _ = replayed(tmp_path / "lake", source, 100.0, seconds=100)
    assert time.monotonic() - started < 5
    assert summary.ended == "100 s are over"
    start, *_, stop = events(here)
    assert 99e6 < stop["ts_recv"] - start["ts_recv"] < 115e6


@pytest.mark.parametrize("first", ["live", "replay"])
def test_live_and_replayed_data_are_not_mixed(tmp_path, first):
    async def script(socket, number):
        await socket.close(4000)

    async def main():
        async with Wire(script) as exchange:
            said = "speed=max; recv=1760918400000000"
            exchange.replay = said if first == "replay" else None
            await collect(lake(tmp_path / "lake"), exchange)
            await collect(lake(tmp_path / "lake"), exchange)
            exchange.replay = None if first == "replay" else said
            await collect(lake(tmp_path / "lake"), exchange)

    with pytest.raises(Exception, match="the two are not mixed, use another folder"):
        asyncio.run(main())
    starts = events(lake(tmp_path / "lake"), "start")
    assert [line["mode"] for line in starts] == [first, first]
