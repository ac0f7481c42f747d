"""`lake demo`: the whole way in an empty folder, without network or configuration."""

import os
import re
import shlex

import lakes
import pytest
from click.testing import CliRunner

import lake


def of_children() -> float:
    """CPU seconds of all processes that have ended: others at work do not count."""
    spent = os.times()
    return spent.children_user + spent.children_system


@pytest.fixture(scope="module")
def toured(tmp_path_factory):
    """The folder of a demo, what it printed, and the CPU seconds that it took."""
    folder = tmp_path_factory.mktemp("demo")
    before = of_children()
    demo = lakes.process("demo", cwd=folder, PYTHONPATH=str(lakes.ROOT))
    output, errors = demo.communicate(timeout=100)
    assert demo.returncode == 0, errors
    return folder / "demo", output, of_children() - before


@pytest.mark.skipif(os.name == "nt", reason="Windows does not count what ended processes took")
def test_the_demo_takes_less_than_a_minute_also_of_one_core(toured):
    assert 0 < toured[2] < 60


def test_the_demo_prints_certificate_states_and_a_query(toured):
    _, output, _ = toured
    assert "certificate" in output
    assert re.search(r"\bdark\b", output) and re.search(r"\bSOLUSDT\b", output)
    assert "lake sql" in output and "lake.db" in output


def test_the_demo_shows_what_a_lost_connection_cost_and_how_it_comes_back(toured):
    folder, output, _ = toured
    before, after = output.split("6  Fetching")
    after = after[: after.index("7  Fetching")]
    rows = lakes.ask(folder, "select symbol, missing, repaired, verdict from tape order by symbol")
    assert [row[0] for row in rows] == ["BTCUSDT", "SOLUSDT", "XRPUSDT"]
    for symbol, missing, repaired, verdict in rows:
        assert (missing, verdict) == (0, "complete") and repaired > 0
        assert re.search(rf"{symbol} .* {repaired} +0 +incomplete", before)
        assert re.search(rf"{symbol} .* 0 +{repaired} +complete", after)
        assert f"{symbol}: {repaired:,} ids were missing, {repaired:,} fetched, 0 left" in after
    states = dict(lakes.ask(folder, "select state, count(*) from bars_1s group by state"))
    # the first and the last second of each symbol: nobody knows what lies beyond
    assert "dark" not in states and states["partial"] == 6


def test_the_demo_holds_its_bars_against_the_klines_of_the_exchange(toured):
    folder, output, _ = toured
    assert "lake backfill" in output and "R7   Bars equal official klines.  holds" in output
    verdicts = "select verdict, count(*) from compare_our_vs_kline_1m group by all order by all"
    [(equal, minutes), (incomplete, edges)] = lakes.ask(folder, verdicts)
    assert (equal, incomplete) == ("equal", "incomplete") and minutes >= 3 * 8 and edges <= 6


def test_the_demo_ends_with_the_summary_of_its_report(toured):
    folder, output, _ = toured
    summary = output[output.index("Can it be used?") :]
    assert len(re.findall(r"^   R\d+ ", summary, re.MULTILINE)) >= 13
    assert "INVESTIGATE: R11 broken, nothing critical" in summary
    [report] = (folder / "data" / "reports").glob("*.md")
    assert str(report.relative_to(folder.parent)) in summary
    assert report.read_text(encoding="utf-8").startswith("# Validation: INVESTIGATE")


def test_the_demo_shows_the_newest_of_macro_data_and_futures(toured):
    folder, output, _ = toured
    newest = "select arg_max(close, window_start) from macro_minute where ticker = 'SPY'"
    [(price,)] = lakes.ask(folder, newest)
    assert re.search(rf"macro_minute +SPY +{price}\n", output)
    for relation in ("dxy_synthetic_minute", "funding_oi_hourly"):
        assert re.search(rf"^   {relation} ", output, re.MULTILINE)
        assert lakes.ask(folder, f"select count(*) > 20 from {relation}") == [(True,)]


def test_the_demo_fits_a_terminal_of_80_columns(toured):
    assert max(map(len, toured[1].splitlines())) <= 80


def test_the_demo_ends_with_three_commands_that_can_be_typed_where_the_user_stands(
    toured, monkeypatch, tmp_path
):
    folder, output, _ = toured
    head, _, tail = output.partition("Try next:")
    words = [shlex.split(line) for line in tail.splitlines()[1:]]
    assert [line[:2] for line in words] == [["lake", "sql"], ["lake", "why"], ["lake", "init"]]
    monkeypatch.chdir(folder.parent)
    told = [CliRunner().invoke(lake.cli, line[1:]) for line in words[:2]]
    assert [result.exit_code for result in told] == [0, 0], told
    assert "SOLUSDT" in told[0].output
    # a trade of that second was lost with the connection, and fetched by its id
    assert "repair_" in told[1].output and "traded" in told[1].output
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(lake.cli, words[2][1:]).exit_code == 0
    assert (tmp_path / "my-lake" / "config.yml").exists()


def test_the_demo_leaves_a_lake_in_which_nothing_is_stale(toured):
    assert lakes.dry(toured[0]) == []
    assert (
        int(lakes.shell(toured[0], "select count(*) from bars_1m where symbol = 'SOLUSDT'")) >= 10
    )


def test_the_demo_refuses_a_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "precious.txt").write_text("mine")
    demo = lakes.process("demo", cwd=tmp_path, PYTHONPATH=str(lakes.ROOT))
    output, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "demo is not empty" in output + errors
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["precious.txt"]
