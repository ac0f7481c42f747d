"""The help of every command: an example that parses, the same words for the same option."""

import re
import shlex
from collections import defaultdict

import click
import pytest
from click.testing import CliRunner

import lake


def leaves(group: click.Group, name: str = "") -> dict[str, click.Command]:
    """All commands that do something, by their words."""
    found = {}
    for key, command in group.commands.items():
        own = f"{name} {key}".strip()
        found |= leaves(command, own) if isinstance(command, click.Group) else {own: command}
    return found


LEAVES = leaves(lake.cli)
# Options that mean something else elsewhere, with in how many ways: --symbols chooses among what is
# there, stands in place of config.yml's, or is what a new lake shall record.
SEVERAL = {
    "--all": 2,
    "--days": 2,
    "--duration": 2,
    "--format": 4,
    "--port": 2,
    "--source": 3,
    "--start": 2,
    "--symbols": 3,
    "--tf": 2,
    "--url": 2,
}


def helped(words: str) -> str:
    result = CliRunner().invoke(lake.cli, [*words.split(), "--help"], terminal_width=80)
    assert result.exit_code == 0
    return result.output


def parsed(words: list[str]) -> click.Context:
    """The words as click parses them, without doing anything; UsageError where it does not."""
    with click.Context(lake.cli, info_name="lake") as context:
        command: click.Command = lake.cli
        while isinstance(command, click.Group):
            name, command, words = command.resolve_command(context, words)
            context = click.Context(command, info_name=name, parent=context)
        command.parse_args(context, list(words))
        return context


def examples(text: str) -> list[str]:
    """The lines of a help's examples."""
    block = re.search(r"^  Examples:\n((?:    .*\n)+)", text, re.MULTILINE)
    return [line.strip() for line in block[1].splitlines()] if block else []


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_every_help_begins_with_a_sentence_and_has_examples_that_parse(name):
    text = helped(name)
    assert re.search(r"^Usage: .*\n(?: {4,}.*\n)*\n  [A-Z][^\n]+", text)
    lines = examples(text)
    assert 1 <= len(lines) <= 3 and any(line.startswith(f"lake {name}") for line in lines)
    for line in lines:
        assert len(line) <= 76
        words = shlex.split(re.split(r" [>|]+ ", line)[0], comments=True)
        if words[0] == "lake":
            parsed(words[1:])


def test_wrong_examples_would_be_found():
    with pytest.raises(click.UsageError):
        parsed(["build", "--dry"])
    with pytest.raises(click.UsageError):
        parsed(["why", "SOLUSDT"])


def test_the_same_option_means_the_same_words_everywhere():
    told: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, command in LEAVES.items():
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                told[option.opts[0]][option.help].append(name)
    several = {option: len(helps) for option, helps in told.items() if len(helps) > 1}
    assert several == SEVERAL, [dict(told[option]) for option in several]
