"""Official klines: from raw answers of REST and the archive to exact rows, once each."""

import csv
import json
import shutil
from pathlib import Path

import lakes
import pytest
from lakes import CAPTURES, MIDNIGHT, NOON
from raw_answers import (
    archived,
    give_klines,
    kline,
    klines,
    official,
    put_klines,
    put_minutes,
)
from raw_lines import DAY_US, MINUTE_US
from test_real_input import record

LATER = MIDNIGHT + DAY_US
ALL = "select epoch_us(open_time), close, volume from klines order by open_time"
PLACE = "data/backfill/binance/SOLUSDT/year=2025/month=10/day=20/klines_1m.parquet"


@pytest.fixture
def folder(tmp_path) -> Path:
    return lakes.make(tmp_path / "lake")


def test_a_kline_of_rest_becomes_a_row_with_all_its_fields(folder):
    put_klines(folder, [klines([kline(NOON)], LATER)])
    lakes.bring(folder)
    rows = lakes.ask(folder, "select * replace (epoch_us(open_time) as open_time) from klines")
    [(*head, opened, high, low, close, volume, closed, quote, trades, base, of_quote)] = [
        row[:5] + row[5:] for row in rows
    ]
    assert [*map(str, head)] == ["binance", "SOLUSDT", "2025-10-20", "1m", str(NOON)]
    assert (opened, high, low, close, volume) == (100, 101, 99, 100.5, 2)
    assert (quote, trades, base, of_quote) == (200.5, 3, 1, 100.25)
    assert closed.isoformat() == "2025-10-20T12:00:59.999000+00:00"


def test_rest_and_archive_with_either_unit_and_header_give_the_same_rows(folder):
    expected = {}
    for unit in (1, 1000):
        for header in ("", "open_time,open,high,low,close,volume\n"):
            symbol = f"A{unit}{bool(header):d}USDT"
            rows = [kline(NOON + n * MINUTE_US, unit=unit, close=f"100.{n}") for n in range(3)]
            text = archived(rows, LATER, symbol=symbol, header=header)
            ends = text["body"].replace("\n", "\r\n") if unit == 1 else text["body"].rstrip("\n")
            put_klines(folder, [text | {"body": ends}], symbol=symbol)
            put_klines(folder, [klines(rows, LATER, symbol=f"R{symbol}")], symbol=f"R{symbol}")
            same = [(NOON + n * MINUTE_US, 100 + n / 10, 2.0) for n in range(3)]
            expected |= {symbol: same, f"R{symbol}": same}
    lakes.bring(folder)
    for symbol, rows in expected.items():
        where = f"where symbol = '{symbol}' order"
        assert lakes.ask(folder, ALL.replace("order", where)) == rows
    assert len(expected) == 8 and lakes.ask(folder, "from rejects") == []


def test_the_newest_fetch_of_a_kline_stands_whatever_the_order_of_lines_and_files(folder):
    early, late, latest = LATER, LATER + 1, LATER + 2
    put_klines(folder, [klines([kline(NOON, close="100.3")], latest)])
    put_klines(folder, [klines([kline(NOON, close="100.1")], early)], number=2)
    put_klines(folder, [archived([kline(NOON, close="100.2")], late)], day="2025-10-23")
    lakes.bring(folder)
    assert lakes.ask(folder, ALL) == [(NOON, 100.3, 2.0)]
    put_klines(folder, [archived([kline(NOON, close="100.4")], latest + 1)], day="2025-10-23")
    report = lakes.bring(folder)
    assert [str(unit) for unit in report.units] == ["klines SOLUSDT 1m 2025-10-20"]
    assert lakes.ask(folder, ALL) == [(NOON, 100.4, 2.0)]


def test_duplicated_and_unsorted_rows_are_one_each_in_order(folder):
    rows = [kline(NOON + n * MINUTE_US) for n in (2, 0, 1, 0, 2)]
    put_klines(folder, [klines(rows, LATER), klines(rows[::-1], LATER)])
    lakes.bring(folder)
    assert [row[0] for row in lakes.ask(folder, ALL)] == [NOON + n * MINUTE_US for n in range(3)]


@pytest.mark.parametrize("unit", [1, 1000])
def test_an_open_kline_is_never_stored(folder, unit):
    end = NOON + MINUTE_US
    rows = [kline(NOON - MINUTE_US, unit=unit), kline(NOON, unit=unit)]
    put_klines(folder, [klines(rows, end - unit), archived(rows, end - unit)])
    lakes.bring(folder)
    assert [row[0] for row in lakes.ask(folder, ALL)] == [NOON - MINUTE_US]
    put_klines(folder, [klines([kline(NOON, unit=unit, close="100.7")], end)])
    lakes.bring(folder)
    assert lakes.ask(folder, ALL)[-1] == (NOON, 100.7, 2.0)


BAD = {
    "nine decimals": ({"close": "100.123456789"}, "close is not a price"),
    "no number": ({"close": "NaN"}, "close is not a price"),
    "infinite": ({"high": "Infinity"}, "high is not a price"),
    "a negative price": ({"low": "-1"}, "low is not a price"),
    "zero": ({"open": "0.00000000"}, "open is not a price"),
    "an exponent that rounds": ({"close": "1e-9"}, "close is not a price"),
    "a negative volume": ({"volume": "-0.5"}, "volume is not a quantity"),
    "no quotes": ({"close": 100.5}, "close is not a price"),
    "null": ({"quote_volume": None}, "quote_volume is not a quantity"),
    "half a trade": ({"trades": 1.5}, "trades is not a count"),
    "high below low": ({"high": "98"}, "open and close are not between"),
    "close above high": ({"close": "101.5"}, "open and close are not between"),
}


def test_rows_that_are_not_exact_are_told_with_their_lines_and_the_others_count(folder):
    places = {}
    for number, (own, told) in enumerate(BAD.values(), 1):
        rows = [kline(NOON), kline(NOON + MINUTE_US, **own), kline(NOON + 2 * MINUTE_US)]
        answers = [klines([kline(NOON)], LATER), klines(rows, LATER)]
        path = put_klines(folder, answers, number=number)
        places[f"raw/{path.relative_to(folder / 'data' / 'raw').as_posix()}"] = told
    report = lakes.bring(folder)
    lines = [line for line in report.told() if "readable" in line]
    assert len(lines) == len(places) == len(BAD)
    for place, told in places.items():
        said = f"not exactly readable, see `rejects`: {place}, line 2: row 2: {told}"
        assert [line for line in lines if line.startswith(said)], (place, lines)
    assert [row[0] for row in lakes.ask(folder, ALL)] == [NOON, NOON + 2 * MINUTE_US]
    query = "select exchange, symbol, day::varchar, line, file, reason from rejects"
    rejects = lakes.ask(folder, query)
    assert {row[:4] for row in rejects} == {("binance", "_answers", "2025-10-22", 2)}
    reasons = {f"raw/binance/{file}": reason for *_, file, reason in rejects}
    assert reasons.keys() == places.keys() and len(rejects) == len(BAD)
    assert all(reasons[place].startswith(f"row 2: {told}") for place, told in places.items())
    assert lakes.dry(folder) == []


GRID = {
    "off the grid": (lambda row: [row[0] + 1, *row[1:]], "open_time is no start"),
    "another close": (lambda row: [*row[:6], row[6] + 838, *row[7:]], "close_time is not the end"),
    "eleven values": (lambda row: row[:11], "11 values in place of 12"),
    "thirteen values": (lambda row: [*row, "0"], "13 values in place of 12"),
    "an object": (lambda row: {"open": 1}, "0 values in place of 12"),
    "a string": (lambda row: "x", "0 values in place of 12"),
    "a time that is none": (lambda row: [10**18, *row[1:]], "open_time is not a time"),
    "a fraction of a time": (lambda row: [row[0] + 0.5, *row[1:]], "open_time is not a time"),
    "a time in 2099": (lambda row: kline(4_070_908_800_000_000), "open_time lies after"),
}


def test_rows_of_another_shape_or_time_are_told_too(folder):
    rows = [kline(NOON - MINUTE_US), *(change(kline(NOON)) for change, _ in GRID.values())]
    put_klines(folder, [klines([rows[0], row], LATER) for row in rows[1:]])
    lakes.bring(folder)
    assert [row[0] for row in lakes.ask(folder, ALL)] == [NOON - MINUTE_US]
    rejects = lakes.ask(folder, "select line, reason from rejects order by line")
    for number, ((_, told), reject) in enumerate(zip(GRID.values(), rejects, strict=True), 1):
        assert reject[0] == number and reject[1].startswith(f"row 2: {told}")


GARBAGE = {
    "{'not': 'json'}": "not a JSON object",
    "[1, 2]": "fetched_at is not a time",
    '{"fetched_at":"soon","request":{},"body":[]}': "fetched_at is not a time",
    '{"fetched_at":1761048000000000.5,"request":{},"body":[]}': "fetched_at is not a time",
    '{"fetched_at":1761048000000000,"request":[],"body":[]}': "request is not an object",
    '{"fetched_at":1761048000000000,"request":{},"body":{}}': "body is neither",
    '{"fetched_at":1761048000000000,"request":{},"body":[]}': "asked for and filed here",
    "\\udcff\\udcfe": "not a JSON object in UTF-8",
}


def test_garbage_between_answers_costs_its_own_line_only(folder):
    path = put_klines(folder, [klines([kline(NOON)], LATER)])
    with path.open("ab") as file:
        for text in GARBAGE:
            file.write(text.encode().replace(b"\\udcff\\udcfe", b"\xff\xfe\x00") + b"\n")
        file.write(b"\n  \r\n")
    put_klines(folder, [klines([kline(NOON + MINUTE_US)], LATER)])
    lakes.bring(folder)
    assert [row[0] for row in lakes.ask(folder, ALL)] == [NOON, NOON + MINUTE_US]
    rejects = lakes.ask(folder, "select line, reason from rejects order by line")
    assert [line for line, _ in rejects] == list(range(2, 2 + len(GARBAGE)))
    for (_, reason), told in zip(rejects, GARBAGE.values(), strict=True):
        assert told in reason


def test_a_torn_last_line_is_none_until_it_is_whole(folder):
    path = put_klines(folder, [klines([kline(NOON)], LATER)])
    whole = json.dumps(klines([kline(NOON + MINUTE_US)], LATER)).encode() + b"\n"
    with path.open("ab") as file:
        file.write(whole[:-40])
    lakes.bring(folder)
    assert len(lakes.ask(folder, ALL)) == 1 and lakes.ask(folder, "from rejects") == []
    with path.open("ab") as file:
        file.write(whole[-40:])
    lakes.bring(folder)
    assert len(lakes.ask(folder, ALL)) == 2 and lakes.ask(folder, "from rejects") == []


def test_an_answer_in_the_folder_of_another_symbol_is_told_and_not_taken(folder):
    put_klines(folder, [klines([kline(NOON)], LATER, symbol="BTCUSDT")])
    lakes.bring(folder)
    assert lakes.ask(folder, ALL) == []
    [(reason,)] = lakes.ask(folder, "select reason from rejects")
    assert "asked for BTCUSDT 1m" in reason


def test_klines_of_two_intervals_lie_side_by_side_and_are_no_duplicates(folder):
    put_klines(folder, [klines([kline(NOON)], LATER)])
    second = klines([kline(NOON, interval="1s")], LATER, interval="1s")
    put_klines(folder, [second], interval="1s")
    lakes.put(folder, "SOLUSDT", [lakes.trade("SOLUSDT", 1, NOON)])
    lakes.bring(folder)
    query = "select interval, count(*) from klines where day = '2025-10-20' group by all order by 1"
    assert lakes.ask(folder, query) == [("1m", 1), ("1s", 1)]
    told = lakes.run(folder, "check").output
    assert "PASS  duplicates" in told and "PASS  schemas" in told and "PASS  orphans" in told


def test_a_filter_on_symbol_day_and_interval_opens_one_file(folder):
    for symbol in ("SOLUSDT", "BTCUSDT"):
        rows = [kline(NOON), kline(NOON + DAY_US)]
        put_klines(folder, [klines(rows, LATER + DAY_US, symbol=symbol)], symbol=symbol)
    lakes.bring(folder)
    where = "where symbol = 'SOLUSDT' and day = '2025-10-20' and interval = '1m'"
    with lakes.lake.connect(folder) as con:
        plan = con.execute(f"explain analyze select * from klines {where}").fetchall()[0][1]
    assert "Total Files Read: 1" in plan.replace("Scanning Files", "Total Files Read")


def test_the_two_official_klines_of_a_real_capture_equal_its_bars(tmp_path):
    if not CAPTURES.is_dir():
        pytest.skip("the real captures are not there (../shared/data)")
    folder = record(tmp_path / "lake", *sorted(CAPTURES.glob("btcusdt_*.gz")))
    with (CAPTURES / "official_klines_5m.csv").open() as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    answer = archived(rows, LATER, symbol="BTCUSDT", interval="5m")
    put_klines(folder, [answer], symbol="BTCUSDT", interval="5m")
    lakes.bring(folder)
    query = """
        select count(*), bool_and(
            (bars.open, bars.high, bars.low, bars.close, volume_base, volume_quote, trade_count,
            taker_buy_base, taker_buy_quote) = (klines.open, klines.high, klines.low, klines.close,
            volume, quote_volume, trades, taker_base_vol, taker_quote_vol))
        from bars_5m as bars
        inner join klines on open_time = window_start and bars.symbol = klines.symbol"""
    assert lakes.ask(folder, query) == [(2, True)]


@pytest.fixture(scope="module")
def agreed(two_days, tmp_path_factory) -> Path:
    """A lake whose bars and klines agree. Only look: tests that change it copy it."""
    return give_klines(shutil.copytree(two_days, tmp_path_factory.mktemp("agreed") / "lake"))


VERDICTS = "select verdict, count(*) from compare_our_vs_kline_1m group by all order by all"


def test_minutes_that_agree_are_equal_and_incomplete_ones_say_so(agreed):
    assert lakes.ask(agreed, VERDICTS) == [("equal", 244), ("incomplete", 4)]
    query = """
        select count(*),
            sum(abs(open_diff) + abs(close_diff) + volume_diff_abs + abs(trade_count_diff))
        from compare_our_vs_kline_1m where verdict = 'equal'"""
    assert lakes.ask(agreed, query) == [(244, 0.0)]


def test_a_revised_kline_is_found_and_named(agreed, tmp_path):
    agreed = shutil.copytree(agreed, tmp_path / "lake")
    us = MIDNIGHT - 60 * MINUTE_US
    [row] = [row for row in official(agreed, "SOLUSDT", "1m") if row[0] == us // 1000]
    changed = [*row[:4], "1.23", *row[5:]]
    low = [*changed[:3], "1.00", *changed[4:]]
    put_klines(agreed, [klines([low], LATER + DAY_US)], day="2025-10-24")
    lakes.bring(agreed)
    query = """
        select epoch_us(window_start), verdict, differing, kline_close
        from compare_our_vs_kline_1m where verdict = 'different'"""
    assert lakes.ask(agreed, query) == [(us, "different", "low, close", 1.23)]
    options = ("--start", "2025-10-20", "--end", "2025-10-22", "--tf", "1m")
    told = lakes.run(agreed, "validate", *options).output
    assert "R7   Bars equal official klines.  1 × broken" in told


def test_a_removed_trade_makes_its_minute_incomplete_and_filled_by_the_kline(agreed, tmp_path):
    whole = official(agreed, "SOLUSDT", "1m")
    holed = lakes.make(tmp_path / "holed")
    lines = lakes.two_days(("SOLUSDT",))
    kept = [row for row in lines["SOLUSDT"] if row.get("trade_id") != 50]
    [lost] = [row for row in lines["SOLUSDT"] if row.get("trade_id") == 50]
    lakes.put(holed, "SOLUSDT", kept)
    lakes.put(holed, "_sessions", lines["_sessions"])
    put_klines(holed, [klines(whole, LATER)])
    lakes.bring(holed)
    start = lost["ts_event"] // MINUTE_US * MINUTE_US
    query = """
        select epoch_us(window_start), verdict, differing from compare_our_vs_kline_1m
        where verdict <> 'equal' and differing is not null"""
    [(found, verdict, differing)] = lakes.ask(holed, query)
    assert (found, verdict) == (start, "incomplete") and "volume" in differing
    where = f"where epoch_us(window_start) = {start}"
    filled = "select volume_base, trade_count, source from bars_1m_filled"
    [official_row] = [row for row in whole if row[0] == start // 1000]
    told = [(float(official_row[5]), official_row[8], "kline")]
    assert lakes.ask(holed, f"{filled} {where}") == told
    sources = "select source, count(*) from bars_1m_filled group by all order by all"
    assert lakes.ask(holed, sources) == [("bars", 121), ("kline", 3)]


def test_a_changed_price_is_found_and_named(agreed, tmp_path):
    other = lakes.make(tmp_path / "other")
    for name, rows in lakes.two_days(("SOLUSDT",)).items():
        changed = [{**row, "price": "106.99"} if row.get("trade_id") == 50 else row for row in rows]
        lakes.put(other, name, changed)
    put_klines(other, [klines(official(agreed, "SOLUSDT", "1m"), LATER)])
    lakes.bring(other)
    query = "select verdict, differing from compare_our_vs_kline_1m where verdict = 'different'"
    [(verdict, differing)] = lakes.ask(other, query)
    assert verdict == "different" and "quote_volume" in differing
    options = ("--start", "2025-10-20", "--end", "2025-10-22", "--tf", "1m")
    assert "1 × broken" in lakes.run(other, "validate", *options).output


def test_a_missing_minute_of_klines_is_told_by_check(agreed, tmp_path):
    assert "PASS  klines" in lakes.run(agreed, "check").output
    hole = MIDNIGHT - 30 * MINUTE_US
    rows = [row for row in official(agreed, "SOLUSDT", "1m") if row[0] != hole // 1000]
    folder = lakes.make_two_days(tmp_path / "holed", ("SOLUSDT",))
    put_klines(folder, [klines(rows, LATER)])
    lakes.bring(folder)
    told = " ".join(lakes.run(folder, "check").output.split())
    assert "SOLUSDT 1m 2025-10-20: 1 klines are missing, the first of 2025-10-20 23:30:00" in told


def test_a_slice_of_klines_is_whole_or_refused_by_name(agreed, tmp_path):
    out = ("--source", "klines", "--start", "2025-10-20T22:00:00Z", "--end", "2025-10-21")
    done = lakes.run(agreed, "slice", *out, "--out", str(tmp_path / "k.csv"))
    assert done.exit_code == 0, done.output
    assert "240 rows of klines_1m, BTCUSDT, SOLUSDT" in done.output
    rows = (tmp_path / "k.csv").read_text().splitlines()
    assert len(rows) == 241 and rows[1].startswith(
        "binance,BTCUSDT,2025-10-20,2025-10-20T22:00:00Z"
    )
    out = ("--source", "klines", "--start", "2025-10-20", "--end", "2025-10-21")
    done = lakes.run(agreed, "slice", *out, "--out", str(tmp_path / "m.csv"))
    assert done.exit_code == 1 and "no kline 2025-10-20T00:00:00Z to" in done.output


def test_one_bad_ticker_leaves_klines_alone(folder):
    put_klines(folder, [klines([kline(NOON)], LATER)])
    put_minutes(folder, "SPY", ([{"ts": "x"}], LATER))
    lakes.bring(folder)
    assert len(lakes.ask(folder, ALL)) == 1
