"""`lake init`: a new lake, and nothing of the user's overwritten."""

import os

import pytest
import yaml
from click.testing import CliRunner

from runner import config
from runner.init import init


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(init, arguments)


def test_a_new_lake_has_the_shipped_settings_and_a_place_of_its_own(run, tmp_path):
    result = run("my lake")
    assert result.exit_code == 0, result.output
    lake = config.load(tmp_path / "my lake")
    assert lake.config == config.load(config.SHIPPED).config
    assert lake.base == tmp_path / "my lake" / "data"
    assert [path.name for path in lake.folder.iterdir()] == ["config.yml"]


def test_the_new_file_holds_little_and_says_where_the_rest_is(run, tmp_path):
    run()
    text = (tmp_path / "config.yml").read_text(encoding="utf-8")
    assert set(yaml.safe_load(text)) == {"general", "exchanges"}
    assert str(config.SHIPPED / "config.yml") in text
    assert "sql/" in text and "macros/" in text


def test_the_next_steps_can_be_typed_as_they_are_printed(run):
    assert "cd 'my lake'" in run("my lake").output or os.name == "nt"
    here = run().output
    assert "cd " not in here
    assert "lake collect" in here and "lake build" in here


def test_symbols_are_written_so_that_yaml_reads_them_back(run, tmp_path):
    assert run("--symbols", "SOLUSDT, 1000,NO,ON").exit_code == 0
    assert config.load(tmp_path).config.exchanges[0].symbols == ("SOLUSDT", "1000", "NO", "ON")


@pytest.mark.parametrize("symbols", ["", "sol", "SOL,,BTC", "SOL,SOL", "../X", '"', "A: B", "A\nB"])
def test_symbols_that_cannot_be_recorded_make_no_lake(run, tmp_path, symbols):
    result = run("new", "--symbols", symbols)
    assert result.exit_code == 2
    assert "--symbols: exchanges[0].symbols" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_config_that_is_there_is_never_overwritten(run, tmp_path):
    (tmp_path / "config.yml").write_text("mine")
    result = run()
    assert result.exit_code == 1
    assert "config.yml is there already" in result.output
    assert (tmp_path / "config.yml").read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_refused(run, tmp_path):
    (tmp_path / "taken").write_text("")
    for folder in ("taken", "taken/below"):
        result = run(folder)
        assert result.exit_code in (1, 2)
        assert "Traceback" not in result.output
