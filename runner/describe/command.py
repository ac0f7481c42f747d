"""`lake describe`: relations, macros and raw lines on the terminal, or all of them as Markdown."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import completion
from runner.command import config_option

if TYPE_CHECKING:  # nothing that `lake --help` needs to wait for
    from runner.describe.describe import Column, Macro, Relation
    from runner.models.models import Models
    from runner.models.words import Words

WIDTH = 80
TYPE = 13  # DECIMAL(18,8)
RAW = "raw"


@click.command("describe", short_help="Say what relations and their columns mean.")
@click.argument("name", metavar="[RELATION]", required=False, shell_complete=completion.relation)
@click.option("--markdown", is_flag=True, help="All of it as a page: docs/data-dictionary.md.")
@config_option
def describe(name: str | None, markdown: bool, config_file: Path | None) -> None:
    """Say what one row of a relation is, where its files lie, and what its columns mean: type,
    [unit], meaning, and when a column is NULL; one that says nothing of it never is.

    Without a relation: all of them, a line each. `raw` is the format of raw lines. The words stand
    in the SQL files, so a lake's own relations have theirs too; `lake.db` shows them as comments.

    \b
    Examples:
      lake describe bars_1s
      lake describe raw
      lake describe --markdown > data-dictionary.md
    """
    from runner.config import load
    from runner.describe import page
    from runner.models.models import Models

    models = Models(load(config_file))
    if markdown:
        click.echo(page.markdown(models), nl=False)
    else:
        for line in _one(models, name) if name else _all(models):
            click.echo(line)
    models.save()


def _all(models: "Models") -> Iterator[str]:
    from runner.describe.describe import macros, relations

    for one in relations(models).values():
        yield one.name + (" (this lake's own)" if one.is_own else "")
        yield from _wrapped(one.sentence, "    ")
    for one in macros(models).values():
        if one.is_table:
            yield one.call
            yield from _wrapped(one.sentence, "    ")
    yield RAW
    yield from _wrapped("The raw lines that all of it is made of.", "    ")


def _one(models: "Models", name: str) -> Iterator[str]:
    from runner.describe.describe import find_out, macros, raw_keys, relations

    found, called = relations(models), macros(models)
    if name in found:
        return _relation(found[name])
    if name in called:
        return _macro(called[name])
    if name == RAW:
        return _raw(raw_keys(models))
    if name in models.models and models[name].is_public:
        raise click.ClickException(find_out(models)[name])
    raise click.BadParameter(_unknown(models, name, [*found, *called, RAW]), param_hint="RELATION")


def _unknown(models: "Models", name: str, known: list[str]) -> str:
    from runner.build.build import did_you_mean

    if name in models.models:
        model = models[name]
        kind = {"rules": "a rule", "checks": "a check"}.get(model.layer, "a step of the build")
        return f"{name!r} is {kind}, not in lake.db; see sql/{model.layer}/{model.path.name}"
    hint = did_you_mean(name, known) or "; `lake describe` lists them"
    return f"{name!r} is no relation{hint}"


def _relation(one: "Relation") -> Iterator[str]:
    yield one.name
    yield from _wrapped(one.sentence)
    yield ""
    yield from _labelled("one row", ", ".join(one.grain) or "not told")
    yield from _labelled("files", one.files or "none: it is made when it is asked for")
    if one.reads:
        yield from _labelled("reads", ", ".join(one.reads))
    yield from _labelled("SQL", one.sql + (" (this lake's own)" if one.is_own else ""))
    yield ""
    yield from _columns(one.columns)


def _columns(columns: list["Column"]) -> Iterator[str]:
    """A line a column, or more: its name, its type, and what it means."""
    wide = max(len(column.name) for column in columns)
    indent = " " * (wide + TYPE + 4)
    for column in columns:
        head = f"{column.name:{wide}}  {column.type:{TYPE}}  "
        told = str(column.words) or "-"
        if len(column.type) > TYPE:
            yield from _wrapped(f"{column.name:{wide}}  {column.type}", "", " " * (wide + 2))
            head = indent
        yield from _wrapped(told, head, indent)


def _macro(one: "Macro") -> Iterator[str]:
    yield one.call
    yield from _wrapped(one.sentence)


def _raw(kinds: dict[str, dict[str, "Words"]]) -> Iterator[str]:
    """The keys of each kind of raw line, in their order."""
    from runner.describe.describe import KINDS

    for kind, sentence in KINDS.items():
        yield from _wrapped(sentence, f"{kind}: ", "  ")
        yield from _keys(kinds[kind])
        yield ""
    yield "What the body of an answer holds, by the relation that is made of it"
    yield from _keys(kinds["bodies"])


def _keys(keys: dict[str, "Words"]) -> Iterator[str]:
    wide = max(map(len, keys))
    for key, told in keys.items():
        yield from _wrapped(str(told), f"  {key:{wide}}  ", " " * (wide + 4))


def _labelled(label: str, text: str) -> Iterable[str]:
    return _wrapped(text, f"{label:7}  ", " " * 9)


def _wrapped(text: str, first: str = "", other: str | None = None) -> list[str]:
    """Lines of at most 80 columns; a path that is longer is broken at a slash."""
    wrapper = textwrap.TextWrapper(
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if other is None else other,
        break_long_words=False,
        break_on_hyphens=False,
    )
    wrapper.wordsep_simple_re = re.compile(r"([\s]+|(?<=/))")
    return wrapper.wrap(text)
