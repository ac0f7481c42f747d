"""README.md against what it describes."""

import re
from pathlib import Path

import lakes

from runner.config import load
from runner.models.models import Models

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_relations_is_made_of_the_headers(tmp_path):
    models = Models(load(lakes.make(tmp_path / "lake")))
    public = {
        name: model.sentence for name, model in models.models.items() if model.file or model.is_view
    }
    told = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", README, re.MULTILINE))
    assert told == public


def test_every_folder_that_the_readme_sends_to_exists():
    named = re.findall(r"`((?:sql|macros|ingest)/[\w./]*)`", README)
    made_up = {"sql/views/spread_by_hour.sql"}
    assert [name for name in named if name not in made_up and not (ROOT / name).exists()] == []
