"""`lake repair`."""

from pathlib import Path

import click

from runner.command import (
    archive_url_option,
    config_option,
    rest_url_option,
    symbols_option,
)


@click.command("repair", short_help="Fetch missing trades by their ids.")
@symbols_option
@click.option("--all", "everything", is_flag=True, help="Also holes above repair.max_ids_per_hole.")
@rest_url_option
@archive_url_option
@config_option
@click.pass_context
def repair(ctx, symbols, everything, rest_url, archive_url, config_file: Path | None) -> None:
    """Fetch the trades that are missing on the tape by their ids, and build.

    Trades that the exchange's REST address keeps no more come from its archive. Ids that the
    exchange itself lacks are written down, and never asked for again. Large holes are only listed,
    with what they would cost.

    \b
    Examples:
      lake repair
      lake repair --symbols SOLUSDT --all
    """
    # Imported here: the network libraries take a third of a second, which --help need not wait for.
    from loguru import logger

    from ingest.repair import repair as repairing
    from runner import config, logs, next_step
    from runner.run import supervised

    flags = {
        "exchanges[0].rest_url": ("--rest-url", rest_url),
        "exchanges[0].archive_url": ("--archive-url", archive_url),
    }
    lake = config.with_flags(config.load(config_file), flags)
    logs.setup(lake, "transformer", debug=(ctx.obj or {}).get("debug", False))
    done = repairing.repair(lake, symbols, everything)
    supervised.count(new=done.fetched.total(), failed=len(done.failed))
    lacks = next_step.to_bars(lake)
    for line in [lacks] if lacks else done.told(lake.config.repair.max_ids_per_hole):
        click.echo(line)
        logger.bind(printed=True).info(line)
    if done.failed:
        raise click.ClickException("\n".join(done.failed))
