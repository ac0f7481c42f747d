"""What once went wrong in a build or could: each test holds the rows or files that showed it."""

import json
from collections.abc import Iterator
from pathlib import Path

import lakes
import pytest
from lakes import MIDNIGHT, NOON, quote, sessions, trade
from raw_lines import SECOND_US, micros

from runner.config import SHIPPED

IN_2099 = micros("2099-04-16T05:20:00Z")
COUNTS = "select (select count(*) from trades), (select count(*) from quotes)"


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = lakes.make_two_days(tmp_path / "lake")
    lakes.bring(folder)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = lakes.make_two_days(tmp_path_factory.mktemp("built") / "lake")
    lakes.bring(folder)
    return folder


@pytest.fixture
def mine(built) -> Iterator[Path]:
    """Where a stored relation of one's own would stand, in a built lake that is refused with it."""
    before = lakes.published(built)
    path = built / "sql" / "bars" / "mine.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path
    path.unlink()
    assert lakes.published(built) == before


def test_an_edited_tick_file_rebuilds_the_bars_and_taking_it_back_brings_them_back(folder):
    before = lakes.published(folder)
    own = folder / "sql" / "staging" / "trades.sql"
    own.parent.mkdir(parents=True)
    text = (SHIPPED / "sql" / "staging" / "trades.sql").read_text(encoding="utf-8")
    own.write_text(text.replace("\n    price,", "\n    (price * 2)::decimal(18, 8) as price,"))
    assert any("bars_1s" in line and "trades.sql" in line for line in lakes.dry(folder))
    lakes.bring(folder)
    query = "select (select max(price) from trades)::double, (select max(high) from bars_1s)"
    [(price, high)] = lakes.ask(folder, query)
    assert price == high > 200
    own.unlink()
    lakes.bring(folder)
    assert lakes.published(folder) == before


def test_lines_stamped_2099_are_rejects_and_stretch_nothing(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    good = [trade("BTCUSDT", number, NOON + number * SECOND_US) for number in (1, 2)]
    good.append(quote("BTCUSDT", 1, NOON))
    odd = [quote("BTCUSDT", 2, IN_2099), trade("BTCUSDT", 3, IN_2099, ts_recv=NOON)]
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in [*good, *odd])
    lakes.part(folder, "BTCUSDT", NOON, lines)
    lakes.put(folder, "_sessions", sessions(NOON, NOON + 60 * SECOND_US, ["BTCUSDT"]))
    lakes.bring(folder)
    assert lakes.ask(folder, COUNTS) == [(2, 1)]
    assert lakes.ask(folder, "select count(*), max(day)::varchar from tape") == [(1, lakes.DAY)]
    reasons = lakes.ask(folder, "select reason from rejects order by line")
    assert ["more than a day" in reason for (reason,) in reasons] == [True, True]
    assert not [path for path in lakes.published(folder) if "2099" in path]


def test_from_raw_refuses_an_hour_whose_staged_parts_are_gone(folder):
    kept = lakes.ask(folder, COUNTS)
    parts = sorted((folder / "data" / "raw" / "binance" / "SOLUSDT" / lakes.DAY).iterdir())
    parts[0].unlink()
    result = lakes.run(folder, "build", "--from-raw", "--symbols", "SOLUSDT")
    assert result.exit_code == 1 and "1 raw parts" in result.output and "SOLUSDT" in result.output
    assert lakes.ask(folder, COUNTS) == kept


def test_late_lines_join_an_hour_whose_parts_are_gone_with_the_workshop_or_without(folder):
    parts = sorted((folder / "data" / "raw" / "binance" / "SOLUSDT" / lakes.NEXT_DAY).iterdir())
    for path in parts:
        path.unlink()
    lakes.put(folder, "SOLUSDT", [trade("SOLUSDT", 95, MIDNIGHT + 150 * SECOND_US)])
    lakes.bring(folder)
    query = "select count(*), count(distinct trade_id) from trades where symbol = 'SOLUSDT'"
    assert lakes.ask(folder, query) == [(95, 95)]


def test_a_damaged_hour_part_is_staged_again(folder):
    before = lakes.published(folder)
    damaged = next((folder / "data" / "work" / "staged").rglob("trades.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:50])
    for path in (folder / "data" / "parquet" / "binance").rglob("*.parquet"):
        path.unlink()
    lakes.bring(folder)
    assert lakes.published(folder) == before


@pytest.mark.parametrize(
    "pattern",
    [
        "mine/{exchange}/{day}",
        "mine/{exchange}/{symbol}",
        "mine/{exchange}/{symbol}/{day}/x",
        "mine/{ticker}/{symbol}/{day}",
        "../outside/{exchange}/{symbol}/{day}",
        "/mine/{exchange}/{symbol}/{day}",
        "raw/{exchange}/{symbol}/{day}",
        "parquet/{exchange}/{symbol}/{day}",
    ],
)
def test_a_place_that_published_files_cannot_have_is_refused(built, mine, pattern):
    head = f"-- Mine.\n-- grain: exchange, symbol, window_start\n-- file: {pattern}\n"
    mine.write_text(head + "select * from bars_1s\n")
    result = lakes.run(built, "build")
    assert result.exit_code == 1 and "mine.sql" in result.output
    assert result.output.startswith("Error: ") and result.output.count("\n") == 1


@pytest.mark.parametrize("relation", ["klines", "macro_minute"])
def test_a_relation_of_symbols_that_reads_files_of_something_else_is_refused(built, mine, relation):
    head = "-- Mine.\n-- grain: exchange, symbol, day\n-- file: mine/{exchange}/{symbol}/{day}\n"
    query = f"select distinct 'a' as exchange, 'b' as symbol, day from {relation}\n"
    mine.write_text(head + query)
    result = lakes.run(built, "build")
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert "mine.sql: is stored by symbol and day, and" in result.output


def test_odd_text_in_a_view_does_not_break_the_catalog(folder):
    (folder / "sql" / "views").mkdir(parents=True)
    text = "-- Odd;\n\n-- grain: a\nselect 'x;\n\ny' as a\n"
    (folder / "sql" / "views" / "odd.sql").write_text(text)
    lakes.bring(folder)
    assert lakes.ask(folder, "select a from odd") == [("x;\n\ny",)]


def test_a_view_called_like_a_word_of_ours_does_not_answer_for_another_query(folder):
    (folder / "sql" / "views").mkdir(parents=True)
    (folder / "sql" / "views" / "relation.sql").write_text("-- Mine.\nselect 7 as a\n")
    lakes.bring(folder)
    result = lakes.run(folder, "sql", "select 1 as b", "--format", "csv")
    assert result.output == "b\n1\n"


def test_without_a_lake_db_a_broken_view_keeps_only_itself_out(folder):
    (folder / "lake.db").unlink()
    (folder / "sql" / "views").mkdir(parents=True)
    (folder / "sql" / "views" / "broken.sql").write_text("-- Mine.\nselect nope from bars_1s\n")
    result = lakes.run(folder, "build")
    assert result.exit_code == 1 and "broken.sql" in result.output
    assert lakes.shell(folder, "select count(*) > 0 from bars_1s") == "true\n"
