"""Late lines land in the right second, and exactly the files that they touch are written again."""

import shutil
from pathlib import Path

import lakes
import pytest
from lakes import DAY, MIDNIGHT, NEXT_DAY, absent, place, put, quote, trade
from raw_lines import MINUTE_US, SECOND_US, write_repairs

START = MIDNIGHT - 90 * SECOND_US
END = MIDNIGHT + 90 * SECOND_US
SYMBOLS = ("LATE", "REPAIR", "RESENT", "ABSENT", "QUOTE", "EDGE", "MORE", "STILL")


def at(number: int) -> int:
    """When trade `number` (1 to 60) happens: every 3 s around midnight; 30 just before it."""
    return START + number * 3 * SECOND_US - 500_000


def tape(symbol: str, without: tuple[int, ...] = (), until: int = 60) -> list[dict]:
    trades = [trade(symbol, number, at(number)) for number in range(1, until + 1)]
    trades = [row for row in trades if row["trade_id"] not in without]
    quotes = [quote(symbol, number, at(number) + 1_000_000) for number in range(1, until + 1)]
    return trades + quotes


FIRST = {
    "LATE": tape("LATE", without=(10, 11)),
    "REPAIR": tape("REPAIR", without=(10, 11)),
    "RESENT": tape("RESENT"),
    "ABSENT": tape("ABSENT", without=(10, 11)),
    "QUOTE": [row for row in tape("QUOTE") if row.get("update_id") != 10],
    "EDGE": tape("EDGE", without=(30,)),
    "MORE": tape("MORE", until=50),
    "STILL": tape("STILL"),
}


def bring_late(folder: Path) -> None:
    """The lines that come after the first build."""
    now = MIDNIGHT + 150 * MINUTE_US
    own = {"ts_recv": now, "event_time": now, "conn": 2}
    put(folder, "LATE", [trade("LATE", number, at(number), **own) for number in (10, 11)])
    own = {"ts_recv": now, "event_time": None, "source": "rest", "conn": None}
    lost = [trade("REPAIR", number, at(number), **own) for number in (10, 11)]
    write_repairs(folder / "data", "REPAIR", lost)
    put(folder, "RESENT", [row for row in tape("RESENT", until=20)])
    write_repairs(folder / "data", "ABSENT", [absent("ABSENT", 10, 11, at(10)) | {"ts_recv": now}])
    put(folder, "QUOTE", [quote("QUOTE", 10, at(10) + 1_000_000, bid="98.5")])
    write_repairs(folder / "data", "EDGE", [trade("EDGE", 30, at(30), **own)])
    put(folder, "MORE", [row for row in tape("MORE") if at(51) <= row["ts_recv"]])


TOUCHED = {
    "LATE": {("trades", DAY), ("bars_1s", DAY), ("tape_days", DAY), ("covers", NEXT_DAY)},
    "REPAIR": {("trades", DAY), ("bars_1s", DAY), ("tape_days", DAY)},
    "RESENT": {("tape_days", DAY)},
    "ABSENT": {("bars_1s", DAY), ("tape_days", DAY)},
    "QUOTE": {("quotes", DAY), ("bars_1s", DAY)},
    "EDGE": {("trades", DAY)}
    | {(name, day) for name in ("bars_1s", "tape_days") for day in (DAY, NEXT_DAY)},
    "MORE": {(name, NEXT_DAY) for name in ("trades", "quotes", "covers", "bars_1s", "tape_days")},
    "STILL": set(),
}


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory) -> tuple[Path, Path, dict, list[str]]:
    """The lake before its late lines and after, what was written between, the dry run before."""
    before = lakes.make(tmp_path_factory.mktemp("late") / "before")
    put(before, "_sessions", lakes.sessions(START, END + SECOND_US, SYMBOLS))
    for symbol, rows in FIRST.items():
        put(before, symbol, rows)
    lakes.bring(before)
    after = before.with_name("after")
    shutil.copytree(before, after)
    lakes.bring(after)
    bring_late(after)
    planned, stamps = lakes.dry(after), lakes.stamps(after)
    lakes.bring(after)
    return before, after, lakes.changed(stamps, lakes.stamps(after)), planned


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_exactly_the_files_that_late_lines_touch_are_written(before_and_after, symbol):
    _, _, written, _ = before_and_after
    touched = {place(name, symbol, day) for name, day in TOUCHED[symbol]}
    assert {name for name in written if f"/{symbol}/" in name} == touched


def test_the_bytes_of_all_other_files_are_what_they_were(before_and_after):
    before, after, written, _ = before_and_after
    assert lakes.changed(lakes.published(before), lakes.published(after)) == written


def test_the_dry_run_names_the_hours_of_raw_that_are_new(before_and_after):
    _, _, _, planned = before_and_after
    stages = {tuple(line.split()[1:4]) for line in planned if line.startswith("stage ")}
    assert stages == {
        ("LATE", NEXT_DAY, "02h"),
        ("REPAIR", DAY, "23h"),
        ("RESENT", DAY, "23h"),
        ("ABSENT", DAY, "23h"),
        ("QUOTE", DAY, "23h"),
        ("EDGE", DAY, "23h"),
        ("MORE", NEXT_DAY, "00h"),
    }
    assert not any("STILL" in line for line in planned)


def test_late_and_repaired_trades_turn_dark_seconds_into_traded_ones(before_and_after):
    before, after, _, _ = before_and_after
    query = """
        select symbol, state, count(*) from bars_1s
        where symbol in ('LATE', 'REPAIR', 'ABSENT') group by all order by all"""
    dark = [("dark", 8), ("partial", 4), ("quiet", 112), ("traded", 54)]
    assert states(lakes.ask(before, query)) == {"LATE": dark, "REPAIR": dark, "ABSENT": dark}
    expected = {
        "LATE": [("partial", 2), ("quiet", 118), ("traded", 58)],
        "REPAIR": [("partial", 2), ("quiet", 118), ("traded", 58)],
        "ABSENT": [("partial", 2), ("quiet", 120), ("traded", 56)],
    }
    assert states(lakes.ask(after, query)) == expected


def states(rows: list[tuple]) -> dict[str, list[tuple]]:
    found: dict[str, list[tuple]] = {}
    for symbol, state, count in rows:
        found.setdefault(symbol, []).append((state, count))
    return found


def test_the_certificate_tells_what_came_late(before_and_after):
    before, after, _, _ = before_and_after
    query = """
        select count, missing, duplicates, repaired, absent_upstream, verdict
        from tape where symbol = '{}' order by day"""
    assert lakes.ask(before, query.format("LATE"))[0] == (28, 2, 0, 0, 0, "incomplete")
    assert lakes.ask(after, query.format("LATE"))[0] == (30, 0, 0, 0, 0, "complete")
    assert lakes.ask(after, query.format("REPAIR"))[0] == (30, 0, 0, 2, 0, "complete")
    assert lakes.ask(after, query.format("RESENT"))[0] == (30, 0, 20, 0, 0, "complete")
    assert lakes.ask(after, query.format("ABSENT"))[0] == (28, 0, 0, 0, 2, "complete")
    assert [row[-1] for row in lakes.ask(before, query.format("EDGE"))] == ["incomplete"] * 2
    assert [row[-1] for row in lakes.ask(after, query.format("EDGE"))] == ["complete"] * 2


def test_a_late_quote_shows_in_its_second_and_until_the_next(before_and_after):
    before, after, _, _ = before_and_after
    query = f"""
        select bid from bars_1s
        where symbol = 'QUOTE' and epoch_us(window_start) between {at(10)} and {at(13)}
        order by window_start"""
    assert {bid for (bid,) in lakes.ask(before, query)} == {99.0}
    assert [bid for (bid,) in lakes.ask(after, query)] == [98.5] * 3 + [99.0] * 6


def test_the_same_lines_at_once_give_the_same_bytes(before_and_after, tmp_path):
    _, after, _, _ = before_and_after
    fresh = lakes.make(tmp_path / "fresh")
    shutil.copytree(after / "data" / "raw", fresh / "data" / "raw")
    lakes.bring(fresh)
    assert lakes.published(fresh) == lakes.published(after)
