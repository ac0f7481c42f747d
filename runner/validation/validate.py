"""`lake validate`: asks every rule of a range, and tells in one verdict whether it can be used."""

from pathlib import Path

import click

from runner.command import config_option, end_option, start_option, symbols_option

FAILED = 3


@click.command("validate", short_help="Check a range by all rules; a report with a verdict.")
@symbols_option
@start_option
@end_option
@click.option(
    "--tf",
    type=click.Choice(["1s", "1m"]),
    default="1s",
    show_default=True,
    help="Which bars are checked.",
)
@click.option(
    "--source",
    type=click.Choice(["bars", "klines"]),
    default="bars",
    show_default=True,
    help="Whose: our own, or the exchange's klines.",
)
@click.option(
    "--report",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the report goes.  [default: reports/ in the data folder]",
)
@config_option
@click.pass_context
def validate(ctx, symbols, start, end, tf, source, target, config_file) -> None:
    """Check a range of the lake by all rules and write a report in Markdown; without --start and
    --end: yesterday and today.

    PASS: every rule holds. INVESTIGATE: some do not, none of them critical.
    FAIL (exit code 3): critical rules are broken, or there is no data.

    \b
    Examples:
      lake validate
      lake validate --symbols SOLUSDT --start 2025-10-20 --end 2025-10-21
    """
    from loguru import logger

    from runner import logs
    from runner.config import load
    from runner.run import supervised
    from runner.validation import report
    from runner.validation.checked import Choice
    from runner.validation.validation import run

    lake = load(config_file)
    logs.setup(lake, "validation", debug=(ctx.obj or {}).get("debug", False))
    found = run(lake, Choice(symbols, start, end, tf, source))
    paths = report.write(lake, found, target)
    for line in [*report.summary(found), *(f"  {path}" for path in paths)]:
        click.echo(line)
    supervised.say(verdict=found.verdict, reason=found.reason)
    logger.bind(printed=True).info("{}: {} ({})", found.verdict, found.reason, paths[0])
    if found.verdict == "FAIL":
        raise click.exceptions.Exit(FAILED)
