"""What is gone is never a reason to lose more: missing raw, workshop or ticks."""

import shutil
from pathlib import Path

import lakes
import pytest
from lakes import DAY, MIDNIGHT, NEXT_DAY, place, trade
from raw_lines import SECOND_US, write_repairs
from test_build_editing import override


@pytest.fixture
def folder(two_days, tmp_path) -> Path:
    """A built lake of one's own."""
    folder = shutil.copytree(two_days, tmp_path / "lake")
    lakes.bring(folder)
    return folder


def remove(folder: Path, *names: str) -> None:
    for name in names:
        shutil.rmtree(folder / "data" / name)


def last_part(folder: Path, symbol: str = "SOLUSDT") -> Path:
    """The last raw part of the first day: 23:59."""
    return sorted((folder / "data" / "raw" / "binance" / symbol / DAY).iterdir())[-1]


def test_raw_that_is_gone_makes_nothing_stale(folder):
    remove(folder, "raw")
    assert lakes.dry(folder) == []
    before = lakes.stamps(folder)
    lakes.bring(folder)
    assert lakes.stamps(folder) == before


def test_raw_and_workshop_that_are_gone_make_nothing_stale(folder):
    remove(folder, "raw", "work")
    before = lakes.stamps(folder)
    lakes.bring(folder)
    assert lakes.stamps(folder) == before
    assert lakes.dry(folder) == []


def test_without_raw_and_workshop_an_edited_formula_rebuilds_bars_from_ticks(folder):
    query = "select sum(vwap), count(*) from bars_1s where state = 'traded'"
    [(before, count)] = lakes.ask(folder, query)
    stamps = lakes.stamps(folder)
    remove(folder, "raw", "work")
    override(
        folder, "macros/vwap.sql", "sum(volume_quote)::double /", "1 + sum(volume_quote)::double /"
    )
    lakes.bring(folder)
    written = lakes.changed(stamps, lakes.stamps(folder))
    assert written == {
        place("bars_1s", symbol, day)
        for symbol in ("SOLUSDT", "BTCUSDT")
        for day in (DAY, NEXT_DAY)
    }
    assert lakes.ask(folder, query) == [(pytest.approx(before + count), count)]


def test_without_raw_and_workshop_deleted_bars_come_back_as_they_were(folder):
    before = lakes.published(folder)
    remove(folder, "raw", "work", "parquet", "tape")
    lakes.bring(folder)
    assert lakes.published(folder) == before


def test_a_tick_file_that_nothing_can_restore_is_reported_lost_and_the_bars_stay(folder):
    remove(folder, "raw", "work")
    lost = place("trades", "SOLUSDT", DAY)
    (folder / "data" / lost).unlink()
    before = lakes.stamps(folder)
    result = lakes.run(folder, "build")
    assert result.exit_code == 1
    assert "SOLUSDT" in result.output and DAY in result.output and "BTCUSDT" not in result.output
    assert lakes.stamps(folder) == before


def test_a_quote_file_that_nothing_can_restore_is_reported_lost_and_the_bars_stay(folder):
    remove(folder, "raw", "work")
    (folder / "data" / place("quotes", "SOLUSDT", DAY)).unlink()
    before = lakes.stamps(folder)
    result = lakes.run(folder, "build")
    assert result.exit_code == 1
    assert "SOLUSDT" in result.output and DAY in result.output
    assert lakes.stamps(folder) == before


@pytest.mark.parametrize("after_s", [200, 4000], ids=["same hour", "another hour"])
def test_late_lines_are_merged_with_ticks_whose_raw_is_gone(folder, after_s):
    before = lakes.published(folder)
    count = "select count(*), max(trade_id) from trades where symbol = 'SOLUSDT'"
    assert lakes.ask(folder, count) == [(94, 94)]
    remove(folder, "raw", "work")
    late = MIDNIGHT + after_s * SECOND_US
    own = {"source": "rest", "ts_recv": late + SECOND_US, "conn": None}
    write_repairs(folder / "data", "SOLUSDT", [trade("SOLUSDT", 95, late, **own)])
    lakes.bring(folder)
    assert lakes.ask(folder, count) == [(95, 95)]
    touched = {place(name, "SOLUSDT", NEXT_DAY) for name in ("trades", "bars_1s", "tape_days")}
    assert lakes.changed(before, lakes.published(folder)) == touched
    assert lakes.dry(folder) == []


def test_raw_that_is_gone_in_part_loses_no_trade(folder):
    before = lakes.published(folder)
    last_part(folder).unlink()
    remove(folder, "work")
    lakes.bring(folder)
    assert lakes.published(folder) == before
    assert lakes.dry(folder) == []


def forget_trades(folder: Path) -> None:
    """Staging that no longer sees the trades 60 to 63 of SOLUSDT, all of the first day's end."""
    lost = "where is_trade and not ('{{ symbol }}' = 'SOLUSDT' and trade_id between 60 and 63)"
    override(folder, "sql/staging/staged_trades.sql", "where is_trade", lost)


def test_a_build_that_would_lose_trades_refuses_in_one_sentence(folder):
    before = lakes.published(folder)
    forget_trades(folder)
    result = lakes.run(folder, "build")
    assert result.exit_code == 1 and "Traceback" not in result.output
    told = [line for line in result.output.splitlines() if "SOLUSDT" in line and DAY in line]
    assert any("4" in line and "trades" in line and "--from-raw" in line for line in told)
    kept = {place(name, "SOLUSDT", DAY) for name in ("trades", "quotes", "bars_1s", "tape_days")}
    assert not lakes.changed(before, lakes.published(folder)) & kept


def test_a_loss_can_be_accepted_from_raw(folder):
    forget_trades(folder)
    assert lakes.attempt(folder)
    result = lakes.run(folder, "build", "--from-raw", "--symbols", "SOLUSDT")
    assert result.exit_code == 0, result.output
    assert lakes.ask(folder, "select count(*) from trades where symbol = 'SOLUSDT'") == [(90,)]
    assert lakes.ask(folder, "select sum(missing) from tape where symbol = 'SOLUSDT'") == [(4,)]
    assert lakes.dry(folder) == []


def test_a_new_part_in_an_hour_whose_other_raw_is_gone_loses_no_trade(folder):
    for path in (folder / "data" / "raw" / "binance" / "SOLUSDT" / NEXT_DAY).iterdir():
        path.unlink()
    late = MIDNIGHT + 150 * SECOND_US
    lakes.put(folder, "SOLUSDT", [trade("SOLUSDT", 95, late)])
    lakes.attempt(folder)
    ids = lakes.ask(
        folder, "select count(*), min(trade_id), max(trade_id) from trades where symbol = 'SOLUSDT'"
    )
    assert ids in ([(94, 1, 94)], [(95, 1, 95)])
    bars = lakes.ask(folder, "select sum(trade_count) from bars_1s where symbol = 'SOLUSDT'")
    assert bars in ([(94,)], [(95,)])


def test_what_fails_in_one_symbol_stops_no_other(folder):
    forget_trades(folder)
    lakes.put(folder, "BTCUSDT", [trade("BTCUSDT", 95, MIDNIGHT + 200 * SECOND_US)])
    assert lakes.attempt(folder)
    query = "select symbol, count(*) from trades group by symbol order by symbol"
    assert lakes.ask(folder, query) == [("BTCUSDT", 95), ("SOLUSDT", 94)]
