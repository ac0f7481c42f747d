"""The commands that seal days and free room: compact, prune."""

import re
from typing import TYPE_CHECKING

import click

from runner.command import config_option, day_option, symbols_option

if TYPE_CHECKING:
    from runner.seal.prune import Pruning, Spare

OLD = "no packed raw is {} days old and safe to remove (`lake compact` seals and packs)"


def _days(context: click.Context, parameter: click.Parameter, value: str) -> int:
    if not re.fullmatch(r"\d{1,5}d", value):
        raise click.BadParameter(f"{value!r} is not a number of days; write 14d")
    return int(value[:-1])


@click.command("compact", short_help="Seal the days that are over.")
@day_option
@symbols_option
@config_option
@click.pass_context
def compact(ctx, day, symbols, config_file) -> None:
    """Seal the days that are over: verify their files, write down their hashes, pack their raw.

    It builds first. A day is over some minutes after midnight UTC by the lake's own clock, its
    newest line. Late lines reopen the day that they belong to; the next run seals it again.

    \b
    Examples:
      lake compact
      cd data/parquet/binance/SOLUSDT && sha256sum -c SHA256SUMS
    """
    from loguru import logger

    from runner import logs, next_step
    from runner.config import load
    from runner.run import supervised
    from runner.seal.compact import compact as run_compact

    lake = load(config_file)
    logs.setup(lake, "transformer", debug=(ctx.obj or {}).get("debug", False))
    done = run_compact(lake, day, symbols)
    supervised.count(sealed=len(done.sealed), waiting=len(done.waiting))
    lacks = next_step.to_bars(lake)
    for line in [f"nothing to seal: {lacks}"] if lacks else done.told():
        click.echo(line)
        logger.bind(printed=True).info(line)
    if done.failed:
        raise click.ClickException("\n".join(done.failed))


@click.command("prune", short_help="Remove packed raw of sealed days.")
@click.option(
    "--raw-older-than",
    "days",
    required=True,
    callback=_days,
    metavar="DAYSd",
    help="How long ago the day must have ended, as 14d, before the lake's newest line.",
)
@symbols_option
@click.option("--yes", is_flag=True, help="Remove without asking.")
@config_option
@click.pass_context
def prune(ctx, days, symbols, yes, config_file) -> None:
    """Remove packed raw whose every trade lies in days that are sealed, verified and hashed now.

    It shows first what it would free, and asks. Trades, quotes, bars and certificates stay; what
    needs raw (`lake build --from-raw`) is then no longer possible for these days.

    \b
    Examples:
      lake prune --raw-older-than 14d
    """
    from runner import logs, next_step
    from runner.config import load
    from runner.seal.prune import Pruning

    lake = load(config_file)
    logs.setup(lake, "transformer", debug=(ctx.obj or {}).get("debug", False))
    with Pruning(lake, days, symbols) as pruning:
        found, kept = pruning.look()
        _show(found, kept, next_step.to_bars(lake) or OLD.format(days))
        if yes:
            _remove(pruning, found)
    if yes or not found:
        return
    total = sum(one.bytes for one in found) / 1e6
    if not click.confirm(f"Remove {len(found):,} files, {total:,.1f} MB?"):
        click.echo("nothing was removed")
        return
    # nothing is held while a person thinks, so it is looked at once more
    with Pruning(lake, days, symbols) as pruning:
        _remove(pruning, [one for one in pruning.look()[0] if one in found])


def _show(found: list["Spare"], kept: list[str], why_none: str) -> None:
    for line in kept:
        click.echo(f"kept   {line}")
    for one in found:
        click.echo(f"frees  {one.path} ({one.bytes / 1e6:,.1f} MB)")
    if not found:
        click.echo(f"nothing to remove: {why_none}")


def _remove(pruning: "Pruning", safe: list["Spare"]) -> None:
    from loguru import logger

    for one in safe:
        pruning.remove(one)
        logger.info("removed {}", one.path)
    if safe:
        total = sum(one.bytes for one in safe) / 1e6
        click.echo(f"removed {len(safe):,} files, {total:,.1f} MB")
