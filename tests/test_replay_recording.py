"""Recordings replay exactly as they were received: captures of the exchange, and our own raw."""

import asyncio
import csv
import gzip
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import click
import pyarrow
import pytest
from replay_client import Heard, hear_all, streams

from replay.events import Event, Trade, text
from replay.market import Market
from replay.recording import Recording
from replay.server import Exchange

SHARED = Path(__file__).parents[2] / "shared" / "data" / "binance"
CAPTURES = [SHARED / "btcusdt_20240808.gz", SHARED / "btcusdt_20240809.gz"]
needs_capture = pytest.mark.skipif(
    not all(file.exists() for file in CAPTURES), reason="the shared recordings are not here"
)
START_US = 1_760_961_600_000_000
TRADE = '{{"e":"trade","E":{e},"s":"BTCUSDT","t":{t},"p":"10.5","q":"2","T":{e},"m":true,"M":true}}'


def _capture(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _trade_line(number: int, received: int | str, event: int | None = None) -> str:
    data = TRADE.format(e=event or START_US // 1000 + number, t=number)
    return f'{received} {{"stream":"btcusdt@trade","data":{data}}}'


def _raw_line(event: Event) -> str:
    """An event as a line of our own raw."""
    line = {"symbol": event.symbol, "ts_event": event.recv_us, "ts_recv": event.recv_us}
    line |= dict.fromkeys(("price", "qty", "side", "bid", "ask"))
    line["stream"] = event.stream.partition("@")[2]
    if type(event) is Trade:
        side = "sell" if event.buyer_is_maker else "buy"
        line |= {"ts_event": event.trade_us, "price": event.price, "qty": event.qty, "side": side}
        line |= {"trade_id": event.trade_id, "event_time": event.event_us, "source": "ws"}
    else:
        line |= {"bid": event.bid, "ask": event.ask, "update_id": event.update_id}
        line |= {"bid_qty": event.bid_qty, "ask_qty": event.ask_qty}
    return json.dumps({**line, "conn": 1}, separators=(",", ":"))


def _write_raw(folder: Path, events: Iterable[Event]) -> Path:
    """The events as raw files of a lake: a folder a symbol and day, a part a minute."""
    parts: dict[Path, list[str]] = {}
    for event in events:
        minute = event.recv_us // 60_000_000 % 1440 + 1
        part = folder / event.symbol / "2025-10-20" / f"part_{minute:03d}.jsonl"
        parts.setdefault(part, []).append(_raw_line(event))
    for part, lines in parts.items():
        part.parent.mkdir(parents=True, exist_ok=True)
        _capture(part, lines)
    return folder


def _replayed(source) -> Heard:
    async def run():
        async with Exchange(source, speed=None) as exchange:
            return await hear_all(exchange, streams(source.symbols))

    return asyncio.run(run())


@pytest.fixture(scope="module")
def capture() -> Heard:
    return _replayed(Recording(reversed(CAPTURES)))


def _captured_lines() -> list[tuple[int, dict]]:
    """Receive time (ns) and message of every trade and quote, read independently of the replay."""
    lines = []
    for file in CAPTURES:
        with gzip.open(file, "rt") as captured:
            for line in captured:
                received, _, message = line.partition(" ")
                if '@trade"' in message[:40] or '@bookTicker"' in message[:40]:
                    lines.append((int(received), json.loads(message)))
    return lines


@needs_capture
def test_a_capture_is_delivered_whole_in_order_with_exact_times_and_texts(capture):
    got = [m for m in capture.messages if not m["stream"].endswith("kline_1s")]
    lines = _captured_lines()
    assert len(lines) == len(got) == 19_904 + 73_174
    for (received_ns, recorded), message in zip(lines, got, strict=True):
        assert message["recv"] == received_ns // 1000
        assert message["stream"] == recorded["stream"]
        data, expected = message["data"], recorded["data"]
        if "T" in expected:
            expected = {**expected, "E": expected["E"] * 1000, "T": expected["T"] * 1000}
        assert data == expected
    assert (capture.code, capture.reason) == (4000, "end of recording")


@needs_capture
def test_the_skew_of_a_capture_is_the_median_of_receive_minus_event_time():
    skews = sorted(
        received // 1000 - message["data"]["E"] * 1000
        for received, message in _captured_lines()
        if "E" in message["data"]
    )
    assert Recording(CAPTURES).skew_us == skews[(len(skews) - 1) // 2] < -1_200_000


@needs_capture
def test_the_candles_of_a_capture_add_up_to_the_official_ones(capture):
    candles = [message["data"]["k"] for message in capture.of("btcusdt@kline_1s")]
    assert sum(candle["n"] == 0 for candle in candles) == 6
    assert all(candle["f"] == -1 for candle in candles if candle["n"] == 0)
    with (SHARED / "official_klines_5m.csv").open() as file:
        for official in csv.DictReader(file):
            start_us = int(official["open_time"]) * 1000
            mine = [c for c in candles if start_us <= c["t"] < start_us + 300_000_000]
            assert len(mine) == 300
            assert _summed(mine) == {key: Decimal(official[key]) for key in _summed(mine)}


def _summed(candles: list[dict]) -> dict[str, Decimal]:
    """Candles of one second as one, under the names of the archive."""

    def total(key: str) -> Decimal:
        return sum((Decimal(candle[key]) for candle in candles), Decimal(0))

    return {
        "open": Decimal(candles[0]["o"]),
        "high": max(Decimal(candle["h"]) for candle in candles),
        "low": min(Decimal(candle["l"]) for candle in candles),
        "close": Decimal(candles[-1]["c"]),
        "volume": total("v"),
        "quote_volume": total("q"),
        "trades": total("n"),
        "taker_buy_base": total("V"),
        "taker_buy_quote": total("Q"),
    }


@needs_capture
def test_our_own_raw_of_a_capture_replays_as_the_same_frames(capture, tmp_path):
    raw = _write_raw(tmp_path, Recording(CAPTURES))
    assert _replayed(Recording([raw])).texts == capture.texts


def test_raw_of_several_symbols_replays_as_recorded_from_a_folder_at_any_depth(tmp_path):
    market = Market(("SOLUSDT", "XLMUSDT", "BTCUSDT"), duration_s=150)
    raw = _write_raw(tmp_path / "raw" / "binance", market)
    _capture(raw / "SOLUSDT" / "2025-10-20" / "repair_13_1.jsonl", ['{"symbol":"SOLUSDT"}'])
    (raw / "_sessions").mkdir()
    _capture(raw / "_sessions" / "part_001.jsonl", ['{"event":"start"}'])
    for folder in (raw, raw / "SOLUSDT", raw / "SOLUSDT" / "2025-10-20"):
        recording = Recording([folder])
        for symbol in recording.symbols:
            mine = [event for event in recording if event.symbol == symbol]
            assert mine == [event for event in market if event.symbol == symbol]
    parts = sorted((raw / "BTCUSDT").rglob("part_*.jsonl"), reverse=True)
    assert list(Recording(parts)) == [e for e in market if e.symbol == "BTCUSDT"]


def test_only_what_came_over_the_websocket_counts_and_duplicates_stay(tmp_path):
    trades = [event for event in Market(("XLMUSDT",), duration_s=300) if type(event) is Trade]
    lines = [_raw_line(trade) for trade in trades]
    fetched = lines[0].replace('"source":"ws"', '"source":"rest"').replace('"trade_id":', '"x":')
    file = _capture(tmp_path / "part_001.jsonl", [*lines[:3], fetched, lines[2], *lines[3:]])
    assert list(Recording([file])) == [*trades[:3], trades[2], *trades[3:]]


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000])
def test_receive_times_are_read_by_their_size(tmp_path, scale):
    received_ms = START_US // 1000 + 7
    file = _capture(tmp_path / "capture", [_trade_line(1, received_ms * scale)])
    assert Recording([file]).start_us == START_US + 7_000


def test_times_of_events_may_be_microseconds_already(tmp_path):
    file = _capture(tmp_path / "capture", [_trade_line(1, START_US + 5, START_US)])
    recording = Recording([file])
    assert [event.trade_us for event in recording] == [START_US] and recording.skew_us == 5


def test_files_are_merged_by_receive_time_and_ties_keep_the_order_of_their_file(tmp_path):
    def number_lines(*numbers: int) -> list[str]:
        return [_trade_line(number, START_US + number // 10) for number in numbers]

    later = _capture(tmp_path / "a", number_lines(40, 70, 71, 60))
    early = _capture(tmp_path / "b", number_lines(10, 12, 11, 50, 90))
    got = [event.trade_id for event in Recording([later, early])]
    assert got == [10, 12, 11, 40, 50, 60, 70, 71, 90]


def test_lines_that_are_no_trade_or_quote_are_left_out(tmp_path):
    old = _trade_line(2, START_US + 2).replace('"T":', '"b":88,"a":99,"T":')
    lines = [
        _trade_line(1, START_US + 1),
        old,
        f'{START_US} {{"result":null,"id":1}}',
        f'{START_US} {{"stream":"btcusdt@depth","data":{{"e":"depthUpdate"}}}}',
        f'{START_US} {{"data":{{"u":1}},"stream":"btcusdt@bookTicker"}}',
        f'{START_US} {{"data":{TRADE.format(e=START_US, t=3)},"stream":"btcusdt@trade"}}',
        "",
        "# notes",
        '{"half":',
        _trade_line(4, START_US + 4)[:60],
    ]
    recording = Recording([_capture(tmp_path / "capture", lines)])
    assert [event.trade_id for event in recording] == [3, 1, 2]
    assert '"b"' not in text(list(recording)[2], True, False)


def test_packed_files_are_read_too(tmp_path):
    events = list(Market(("XLMUSDT",), duration_s=60))
    content = "".join(f"{_raw_line(event)}\n" for event in events).encode()
    (tmp_path / "2025-10-20.jsonl.gz").write_bytes(gzip.compress(content))
    assert list(Recording([tmp_path])) == events
    (tmp_path / "2025-10-20.jsonl.gz").unlink()
    with pyarrow.output_stream(tmp_path / "2025-10-20.jsonl.zst", compression="zstd") as packed:
        packed.write(content)
    assert list(Recording([tmp_path])) == events


def test_symbols_can_be_chosen_and_unknown_ones_are_refused(tmp_path):
    raw = _write_raw(tmp_path, Market(("SOLUSDT", "XLMUSDT"), duration_s=20))
    assert {event.symbol for event in Recording([raw], ["XLMUSDT"])} == {"XLMUSDT"}
    with pytest.raises(click.ClickException, match="XLMUSD is not .* did you mean XLMUSDT"):
        Recording([raw], ["XLMUSD"])


def test_a_recording_that_cannot_be_used_is_refused_in_one_sentence(tmp_path):
    packed = tmp_path / "torn.gz"
    packed.write_bytes(gzip.compress(b"1 {}\n" * 1000)[:40])
    (tmp_path / "plain.gz").write_text("hello")
    (tmp_path / "empty").mkdir()
    for path, words in [
        (tmp_path / "nowhere", "no such file or folder"),
        (packed, "cannot be read"),
        (tmp_path / "plain.gz", "cannot be read"),
        (_capture(tmp_path / "notes.txt", ["hello"]), "no trade or quote"),
        (tmp_path / "empty", "no trade or quote"),
    ]:
        with pytest.raises(click.ClickException) as refusal:
            Recording([path])
        assert words in refusal.value.message and str(path) in refusal.value.message
