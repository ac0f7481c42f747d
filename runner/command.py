"""The commands of the runner: build, ls, graph, sql, shell."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.build.report import Report

# What the shell begins with: UTC, and no nested loops for ASOF JOIN.
START = "set TimeZone = 'UTC'; set asof_loop_join_threshold = 0"

# DuckDB opens a Parquet file twice, so that a read may fail, though never be wrong, in the moment
# in which a build replaces it: then it is done once more.
READS = 3

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The lake's config.yml, or its folder.  [default: .]",
)


def _symbols(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> frozenset[str]:
    names = frozenset(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not names:
        raise click.BadParameter("names none; leave it out for all symbols")
    return names


def names_of(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> list[str] | None:
    """The names of an option, in capitals; None where it is not given."""
    if value is None:
        return None
    return [name.strip().upper() for name in value.split(",") if name.strip()]


def _day(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from runner.paths import is_day

    if value is not None and not is_day(value):
        raise click.BadParameter(f"{value!r} is not a day; write 2025-10-20")
    return value


symbols_option = click.option(
    "--symbols", callback=_symbols, help="Only these symbols, separated by commas."
)
day_option = click.option(
    "--date", "day", callback=_day, metavar="DAY", help="Only this UTC day, as 2025-10-20."
)


@click.command("build")
@click.option("--dry-run", is_flag=True, help="Say what is stale and why; change nothing.")
@click.option("--all", "everything", is_flag=True, help="With --dry-run: a line a file.")
@click.option(
    "--select",
    default="",
    metavar="NAME[+]",
    help="Only these relations, separated by commas; + adds what reads one.",
)
@symbols_option
@day_option
@click.option(
    "--full-refresh", is_flag=True, help="Rebuild what is chosen from ticks, stale or not."
)
@click.option(
    "--from-raw", is_flag=True, help="Rebuild what is chosen from raw lines, stale or not."
)
@click.option(
    "--threads", type=click.IntRange(1), help="Units worked at side by side.  [default: one a core]"
)
@config_option
@click.pass_context
def build(ctx, dry_run, everything, threads, config_file, **asked) -> None:
    """Turn new raw lines into trades, quotes, bars and certificates.

    Only what is stale is built: new or late raw, changed SQL or macros, deleted files.
    A second build does nothing.

    \b
    Example:
      lake build --dry-run
      lake build --select bars_1s+ --symbols SOLUSDT --date 2025-10-20
    """
    from loguru import logger

    from runner import logs
    from runner.build.build import Choice
    from runner.build.build import build as run_build
    from runner.config import load

    if everything and not dry_run:
        raise click.UsageError("--all goes with --dry-run: it names what a build would do")
    lake = load(config_file)
    if not dry_run:
        logs.setup(lake, "transformer", debug=(ctx.obj or {}).get("debug", False))
    report = run_build(lake, Choice(**asked), dry_run, threads)
    for line in _told(report, dry_run, everything):
        click.echo(line)
        if not dry_run:
            logger.bind(printed=True).info(line)
    if report.failed:
        raise click.ClickException("\n".join(report.failed))


def _told(report: "Report", dry_run: bool, everything: bool) -> list[str]:
    from runner.build import dry_run as foreseen

    if not dry_run:
        return report.told()
    return foreseen.each(report) if everything else foreseen.folded(report)


@click.command("ls", short_help="List all relations and macros.")
@config_option
def ls(config_file) -> None:
    """List all relations and macros: layer, where they are stored, what one row is.

    \b
    Example:
      lake ls
    """
    from runner.config import load
    from runner.models.models import Models

    models = Models(load(config_file))
    width = max(len(name) for name in (*models.models, *models.macros))
    for model in sorted(models.models.values(), key=lambda model: (model.layer, model.name)):
        mark = "*" if models.is_own(model.path) else " "
        kind = "view" if model.is_view else model.file or model.keys.get("severity", "-")
        click.echo(f"{mark} {model.layer:8} {model.name:{width}}  {kind}")
        click.echo(f"{'':{width + 13}}{model.sentence}")
    for name, path in sorted(models.macros.items()):
        click.echo(f"{'*' if models.is_own(path) else ' '} {'macro':8} {name}")
    paths = [*(model.path for model in models.models.values()), *models.macros.values()]
    if any(map(models.is_own, paths)):
        click.echo("* = from this lake's own folder")


@click.command("graph")
@config_option
def graph(config_file) -> None:
    """Print which relation reads which, as a Mermaid graph.

    \b
    Example:
      lake graph > graph.mmd
    """
    from runner.config import load
    from runner.models.models import Models

    models = Models(load(config_file))
    click.echo("graph LR")
    for layer in dict.fromkeys(model.layer for model in models.models.values()):
        click.echo(f"  subgraph {layer}")
        for model in models.models.values():
            if model.layer == layer:
                click.echo(
                    f"    {model.name}[({model.name})]" if model.file else f"    {model.name}"
                )
        click.echo("  end")
    for name in models.models:
        for read in sorted(models.reads(name)):
            click.echo(f"  {read} --> {name}")


@click.command("sql")
@click.argument("query")
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
    Example:
      lake sql "from latest_price"
      lake sql "from bars('SOLUSDT', '2025-10-20', '2025-10-21')" --format csv
    """
    import duckdb

    from runner import catalog
    from runner.config import load

    con = catalog.connect(load(config_file))
    try:
        first, more = _first(con, query, form)
        click.echo(first, nl=False)
        for piece in more:
            click.echo(piece, nl=False)
    except duckdb.Error as error:
        raise click.ClickException(str(error)) from error


def _first(con, query: str, form: str):
    """The first piece of an answer and an iterator of the others; asked again while it fails."""
    import duckdb

    from runner.answer import printed

    for _ in range(READS - 1):
        pieces = printed(con, query, form)
        try:
            return next(pieces, ""), pieces
        except (duckdb.IOException, duckdb.InvalidInputException):
            continue
    pieces = printed(con, query, form)
    return next(pieces, ""), pieces


@click.command("shell", short_help="Open the lake in the duckdb shell, read-only.")
@config_option
def shell(config_file) -> None:
    """Open the lake in the duckdb shell, read-only and in UTC; it never blocks a build.

    \b
    Example:
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
