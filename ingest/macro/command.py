"""`lake macro`."""

from pathlib import Path

import click

from runner import completion
from runner.command import config_option, look_back_option, names_of


@click.command("macro", short_help="Fetch 1-minute bars of macro instruments from Yahoo.")
@click.option(
    "--tickers",
    callback=names_of,
    metavar="A,B",
    shell_complete=completion.tickers,
    help="Tickers, in place of those in config.yml.",
)
@look_back_option
@click.option("--url", metavar="URL", help="Address to ask in place of all hosts of Yahoo.")
@config_option
@click.pass_context
def macro(
    ctx, tickers: list[str] | None, days: int | None, url: str | None, config_file: Path | None
) -> None:
    """Fetch 1-minute bars of stocks, futures and currencies from Yahoo into macro_minute.

    Only what no earlier answer covers is asked for, and the newest hour again, which Yahoo may
    still revise. Yahoo keeps 30 days of minutes. A ticker that fails does not stop the others.

    \b
    Examples:
      lake macro --tickers SPY,EURUSD=X --days 29
    """
    from loguru import logger

    from ingest.macro.macro import fetch
    from runner import config, logs
    from runner.run import supervised

    if tickers == []:
        raise click.UsageError("--tickers names none; leave it out for those in config.yml")
    flags = {
        "macro_minute.tickers": ("--tickers", tickers),
        "macro_minute.startup_backfill_days": ("--days", days),
        "macro_minute.runtime_lookback_days": ("--days", days),
        "macro_minute.url": ("--url", url),
    }
    lake = config.with_flags(config.load(config_file), flags)
    logs.setup(lake, "collector", debug=(ctx.obj or {}).get("debug", False))
    for line in config.in_force(lake, "macro_minute"):
        logger.info("{}", line)
    done = fetch(lake)
    supervised.count(new=done.new, failed=len(done.failed) + len(done.skipped))
    errors = done.errors()
    if done.answered or not errors:
        click.echo(done.told())
    if errors:
        raise click.ClickException(errors)
