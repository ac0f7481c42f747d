"""`lake build`."""

from typing import TYPE_CHECKING

import click

from runner import completion, next_step
from runner.command import config_option, day_option, symbols_option

if TYPE_CHECKING:
    from runner.build.report import Report
    from runner.config import Lake


@click.command("build")
@click.option("--dry-run", is_flag=True, help="Say what is stale and why; change nothing.")
@click.option("--all", "everything", is_flag=True, help="With --dry-run: a line a file.")
@click.option(
    "--select",
    default="",
    metavar="NAME[+]",
    shell_complete=completion.relations,
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
    Examples:
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
    for line in [*_told(report, dry_run, everything), *_missing(lake, dry_run)]:
        click.echo(line)
        if not dry_run:
            logger.bind(printed=True).info(line)
    if report.failed:
        raise click.ClickException("\n".join(report.failed))


def _missing(lake: "Lake", dry_run: bool) -> list[str]:
    """What it still lacks to have bars."""
    lacks = next_step.to_bars(lake)
    return [lacks] if lacks and not (dry_run and lacks == next_step.BUILD) else []


def _told(report: "Report", dry_run: bool, everything: bool) -> list[str]:
    from runner.build import dry_run as foreseen

    if not dry_run:
        return report.told()
    return foreseen.each(report) if everything else foreseen.folded(report)
