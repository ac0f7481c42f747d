"""README.md against what it describes."""

import re
from pathlib import Path

import lakes
import pytest
from test_docs import complaint

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
    named = re.findall(r"`((?:sql|macros|reports|ingest|docs)/[\w./]*)`", README)
    assert len(named) > 5 and [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_command_of_a_page_is_one(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = re.findall(r"^(?:    (?:.* && )?|\$ )(lake .*)$|`(lake [a-z-]+ ?[^`\n…]*)`", text, re.M)
    wrong = {line: why for found in lines if (why := complaint(line := "".join(found)))}
    assert wrong == {} and len(lines) > 1


def test_the_pictures_of_the_pages_are_there_and_small():
    pages = [README, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))]
    shown = {name for page in pages for name in re.findall(r"pictures/([\w.-]+)", page)}
    there = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir()}
    assert shown <= set(there) and {"report.png", "dashboard_market.png"} <= shown
    assert {name for name, size in there.items() if size > 300_000} == set()
