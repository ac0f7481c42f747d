"""Every command where there is nothing yet: it says what is missing and which command comes next.

No lake at all; a lake with nothing recorded; recorded, not built; built, without klines and such.
"""

from pathlib import Path

import lakes
import pytest
from click.testing import CliRunner
from test_help import LEAVES, parsed

import lake
from runner.config import load
from runner.next_step import BUILD, QUIET, RECORD, to_bars

RANGE = ["--start", "2025-10-20", "--end", "2025-10-21"]
NEEDED = {
    "prune": ["--raw-older-than", "14d"],
    "lineage": ["bars_1m.vwap"],
    "sql": ["from bars_1s"],
    "why": ["SOLUSDT", "2025-10-20T23:00:00Z"],
    "slice": [*RANGE, "--out", "o.csv"],
}
# Those that need nothing that was recorded, go on without end, or ask the network first.
FREE = {
    *("completion", "demo", "describe", "graph", "init", "lineage", "replay", "schedule"),
    *("backfill", "derivatives", "macro", "collect", "dashboard", "run"),
}
OF_DATA = {name for name in LEAVES if name.partition(" ")[0] not in FREE}
# It opens lake.db, which the first build makes.
SHELL = {"shell"}
NO_LAKE_NEEDED = {"completion", "demo", "init", "replay", "schedule remove"}
VERDICTS = {"check", "status", "validate"}


def run(folder: Path, monkeypatch, name: str, *arguments: str):
    monkeypatch.chdir(folder)
    words = [*name.split(), *(arguments or NEEDED.get(name, []))]
    result = CliRunner().invoke(lake.cli, words)
    told = " ".join(result.output.split())
    assert "Traceback" not in told and "shows where" not in told, told
    return result.exit_code, told


@pytest.mark.parametrize("name", sorted(set(LEAVES) - NO_LAKE_NEEDED))
def test_without_a_lake_every_command_names_lake_init(name, tmp_path, monkeypatch):
    code, told = run(tmp_path, monkeypatch, name)
    assert "`lake init`" in told and "there is no config.yml in" in told
    assert code == (3 if name == "check" else 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(OF_DATA - SHELL - {"build"}))
def test_in_an_empty_lake_every_command_names_lake_collect(name, empty, monkeypatch):
    code, told = run(empty, monkeypatch, name)
    assert "lake collect" in told or name == "status" and "collected" in told, told
    refuses = {"slice": 1, "why": 1}
    assert code == (3 if name in VERDICTS else refuses.get(name, 0))


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A built lake with nothing recorded: the next command knows its SQL already."""
    folder = lakes.make(tmp_path_factory.mktemp("empty") / "lake")
    with lakes.knowing(folder):
        told = CliRunner().invoke(lake.cli, ["build", "--config", str(folder)])
    assert told.exit_code == 0 and told.output.splitlines()[-1] == RECORD
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A lake that is not built."""
    folder = lakes.make_two_days(tmp_path_factory.mktemp("recorded") / "lake", ["SOLUSDT"])
    with lakes.knowing(folder):
        return folder


@pytest.mark.parametrize(
    "name", ["check", "ls", "prune", "shell", "slice", "sql", "validate", "why"]
)
def test_in_a_lake_that_is_not_built_commands_name_lake_build(name, recorded, monkeypatch):
    code, told = run(recorded, monkeypatch, name)
    assert "`lake build`" in told, told
    refuses = {"slice": 1, "why": 1, "shell": 1}
    assert code == (3 if name in VERDICTS else refuses.get(name, 0))


def test_what_is_not_built_is_not_said_to_be_never_collected(recorded, monkeypatch):
    code, told = run(recorded, monkeypatch, "status")
    assert code == 3 and "Nothing runs: `lake run`." in told


@pytest.mark.parametrize(
    "query, command",
    [
        ("from klines_1m", "lake backfill"),
        ("select * from macro_minute where ticker = 'SPY'", "lake macro"),
        ("from dxy_synthetic_minute", "lake macro"),
        ("from funding_oi_hourly", "lake derivatives"),
        ("from archive", "lake compact"),
    ],
)
def test_a_query_without_rows_names_the_command_that_fetches_them(
    query, command, two_days, monkeypatch
):
    code, told = run(two_days, monkeypatch, "sql", query)
    assert code == 0 and f"`{command}`" in told and "no rows: " in told


def test_a_query_that_could_have_rows_and_has_none_says_no_more(two_days, monkeypatch):
    for query in (
        "from bars_1s where symbol = 'NONE'",
        "from rejects",
        "from bars('X', '2025-10-20', '2025-10-21')",
    ):
        assert "no rows" not in run(two_days, monkeypatch, "sql", query)[1]


def test_a_slice_of_what_was_never_fetched_names_the_command(two_days, monkeypatch):
    code, told = run(two_days, monkeypatch, "slice", "--source", "klines", *RANGE, "--out", "o.csv")
    assert code == 1 and "`lake backfill`" in told


def test_quotes_alone_are_no_reason_to_build_again(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    assert to_bars(load(folder)) == RECORD
    lakes.put(folder, "SOLUSDT", [lakes.quote("SOLUSDT", 1, lakes.NOON)])
    assert to_bars(load(folder)) == BUILD
    lakes.bring(folder)
    assert to_bars(load(folder)) == QUIET


def test_the_commands_of_this_file_can_be_typed():
    for name, arguments in NEEDED.items():
        assert parsed([name, *arguments]) is not None


def test_a_view_whose_file_is_newer_than_the_build_names_the_build(lake_folder, monkeypatch):
    assert run(lake_folder, monkeypatch, "build")[0] == 0
    for name, text in (("views/my_view", "select 1 as a"), ("staging/my_step", "select 2 as a")):
        path = lake_folder / "sql" / f"{name}.sql"
        path.parent.mkdir(parents=True)
        path.write_text(f"-- One.\n{text}\n", encoding="utf-8")
    code, told = run(lake_folder, monkeypatch, "sql", "from my_view")
    said = "my_view is not made yet, though its SQL file is there: run `lake build`"
    assert code == 1 and told == f"Error: {said}"
    for name in ("my_step", "nosuch"):  # no build makes a relation of these
        assert "lake build" not in run(lake_folder, monkeypatch, "sql", f"from {name}")[1]
    assert run(lake_folder, monkeypatch, "build")[0] == 0
    assert run(lake_folder, monkeypatch, "sql", "from my_view")[0] == 0
