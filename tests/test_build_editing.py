"""Edited SQL, macros or config rebuild what reads them and no more; the dry run says so."""

import re
import shutil
from pathlib import Path

import lakes
import pytest

from runner.config import SHIPPED


@pytest.fixture
def folder(two_days, tmp_path) -> Path:
    """A built lake of one's own, in which nothing is stale."""
    folder = shutil.copytree(two_days, tmp_path / "lake")
    lakes.bring(folder)
    assert lakes.dry(folder) == []
    return folder


def override(folder: Path, name: str, old: str = "", new: str = "") -> None:
    """Copy a shipped SQL file into the lake's folder, with a change."""
    text = (SHIPPED / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def told(folder: Path) -> set[str]:
    """The files that a dry run says it would publish; no raw may be staged."""
    names = set()
    for line in lakes.dry(folder):
        if match := re.match(r"publish  (\w+) (\S+) (\S+)  \(.+\)$", line):
            names.add(lakes.place(*match.groups()))
        else:
            assert line.startswith("catalog  "), line
    return names


def rebuilt(folder: Path) -> set[str]:
    """The files that a build wrote."""
    before = lakes.stamps(folder)
    lakes.bring(folder)
    assert lakes.dry(folder) == []
    return lakes.changed(before, lakes.stamps(folder))


def all_of(folder: Path, *relations: str) -> set[str]:
    return {
        lakes.place(relation, symbol, day)
        for relation in relations
        for symbol in ("SOLUSDT", "BTCUSDT")
        for day in (lakes.DAY, lakes.NEXT_DAY)
    }


def test_an_edited_macro_rebuilds_what_uses_it_and_says_why(folder):
    override(
        folder, "macros/vwap.sql", "sum(volume_quote)::double /", "1 + sum(volume_quote)::double /"
    )
    query = "select sum(vwap) from bars_1s where state = 'traded'"
    before, bars = lakes.ask(folder, query), all_of(folder, "bars_1s")
    assert all("macros/vwap.sql changed" in line for line in lakes.dry(folder) if "bars_1s" in line)
    assert rebuilt(folder) == bars
    count = lakes.ask(folder, "select count(*) from bars_1s where state = 'traded'")[0][0]
    assert lakes.ask(folder, query)[0][0] == pytest.approx(before[0][0] + count)


def test_taking_an_edit_back_brings_the_old_bytes_back(folder):
    before = lakes.published(folder)
    override(
        folder, "macros/vwap.sql", "sum(volume_quote)::double /", "2 * sum(volume_quote)::double /"
    )
    lakes.bring(folder)
    assert lakes.published(folder) != before
    shutil.rmtree(folder / "macros")
    assert told(folder) == all_of(folder, "bars_1s")
    lakes.bring(folder)
    assert lakes.published(folder) == before


def test_a_comment_or_a_space_makes_nothing_stale_and_leaves_lake_db_alone(folder):
    for name in (
        "sql/bars/trade_bars_1s.sql",
        "sql/staging/lines.sql",
        "macros/vwap.sql",
        "sql/views/bars_1m.sql",
    ):
        override(folder, name, "\n", "  \n  -- a thought of mine\n")
    before = lakes.stamps(folder), (folder / "lake.db").stat().st_mtime_ns
    assert lakes.dry(folder) == []
    assert lakes.bring(folder).is_empty
    assert (lakes.stamps(folder), (folder / "lake.db").stat().st_mtime_ns) == before


def test_an_edited_view_rewrites_the_catalog_only(folder):
    override(folder, "sql/views/latest_price.sql", "where close is not null", "where close > 0")
    lines = lakes.dry(folder)
    assert len(lines) == 1
    assert lines[0].startswith("catalog  lake.db") and "view latest_price changed" in lines[0]
    assert rebuilt(folder) == set()
    text = lakes.shell(folder, "select sql from duckdb_views() where view_name = 'latest_price'")
    assert "> 0" in text


def test_an_own_view_and_an_own_macro_are_there_after_the_build(folder):
    (folder / "sql" / "views").mkdir(parents=True)
    (folder / "sql" / "views" / "my_range.sql").write_text(
        "-- The range of each minute.\n-- grain: symbol, window_start\n"
        "select symbol, window_start, doubled(high - low) as price_range from bars_1m\n"
    )
    (folder / "macros").mkdir()
    (folder / "macros" / "doubled.sql").write_text("create or replace macro doubled(x) as 2 * x\n")
    assert rebuilt(folder) == set()
    query = "select count(*), max(price_range) from my_range"
    assert lakes.ask(folder, query)[0][0] > 0
    assert lakes.shell(folder, query).startswith(f"{lakes.ask(folder, query)[0][0]},")
    shutil.rmtree(folder / "sql")
    assert rebuilt(folder) == set()
    assert (
        lakes.shell(folder, "select count(*) from duckdb_views() where view_name = 'my_range'")
        == "0\n"
    )


def test_an_edited_model_of_the_bars_rebuilds_bars_from_ticks_without_raw(folder):
    for symbol in ("SOLUSDT", "BTCUSDT"):
        shutil.rmtree(folder / "data" / "raw" / "binance" / symbol)
    override(folder, "sql/bars/quote_bars_1s.sql", "arg_max(", "arg_min(")
    assert told(folder) == all_of(folder, "bars_1s")
    assert rebuilt(folder) == all_of(folder, "bars_1s")


def test_an_edited_certificate_rebuilds_certificates_only(folder):
    override(folder, "sql/gapfill/tape_days.sql", "'incomplete'", "'has holes'")
    assert told(folder) == all_of(folder, "tape_days")
    assert rebuilt(folder) == all_of(folder, "tape_days")


def test_an_edited_staging_file_stages_all_raw_again_and_publishes_what_changed(folder):
    override(folder, "sql/staging/staged_trades.sql", "'buy'", "'bought'")
    lines = lakes.dry(folder)
    stages = [line for line in lines if line.startswith("stage ")]
    assert len(stages) == 2 * 4
    assert all("sql/staging/staged_trades.sql changed" in line for line in stages)
    assert rebuilt(folder) >= all_of(folder, "trades")
    sides = lakes.ask(folder, "select distinct side from trades order by side")
    assert sides == [("bought",), ("sell",)]


def test_a_staging_edit_that_changes_no_row_publishes_no_bar(folder):
    edited = "select\n    trade_id + 0 as trade_id,"
    override(folder, "sql/staging/staged_trades.sql", "select\n    trade_id,", edited)
    assert not rebuilt(folder) & all_of(folder, "bars_1s", "tape_days", "covers")


def test_the_config_of_dark_seconds_rebuilds_bars_only(folder):
    (folder / "config.yml").write_text("gapfill:\n  dark: previous_close\n")
    assert told(folder) == all_of(folder, "bars_1s")
    assert rebuilt(folder) == all_of(folder, "bars_1s")


def test_the_compression_of_bars_is_a_setting(folder):
    (folder / "config.yml").write_text("transformer:\n  parquet_compression: zstd\n")
    lakes.bring(folder, full_refresh=True)
    import duckdb

    path = folder / "data" / lakes.place("bars_1s", "SOLUSDT", lakes.DAY)
    query = "select distinct compression from parquet_metadata($1)"
    assert duckdb.execute(query, [str(path)]).fetchall() == [("ZSTD",)]


def test_a_dry_run_changes_nothing_on_disk(tmp_path):
    folder = lakes.make_two_days(tmp_path / "lake")
    before = sorted(path for path in (folder / "data" / "raw").rglob("*"))
    lines = lakes.dry(folder)
    assert any(line.startswith("stage    SOLUSDT 2025-10-20 21h") for line in lines)
    assert any(line.startswith("catalog  lake.db") for line in lines)
    assert sorted(path for path in (folder / "data" / "raw").rglob("*")) == before
    assert lakes.files(folder) == [] and not (folder / "lake.db").exists()


def test_what_is_selected_is_built_and_the_rest_stays_stale(folder):
    override(
        folder, "macros/vwap.sql", "sum(volume_quote)::double /", "3 * sum(volume_quote)::double /"
    )
    before = lakes.stamps(folder)
    lakes.bring(folder, symbols=frozenset({"SOLUSDT"}), day=lakes.DAY)
    only = {lakes.place("bars_1s", "SOLUSDT", lakes.DAY)}
    assert lakes.changed(before, lakes.stamps(folder)) == only
    assert told(folder) == all_of(folder, "bars_1s") - only
    lakes.bring(folder, select="tape_days")
    assert told(folder) == all_of(folder, "bars_1s") - only
    lakes.bring(folder, select="trades+")
    assert told(folder) == set()
