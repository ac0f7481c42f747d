"""The views: one row a grain, the same answers in every zone, sums and not ratios rolled up."""

import os
import re
import subprocess
import sys
from pathlib import Path

import lakes
import pytest
from lakes import MIDNIGHT, NOON, ROOT, trade
from raw_lines import SECOND_US

from runner.config import load
from runner.models.models import Models

ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
MODELS = Models(load(ROOT))
VIEWS = sorted(model.name for model in MODELS.models.values() if model.is_view)
SHOWN = sorted({*VIEWS, *(model.name for model in MODELS.stored())})
COARSE = {"bars_1m": 60, "bars_5m": 300, "bars_15m": 900, "bars_1h": 3600, "bars_1d": 86_400}


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A lake without a line of raw, built."""
    folder = lakes.make(tmp_path_factory.mktemp("empty") / "lake")
    lakes.bring(folder)
    return folder


@pytest.mark.parametrize("relation", SHOWN)
def test_every_relation_is_there_and_empty_in_an_empty_lake(empty, relation):
    assert lakes.ask(empty, f"select count(*) from {relation}") == [(0,)]


def test_the_shell_sees_every_relation_of_an_empty_lake(empty):
    query = " union all ".join(f"select count(*) from {name}" for name in SHOWN)
    assert lakes.shell(empty, query) == "0\n" * len(SHOWN)


@pytest.mark.parametrize("view", VIEWS)
def test_the_grain_of_a_view_is_unique_and_never_null(answered, view):
    grain = MODELS[view].grain
    assert grain
    anything_null = " or ".join(f"{column} is null" for column in grain)
    query = (
        f"select count(*), count(distinct ({', '.join(grain)})), count(*) filter ({anything_null})"
    )
    [(rows, distinct, nulls)] = lakes.ask(answered, f"{query} from {view}")
    assert rows == distinct > 0 and nulls == 0


def test_the_shell_gives_the_same_answers_in_every_time_zone(answered):
    told = {lakes.shell(answered, zone_free(), zone=zone) for zone in ZONES}
    assert len(told) == 1
    assert len(told.pop().splitlines()) == len(VIEWS)


def test_python_gives_the_same_answers_in_every_time_zone(answered):
    script = "import sys, lake; print(lake.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())"
    told = set()
    for zone in ZONES:
        done = subprocess.run(
            [sys.executable, "-c", script, str(answered), zone_free()],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TZ": zone},
            check=True,
        )
        told.add(done.stdout)
    assert len(told) == 1


def test_the_shell_and_python_agree(answered):
    by_shell = [line.split(",") for line in lakes.shell(answered, zone_free()).splitlines()]
    by_python = [[str(value) for value in row] for row in lakes.ask(answered, zone_free())]
    assert [row[:2] for row in by_shell] == [row[:2] for row in by_python]


def zone_free() -> str:
    """Rows and content of every view, in a form that the zone of the session must not change."""
    parts = []
    for view in VIEWS:
        columns = "exclude (window_start), epoch_us(window_start) as us"
        star = f"* {columns}" if has_time(view) else "*"
        row = f"(select {star} from {view}) as answer"
        total = "sum(('0x' || left(md5(to_json(answer)::varchar), 12))::bigint)::varchar"
        parts.append(f"select '{view}' as view, count(*) as rows, {total} as content from {row}")
    return " union all ".join(parts) + " order by view"


def has_time(view: str) -> bool:
    return "window_start" in MODELS.render(view)


@pytest.mark.parametrize("view", COARSE)
def test_coarser_bars_begin_at_utc_multiples_within_their_day(two_days, view):
    query = f"""
        select count(*) filter (epoch_us(window_start) % {COARSE[view] * SECOND_US} <> 0),
            count(*) filter ((window_start at time zone 'UTC')::date <> day),
            sum(trade_count), sum(traded_seconds + quiet_seconds + partial_seconds + dark_seconds)
        from {view}"""
    totals = lakes.ask(two_days, "select sum(trade_count), count(*) from bars_1s")[0]
    assert lakes.ask(two_days, query) == [(0, 0, *totals)]


def test_a_minute_has_the_vwap_of_its_trades_not_of_its_last_second(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    rows = [
        trade("VWAP", 1, MIDNIGHT - 60 * SECOND_US, "100", "999"),
        trade("VWAP", 2, MIDNIGHT - 1 * SECOND_US, "200", "0.017"),
        trade("VWAP", 3, MIDNIGHT, "300", "1"),
    ]
    lakes.put(folder, "VWAP", rows)
    lakes.bring(folder)
    columns = "open, high, low, close, volume_base, round(vwap, 4), trade_count, state"
    minute = (100, 200, 100, 200, 999.017, 100.0017, 2, "partial")
    after = (300, 300, 300, 300, 1, 300, 1, "partial")
    for view in COARSE:
        query = f"select {columns} from {view} order by window_start"
        assert lakes.ask(folder, query) == [minute, after], view
    assert lakes.ask(folder, "select day::varchar from bars_1d order by day") == [
        ("2025-10-20",),
        ("2025-10-21",),
    ]


def test_volumes_of_coarser_bars_add_up_as_decimals_do(two_days):
    query = """
        select symbol, day, sum(qty)::double, sum(price * qty)::double
        from trades group by all order by all"""
    bars = "select symbol, day, volume_base, volume_quote from bars_1d order by all"
    assert lakes.ask(two_days, bars) == lakes.ask(two_days, query)


def test_latest_price_is_the_close_of_the_last_second(two_days):
    query = "select symbol, epoch(window_start)::bigint, price from latest_price order by symbol"
    last = "select price::double from trades where trade_id = 94 and symbol = 'SOLUSDT'"
    [(price,)] = lakes.ask(two_days, last)
    second = MIDNIGHT // SECOND_US + 113
    assert lakes.ask(two_days, query) == [("BTCUSDT", second, price), ("SOLUSDT", second, price)]


def test_latest_price_finds_each_symbols_own_newest_day(lake_folder):
    for number, symbol in enumerate(("NEWUSDT", "OLDUSDT", "币安USDT")):
        moment = NOON - number * 86_400 * SECOND_US
        rows = [lakes.trade(symbol, 1, moment - 90_000 * SECOND_US, "1")]
        rows += [lakes.trade(symbol, 2, moment, f"{number}7"), lakes.quote(symbol, 1, moment)]
        lakes.put(lake_folder, symbol, rows)
    lakes.bring(lake_folder)
    query = "select symbol, epoch_us(window_start), price, bid from latest_price order by symbol"
    day_us = 86_400 * SECOND_US
    assert lakes.ask(lake_folder, query) == [
        ("NEWUSDT", NOON, 7.0, 99.0),
        ("OLDUSDT", NOON - day_us, 17.0, 99.0),
        ("币安USDT", NOON - 2 * day_us, 27.0, 99.0),
    ]


def test_the_daily_summary_tells_seconds_and_verdict_of_each_day(two_days):
    query = """
        select day::varchar, trade_count, traded_seconds + partial_seconds, quiet_seconds,
            dark_seconds, missing, verdict
        from daily_summary where symbol = 'SOLUSDT' order by day"""
    seconds = 2 * 3600 + 120
    assert lakes.ask(two_days, query) == [
        ("2025-10-20", 63, 63, seconds - 63, 0, 0, "complete"),
        ("2025-10-21", 31, 31, 114 - 31, 0, 0, "complete"),
    ]


def files_read(folder: Path, query: str) -> int:
    """How many Parquet files a query opens, as EXPLAIN ANALYZE tells."""
    with lakes.lake.connect(folder) as con:
        plan = con.execute(f"explain analyze {query}").fetchall()[-1][-1]
    told = re.findall(r"Files Read:\s*(\d+)", plan)
    assert told, plan
    return sum(map(int, told))


@pytest.mark.parametrize("macro, relation", [("bars", "bars_1s"), ("ticks", "trades")])
def test_the_macro_of_a_symbol_and_days_opens_only_their_files(two_days, macro, relation):
    all_files = len([name for name in lakes.published(two_days) if relation_of(name) == relation])
    assert files_read(two_days, f"select count(*) from {relation}") == all_files == 5
    call = f"{macro}('SOLUSDT', '2025-10-21', '2025-10-22')"
    assert files_read(two_days, f"select count(*) from {call}") == 1
    days = lakes.ask(two_days, f"select distinct symbol, day::varchar from {call}")
    assert days == [("SOLUSDT", "2025-10-21")]


@pytest.mark.parametrize("view", ["bars_1s", "trades", "quotes", *COARSE])
def test_a_filter_on_symbol_and_day_opens_one_file(two_days, view):
    query = f"select count(*) from {view} where symbol = 'SOLUSDT' and day = date '2025-10-20'"
    assert files_read(two_days, query) == 1


def relation_of(name: str) -> str:
    return {"parquet": "bars_1s", "tape": "tape_days"}.get(name.split("/")[0], name.split("/")[2])


@pytest.mark.parametrize("macro", ["bars", "ticks"])
def test_the_macro_knows_days_as_text_and_as_dates_and_an_unknown_symbol_has_no_row(
    two_days, macro
):
    count = f"select count(*) from {macro}"
    text = lakes.ask(two_days, f"{count}('SOLUSDT', '2025-10-20', '2025-10-22')")
    dates = lakes.ask(two_days, f"{count}('SOLUSDT', date '2025-10-20', date '2025-10-22')")
    assert text == dates and text[0][0] > 0
    assert lakes.ask(two_days, f"{count}('SOLUSD', '2025-10-20', '2025-10-22')") == [(0,)]
    assert lakes.ask(two_days, f"{count}('SOLUSDT', '2025-10-22', '2025-10-22')") == [(0,)]
    assert int(lakes.shell(two_days, f"{count}('SOLUSDT', '2025-10-20', '2025-10-22')")) > 0
