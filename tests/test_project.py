"""The project as a whole: what must hold for every command, setting and file, also future ones."""

import doctest
import fnmatch
import importlib
import os
import pkgutil
import re
from pathlib import Path

import click
import msgspec
import pytest

from runner import config, yaml_lines
from runner.settings import Config

ROOT = Path(__file__).parent.parent
PACKAGES = ("runner", "ingest", "replay")
TEXT = {".py", ".sql", ".jinja", ".yml", ".yaml", ".toml", ".md", ".txt", ".cfg", ".ipynb", ""}

# Places of one machine, and hosts that belong to an installer's settings, not to a project. The
# lake has a folder work/ of its own: only an absolute path is meant.
ABSOLUTE = r"(?<![\w.}%)\]*-])/"
FORBIDDEN = (
    rf"{ABSOLUTE}(work|root)/\w",
    rf"{ABSOLUTE}opt/(pypi|wheels)",
    r"pypi\.org|python" + r"hosted\.org",
    r"(extra-)?index" + r"[-_]url|find" + r"[-_]links",
    # The checkout's own folder, unless its name is too short to mean just that.
    *([rf"{re.escape(str(ROOT))}(?!\w)"] if len(ROOT.parts) > 3 else []),
)


def ours() -> list[Path]:
    """Every text file of the project: all but what .gitignore leaves out."""
    ignored = [".git", *(ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    found = []
    for folder, folders, files in os.walk(ROOT):
        top = Path(folder) == ROOT
        # data/, demo/, … may be ignored at the top only: a lake lies there.
        folders[:] = [name for name in folders if not _matches(f"{name}/", ignored, top)]
        kept = [name for name in files if not _matches(name, ignored, top)]
        found += [Path(folder, name) for name in kept if Path(name).suffix in TEXT]
    return sorted(found)


def _matches(name: str, patterns: list[str], top: bool) -> bool:
    """Whether .gitignore names a file, or (with / at its end) a folder."""
    plain = {pattern.rstrip("/") for pattern in patterns if top or not pattern.startswith("/")}
    return any(fnmatch.fnmatch(name.rstrip("/"), pattern.lstrip("/")) for pattern in plain)


@pytest.fixture(scope="module")
def commands() -> dict[str, click.Command]:
    lake = importlib.import_module("lake")
    assert lake.cli.commands
    return lake.cli.commands


def test_every_command_has_help_with_an_example(commands):
    silent = [
        name for name, command in commands.items() if f"lake {name}" not in (command.help or "")
    ]
    assert silent == []


def test_every_option_has_help(commands):
    silent = [
        f"lake {name} {option.opts[0]}"
        for name, command in commands.items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


def test_every_command_is_in_the_readme(commands):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in commands if f"lake {name}" not in readme] == []


def test_every_setting_has_its_comment():
    document = yaml_lines.read(ROOT / "config.yml")
    lines = (ROOT / "config.yml").read_text(encoding="utf-8").splitlines()
    keys = {
        key: mark.line
        for key, mark in document.marks.items()
        if "." in key and not key.endswith("]")
    }
    bare = [key for key, line in keys.items() if not lines[line - 2].strip().startswith("#")]
    assert bare == []
    assert len(keys) >= 30


def test_config_yml_and_the_settings_hold_the_same_sections_and_keys():
    tree = yaml_lines.read(ROOT / "config.yml").tree
    settings = config.load(ROOT).config
    assert list(tree) == [section.name for section in msgspec.structs.fields(Config)]
    for section, keys in tree.items():
        held = getattr(settings, section)
        first, first_keys = (held[0], keys[0]) if isinstance(held, tuple) else (held, keys)
        assert list(first_keys) == [key.name for key in msgspec.structs.fields(type(first))]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_file_names_a_place_of_one_machine(pattern):
    named = {
        f"{path.relative_to(ROOT)}:{number}"
        for path in ours()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    }
    assert named == set()


def test_every_document_that_a_file_names_exists():
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in ours()
        for name in re.findall(r"\b[A-Z][A-Z_]{2,}\.md\b", path.read_text(encoding="utf-8"))
        if not any(there.name == name for there in ours())
    }
    assert missing == set()


def test_every_link_between_the_documents_leads_somewhere():
    broken = {
        f"{path.relative_to(ROOT)}: {link}"
        for path in ours()
        if path.suffix == ".md"
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if not (path.parent / link).exists()
    }
    assert broken == set()


def test_every_text_file_ends_its_last_line_and_has_unix_line_ends():
    odd = [
        str(path.relative_to(ROOT))
        for path in ours()
        if (content := path.read_bytes()) and (content[-1:] != b"\n" or b"\r" in content)
    ]
    assert odd == []


MODULES = [
    module.name
    for package in PACKAGES
    for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_right(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_checks_are_one_executable_script():
    script = ROOT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    assert os.name == "nt" or os.access(script, os.X_OK)
