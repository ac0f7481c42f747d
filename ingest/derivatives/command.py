"""`lake derivatives`."""

from pathlib import Path

import click

from runner.command import config_option, look_back_option, own_symbols_option


@click.command("derivatives", short_help="Fetch funding rates and open interest.")
@own_symbols_option
@look_back_option
@click.option("--url", metavar="URL", help="Address of the futures exchange.")
@config_option
@click.pass_context
def derivatives(
    ctx, symbols: list[str] | None, days: int | None, url: str | None, config_file: Path | None
) -> None:
    """Fetch funding rates and 5-minute open interest of the USD-M futures.

    Only what no earlier answer covers is asked for. The exchange keeps 30 days of open interest:
    run this at least that often. A symbol that has no future is told and left out.

    \b
    Examples:
      lake derivatives --symbols BTCUSDT,ETHUSDT --days 29
    """
    from loguru import logger

    from ingest.derivatives.derivatives import fetch
    from runner import config, logs
    from runner.run import supervised

    flags = {
        "exchanges[0].symbols": ("--symbols", symbols),
        "exchanges[0].futures_url": ("--url", url),
        "derivatives.startup_backfill_days": ("--days", days),
    }
    lake = config.with_flags(config.load(config_file), flags)
    logs.setup(lake, "collector", debug=(ctx.obj or {}).get("debug", False))
    for line in config.in_force(lake, "derivatives"):
        logger.info("{}", line)
    done = fetch(lake)
    supervised.count(new=sum(done.new.values()), failed=len(done.failed))
    click.echo(done.told())
    if errors := done.errors():
        raise click.ClickException(errors)
