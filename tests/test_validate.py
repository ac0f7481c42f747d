"""`lake validate`: one verdict on a range, and a report that says why."""

import json
import shutil
from pathlib import Path

import duckdb
import lakes
import pytest
from lakes import DAY, MIDNIGHT, NEXT_DAY, trade
from raw_answers import give_klines
from raw_lines import SECOND_US, micros
from test_rules import seal

RANGE = ("--start", DAY, "--end", "2025-10-22")
HOUR_US = 3600 * SECOND_US


@pytest.fixture
def folder(two_days, tmp_path) -> Path:
    return shutil.copytree(two_days, tmp_path / "lake")


def validate(folder: Path, *options: str, code: int = 0) -> dict:
    """What a validation found, as its JSON tells."""
    result = lakes.run(folder, "validate", *options)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    [path] = (folder / "data" / "logs" / "validation").glob("*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    assert f"{found['verdict']}: {found['reason']}" in result.output
    return found


def broken(found: dict) -> dict[str, set[tuple]]:
    """Rule → symbol and time of each violation."""
    return {
        result["label"]: {(row["symbol"], row["window_start"]) for row in result["rows"]}
        for result in found["results"]
        if result["violations"]
    }


def outcome(found: dict, label: str) -> tuple[str, str]:
    [result] = [result for result in found["results"] if result["label"] == label]
    return result["outcome"], result["why"]


def details(found: dict, label: str) -> str:
    [result] = [result for result in found["results"] if result["label"] == label]
    return "\n".join(row["detail"] for row in result["rows"])


def rewrite(folder: Path, relation: str, symbol: str, day: str, *queries: str) -> None:
    """Put the rows of queries on `old`, the rows of a published file, in its place."""
    path = folder / "data" / lakes.place(relation, symbol, day)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"create table old as from read_parquet('{path}', hive_partitioning = false)")
        for query in queries[:-1]:
            con.execute(query)
        con.execute(f"copy ({queries[-1]}) to '{path}' (format parquet)")


def at(time: str, day: str = DAY) -> str:
    return f"where window_start = timestamptz '{day} {time}+00'"


def bars(folder: Path, symbol: str, *statements: str) -> None:
    rewrite(folder, "bars_1s", symbol, DAY, *statements, "from old order by window_start")


def test_a_table_of_the_lakes_own_may_begin_with_a_byte_order_mark(folder):
    own = folder / "reports" / "validation" / "7_own.sql"
    own.parent.mkdir(parents=True)
    own.write_bytes("\ufeff-- Own table\nselect 42 as answer".encode())
    sections = {one["title"]: one["rows"] for one in validate(folder, *RANGE)["sections"]}
    assert sections["Own table"] == [[42]]


def test_what_cannot_be_remembered_fails_nothing(folder):
    lakes.bring(folder)  # the copy's catalog names its own paths
    work = folder / "data" / "work"
    shutil.rmtree(work)
    work.write_bytes(b"")  # as good as a folder that may not be written
    assert validate(folder, *RANGE)["verdict"] == "PASS"
    assert work.read_bytes() == b""


def test_a_clean_lake_passes_and_the_report_says_what_was_looked_at(folder):
    found = validate(folder, *RANGE)
    assert found["verdict"] == "PASS" and broken(found) == {}
    assert found["bars"] == 14_868 and found["symbols"] == ["BTCUSDT", "SOLUSDT"]
    assert found["start"] == "2025-10-20T00:00:00Z" and found["end"] == "2025-10-22T00:00:00Z"
    assert found["first_bar"] == "2025-10-20T21:58:00Z" and len(found["fingerprint"]) == 16
    assert found["versions"].keys() == {"market-lake", "duckdb", "python"}
    assert outcome(found, "R7") == ("not applicable", "no klines")
    assert outcome(found, "R12") == ("not applicable", "nothing is sealed")


def report(folder: Path) -> str:
    [path] = (folder / "data" / "reports").glob("validation_*.md")
    return path.read_text(encoding="utf-8")


def test_the_report_has_its_headings_and_reads_as_plain_text(folder, tmp_path):
    target = tmp_path / "elsewhere" / "mine.md"
    validate(folder, *RANGE, "--report", str(target))
    assert not (folder / "data" / "reports").exists()
    text = target.read_text(encoding="utf-8")
    lines = text.splitlines()
    headings = [line for line in lines if line.startswith("#")]
    assert headings[:4] == [
        "# Validation: PASS",
        "## Run Metadata",
        "## Validation Summary",
        "## Detailed Violations",
    ]
    assert headings[-1] == "## Overall Assessment" and all(line.rstrip() == line for line in lines)
    assert "| Rule | Description" in text and "% violated |" in text
    assert [line for line in lines if len(line) > 80] == []
    assert "| SOLUSDT | 2025-10-20 | .....................0## |" in lines


PLANTED = {
    "R1": ("BTCUSDT", "2025-10-20T23:10:00Z"),
    "R2": ("SOLUSDT", "2025-10-20T23:20:00Z"),
    "R3": ("BTCUSDT", "2025-10-20T22:30:00Z"),
    "R4": ("SOLUSDT", "2025-10-20T22:40:00Z"),
    "R5": ("BTCUSDT", "2025-10-20T22:50:00Z"),
    "R6": ("SOLUSDT", "2025-10-20T22:55:00Z"),
    "R7": ("BTCUSDT", "2025-10-20T22:00:07Z"),
    "R8": ("SOLUSDT", "2025-10-21T00:00:00Z"),
    "R9": ("BTCUSDT", "2025-10-21T00:00:00Z"),
    "R10": ("SOLUSDT", "2025-10-21T00:00:00Z"),
    "R11": ("BTCUSDT", "2025-10-20T23:55:00Z"),
    "R12": ("XRPUSDT", "2025-10-20T00:00:00Z"),
    "R13": ("SOLUSDT", "2025-10-20T00:00:00Z"),
}


def plant(folder: Path) -> None:
    """One fault for each rule, at the places of PLANTED."""
    bars(
        folder,
        "BTCUSDT",
        f"update old set high = low - 0.5 {at('23:10:00')}",
        f"update old set ask = bid - 1 {at('22:30:00')}",
        "delete from old where window_start >= timestamptz '2025-10-20 22:50:00+00' "
        "and window_start < timestamptz '2025-10-20 22:50:10+00'",
    )
    bars(
        folder,
        "SOLUSDT",
        f"update old set volume_base = -1 {at('23:20:00')}",
        f"update old set close = 'nan' {at('22:40:00')}",
        f"update old set spread = 50 {at('22:55:00')}",
    )
    tape = "select * replace (5::bigint as missing, 'incomplete' as verdict) from old"
    rewrite(folder, "tape_days", "SOLUSDT", NEXT_DAY, tape)
    twice = "from old union all from old where update_id = 320 order by update_id"
    rewrite(folder, "quotes", "BTCUSDT", NEXT_DAY, twice)
    rewrite(folder, "covers", "SOLUSDT", NEXT_DAY, "select exchange, day, symbol, * from old")
    shorter = "select * replace (timestamptz '2025-10-20 23:55:00+00' as end_at) from old"
    rewrite(folder, "covers", "BTCUSDT", DAY, shorter)
    late = "select * replace (ts_recv + interval 10 seconds as ts_recv) from old order by trade_id"
    rewrite(folder, "trades", "SOLUSDT", DAY, late)
    sealed = folder / "data" / lakes.place("quotes", "XRPUSDT", DAY)
    content = bytearray(sealed.read_bytes())
    content[content.rindex(b"DuckDB")] ^= 1  # who wrote it: no row is another
    sealed.write_bytes(content)


def test_planted_faults_are_named_each_once_at_their_places_and_nothing_else(tmp_path):
    folder = lakes.make_two_days(tmp_path / "lake", ("SOLUSDT", "BTCUSDT", "XRPUSDT"))
    seal(folder, "--symbols", "XRPUSDT")
    first, other = (micros(f"2025-10-20T22:00:{second}Z") // 1000 for second in ("00", "07"))
    give_klines(
        folder,
        lambda rows, symbol, interval: [
            [*row[:5], f"{float(row[5]) + 1:.8f}", *row[6:]]
            if (symbol, row[0]) == ("BTCUSDT", other)
            else row
            for row in rows
            if interval == "1s" and row[0] < first + 60_000
        ],
    )
    plant(folder)
    found = validate(folder, *RANGE, code=3)
    assert broken(found) == {label: {place} for label, place in PLANTED.items()}
    assert {result["violations"] for result in found["results"]} == {1}
    assert found["verdict"] == "FAIL"
    assert found["reason"] == "R1, R2, R3, R4, R8, R9, R10 and R12 rule its use out"
    text = report(folder)
    for label, (symbol, time) in PLANTED.items():
        assert f"### {label}: " in text and f"{symbol}  {time}  " in text
    assert "missing: 10 bars, until 2025-10-20 22:50:10 UTC" in text
    assert "update_id 320 is there 2 times" in text and "off for 300.0 s" in text
    assert "volume_base" in details(found, "R7") and "10.00 s late" in details(found, "R13")


def test_twelve_hours_of_missing_trades_do_not_pass(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    rows = [trade("SOLUSDT", 100 + n, MIDNIGHT - 13 * HOUR_US + n * SECOND_US) for n in range(60)]
    rows += [trade("SOLUSDT", 900 + n, MIDNIGHT - HOUR_US + n * SECOND_US) for n in range(60)]
    lakes.put(folder, "SOLUSDT", rows)
    lakes.bring(folder)
    found = validate(folder, "--start", DAY, "--end", NEXT_DAY, code=3)
    assert found["verdict"] == "FAIL" and "R8" in found["reason"]
    assert "incomplete: 740 trade ids are missing" in details(found, "R8")
    assert "dark: 43140 bars, until 2025-10-20 23:00:00 UTC" in details(found, "R5")
    assert "off for 43141.0 s" in details(found, "R11")
    assert "| SOLUSDT | 2025-10-20 | ...........0...........0 |" in report(folder)


@pytest.mark.parametrize("tf", ["1s", "1m"])
def test_bars_cut_out_of_a_day_do_not_pass(folder, tf):
    hour = "delete from old where epoch_us(window_start) // 3600000000 % 24 = 22"
    bars(folder, "SOLUSDT", hour)
    found = validate(folder, *RANGE, "--tf", tf, code=3)
    assert ("SOLUSDT", "2025-10-20T22:00:00Z") in broken(found)["R5"]
    bars_missing = {"1s": 3600, "1m": 60}[tf]
    assert f"missing: {bars_missing} bars, until 2025-10-20 23:00:00" in details(found, "R5")
    assert "the bars hold" in details(found, "R8")


def test_the_end_of_a_day_that_is_gone_does_not_pass(folder):
    bars(folder, "SOLUSDT", f"delete from old {at('23:58:00').replace('=', '>=')}")
    found = validate(folder, *RANGE, code=3)
    assert ("SOLUSDT", "2025-10-20T23:58:00Z") in broken(found)["R5"]


def test_every_row_three_times_does_not_pass(folder):
    thrice = "from old union all from old union all from old order by window_start"
    rewrite(folder, "bars_1s", "SOLUSDT", DAY, thrice)
    found = validate(folder, *RANGE, code=3)
    assert found["reason"] == "R8 and R9 rule its use out"
    assert "| R9   |" in report(folder) and "7,320" in report(folder)
    assert "is there 3 times" in details(found, "R9")
    assert ("SOLUSDT", "2025-10-20T21:58:00Z") in broken(found)["R5"]
    assert "the first 25 of them" in report(folder)


def test_a_negative_volume_does_not_pass(folder):
    bars(folder, "BTCUSDT", f"update old set volume_base = -5 {at('23:00:00')}")
    found = validate(folder, *RANGE, code=3)
    assert broken(found) == {"R2": {("BTCUSDT", "2025-10-20T23:00:00Z")}}
    assert "volumes -5.0" in details(found, "R2")


def test_a_negative_quantity_of_the_exchange_does_not_pass(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    quantities = ["1", "-3", "1"]
    lakes.put(
        folder,
        "SOLUSDT",
        [
            trade("SOLUSDT", n, lakes.NOON + n * SECOND_US, "100", qty)
            for n, qty in enumerate(quantities)
        ],
    )
    lakes.bring(folder)
    found = validate(folder, "--start", DAY, "--end", NEXT_DAY, code=3)
    assert found["verdict"] == "FAIL" and found["results"]


@pytest.mark.parametrize("options", [(), RANGE], ids=["by default", "of a range"])
def test_no_data_fails_with_a_report(lake_folder, options):
    found = validate(lake_folder, *options, code=3)
    assert found["verdict"] == "FAIL" and "there is no data" in found["reason"]
    assert "nothing is recorded in this lake yet: `lake collect`" in found["reason"]
    assert report(lake_folder).startswith("# Validation: FAIL\n")
    assert {result["outcome"] for result in found["results"]} == {"not applicable"}


def test_a_range_without_data_fails_and_names_the_newest_day(folder):
    found = validate(folder, "--start", "2025-11-01", "--end", "2025-11-03", code=3)
    assert "there is no data" in found["reason"] and "2025-10-21" in found["reason"]


def test_a_live_lake_whose_collector_died_long_ago_fails_by_default(folder):
    found = validate(folder, code=3)
    assert "there is no data" in found["reason"] and found["start"] > "2026"


def test_a_lake_of_the_past_is_asked_for_its_last_two_days_by_default(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    for name, rows in lakes.two_days(["SOLUSDT"]).items():
        if name != "_sessions":
            lakes.put(folder, name, rows)
    lakes.bring(folder)
    found = validate(folder)
    assert (found["start"], found["end"]) == ("2025-10-20T00:00:00Z", "2025-10-22T00:00:00Z")
    # two hours without a message, and no session that says the stream was on
    assert set(broken(found)) == {"R11"} and found["verdict"] == "INVESTIGATE"


def test_a_symbol_that_was_not_recorded_with_the_others_is_named(folder):
    for relation in ("bars_1s", "tape_days", "trades", "quotes", "covers"):
        (folder / "data" / lakes.place(relation, "SOLUSDT", NEXT_DAY)).unlink()
    found = validate(folder, *RANGE)
    assert found["verdict"] == "INVESTIGATE"
    assert broken(found) == {"R5": {("SOLUSDT", "2025-10-21T00:00:00Z")}}
    assert "not recorded" in details(found, "R5") and "not recorded" in report(folder)


def test_a_day_before_the_first_one_is_named_only_where_it_was_asked_for(folder):
    found = validate(folder, "--start", "2025-10-19", "--end", "2025-10-22")
    assert broken(found)["R5"] == {
        ("BTCUSDT", "2025-10-19T00:00:00Z"),
        ("SOLUSDT", "2025-10-19T00:00:00Z"),
    }


def test_a_part_of_a_day_is_checked_by_itself(folder):
    bars(folder, "SOLUSDT", f"update old set volume_base = -5 {at('22:30:00')}")
    times = ("--start", "2025-10-20T23:00:00Z", "--end", "2025-10-21T01:00:00+01:00")
    found = validate(folder, *times, "--symbols", "SOLUSDT")
    assert found["verdict"] == "PASS" and found["bars"] == 3600
    before = ("--start", "2025-10-20T22:00Z", "--end", "2025-10-20T22:30:01Z")
    assert "R2" in validate(folder, *before, code=3)["reason"]


def test_spreads_fail_only_where_too_many_are_wide(folder):
    bars(folder, "SOLUSDT", f"update old set spread = 50 {at('22:30:00')}")
    assert validate(folder, *RANGE)["verdict"] == "INVESTIGATE"
    bars(folder, "SOLUSDT", "update old set spread = 50 where second(window_start) = 7")
    found = validate(folder, *RANGE, code=3)
    assert found["verdict"] == "FAIL" and set(broken(found)) == {"R6"}


def test_thresholds_are_those_of_the_configuration(folder):
    config = folder / "config.yml"
    config.write_text(config.read_text() + "rules:\n  max_spread_bps: 100\n")
    found = validate(folder, *RANGE, code=3)
    assert set(broken(found)) == {"R6"} and "max_spread_bps 100 (config.yml)" in found["thresholds"]


def test_klines_are_checked_in_the_place_of_bars(folder):
    hole = ("SOLUSDT", "1m", micros("2025-10-20T23:05:00Z") // 1000)
    give_klines(
        folder,
        lambda rows, *of: [row for row in rows if (*of, row[0]) != hole],
    )
    found = validate(folder, *RANGE, "--source", "klines")
    assert found["verdict"] == "PASS" and found["bars"] == 14_868, found["reason"]
    assert outcome(found, "R7") == ("kept", "")
    assert "| BTCUSDT | 1s |    7,434 |" in report(folder)
    assert "| BTCUSDT | 1m |      124 |" in report(folder)
    found = validate(folder, *RANGE, "--source", "klines", "--tf", "1m")
    assert broken(found) == {"R5": {("SOLUSDT", "2025-10-20T23:05:00Z")}}


def test_klines_that_nobody_has_fetched_are_no_data(folder):
    found = validate(folder, *RANGE, "--source", "klines", code=3)
    assert "no klines of 1s" in found["reason"]


R14 = """-- No bar has too many trades.
-- severity: minor
-- breaks: update checked_bars set trade_count = 1000
select exchange, symbol, window_start, format('{} trades', trade_count) as detail
from checked_bars
where trade_count >= {{ rules.max_spread_bps }}
"""


def own_rule(folder: Path, name: str, text: str) -> None:
    (folder / "sql" / "rules").mkdir(parents=True, exist_ok=True)
    (folder / "sql" / "rules" / f"{name}.sql").write_text(text, encoding="utf-8")


def test_a_rule_is_added_by_one_file(folder):
    own_rule(folder, "r14_few_trades", R14)
    found = validate(folder, *RANGE)
    assert outcome(found, "R14") == ("kept", "") and found["verdict"] == "PASS"
    assert "| R14  | No bar has too many trades. |" in report(folder)
    bars(folder, "SOLUSDT", f"update old set trade_count = 500 {at('23:00:00')}")
    found = validate(folder, *RANGE, code=3)
    assert broken(found)["R14"] == {("SOLUSDT", "2025-10-20T23:00:00Z")}
    assert "### R14: No bar has too many trades." in report(folder)


def test_a_rule_is_listed_but_neither_built_nor_a_view(folder):
    own_rule(folder, "r14_few_trades", R14)
    assert lakes.bring(folder).units == []
    listed = lakes.run(folder, "ls").output
    assert "* rules    r14_few_trades" in listed and "No bar has too many trades." in listed
    views = "select count(*) from duckdb_views() where view_name similar to 'r\\d+_.*'"
    assert lakes.ask(folder, views) == [(0,)] and lakes.shell(folder, views) == "0\n"


@pytest.mark.parametrize(
    "change, word",
    [
        (("severity: minor", "severity: mild"), "critical, major, minor"),
        (("-- breaks: update checked_bars set trade_count = 1000\n", ""), "breaks"),
        (("as detail", "as details"), "a rule returns exchange, symbol, window_start, detail"),
        (("from checked_bars", "from checked_bar"), "checked_bar"),
        (("trade_count >=", "trade_counts >="), "line 6"),
        (("max_spread_bps", "max_sprad_bps"), "line 6"),
        (("-- severity", "-- severityy"), "line 2"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_rule_that_is_wrong_is_refused_by_its_file(folder, change, word):
    own_rule(folder, "r14_few_trades", R14.replace(*change))
    result = lakes.run(folder, "validate", *RANGE)
    assert result.exit_code == 1 and "r14_few_trades.sql" in result.output and word in result.output
    assert "Traceback" not in result.output
    assert not (folder / "data" / "reports").exists()


@pytest.mark.parametrize("relation", ["bars_1s", "trades", "tape_days"])
def test_a_file_that_cannot_be_read_fails_and_is_named(folder, relation):
    path = folder / "data" / lakes.place(relation, "SOLUSDT", DAY)
    path.write_bytes(path.read_bytes()[:-100])
    found = validate(folder, *RANGE, code=3)
    assert found["verdict"] == "FAIL" and "cannot be read" in found["reason"]
    assert details(found, "R10") == f"{relation}: not readable as Parquet"


def test_a_file_that_is_in_the_way_is_named(folder):
    path = folder / "data" / lakes.place("bars_1s", "SOLUSDT", DAY)
    shutil.copy(path, path.with_name("2025-10-20 (copy).parquet"))
    found = validate(folder, *RANGE, code=3)
    assert "2025-10-20 (copy).parquet" in details(found, "R10")
    assert "R9" in broken(found)


def test_only_the_files_of_the_days_asked_for_are_opened(folder):
    for name, path in lakes.files(folder):
        if DAY in name and "covers" not in name and "sessions" not in name:
            path.write_bytes(b"this is no Parquet file")
    found = validate(folder, "--start", NEXT_DAY, "--end", "2025-10-22")
    assert found["verdict"] == "PASS" and found["bars"] == 228


@pytest.mark.parametrize(
    "options, code, word",
    [
        (("--symbols", "solusdt"), 1, "did you mean 'SOLUSDT'"),
        (("--symbols", "SOLUSDT,NOPE"), 1, "nothing of NOPE"),
        (("--start", "yesterday"), 2, "2025-10-20"),
        (("--start", "2025-02-30"), 2, "2025-10-20"),
        (("--end", "9999-01-01"), 2, "no time"),
        (("--start", NEXT_DAY, "--end", DAY), 2, "--start must lie before --end"),
        (("--tf", "5m"), 2, "1m"),
        (("--source", "trades"), 2, "klines"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_one_sentence(folder, options, code, word):
    result = lakes.run(folder, "validate", *options)
    assert result.exit_code == code and word in result.output
    assert "Traceback" not in result.output and not (folder / "data" / "reports").exists()


def test_a_place_where_no_report_can_be_written_is_told(folder, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = lakes.run(folder, "validate", *RANGE, "--report", str(tmp_path / "file" / "r.md"))
    assert result.exit_code == 1 and "r.md" in result.output
    assert "Traceback" not in result.output


def test_the_time_zone_of_the_machine_changes_nothing(folder):
    validate(folder, *RANGE)
    here = report(folder).splitlines()
    there = lakes.process(
        "validate", *RANGE, "--config", str(folder), TZ="America/New_York", cwd=lakes.ROOT
    )
    _, errors = there.communicate(timeout=60)
    assert there.returncode == 0, errors
    changed = set(here) ^ set(report(folder).splitlines())
    assert all(line.startswith("- Run at") for line in changed)


def test_the_report_of_a_test_run_says_so(folder):
    config = folder / "config.yml"
    config.write_text(config.read_text() + "testing: {enabled: true, base_path: test}\n")
    (folder / "data").rename(folder / "test")
    lakes.bring(folder)
    result = lakes.run(folder, "validate", *RANGE)
    [written] = (folder / "test" / "reports").glob("validation_*.md")
    assert result.exit_code in (0, 3) and "\nMODE: TEST\n" in written.read_text(encoding="utf-8")
    [found] = (folder / "test" / "logs" / "validation").glob("*.json")
    assert json.loads(found.read_text(encoding="utf-8"))["mode"] == "TEST"
