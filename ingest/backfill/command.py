"""`lake backfill`."""

from pathlib import Path

import click

from runner.command import (
    archive_url_option,
    config_option,
    end_option,
    own_symbols_option,
    rest_url_option,
    start_option,
)


@click.command("backfill", short_help="Fetch the exchange's official klines.")
@own_symbols_option
@click.option("--days", type=int, help="Days back from now, in place of backfill.days.")
@click.option("--interval", metavar="1m|1s", help="Length of a kline, in place of config.yml's.")
@start_option
@end_option
@click.option(
    "--source",
    type=click.Choice(["rest", "archive"]),
    default="rest",
    show_default=True,
    help="Pages up to this minute, or whole past days as zips with checksums.",
)
@rest_url_option
@archive_url_option
@config_option
def backfill(
    symbols: list[str] | None,
    days: int | None,
    interval: str | None,
    start: int | None,
    end: int | None,
    source: str,
    rest_url: str | None,
    archive_url: str | None,
    config_file: Path | None,
) -> None:
    """Fetch official klines that are missing, and store them beside our own bars: up to now, unless
    --end says otherwise.

    What was fetched before is not asked for again, also after a kill; the candle that is still
    open is left for later.

    \b
    Examples:
      lake backfill --symbols SOLUSDT,SUIUSDT --days 30
      lake backfill --source archive --start 2025-10-01 --end 2025-10-03
    """
    # Imported here: the network libraries take a third of a second, which --help need not wait for.
    from loguru import logger

    from ingest.backfill import backfill as fetching
    from runner import config as settings
    from runner import logs

    if start is not None and end is not None and start >= end:
        raise click.UsageError("--start must lie before --end (which is the first moment after)")
    flags = {
        "exchanges[0].symbols": ("--symbols", symbols),
        "exchanges[0].rest_url": ("--rest-url", rest_url),
        "exchanges[0].archive_url": ("--archive-url", archive_url),
        "backfill.days": ("--days", days),
        "backfill.interval": ("--interval", interval),
    }
    lake = settings.with_flags(settings.load(config_file), flags)
    logs.setup(lake, "collector")
    for line in settings.in_force(lake, "exchanges[0]", "backfill"):
        logger.info("{}", line)
    done = fetching.backfill(lake, start, end, source)
    for line in done.told():
        click.echo(line)
        logger.bind(printed=True).info("{}", line)
    for sentence in done.refused[1:]:
        logger.warning("{}", sentence)
    if done.refused:
        more = f" (and {len(done.refused) - 1:,} more)" if done.refused[1:] else ""
        raise click.ClickException(f"{done.refused[0]}{more}")
