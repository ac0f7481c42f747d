"""What the shell proposes after Tab, and `lake completion`, which prints the script for it.

The names come from the lake at hand: its folders, its config.yml and its SQL files. Nothing here
opens a data file or loads DuckDB, and nothing fails: where there is no lake, nothing is proposed.
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from runner.config import Lake

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
SHELLS = ("bash", "zsh", "fish")
COLUMN = re.compile(r"^comment on column (\w+)\.\"?(\w+)\"? is ", re.MULTILINE)
ASKED = re.compile(r"(.*\b(?:from|join)\s+)(\w*)$", re.IGNORECASE | re.DOTALL)
NOT_ASKED = {"rules", "checks"}


def _of_lake(names: Callable[["Lake"], Iterable[str]], is_list: bool = True) -> Complete:
    """What completes a word, or the last name of a list with commas, by the lake's `names`."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            from runner.config import load

            found = names(load(context.params.get("config_file")))
        except Exception:  # a trace would land in the line that somebody is typing
            return []
        head, comma, last = incomplete.rpartition(",") if is_list else ("", "", incomplete)
        named = {name.strip() for name in head.split(",")}
        return [
            CompletionItem(f"{head}{comma}{name}")
            for name in sorted(set(found) - named)
            if name.lower().startswith(last.lower())
        ]

    return complete


def _symbols(lake: "Lake") -> set[str]:
    """What is recorded or shall be."""
    from runner.paths import decode

    places = [*lake.base.glob("raw/[!_]*/[!_]*"), *lake.base.glob("parquet/[!_]*/[!_]*")]
    there = {decode(path.name) for path in places if path.parent.name != "yahoo" and path.is_dir()}
    return there.union(*(exchange.symbols for exchange in lake.config.exchanges))


def _relations(lake: "Lake") -> set[str]:
    from runner.config import SHIPPED

    found = [path for root in (SHIPPED, lake.folder) for path in root.glob("sql/*/*.sql")]
    return {path.stem for path in found if path.parent.name not in NOT_ASKED}


def _columns(lake: "Lake") -> set[str]:
    """Relations, and the columns that the last build has found them to have."""
    from runner.models import remembered

    noted = lake.base / "catalog.sql"
    text = noted.read_text(encoding="utf-8") if noted.exists() else ""
    columns = {f"{relation}.{column}" for relation, column in COLUMN.findall(text)}
    for relation, kept in remembered.recall(lake).columns.items():
        columns |= {f"{relation}.{column}" for column, _ in kept}
    return _relations(lake) | columns


def _days(lake: "Lake") -> set[str]:
    """Days of bars, and of raw that is perhaps not built yet."""
    raw = {path.name.partition(".")[0] for path in lake.base.glob("raw/*/[!_]*/2*")}
    return raw | {path.stem for path in lake.base.glob("parquet/*/[!_]*/year=*/*/*/*.parquet")}


def query(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """A query whose last word follows from or join, with the relation that it begins."""
    if not (begun := ASKED.match(incomplete)):
        return []
    head, last = begun.groups()
    found = relations(context, parameter, last)
    return [CompletionItem(head + item.value) for item in found]


symbols = _of_lake(_symbols)
symbol = _of_lake(_symbols, is_list=False)
tickers = _of_lake(lambda lake: lake.config.macro_minute.tickers)
relations = _of_lake(_relations)
relation = _of_lake(_relations, is_list=False)
columns = _of_lake(_columns, is_list=False)
days = _of_lake(_days, is_list=False)


@click.command("completion", short_help="Print what makes the shell complete with Tab.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets bash (4.4 or later), zsh or fish complete commands, options,
    symbols, relations, columns and days with Tab, from the lake in the folder where you are (or
    that of --config). It changes nothing; where it belongs:

    \b
    bash   lake completion bash >> ~/.bashrc
    zsh    lake completion zsh >> ~/.zshrc       (below the line with compinit)
    fish   lake completion fish > ~/.config/fish/completions/lake.fish

    A new terminal has it. PowerShell has no completion of this kind: nothing is offered there.

    \b
    Examples:
      lake completion bash > ~/.lake-completion.bash
    """
    made = get_completion_class(shell)(context.find_root().command, {}, "lake", "_LAKE_COMPLETE")
    click.echo(made.source())
