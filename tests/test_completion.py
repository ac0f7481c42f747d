"""Completion with Tab: what is proposed, from the lake at hand, and that nothing ever fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lakes
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from test_help import LEAVES

import lake
from runner.completion import SHELLS

BASH = shutil.which("bash") if os.name != "nt" else None
SCRIPT = shutil.which("lake", path=Path(sys.executable).parent)


def proposed(line: str) -> list[str]:
    """What is proposed for the last word of a line."""
    *words, last = line.split(" ")
    found = ShellComplete(lake.cli, {}, "lake", "_LAKE_COMPLETE").get_completions(words, last)
    return [item.value for item in found]


@pytest.fixture
def here(two_days, monkeypatch):
    monkeypatch.chdir(two_days)
    return two_days


@pytest.mark.parametrize(
    "line, expected",
    [
        ("bui", ["build"]),
        ("build --symbols SOL", ["SOLUSDT"]),
        ("build --symbols BTCUSDT,sol", ["BTCUSDT,SOLUSDT"]),
        ("build --symbols SOLUSDT,SOL", []),
        ("build --select tape_d", ["tape_days"]),
        ("build --select bars_1s,tape_d", ["bars_1s,tape_days"]),
        ("build --date 2025", [lakes.DAY, lakes.NEXT_DAY]),
        ("why BTC", ["BTCUSDT"]),
        ("describe latest", ["latest_price"]),
        ("lineage bars_1m.vw", ["bars_1m.vwap"]),
        ("lineage trades.tr", ["trades.trade_id"]),
        ("slice --tf 1", ["1s", "1m", "15m", "1h", "1d"]),
        ("macro --tickers SPY,EU", ["SPY,EURUSD=X"]),
        ("collect --symbols XR", ["XRPUSDT"]),
        ("completion z", ["zsh"]),
        ("build --config x --select r1_", []),
    ],
)
def test_names_come_from_the_lake_at_hand(here, line, expected):
    assert proposed(line) == expected


def test_a_query_is_completed_by_the_relation_after_from_or_join(here):
    complete = ShellComplete(lake.cli, {}, "lake", "_LAKE_COMPLETE").get_completions
    for begun, whole in (
        ("from latest", ["from latest_price"]),
        ("select * from trades\njoin daily_", ["select * from trades\njoin daily_summary"]),
        ("select pri", []),
        ("", []),
    ):
        assert [item.value for item in complete(["sql"], begun)] == whole


def test_another_lake_is_asked_where_one_is_named(here, tmp_path):
    config = "exchanges: [{name: binance, symbols: [DOGEUSDT]}]\n"
    other = lakes.make(tmp_path / "other", config)
    assert proposed(f"build --config {other} --symbols ") == ["DOGEUSDT"]


@pytest.mark.parametrize("config", [None, "general: [", "exchanges: 5\n"])
def test_nothing_is_proposed_and_nothing_fails_without_a_lake(tmp_path, monkeypatch, config):
    if config:
        (tmp_path / "config.yml").write_text(config)
    monkeypatch.chdir(tmp_path)
    for words in ("build --symbols ", "build --select ", "build --date ", "lineage ", "why "):
        assert proposed(words) == []
    assert proposed("slice --tf 5") == ["5m"]
    assert [path.name for path in tmp_path.iterdir()] == (["config.yml"] if config else [])


def test_every_option_of_names_completes():
    told = {"--symbols", "--select", "--date", "--tickers", "--macro-tickers"}
    plain = [
        f"{name} {option.opts[0]}"
        for name, command in LEAVES.items()
        for option in command.params
        if option.opts[0] in told and option._custom_shell_complete is None
    ]
    assert plain == ["init --symbols", "replay --symbols"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_printed(shell):
    told = CliRunner().invoke(lake.cli, ["completion", shell])
    assert told.exit_code == 0 and f"_LAKE_COMPLETE={shell}_complete" in told.output


def test_powershell_is_refused_in_a_sentence():
    told = CliRunner().invoke(lake.cli, ["completion", "powershell"])
    assert told.exit_code == 2 and "'bash', 'zsh', 'fish'" in told.output


@pytest.mark.skipif(not (BASH and SCRIPT), reason="no bash, or `lake` is not installed here")
def test_bash_completes_with_the_script_sourced(two_days):
    script = """
        eval "$(lake completion bash)"
        COMP_WORDS=(lake lineage bars_1m.v); COMP_CWORD=2
        _lake_completion lake; echo "${COMPREPLY[@]}"
        complete -p lake
        cd /; COMPREPLY=(); COMP_WORDS=(lake why '')
        _lake_completion lake; echo "none:${COMPREPLY[@]}"
    """
    path = f"{Path(SCRIPT).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [BASH, "--norc", "-c", script],
        capture_output=True,
        text=True,
        cwd=two_days,
        env={**os.environ, "PATH": path},
    )
    columns, made, none = done.stdout.splitlines()
    assert columns == "bars_1m.volume_base bars_1m.volume_quote bars_1m.vwap"
    assert "_lake_completion lake" in made and none == "none:" and done.stderr == ""


def test_a_proposal_loads_no_engine(two_days):
    words = "import os, sys, lake, atexit\n"
    told = (
        "atexit.register(lambda: print(sorted({'duckdb','jinja2','sqlglot'} & set(sys.modules))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{words}{told}lake.cli(prog_name='lake')"],
        capture_output=True,
        text=True,
        cwd=two_days,
        env={
            **os.environ,
            "PYTHONPATH": str(lakes.ROOT),
            "_LAKE_COMPLETE": "bash_complete",
            "COMP_WORDS": "lake lineage bars_1s.vw",
            "COMP_CWORD": "2",
        },
    )
    assert done.stdout.split() == ["plain,bars_1s.vwap", "[]"], done.stderr
