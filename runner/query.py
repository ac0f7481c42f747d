"""The commands that ask the lake: sql, shell."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import completion
from runner.command import config_option

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from runner.answer import Answer
    from runner.config import Lake

# What the shell begins with: UTC, and no nested loops for ASOF JOIN.
START = "set TimeZone = 'UTC'; set asof_loop_join_threshold = 0"


@click.command("sql")
@click.argument("query", shell_complete=completion.query)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How the rows are printed.",
)
@config_option
def sql(query, form, config_file) -> None:
    """Run a query on the lake; times are UTC. It never blocks a build.

    \b
    Examples:
      lake sql "from latest_price"
      lake sql "from bars('SOLUSDT', '2025-10-20', '2025-10-21')" --format csv
    """
    import duckdb

    from runner import catalog
    from runner.config import load
    from runner.next_step import for_missing

    lake = load(config_file)
    con = catalog.connect(lake)
    try:
        answer = _begun(con, query, form)
        for piece in answer:
            click.echo(piece, nl=False)
    except duckdb.Error as error:
        raise click.ClickException(for_missing(lake, str(error)) or str(error)) from error
    if answer.rows == 0:
        _hint(lake, query)


def _hint(lake: "Lake", query: str) -> None:
    """Say on stderr why there are no rows, where the lake lacks what they are made of."""
    from runner.models.models import Models
    from runner.next_step import for_query

    if lacks := for_query(Models(lake), query):
        click.echo(f"no rows: {lacks}", err=True)


def _begun(con: "DuckDBPyConnection", query: str, form: str) -> "Answer":
    """An answer whose first piece is there; asked again while it fails."""
    from runner.answer import Answer
    from runner.asking import again

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def begun() -> Answer:
        answer = Answer(con, query, form, width)
        answer.begin()
        return answer

    return again(begun)


@click.command("shell", short_help="Open the lake in the duckdb shell, read-only.")
@config_option
def shell(config_file) -> None:
    """Open the lake in the duckdb shell, read-only and in UTC; it never blocks a build.

    \b
    Examples:
      lake shell
    """
    from runner.config import load

    lake = load(config_file)
    here = Path(sys.executable).parent
    duckdb = shutil.which("duckdb") or shutil.which("duckdb", path=str(here))
    if duckdb is None:
        raise click.ClickException(
            "there is no duckdb shell on this machine; get it with `pip install duckdb-cli`"
        )
    if not lake.db.exists():
        raise click.ClickException(f"{lake.db} is not there yet; make it with `lake build`")
    status = subprocess.call([duckdb, "-readonly", "-cmd", START, str(lake.db)])
    raise click.exceptions.Exit(status)
