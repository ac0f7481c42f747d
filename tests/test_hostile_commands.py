"""Commands and their options with anything for a value: one sentence and an exit code, no trace."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import lakes
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lake
from runner.config import load

# Those that go on until they are stopped; their options are checked like the others'.
ENDLESS = {"collect", "replay", "demo", "shell", "run", "dashboard"}
BRIEF = sorted(set(lake.cli.commands) - ENDLESS)
ODD = [
    "",
    "-",
    "--",
    "x",
    "../../x",
    "/",
    "/dev/null/x",
    "\u00e9",
    "币",
    "1",
    "-1",
    "0",
    "1e9",
    "nan",
]
ODD += [
    "9" * 30,
    "inf",
    "2025-10-20",
    "2025-13-45",
    "2025-10-20T12:00:00Z",
    "20251020",
    "yesterday",
]
ODD += ["0000-00-00", "99999-01-01", "SOLUSDT", ",", "SOLUSDT,,", "solusdt", "BTC USDT", "x'; drop"]
ODD += ["{{ 7*7 }}", "bars_1s", "bars_1s+", "+", "nosuch", "select 1", "from nosuch", "select", ";"]
ODD += [
    "select 1; select 2",
    "drop table x",
    "*",
    "x" * 5000,
    "http://127.0.0.1:1",
    "foo://",
    "csv",
]
VALUES = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@st.composite
def lines(draw) -> list[str]:
    """A command with some of its options, each with an odd value, in their order or with a word
    too many."""
    name = draw(st.sampled_from(BRIEF))
    words = [name]
    for option in lake.cli.commands[name].params:
        if isinstance(option, click.Argument):
            words += draw(st.lists(VALUES, min_size=1, max_size=1) | st.just([]))
        elif option.name not in ("config", "config_file") and draw(st.booleans()):
            words.append(draw(st.sampled_from(option.opts)))
            words += [] if option.is_flag else [draw(VALUES)]
    return words + draw(st.just([]) | st.lists(VALUES, max_size=1))


def check(folder, words: list[str]) -> None:
    """Run it in a folder of its own."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    here = [] if words[0] == "init" else ["--config", str(folder)]
    before = Path.cwd()
    os.chdir(home)
    try:
        result = CliRunner().invoke(lake.cli, words[:1] + here + words[1:])
    finally:
        os.chdir(before)
        shutil.rmtree(home)
    assert result.exit_code in (0, 1, 2, 3), words
    assert result.exception is None or isinstance(result.exception, SystemExit), words
    assert "Traceback" not in result.output and "shows where" not in result.output, result.output
    assert result.exit_code == 0 or result.output.strip(), words


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A lake without data that is built: a command on it does not read all SQL anew."""
    folder = lakes.make(tmp_path_factory.mktemp("hostile") / "lake")
    lakes.bring(folder)
    return folder


def trial(examples: int):
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(
        max_examples=examples, derandomize=True, deadline=None, suppress_health_check=quiet
    )


@trial(10)
@given(words=lines())
def test_any_words_are_done_or_refused_in_sentences(empty, words):
    check(empty, words)


@pytest.mark.soak
@trial(1500)
@given(words=lines())
def test_very_many_words_are_done_or_refused_in_sentences(empty, words):
    check(empty, words)


@pytest.mark.parametrize("name", sorted(lake.cli.commands))
def test_help_fits_a_terminal_of_80_columns(name):
    result = CliRunner().invoke(lake.cli, [name, "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize("symbol", ["2025-13-45", "0o17", "1e400", "NO", "1_0"])
def test_init_quotes_what_yaml_would_take_for_something_else(tmp_path, symbol):
    result = CliRunner().invoke(
        lake.cli, ["init", str(tmp_path / "mine"), "--symbols", symbol.upper()]
    )
    assert result.exit_code == 0, result.output
    written = load(tmp_path / "mine").config.exchanges[0].symbols
    assert written == (symbol.upper(),)


def piped(folder, *words: str, stdout=subprocess.PIPE) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "lake", *words, "--config", str(folder)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=lakes.ROOT,
    )


def test_a_reader_that_has_enough_ends_a_query_without_a_word(empty):
    query = piped(empty, "sql", "from range(3000000)", "--format", "csv")
    assert query.stdout.readline() == f"range{os.linesep}".encode()
    query.stdout.close()
    assert query.stderr.read() == b""
    query.stderr.close()
    assert query.wait(60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_full_output_is_one_sentence(empty):
    with Path("/dev/full").open("w") as full:
        query = piped(empty, "sql", "from range(100000)", "--format", "csv", stdout=full)
        told = query.communicate(timeout=60)[1].decode()
    assert query.returncode == 1 and told.startswith("Error: ") and "Traceback" not in told
