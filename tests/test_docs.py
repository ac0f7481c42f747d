"""docs/*.md against what they speak of: queries run, commands parse, paths and anchors exist."""

import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import click
import duckdb
import lakes
import pytest
from click.exceptions import NoArgsIsHelpError
from lakes import ROOT

# A code block: its kind, the file that it is (of a recipe), its text.
FENCE = re.compile(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDERS = "sql|macros|ingest|runner|replay|reports|tests|benchmarks|docs|notebooks"
# What ends a command on a line of a shell.
ENDS = {"&&", "||", "|", ">", ";", "→", "&"}


class Place(NamedTuple):
    """A piece of a document and where it begins."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


PAGES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}


def blocks(kinds: set[str]) -> Iterator[Place]:
    """The code blocks of these kinds, but for those that are files."""
    for name, text in PAGES.items():
        for match in FENCE.finditer(text):
            if match[1] in kinds and not match[2]:
                yield Place(name, text.count("\n", 0, match.start()) + 2, match[3])


def inline() -> Iterator[Place]:
    """What stands between backticks, outside of code blocks."""
    for name, text in PAGES.items():
        plain = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
        for match in re.finditer(r"`([^`\n]+)`", plain):
            yield Place(name, plain.count("\n", 0, match.start()) + 1, match[1])


def shell_lines() -> Iterator[Place]:
    """Lines of code that call lake: after `$ ` in a block, or indented."""
    for place in blocks({"", "text", "sh", "bash", "console"}):
        for number, line in enumerate(place.text.splitlines()):
            if match := re.match(r"\$ (lake .*)", line):
                yield Place(place.file, place.line + number, match[1])
    for name, text in PAGES.items():
        for match in re.finditer(r"^    (?:.* && )?(lake .*)$", text, re.MULTILINE):
            yield Place(name, text.count("\n", 0, match.start()) + 1, match[1])


QUERIES = list(blocks({"sql"}))


def named(places: list[Place]) -> dict:
    return {"argvalues": places, "ids": list(map(str, places))}


@pytest.fixture
def folder(request, place, monkeypatch) -> Path:
    """A lake that holds what the query asks for, entered."""
    is_sealed = re.search(r"\barchive\b", place.text)
    folder = request.getfixturevalue("sealed_day" if is_sealed else "answered")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("place", **named(QUERIES))
def test_a_query_of_the_documents_runs_and_finds_rows(place, folder):
    with lakes.lake.connect(folder) as con:
        for statement in duckdb.extract_statements(place.text):
            assert con.execute(statement).fetchall(), f"{place}: no rows"


def test_the_queries_of_the_documents_run_in_the_shell_too(answered, monkeypatch):
    monkeypatch.chdir(answered)
    script = ";\n".join(re.sub(r"--[^\n]*", "", place.text).rstrip(" ;\n") for place in QUERIES)
    assert len(QUERIES) >= 10 and len(lakes.shell(answered, script).splitlines()) > len(QUERIES)


def complaint(text: str) -> str:
    """What click says of a command line, nothing where it would be run."""
    words = shlex.split(text, comments=True)
    ends = [number for number, word in enumerate(words) if word in ENDS]
    command, rest = lakes.lake.cli, words[1 : min(ends, default=len(words))]
    context = click.Context(command, info_name="lake")
    try:
        while isinstance(command, click.Group) and rest:
            name, command, rest = command.resolve_command(context, rest)
        with redirect_stdout(io.StringIO()):
            command.make_context(command.name, list(rest), parent=context)
    except click.exceptions.Exit:  # --help
        return ""
    except click.UsageError as error:
        is_named_only = isinstance(error, (click.MissingParameter, NoArgsIsHelpError)) and not rest
        return "" if is_named_only else error.format_message()
    return ""


def test_every_command_of_the_documents_is_one():
    named_in_text = [place for place in inline() if re.match(r"lake [a-z-]+( |$)", place.text)]
    lines = [place for place in (*shell_lines(), *named_in_text) if "…" not in place.text]
    wrong = {str(place): why for place in lines if (why := complaint(place.text))}
    assert wrong == {} and len(lines) > 20


def test_a_wrong_command_would_be_seen():
    assert "No such command" in complaint("lake bild")
    assert "No such option" in complaint("lake build --slect bars_1s")
    assert "is not a day" in complaint("lake build --date yesterday  # no")
    assert complaint("lake lineage") == "" and "Missing" in complaint("lake sql --format csv")


def test_every_path_of_the_project_that_the_documents_name_exists():
    named_paths = [
        (place, match[0])
        for place in inline()
        if (match := re.match(rf"(?:{FOLDERS})/[\w./*-]*", place.text)) and "…" not in place.text
    ]
    made = {match[2] for text in PAGES.values() for match in FENCE.finditer(text)}
    missing = [
        f"{place}: {path}"
        for place, path in named_paths
        if path not in made and not list(ROOT.glob(path))
    ]
    assert missing == [] and len(named_paths) > 5


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page, none where there is no page."""
    text = path.read_text("utf-8") if path.exists() else ""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_link_to_a_heading_leads_to_one():
    broken = [
        f"{name}: {file}#{anchor}"
        for name, text in PAGES.items()
        for file, anchor in re.findall(r"\]\(([\w./-]*)#([^)]+)\)", FENCE.sub("", text))
        if anchor not in anchors(ROOT / "docs" / (file or name))
    ]
    assert broken == [] and "the-certificate-of-a-day" in anchors(ROOT / "docs" / "concepts.md")
