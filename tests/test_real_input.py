"""Real input, exact: a capture over a real WebSocket into the collector, then built."""

import csv
import re
import shutil
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import lakes
import pytest
from lakes import CAPTURES

from ingest.collect.collector import collect
from runner.config import load

pytestmark = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="the recordings of real markets are not on this machine"
)
MIDNIGHT = lakes.micros("2024-08-09T00:00:00Z")


@contextmanager
def replay(*recordings: Path):
    """`lake replay` of some recordings at full speed; gives its WebSocket and REST address."""
    options = [option for path in recordings for option in ("--recording", str(path))]
    exchange = lakes.process("replay", *options, "--speed", "max", cwd=lakes.ROOT)
    told = ""
    try:
        while not (re.search(r"ws://\S+", told) and re.search(r"http://\S+", told)):
            line = exchange.stdout.readline()
            assert line, told + exchange.stderr.read()
            told += line
        yield re.search(r"ws://[^\s,]+", told)[0], re.search(r"http://[^\s,]+", told)[0]
    finally:
        exchange.kill()
        exchange.communicate()


def record(folder: Path, *recordings: Path) -> Path:
    """A lake that collected a recording and built it."""
    config = "exchanges:\n  - name: binance\n    symbols: [BTCUSDT]\n"
    lakes.make(folder, config)
    with replay(*recordings) as (ws_url, rest_url):
        collect(load(folder), ws_url=ws_url, rest_url=rest_url)
    lakes.bring(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("real") / "lake"
    return record(place, *sorted(CAPTURES.glob("btcusdt_*.gz")))


def test_every_trade_is_there_once(folder):
    query = (
        "select sum(count), sum(missing), sum(duplicates), min(first_id), max(last_id) from tape"
    )
    assert lakes.ask(folder, query) == [(19_904, 0, 0, 3735683259, 3735703162)]
    assert lakes.ask(folder, "select distinct verdict from tape") == [("complete",)]
    assert lakes.ask(folder, "select count(*), count(distinct trade_id) from trades") == [
        (19_904,) * 2
    ]
    assert lakes.ask(folder, "select count(*) from rejects") == [(0,)]


def test_no_quote_is_lost(folder):
    assert lakes.ask(folder, "select count(distinct update_id) = count(*) from quotes") == [(True,)]
    raw = sum(
        path.read_bytes().count(b'"stream":"bookTicker"')
        for path in (folder / "data" / "raw" / "binance" / "BTCUSDT").rglob("*.jsonl")
    )
    assert raw == 73_174


def test_two_official_klines_are_equal_in_all_nine_fields(folder):
    with (CAPTURES / "official_klines_5m.csv").open() as file:
        official = list(csv.DictReader(file))
    assert len(official) == 2
    ours = {
        row[0]: row[1:]
        for row in lakes.ask(
            folder,
            """select epoch_us(window_start), open, high, low, close, volume_base, volume_quote,
                trade_count, taker_buy_base, taker_buy_quote from bars_5m""",
        )
    }
    names = "open high low close volume quote_volume trades taker_buy_base taker_buy_quote"
    for kline in official:
        digits = len(kline["open_time"])
        start_us = int(kline["open_time"]) * 10 ** (16 - digits)
        bar = [Decimal(repr(value)) for value in ours[start_us]]
        assert bar == [Decimal(kline[name]) for name in names.split()]


def test_six_seconds_are_quiet_and_none_is_dark(folder):
    rows = lakes.ask(folder, "select state from bars_1s")
    assert Counter(state for (state,) in rows) == {"traded": 643, "quiet": 6, "partial": 2}
    counts = "select sum(quiet_seconds), sum(dark_seconds) from bars_1d"
    assert lakes.ask(folder, counts) == [(6, 0)]


def test_trades_of_the_next_day_lie_in_its_file_wherever_they_were_received(folder):
    query = f"""
        select day::varchar, count(*),
            bool_and((epoch_us(ts_event) >= {MIDNIGHT}) = (day = '2024-08-09')),
            count(*) filter (epoch_us(ts_recv) < {MIDNIGHT})
        from trades group by day order by day"""
    early, late = lakes.ask(folder, query)
    assert early[:3] == ("2024-08-08", 9_738, True) and late[:3] == ("2024-08-09", 10_166, True)
    assert late[3] > 0  # the recorder's clock is 1.27 s slow


def inside(folder: Path, moment: str) -> float:
    """Share of the trades that lie inside the last quote before them."""
    query = f"""
        select avg((price between bid and ask)::int)
        from (select ts_event as at, price from trades) as traded
        asof join (
            select {moment} as at, arg_max(bid, update_id) as bid, arg_max(ask, update_id) as ask
            from quotes group by all
        ) as quoted on traded.at >= quoted.at"""
    return lakes.ask(folder, query)[0][0]


def test_quotes_line_up_with_trades_in_spite_of_a_slow_clock(folder):
    assert inside(folder, "ts_recv") == pytest.approx(0.128, abs=0.001)
    assert inside(folder, "ts_event") >= 0.58


def test_our_own_raw_replayed_gives_the_same_bytes(folder, tmp_path):
    again = record(tmp_path / "again", folder / "data" / "raw" / "binance")
    first, second = lakes.published(folder), lakes.published(again)
    market = {name for name in first if "/sessions/" not in name}
    assert {name for name in second if "/sessions/" not in name} == market
    assert {name for name in market if first[name] != second[name]} == set()


def test_raw_in_another_order_of_parts_gives_the_same_bytes(folder, tmp_path):
    other = lakes.make(tmp_path / "lake")
    shutil.copytree(folder / "data" / "raw", other / "data" / "raw")
    lakes.bring(other, threads=1)
    assert lakes.published(other) == lakes.published(folder)


def test_a_validation_finds_nothing_but_the_recorders_slow_clock(folder):
    result = lakes.run(folder, "validate")
    assert result.exit_code == 0, result.output
    told = dict(re.findall(r"^(R\d+) +.*  (\S.*)$", result.output, re.MULTILINE))
    silent = {f"R{number}" for number in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11)}
    assert {label for label, outcome in told.items() if outcome == "holds"} == silent
    assert told["R7"] == "not applicable: no klines"
    assert told["R12"] == "not applicable: nothing is sealed"
    assert "INVESTIGATE: R13 broken, nothing critical" in result.output
    [report] = (folder / "data" / "reports").glob("*.md")
    assert "the clock is 1.27 s slow" in report.read_text(encoding="utf-8")
