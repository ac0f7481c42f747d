"""`lake collect`."""

from pathlib import Path

import click

from runner.command import (
    config_option,
    duration_option,
    own_symbols_option,
    rest_url_option,
)


@click.command("collect")
@own_symbols_option
@duration_option
@click.option("--ws-url", metavar="URL", help="WebSocket address, in place of config.yml's.")
@rest_url_option
@config_option
def collect(
    symbols: list[str] | None,
    duration: float | None,
    ws_url: str | None,
    rest_url: str | None,
    config_file: Path | None,
) -> None:
    """Record trades and best quotes from the exchange into raw files.

    Runs until Ctrl+C, for --duration seconds, or to the end of a replayed recording. A lost
    connection is made again, and what it cost is fetched by `lake repair`; one collector a lake.

    \b
    Examples:
      lake collect --symbols SOLUSDT,SUIUSDT --duration 3600
    """
    # Imported here: the network libraries take a third of a second, which --help need not wait for.
    from loguru import logger

    from ingest.collect import collector
    from runner import config as settings
    from runner import logs

    flags = {
        "exchanges[0].symbols": ("--symbols", symbols),
        "exchanges[0].wss_url": ("--ws-url", ws_url),
        "exchanges[0].rest_url": ("--rest-url", rest_url),
    }
    lake = settings.with_flags(settings.load(config_file), flags)
    logs.setup(lake, "collector")
    for line in settings.in_force(lake, "exchanges[0]", "collector"):
        logger.info("{}", line)
    _tell(collector.collect(lake, duration_s=duration, repairs=True))


def _tell(done) -> None:
    """The run in one line (a collector.Summary); an error when the disk cost lines."""
    click.echo(
        f"{done.ended}: {done.messages:,} messages ({done.mode}), {done.lines:,} lines,"
        f" {done.rejected:,} rejected, {done.reconnects:,} reconnects, {done.dropped:,} dropped"
    )
    if done.lost:
        raise click.ClickException(f"{done.lost:,} raw lines were lost: the disk did not take them")
