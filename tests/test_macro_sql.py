"""Macro minutes: raw answers of Yahoo become one clean row a minute, and what changed is kept."""

import csv
import math
import os
import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import lakes
import pytest
from lakes import MIDNIGHT, NOON, ROOT
from raw_answers import LEGS, minute, put, put_minutes
from raw_lines import DAY_US, MINUTE_US

LATER = MIDNIGHT + DAY_US
SPY = ROOT.parent / "shared" / "data" / "yahoo" / "SPY.csv"
ALL = "select epoch_us(ts), close, volume from macro order by ts"
REVISED = """
    select epoch_us(ts), revision, before_close, after_close, before_volume, after_volume,
        epoch_us(before_fetched_at), epoch_us(after_fetched_at)
    from macro_revisions order by all"""


@pytest.fixture
def folder(tmp_path) -> Path:
    return lakes.make(tmp_path / "lake")


def test_a_minute_has_the_columns_of_its_file_and_a_view_with_window_start(folder):
    put_minutes(folder, "ES=F", ([minute(NOON, 5012.5, high=5013.25, volume=7)], LATER))
    lakes.bring(folder)
    types = dict(lakes.ask(folder, "select column_name, column_type from (describe macro)"))
    assert list(types) == ["ticker", "day", "ts", "open", "high", "low", "close", "volume"]
    assert types["ts"] == "TIMESTAMP WITH TIME ZONE" and types["volume"] == "DOUBLE"
    query = "select ticker, day::varchar, epoch_us(window_start), open, high, low, close, volume"
    row = ("ES=F", "2025-10-20", NOON, 5012.5, 5013.25, 5012.5, 5012.5, 7.0)
    assert lakes.ask(folder, f"{query} from macro_minute") == [row]
    path = "macro/minute/ES%3DF/year=2025/month=10/day=20/2025-10-20.parquet"
    assert (folder / "data" / path).is_file()


def test_the_later_row_of_an_answer_and_the_newest_answer_stand(folder):
    twice = [minute(NOON + MINUTE_US), minute(NOON, volume=0), minute(NOON, volume=9)]
    put_minutes(folder, "SPY", (twice, LATER))
    lakes.bring(folder)
    assert lakes.ask(folder, ALL) == [(NOON, 100, 9), (NOON + MINUTE_US, 100, 0)]
    put_minutes(folder, "SPY", ([minute(NOON, 101.5, volume=9)], LATER + 5), day="2025-10-23")
    lakes.bring(folder)
    assert lakes.ask(folder, ALL)[0] == (NOON, 101.5, 9)
    assert lakes.ask(folder, REVISED) == [
        (NOON, 1, 100, 100, 0, 9, LATER, LATER),
        (NOON, 2, 100, 101.5, 9, 9, LATER, LATER + 5),
    ]


def test_what_is_fetched_again_and_the_same_is_no_revision(folder):
    for number in range(4):
        put_minutes(folder, "SPY", ([minute(NOON, 100.123456789)], LATER + number))
    lakes.bring(folder)
    assert lakes.ask(folder, "select count(*), max(close) from macro") == [(1, 100.123456789)]
    assert lakes.ask(folder, REVISED) == []


def test_a_minute_that_was_not_over_is_never_stored(folder):
    rows = [minute(NOON - MINUTE_US, 100), minute(NOON, 101), minute(NOON + 17_000_000, 101.5)]
    put_minutes(folder, "SPY", (rows, NOON + MINUTE_US - 1))
    lakes.bring(folder)
    assert lakes.ask(folder, ALL) == [(NOON - MINUTE_US, 100, 0)]
    assert lakes.ask(folder, "from rejects") == []
    put_minutes(folder, "SPY", ([minute(NOON, 102)], NOON + MINUTE_US))
    lakes.bring(folder)
    assert lakes.ask(folder, ALL)[-1] == (NOON, 102, 0) and lakes.ask(folder, REVISED) == []


NOTHING = dict.fromkeys(("open", "high", "low", "close", "volume"))
BAD = {
    "half a row": ({"low": None}, "low is not a price"),
    "a word": ({"close": "NaN"}, "close is not a price"),
    "below zero": ({"open": -1.0}, "open is not a price"),
    "high below low": ({"high": 99.0}, "open and close are not between"),
    "a negative volume": ({"volume": -1}, "volume is not a quantity"),
    "off the grid": ({"ts": NOON + 30_000_000}, "ts is no start of a minute"),
    "no time": ({"ts": None}, "ts is not a time"),
    "years ahead": ({"ts": 4_000_000_020_000_000}, "ts lies after"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_row_that_is_not_clean_is_told_and_the_others_count(folder, name):
    own, told = BAD[name]
    empty = {**minute(NOON + 5 * MINUTE_US), **NOTHING}
    path = put_minutes(folder, "SPY", ([minute(NOON - MINUTE_US), empty], LATER))
    put_minutes(folder, "SPY", ([minute(NOON - MINUTE_US), {**minute(NOON), **own}], LATER))
    lines = lakes.bring(folder).told()
    assert len(lakes.ask(folder, ALL)) == 1
    place = f"raw/{path.relative_to(folder / 'data' / 'raw').as_posix()}, line 2: row 2: {told}"
    assert [line for line in lines if place in line]
    [(symbol, reason)] = lakes.ask(folder, "select exchange, reason from rejects")
    assert symbol == "yahoo" and told in reason


def test_answers_of_another_ticker_or_shape_are_told(folder):
    put_minutes(folder, "SPY", ([minute(NOON)], LATER))
    put(folder, "yahoo/SPY", [{"fetched_at": LATER, "request": {"ticker": "UUP"}, "body": []}])
    put(folder, "yahoo/SPY", [{"fetched_at": LATER, "request": {"ticker": "SPY"}, "body": "x"}])
    lakes.bring(folder)
    reasons = [
        reason for (reason,) in lakes.ask(folder, "select reason from rejects order by line")
    ]
    assert reasons[0].startswith("asked for another name") and reasons[1] == "body is not a list"


def spy() -> list[dict]:
    """The rows of the real file as the fetching command hands them over: floats, NaN as null."""
    rows = []
    with SPY.open() as file:
        for row in csv.DictReader(file):
            us = int(datetime.fromisoformat(row["Datetime"]).timestamp()) * 1_000_000
            names = ("Open", "High", "Low", "Close", "Volume")
            values = {name.lower(): float(row[name]) if row[name] else None for name in names}
            rows.append({"ts": us, **values})
    return rows


def answers_of(rows: list[dict]) -> list[list[dict]]:
    """The answers of which the real file was made: its times step back where one begins."""
    found = [[rows[0]]]
    for before, row in pairwise(rows):
        if row["ts"] <= before["ts"]:
            found.append([])
        found[-1].append(row)
    return found


@pytest.mark.skipif(not SPY.is_file(), reason="the real file is not there (../shared/data)")
@pytest.mark.parametrize("is_one", [True, False], ids=["one answer", "its answers"])
def test_a_real_file_with_its_defects_ends_as_one_clean_row_a_minute(folder, is_one):
    rows = spy()
    assert len(rows) == 13_435 and len({row["ts"] for row in rows}) == 8_360
    answers = [rows] if is_one else answers_of(rows)
    assert len(answers) == (1 if is_one else 19)
    put_minutes(folder, "SPY", *[(rows, LATER + number) for number, rows in enumerate(answers)])
    lakes.bring(folder)
    last = {row["ts"]: row for row in rows if row["close"] is not None}
    volumes = dict(sorted((row["ts"], row["volume"] or 0) for row in rows))
    found = lakes.ask(folder, "select epoch_us(ts), open, high, low, close, volume from macro")
    told = {us: values for us, *values in found}
    assert len(told) == len(found) == len(last) and lakes.ask(folder, "from rejects") == []
    assert all(list(last[us].values())[1:5] == values[:4] for us, values in told.items())
    bare = [us for us, values in told.items() if values[4] != volumes[us]]
    revised = lakes.ask(folder, REVISED)
    # the first row of an answer may come without its volume; of one answer the later row stands
    assert len(bare) == len(revised) == (3 if is_one else 0)
    assert [(row[0], row[5]) for row in revised] == [(us, 0) for us in sorted(bare)]


def test_what_was_revised_is_kept_when_its_raw_is_gone(folder):
    first = put_minutes(folder, "SPY", ([minute(NOON), minute(NOON, 101)], LATER))
    put_minutes(folder, "SPY", ([minute(NOON, 102)], LATER + 1), day="2025-10-23")
    lakes.bring(folder)
    before = lakes.ask(folder, REVISED)
    assert [row[2:4] for row in before] == [(100, 101), (101, 102)]
    first.unlink()
    for part in (folder / "data" / "work" / "answers").rglob("note.json"):
        part.unlink()
    lakes.bring(folder)
    assert lakes.ask(folder, REVISED) == before
    put_minutes(folder, "SPY", ([minute(NOON, 103)], LATER + 2), day="2025-10-24")
    lakes.bring(folder)
    after = lakes.ask(folder, REVISED)
    assert after[:2] == before and [row[2:4] for row in after[2:]] == [(102, 103)]
    assert lakes.ask(folder, ALL) == [(NOON, 103, 0)]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_odd_tickers_are_found_by_ticker_and_day_in_every_zone(answered, zone):
    query = """
        select ticker, day, count(*), min(epoch_us(window_start)) from macro_minute
        where ticker in ('ES=F', 'EURUSD=X') and day = '2025-10-20' group by all order by all"""
    told = f"ES=F,2025-10-20,3,{NOON}\nEURUSD=X,2025-10-20,3,{NOON}\n"
    assert lakes.shell(answered, query, zone=zone) == told
    script = "import sys, lake; print(lake.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())"
    done = subprocess.run(
        [sys.executable, "-c", script, str(answered), query],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TZ": zone},
        check=True,
    )
    assert f"'EURUSD=X', datetime.date(2025, 10, 20), 3, {NOON}" in done.stdout


def by_hand(legs: dict[str, float]) -> float:
    weights = (-0.576, 0.136, -0.119, 0.091, 0.042, 0.036)
    logs = (weight * math.log(close) for weight, close in zip(weights, legs.values(), strict=True))
    return 50.14348112 * math.exp(sum(logs))


DXY = "select epoch_us(window_start), dxy_synthetic from dxy_synthetic_minute order by all"


def test_the_synthetic_dollar_index_is_the_formula_of_its_six_legs(folder):
    for ticker, close in LEGS.items():
        put_minutes(folder, ticker, ([minute(NOON, close)], LATER))
    lakes.bring(folder)
    [(us, value)] = lakes.ask(folder, DXY)
    assert us == NOON and value == pytest.approx(by_hand(LEGS), rel=1e-9)
    assert 100 < value < 110


@pytest.mark.parametrize("missing", LEGS)
def test_a_minute_without_one_of_its_legs_has_no_index(folder, missing):
    for ticker, close in LEGS.items():
        rows = [minute(NOON + n * MINUTE_US, close) for n in range(3)]
        put_minutes(folder, ticker, ([rows[0], rows[2]] if ticker == missing else rows, LATER))
    lakes.bring(folder)
    assert [us for us, _ in lakes.ask(folder, DXY)] == [NOON, NOON + 2 * MINUTE_US]


def test_the_yen_by_its_short_name_is_a_leg_too(folder):
    for ticker, close in LEGS.items():
        name = "JPY=X" if ticker == "USDJPY=X" else ticker
        put_minutes(folder, name, ([minute(NOON, close)], LATER))
    lakes.bring(folder)
    assert [us for us, _ in lakes.ask(folder, DXY)] == [NOON]


def test_check_tells_of_a_ticker_without_minutes_and_of_what_is_there(folder):
    lakes.make(folder, "macro_minute:\n  tickers: [SPY, ES=F]\n")
    put_minutes(folder, "SPY", ([minute(NOON)], LATER))
    lakes.put(folder, "SOLUSDT", [lakes.trade("SOLUSDT", 1, NOON)])
    lakes.bring(folder)
    told = " ".join(lakes.run(folder, "check").output.split())
    assert "1 of its tickers have no minute in the lake: ES=F" in told
    assert "PASS duplicates" in told and "PASS schemas" in told and "PASS orphans" in told
