"""`lake check`: what a whole lake is accepted by, and what it is refused for."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import lakes
import pytest
from lakes import DAY, MIDNIGHT, NEXT_DAY, place, put, quote, trade
from raw_answers import minute, put_minutes
from raw_lines import SECOND_US, session
from test_validate import at, bars, rewrite

CONFIG = "exchanges:\n  - name: binance\n    symbols: [SOLUSDT]\ncompact:\n  lateness_minutes: 0\n"
HOUR_US = 3600 * SECOND_US


def replayed(folder: Path) -> Path:
    """A built lake of one symbol over a midnight, recorded from a replay, its first day sealed."""
    lakes.make(folder, CONFIG)
    for name, rows in lakes.two_days(["SOLUSDT"]).items():
        modes = [row | {"mode": "replay"} if row.get("event") == "start" else row for row in rows]
        put(folder, name, modes)
    result = lakes.run(folder, "compact")
    assert result.exit_code == 0 and f"sealed SOLUSDT {DAY}" in result.output, result.output
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    return replayed(tmp_path_factory.mktemp("clean") / "lake")


@pytest.fixture
def folder(clean, tmp_path) -> Path:
    """The clean lake, one's own; its catalog goes with it, so that it need not be made anew."""
    place = shutil.copytree(clean, tmp_path / "lake")
    catalog = place / "data" / "catalog.sql"
    text = catalog.read_text(encoding="utf-8")
    catalog.write_text(text.replace(clean.as_posix(), place.as_posix()), encoding="utf-8")
    return place


def check(folder: Path, *options: str) -> dict:
    """What a check says, as JSON; its exit code must be that of its verdict."""
    result = lakes.run(folder, "check", "--json", *options)
    found = json.loads(result.output)
    assert result.exit_code == (3 if found["verdict"] == "FAIL" else 0)
    return found


def said(found: dict, verdict: str) -> dict[str, str]:
    """Check → sentence, of the checks that have a verdict."""
    return {one["name"]: one["sentence"] for one in found["checks"] if one["verdict"] == verdict}


def failing(folder: Path, *options: str) -> dict[str, str]:
    found = check(folder, *options)
    assert found["verdict"] == "FAIL"
    return said(found, "FAIL")


def rows(found: dict, name: str) -> list[str]:
    """All that one check has found."""
    [one] = [one for one in found["checks"] if one["name"] == name]
    return one["rows"]


def flip(path: Path, at: int) -> None:
    """Turn one bit of a file over."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_clean_lake_passes_with_a_line_a_check(clean):
    found = check(clean, "--deep")
    assert found["verdict"] == "PASS" and len(said(found, "PASS")) == 13, found
    assert "5 sealed files, 5 of them hashed" in said(found, "PASS")["archives"]
    result = lakes.run(clean, "check")
    lines = result.output.splitlines()
    assert result.exit_code == 0 and lines[-1] == "PASS: all 13 checks hold"
    names = [line.split()[1] for line in lines if line.startswith("PASS  ")]
    assert names == [one["name"] for one in found["checks"]]
    assert max(map(len, lines[2:])) <= 80  # the first may hold a long path


def test_a_check_changes_nothing_and_leaves_nothing_stale(folder):
    lakes.bring(folder)  # a copy names its own paths in lake.db
    before = lakes.stamps(folder)
    check(folder, "--deep")
    assert lakes.stamps(folder) == before and lakes.dry(folder) == []


def test_an_empty_lake_fails(lake_folder):
    assert failing(lake_folder).keys() == {"data"}


def test_twelve_hours_without_trades_fail(tmp_path):
    folder = lakes.make(tmp_path / "lake", CONFIG)
    for first, start in ((100, MIDNIGHT - 13 * HOUR_US), (900, MIDNIGHT - HOUR_US)):
        put(
            folder,
            "SOLUSDT",
            [trade("SOLUSDT", first + n, start + n * SECOND_US) for n in range(60)],
        )
    lakes.bring(folder)
    [(name, sentence)] = failing(folder).items()
    assert name == "continuity" and "SOLUSDT 2025-10-20: 740 trade ids are missing" in sentence
    assert "43,140 seconds are dark" in sentence


def test_minutes_cut_out_of_a_day_fail(folder):
    cut = f"delete from old where window_start >= timestamptz '{DAY} 22:00:00+00' "
    bars(folder, "SOLUSDT", cut + f"and window_start < timestamptz '{DAY} 23:00:00+00'")
    assert "3,600 of 7,320 seconds have no bar" in failing(folder)["continuity"]


def test_every_row_three_times_fails_in_each_relation(folder):
    relations = ["bars_1s", "covers", "quotes", "tape_days", "trades"]
    for relation in relations:
        thrice = "from old union all from old union all from old"
        forge(folder, relation, NEXT_DAY, thrice)
    found = check(folder)
    assert found["verdict"] == "FAIL" and "lake build" in said(found, "FAIL")["duplicates"]
    told = {row.split(": ")[1] for row in rows(found, "duplicates")}
    assert told == set(relations)


def forge(folder: Path, relation: str, day: str, query: str) -> None:
    """Other rows in a published file, under the metadata that it had."""
    path = folder / "data" / place(relation, "SOLUSDT", day)
    with duckdb.connect() as con:
        pairs = con.execute(
            f"select decode(key), decode(value) from parquet_kv_metadata('{path}')"
        ).fetchall()
        con.execute(f"create table old as from read_parquet('{path}', hive_partitioning = false)")
        listed = ", ".join(
            "'{}': '{}'".format(key, value.replace("'", "''"))
            for key, value in pairs
            if key.startswith("lake.")
        )
        con.execute(f"copy ({query}) to '{path}' (format parquet, kv_metadata {{{listed}}})")


def test_deep_finds_one_key_twice_where_the_count_of_rows_is_right(folder):
    last = "(select max(update_id) from old)"
    other = f"from old where update_id <> {last} union all from old where update_id = 320"
    forge(folder, "quotes", NEXT_DAY, other)
    assert check(folder)["verdict"] == "PASS"
    assert "update_id 320 is there 2 times" in failing(folder, "--deep")["duplicates"]


def test_bars_that_cannot_be_fail_each_at_its_place(folder):
    changes = ["volume_base = -5", "high = low - 0.5", "close = 'nan'", "ask = bid - 1"]
    statements = [
        f"update old set {change} {at(f'00:01:0{number}', NEXT_DAY)}"
        for number, change in enumerate(changes)
    ]
    rewrite(folder, "bars_1s", "SOLUSDT", NEXT_DAY, *statements, "from old")
    found = check(folder)
    assert found["verdict"] == "FAIL"
    told = ["volumes -5.0", "open", "close nan", "bid"]
    for number, (row, word) in enumerate(zip(rows(found, "ohlc"), told, strict=True)):
        assert row.startswith(f"SOLUSDT {NEXT_DAY} 00:01:0{number}: ") and word in row


def test_columns_that_are_not_declared_and_files_of_others_fail(folder):
    rewrite(folder, "covers", "SOLUSDT", NEXT_DAY, "select exchange, day, symbol, * from old")
    sentence = failing(folder)["schemas"]
    assert sentence.startswith(f"SOLUSDT {NEXT_DAY}: covers: ") and "1 more like it" in sentence


def test_a_file_that_cannot_be_read_fails_and_is_named(folder):
    path = folder / "data" / place("bars_1s", "SOLUSDT", NEXT_DAY)
    path.write_bytes(path.read_bytes()[:100])
    found = failing(folder)
    assert {"schemas", "ohlc", "continuity", "data"} <= found.keys()
    assert path.name in found["ohlc"] and "lake build" in found["ohlc"]


def test_an_archive_that_cannot_be_read_is_not_taken_for_none(folder):
    [path] = (folder / "data" / "archive" / "binance").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:50])
    assert failing(folder)["archives"].startswith("could not be checked: ")


def test_a_sealed_file_of_another_size_and_one_that_is_gone_fail(folder):
    path = folder / "data" / place("trades", "SOLUSDT", DAY)
    path.write_bytes(path.read_bytes() + b"x")
    assert "bytes, sealed with" in failing(folder)["archives"]
    path.unlink()
    found = failing(folder)
    assert "the sealed file is gone" in found["archives"]
    assert "its tape holds 0 of" in found["continuity"]
    advice = f"build --from-raw --symbols SOLUSDT --date {DAY}"
    assert f"without one, run `lake {advice}`, then `lake compact`" in found["archives"]
    assert lakes.run(folder, "build").exit_code == 1
    assert [lakes.run(folder, *words.split()).exit_code for words in (advice, "compact")] == [0, 0]
    assert check(folder, "--deep")["verdict"] == "PASS"


def test_one_flipped_bit_in_a_sealed_file_is_found(folder):
    path = folder / "data" / place("quotes", "SOLUSDT", DAY)
    flip(path, path.read_bytes().rindex(b"DuckDB"))  # who wrote it: no row is another
    [(name, sentence)] = failing(folder).items()
    assert name == "archives" and f"SOLUSDT {DAY}: quotes: another sha256" in sentence


def test_older_sealed_days_are_hashed_by_deep_only_and_days_not_recorded_fail(folder):
    for day in (2, 3):
        late = MIDNIGHT + day * 24 * HOUR_US
        rows = [trade("SOLUSDT", 93 + day, late), quote("SOLUSDT", 9000 + day, late + SECOND_US)]
        put(folder, "SOLUSDT", rows)
    lakes.run(folder, "compact")
    flip(folder / "data" / place("trades", "SOLUSDT", DAY), 10)
    [(name, sentence)] = failing(folder).items()
    assert name == "continuity" and "SOLUSDT 2025-10-22: not recorded" in sentence
    assert f"SOLUSDT {DAY}: trades: another sha256" in failing(folder, "--deep")["archives"]


def test_packed_raw_is_read_part_by_part_with_deep(folder):
    flip(folder / "data" / "raw" / "binance" / "SOLUSDT" / f"{DAY}.jsonl.zst", 20)
    assert check(folder)["verdict"] == "PASS"
    sentence = failing(folder, "--deep")["archives"]
    assert f"{DAY}.jsonl.zst" in sentence and "is damaged" in sentence


def warned(folder: Path, *options: str) -> dict[str, str]:
    found = check(folder, *options)
    assert found["verdict"] == "PASS_WITH_WARNINGS", found
    return said(found, "WARN")


def test_sums_that_do_not_agree_with_the_archive_warn(folder):
    [path] = (folder / "data/ticks/binance/quotes/SOLUSDT").glob("SHA256SUMS")
    path.write_text("")
    assert "SHA256SUMS and relation archive" in warned(folder)["archives"]


def test_a_live_lake_is_held_against_the_clock(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    lakes.make(folder, CONFIG)
    assert "SOLUSDT: its newest bar is of 2025-10-21" in warned(folder)["freshness"]


def test_a_replayed_lake_is_held_against_its_newest_receive_time(folder):
    late = MIDNIGHT + 5 * HOUR_US
    put(folder, "_sessions", [session("start", late, mode="replay")])
    put(folder, "SOLUSDT", [trade("SOLUSDT", 95, late)])
    sentence = warned(folder)["freshness"]
    assert "5.0 hours before 2025-10-21 05:00:00 UTC" in sentence and "lake build" in sentence


def test_symbols_of_the_configuration_without_data_warn(folder):
    lakes.make(folder, CONFIG.replace("[SOLUSDT]", "[SOLUSDT, XRPUSDT, ADAUSDT]"))
    assert "2 of its symbols have no bar in the lake: ADAUSDT, XRPUSDT" in warned(folder)["config"]


def test_a_disk_that_is_nearly_full_warns(folder):
    lakes.make(folder, CONFIG + "check:\n  min_free_days: 10000\n")
    base = folder / "data"
    free = shutil.disk_usage(base).free
    (base / "logs").mkdir(exist_ok=True)
    with (base / "logs" / "big.log").open("wb") as file:
        file.truncate(free // 1000)  # a sparse file: it has the size, not the blocks
    assert "room for" in warned(folder)["room"]


ORPHANS = [
    "notes.txt",
    "parquet/binance/SOLUSDT/copy.parquet",
    "raw/binance/SOLUSDT/2025-10-20/part_1.csv",
    "raw/binance/SOL USDT",
    "mine/binance/SOLUSDT/year=2025/month=10/day=20/2025-10-20.parquet",
]


def test_files_that_nothing_reads_warn(folder):
    paths = [folder / "data" / name for name in ORPHANS]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    found = check(folder)
    assert found["verdict"] == "PASS_WITH_WARNINGS"
    named = {row.partition(": no relation")[0] for row in rows(found, "orphans")}
    assert named == set(map(str, paths))


def test_known_places_hold_no_orphans(folder):
    for name in (
        "raw/binance/SOLUSDT/2025-10-21/part_100.jsonl.open",
        "raw/_rejected/x.jsonl",
        "work/x",
        "logs/x",
        "reports/x.md",
        "parquet/.DS_Store",
        "build.lock",
    ):
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert "orphans" in said(check(folder), "PASS")


def test_a_file_of_another_name_among_the_days_fails(folder):
    path = folder / "data" / place("bars_1s", "SOLUSDT", DAY)
    shutil.copy(path, path.with_name("copy.parquet"))
    found = failing(folder)
    assert "no file of a day" in found["schemas"] and "orphans" not in found


def test_builds_beside_a_check_make_no_fault(folder):
    lakes.bring(folder)

    def build() -> None:
        for number in range(95, 97):
            moment = MIDNIGHT + (200 + number) * SECOND_US
            put(folder, "SOLUSDT", [trade("SOLUSDT", number, moment)])
            lakes.bring(folder)

    with ThreadPoolExecutor(1) as pool:
        building, found = pool.submit(build), []
        while not building.done():
            found.append(check(folder)["verdict"])
        building.result()
    assert set(found) == {"PASS"}


def test_macro_data_are_checked_when_they_are_there(folder):
    assert said(check(folder), "PASS")["macro"] == (
        "There are no macro data; `lake macro` fetches them."
    )
    lakes.make(folder, CONFIG + "macro_minute:\n  tickers: [SPY, UUP, ES=F]\n")
    for ticker in ("SPY", "UUP"):
        put_minutes(folder, ticker, ([minute(lakes.NOON)], lakes.MIDNIGHT))
    lakes.bring(folder)
    told = said(check(folder), "WARN")["macro"]
    assert "1 of its tickers have no minute in the lake: ES=F" in told
    place = "macro/minute/SPY/year=2025/month=10/day=20/2025-10-20.parquet"
    path = folder / "data" / place
    with duckdb.connect() as con:
        con.execute(f"create table old as from '{path}'")
        con.execute("update old set high = 0.5")
        con.execute(f"copy old to '{path}'")
    told = said(check(folder), "FAIL")["macro"]
    assert "SPY 2025-10-20 12:00:00: open 100.0 high 0.5" in told


def test_the_test_lake_is_checked_in_testing_mode(folder):
    (folder / "data").rename(folder / "data-test")
    found = check(folder, "--testing")
    assert found["verdict"] == "PASS" and found["data"].endswith("data-test")
    assert failing(folder).keys() == {"data"}
    lakes.make(folder, CONFIG + "testing:\n  enabled: true\n")
    again = check(folder)
    assert (again["verdict"], again["data"]) == ("PASS", found["data"])


def test_a_configuration_that_cannot_be_used_fails_in_both_forms(folder):
    lakes.make(folder, CONFIG + "check:\n  min_free_days: -1\n")
    assert "min_free_days" in failing(folder)["config"]
    result = lakes.run(folder, "check")
    assert result.exit_code == 3 and result.output.split()[:2] == ["FAIL", "config"]


def test_a_check_of_ones_own_is_one_file(folder):
    own = folder / "sql" / "checks" / "check_bitcoin.sql"
    own.parent.mkdir(parents=True)
    own.write_text(
        "-- There is bitcoin.\n-- checks: select 'all symbols'\n"
        "select 'WARN' as verdict, 'here' as place, 'none' as detail, 'record it' as advice\n"
        "where not exists (from bars_1s where symbol = 'BTCUSDT')\n"
    )
    assert warned(folder) == {"bitcoin": "here: none; record it."}
    own.write_text(own.read_text().replace("WARN", "BAD"))
    result = lakes.run(folder, "check")
    assert result.exit_code == 1 and "a verdict is FAIL or WARN; this one BAD" in result.output
    own.write_text("-- There is bitcoin.\n-- checks: select 1\nselect 1 as one\n")
    result = lakes.run(folder, "check")
    assert result.exit_code == 1 and "a check returns verdict, place, detail" in result.output
    own.write_text("-- There is bitcoin.\nselect 1 as one\n")
    result = lakes.run(folder, "check")
    assert result.exit_code == 1 and "must hold `-- checks:`" in result.output


def test_raw_lines_that_cannot_be_read_are_a_warning(folder):
    lakes.part(folder, "SOLUSDT", MIDNIGHT + 60 * SECOND_US, b"no JSON\n")
    lakes.bring(folder)
    found = said(check(folder), "WARN")
    assert "1 unreadable lines: not JSON in UTF-8" in found["rejects"]
    assert f"SOLUSDT {NEXT_DAY}" in found["rejects"]
