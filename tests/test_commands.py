"""The commands of the runner: what they print, how they refuse, what they exit with."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import lakes
import pytest
from lakes import ROOT
from test_build_editing import override

import lake
from runner.answer import Answer


def refusal(result) -> str:
    """What a command said when it refused."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output[result.output.index("Error: ") :].strip()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--date", "2025-02-30"],
        ["--date", "yesterday"],
        ["--threads", "0"],
        ["--select", "bars_1"],
        ["--unknown"],
        ["surplus"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(lake_folder, arguments):
    result = lakes.run(lake_folder, "build", *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_misspelt_relation_gets_a_hint(lake_folder):
    result = lakes.run(lake_folder, "build", "--select", "bars_1")
    assert result.exit_code == 2 and "did you mean 'bars_1" in result.output


def test_a_misspelt_symbol_gets_a_hint_and_builds_nothing(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    result = lakes.run(folder, "build", "--symbols", "SOLUSD,BTCUSDT")
    text = refusal(result)
    assert "SOLUSD" in text and "did you mean 'SOLUSDT'" in text


BROKEN = {
    "no such column": ("select symbol, pricee from bars_1s", "pricee", 4),
    "no such relation": ("select *\nfrom bars_2s", "bars_2s", 5),
    "no SQL": ("select from where", "", 4),
    "two statements": ("select 1 as one; select 2 as two", "", None),
    "unknown function": ("select symbol,\n  averag(close) as mean\nfrom bars_1s", "averag", 5),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_bad_sql_of_a_view_names_file_line_and_the_engines_message(two_days, tmp_path, kind):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    text, word, line = BROKEN[kind]
    (folder / "sql" / "views").mkdir(parents=True)
    head = "-- A view of my own.\n-- grain: symbol\n-- (a note)\n"
    (folder / "sql" / "views" / "my_view.sql").write_text(f"{head}{text}\n")
    lakes.put(folder, "SOLUSDT", [lakes.trade("SOLUSDT", 95, lakes.MIDNIGHT + 150_000_000)])
    result = lakes.run(folder, "build")
    told = refusal(result)
    assert str(Path("sql") / "views" / "my_view.sql") in told and word in told
    assert line is None or f"line {line}" in told
    query = "select max(last_trade_id) from bars_1s"
    assert lakes.shell(folder, query) in ("94\n", "95\n")


def test_bad_sql_of_a_model_names_file_line_and_message_and_publishes_the_rest(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    override(folder, "sql/bars/quote_bars_1s.sql", "from last_quotes", "from last_quotess")
    before = lakes.published(folder)
    told = refusal(lakes.run(folder, "build"))
    assert str(Path("sql") / "bars" / "quote_bars_1s.sql") in told
    assert "line 20" in told and "last_quotess" in told
    assert lakes.published(folder) == before


def test_one_mistake_is_told_once(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    override(folder, "sql/bars/quote_bars_1s.sql", "from last_quotes", "from last_quotess")
    told = refusal(lakes.run(folder, "build"))
    named = {path.name for path in (ROOT / "sql").glob("*/*.sql") if f"/{path.name}" in told}
    assert named == {"quote_bars_1s.sql"}


def test_an_undefined_name_in_a_template_names_file_and_line(lake_folder):
    (lake_folder / "sql" / "views").mkdir(parents=True)
    text = "-- Mine.\n-- grain: one\nselect 1 as one\nwhere {{ rules.max_spred_bps }} > 0\n"
    (lake_folder / "sql" / "views" / "my_view.sql").write_text(text)
    told = refusal(lakes.run(lake_folder, "build"))
    assert "my_view.sql, line 4" in told and "max_spred_bps" in told


@pytest.mark.parametrize(
    "name, text, word",
    [
        ("no_head.sql", "select 1 as one\n", "line 1"),
        ("odd_key.sql", "-- Mine.\n-- grian: one\nselect 1 as one\n", "line 2"),
        ("Odd-Name.sql", "-- Mine.\nselect 1 as one\n", "lower-case"),
        ("vwap.sql", "-- Mine.\nselect 1 as one\n", "vwap"),
        ("trades.sql", "-- Mine.\nselect 1 as one\n", "trades"),
        ("circle.sql", "-- Mine.\n-- grain: one\nselect * from circle2\n", "circle"),
    ],
)
def test_a_file_that_breaks_the_rules_of_models_is_refused(lake_folder, name, text, word):
    folder = lake_folder / "sql" / "views"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    if name == "circle.sql":
        other = text.replace("circle2", "circle")
        (folder / "circle2.sql").write_text(other)
    told = refusal(lakes.run(lake_folder, "build"))
    assert name.removesuffix(".sql") in told and word in told


def test_ls_lists_every_relation_and_marks_the_lakes_own(lake_folder):
    override(lake_folder, "macros/vwap.sql")
    (lake_folder / "sql" / "views").mkdir(parents=True)
    (lake_folder / "sql" / "views" / "my_view.sql").write_text(
        "-- What I need.\n-- grain: symbol\nselect distinct symbol from trades\n"
    )
    result = lakes.run(lake_folder, "ls")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    for path in (ROOT / "sql").glob("*/*.sql"):
        assert any(path.stem in line.split() and path.parent.name in line.split() for line in lines)
    assert any(line.startswith("*") and "my_view" in line for line in lines)
    assert any(line.startswith("*") and "vwap" in line for line in lines)
    assert "What I need." in result.output
    own = [line for line in lines if line.startswith("*")]
    assert len(own) == 3  # and the line that explains the mark
    assert max(map(len, lines)) <= 80


def test_graph_draws_every_relation_and_what_it_reads(lake_folder):
    result = lakes.run(lake_folder, "graph")
    assert result.exit_code == 0
    lines = [line.strip() for line in result.output.splitlines()]
    assert lines[0].startswith("graph ")
    assert "bars_1s --> bars_1m" in lines and "trades --> trade_bars_1s" in lines
    assert not any(
        line.split(" --> ")[0] == line.split(" --> ")[-1] for line in lines if "-->" in line
    )
    drawn = {line.split("[")[0] for line in lines}
    assert {path.stem for path in (ROOT / "sql").glob("*/*.sql")} <= drawn
    assert lines.count("end") == sum(line.startswith("subgraph ") for line in lines)


QUERY = """
    select symbol, count(*) as seconds, max(window_start) as last
    from bars_1s group by symbol order by symbol"""


def test_sql_prints_a_table_csv_or_json(two_days):
    table = lakes.run(two_days, "sql", QUERY).output
    assert "symbol" in table and "SOLUSDT" in table and "2025-10-21 00:01:53+00" in table
    rows = list(
        csv.DictReader(io.StringIO(lakes.run(two_days, "sql", QUERY, "--format", "csv").output))
    )
    assert [row["symbol"] for row in rows] == ["BTCUSDT", "SOLUSDT"]
    assert {row["seconds"] for row in rows} == {"7434"}
    told = lakes.run(two_days, "sql", QUERY, "--format", "json").output.splitlines()
    assert [json.loads(line)["seconds"] for line in told] == [7434, 7434]


def test_sql_gives_all_rows_as_csv_and_says_how_many_a_table_leaves_out(two_days):
    query = "select range as number from range(1000)"
    assert len(lakes.run(two_days, "sql", query, "--format", "csv").output.splitlines()) == 1001
    assert "more than these 200 rows" in lakes.run(two_days, "sql", query).output


def test_a_table_wider_than_the_terminal_leaves_out_what_tells_least_and_says_what(two_days):
    prices = ["window_start", "open", "high", "low", "close"]
    with lake.connect(two_days) as con:
        for query, shown, gone in (
            ("from bars_1s limit 3", prices, "exchange, symbol, day"),
            ("from bars_1m where symbol = 'SOLUSDT'", prices, "exchange, symbol"),
            ("from bars_1m order by window_start", ["symbol", *prices], "exchange"),
            ("from tape", ["symbol", "count", "missing", "verdict"], "exchange"),
        ):
            lines = "".join(Answer(con, query, "table", 80)).splitlines()
            assert max(map(len, lines)) <= 80
            assert set(shown) <= set(lines[0].split()), lines[0]
            assert lines[-1].startswith(f"… without {gone}") and "csv shows all)" in lines[-1]
        tight = "".join(Answer(con, "from latest_price", "table", 80))
        whole = "".join(Answer(con, "from bars_1s limit 3", "table"))
        csv_text = "".join(Answer(con, "from bars_1m limit 3", "csv", 80))
        narrow = "".join(Answer(con, "select symbol, close from bars_1s limit 3", "table", 80))
    assert " price " in tight and max(map(len, tight.splitlines())) <= 80 and "…" not in tight
    assert "vwap" in whole and "…" not in whole + narrow + csv_text
    assert csv_text.startswith("exchange,symbol,day,window_start,open,")


def test_sql_refuses_a_bad_query_with_the_engines_message(two_days):
    told = refusal(lakes.run(two_days, "sql", "from bars_1mm"))
    assert "bars_1m" in told
    assert lakes.run(two_days, "sql", QUERY, "--format", "xml").exit_code == 2


def test_sql_quotes_odd_values_as_csv_wants_it(two_days):
    query = "select 'a,\"b' as text, null as nothing, true as yes"
    text = lakes.run(two_days, "sql", query, "--format", "csv").output
    assert list(csv.reader(io.StringIO(text))) == [["text", "nothing", "yes"], ['a,"b', "", "true"]]


def test_the_shell_command_says_how_to_get_the_shell_where_there_is_none(two_days, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert "pip install duckdb-cli" in refusal(lakes.run(two_days, "shell"))


def test_the_shell_command_opens_the_lake_readonly_in_utc(two_days):
    done = subprocess.run(
        [sys.executable, "-m", "lake", "shell", "--config", str(two_days)],
        input="select current_setting('TimeZone'), count(*) from trades;\ncreate table x(y int);\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
    )
    assert "UTC" in done.stdout and "188" in done.stdout
    assert "read-only" in done.stderr + done.stdout


def test_the_shell_command_before_the_first_build_says_so(lake_folder):
    assert "lake build" in refusal(lakes.run(lake_folder, "shell"))


def test_a_lake_elsewhere_is_named_by_its_folder_or_its_file(two_days, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    query = "select count(*) from trades"
    for place in (two_days, two_days / "config.yml", two_days / "lake.db"):
        assert "188" in lakes.run(place, "sql", query).output


def test_a_build_that_finds_nothing_stale_loads_no_engine(two_days):
    script = (
        "import sys, lake\n"
        "try: lake.cli(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'duckdb', 'jinja2', 'sqlglot'} & set(sys.modules)))"
    )
    lakes.bring(two_days)
    done = subprocess.run(
        [sys.executable, "-c", script, "build", "--config", str(two_days)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
    assert "nothing is stale" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told_in_one_sentence(lake_folder):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lake", "ls", "--config", str(lake_folder)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert (
        done.stderr.startswith("Error: the disk is full: make room")
        and "--debug" not in done.stderr
    )


def test_a_damaged_file_without_rows_is_written_again(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    lakes.bring(folder)
    before = lakes.published(folder)
    for name in [name for name in before if "_schema" in name]:
        (folder / "data" / name).write_bytes(b"")
    assert lakes.dry(folder) == []  # no view waits anywhere
    lakes.bring(folder)
    assert lakes.published(folder) == before
