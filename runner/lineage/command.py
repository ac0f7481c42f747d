"""`lake lineage`: where a column comes from, as a tree or as a Mermaid graph."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import completion
from runner.command import config_option

if TYPE_CHECKING:  # it loads sqlglot, which no other command needs to wait for
    from runner.lineage.lineage import End, Step
    from runner.models.models import Models

UNBROKEN = "\N{NO-BREAK SPACE}"


@click.command("lineage", short_help="Show where a column comes from, down to the raw key.")
@click.argument("column", metavar="RELATION[.COLUMN]", shell_complete=completion.columns)
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "mermaid"]),
    default="tree",
    show_default=True,
    help="How it is drawn.",
)
@config_option
def lineage(column: str, form: str, config_file: Path | None) -> None:
    """Show where a column comes from: through every SQL file, down to the keys of raw lines.

    What becomes part of its value is followed; what only decides which value it takes (a
    condition, an order; `rows of …`: whether a row is there) stands behind it as `by …`. Without a
    column: all of the relation, briefly.

    \b
    Examples:
      lake lineage bars_1m.vwap
      lake lineage bars_1m
      lake lineage bars_1s.state --format mermaid > state.mmd
    """
    from runner.config import load
    from runner.lineage.lineage import Lineage
    from runner.models.models import Models

    models = Models(load(config_file))
    name, _, asked = column.lower().partition(".")
    names = [one.name for one in models.models.values() if not (one.is_rule or one.is_check)]
    _refuse_unknown("relation", name, names)
    found = Lineage(models)
    columns = found.columns(name)
    if asked:
        _refuse_unknown(f"column of {name}", asked, columns)
    steps = [found.step(name, one) for one in ([asked] if asked else columns)]
    drawn = _tree(models, steps[0]) if asked else _brief(steps)
    for line in _mermaid(steps) if form == "mermaid" else drawn:
        click.echo(line)


def _refuse_unknown(kind: str, name: str, known: list[str]) -> None:
    from runner.build.build import did_you_mean

    if name not in known:
        hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise click.BadParameter(f"{name!r} is no {kind}{hint}", param_hint="RELATION[.COLUMN]")


def _brief(steps: list["Step"]) -> Iterator[str]:
    """A line a column: what its values are in the raw."""
    width = max(len(step.column) for step in steps)
    for step in steps:
        yield _wrapped(f"{step.column:{width}}  ", _from(step), " " * (width + 2))


def _from(step: "Step") -> str:
    from runner.lineage.lineage import ends, followed

    return _together(end.text for end in ends(step, followed) if end.kind != "kept")


def _together(names: Iterable[str]) -> str:
    """Names in their order, none of which is broken at the end of a line."""
    return ", ".join(name.replace(" ", UNBROKEN) for name in sorted(names))


def _wrapped(head: str, text: str, indent: str) -> str:
    from runner.validation.report import wrapped

    return wrapped(head + text, indent).replace(UNBROKEN, " ")


def _tree(models: "Models", step: "Step") -> Iterator[str]:
    """A column with what it is made of below it; what stands there twice is drawn once."""
    yield from _branch(models, step, "", "", set())
    yield _wrapped("from: ", _from(step), "      ")


def _branch(
    models: "Models", part: "Step | End", head: str, indent: str, drawn: set[str]
) -> Iterator[str]:
    from runner.lineage.lineage import End, followed

    if isinstance(part, End):
        yield _wrapped(head, part.text, f"{indent}  ")
        return
    below = followed(part)
    paths = [part.model.path, *(models.macros[name] for name in part.macros)]
    files = [_file(models, path) for path in paths]
    deciding = [one for one in part.deciding if one not in below and not _is_constant(one)]
    by = _together(_name(one) for one in deciding)
    told = [part.name, ", ".join(files), *([f"by{UNBROKEN}{by}"] if by else [])]
    if part.name in drawn:
        yield f"{head}{part.name}  (as above)"
        return
    drawn.add(part.name)
    yield _wrapped(head, "  ".join(told), f"{indent}{'│' if below else ' '}    ")
    for number, one in enumerate(below, 1):
        corner, line = ("└─ ", "   ") if number == len(below) else ("├─ ", "│  ")
        yield from _branch(models, one, indent + corner, indent + line, drawn)


def _file(models: "Models", path: Path) -> str:
    """An SQL file by its place in the lake, marked where it is the lake's own."""
    root = next(root for root in models.roots if path.is_relative_to(root))
    own = f"{UNBROKEN}(this{UNBROKEN}lake's{UNBROKEN}own)" if models.is_own(path) else ""
    return f"{path.relative_to(root).as_posix()}{own}"


def _is_constant(part: "Step | End") -> bool:
    return getattr(part, "kind", "") == "constant"


def _name(part: "Step | End") -> str:
    from runner.lineage.lineage import End

    return part.text if isinstance(part, End) else part.name


def _mermaid(steps: list["Step"]) -> Iterator[str]:
    """A graph of the same; a dotted line is from what only decides."""
    from runner.lineage.lineage import End, followed

    yield "graph LR"
    edges, seen, queue = [], set(), list(steps)
    names = [_name(step) for step in steps]
    while queue:
        step = queue.pop(0)
        if isinstance(step, End) or step.name in seen:
            continue
        seen.add(step.name)
        below = followed(step)
        for part in [*below, *step.deciding]:
            names.append(_name(part))
            arrow = "-->" if part in step.values else "-.->"
            edges.append((_name(part), arrow, step.name))
        queue += below
    numbers = {name: f"n{number}" for number, name in enumerate(dict.fromkeys(names), 1)}
    for name, number in numbers.items():
        yield f'  {number}["{name.replace(chr(34), "#quot;")}"]'
    for part, arrow, name in dict.fromkeys(edges):
        yield f"  {numbers[part]} {arrow} {numbers[name]}"
