"""`lake replay`: the exchange made of files, from the command line."""

import asyncio

import click

from replay.faults import HELP


def _speed(context: click.Context, parameter: click.Parameter, value: str) -> float | None:
    """Times real time, None for `max`."""
    if value.strip().lower() == "max":
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.ClickException(f"--speed {value}: should be a number above 0, or max.")
    return speed


@click.command(
    "replay",
    short_help="Play a recording or a market as the exchange would.",
    epilog="\b\nFaults (--fault NAME=key:value,…):\n" + HELP.lstrip("\b\n"),
)
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    type=click.Path(),
    help="A capture (`<receive time> <combined-stream JSON>` a line, plain or .gz) or raw of a "
    "lake (a file or a folder at any depth, e.g. data/raw/binance). Repeat it for several; they "
    "are merged by receive time. Without it a synthetic market is replayed.",
)
@click.option(
    "--symbols",
    default="",
    metavar="A,B",
    help="Only these symbols, separated by commas.",
)
@click.option("--seed", default=1, show_default=True, help="Of the synthetic market and faults.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]),
    metavar="TIME",
    help="Start of the synthetic market, UTC.  [default: 2025-10-20T14:55:00Z]",
)
@click.option(
    "--duration",
    default=600.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Length of the synthetic market.",
)
@click.option(
    "--speed",
    default="1",
    show_default=True,
    callback=_speed,
    help="Times real time, or max: as fast as clients read.",
)
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65_535),
    help="Port on loopback, for WebSocket and REST.  [default: any free one]",
)
@click.option(
    "--history-days",
    default=0,
    type=click.IntRange(0, 3650),
    help="Whole days of candles, without trades, before the day of the first trade.",
)
@click.option("--stay", is_flag=True, help="Go on serving REST after the end, until Ctrl+C.")
@click.option(
    "--rest-only", is_flag=True, help="All of it has happened already: only REST, until Ctrl+C."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=SPEC",
    help="Something to go wrong, e.g. drop=at:120s; see below. Repeat it for several.",
)
def replay(recordings, symbols, seed, start, duration, faults, **how) -> None:
    """Replay a recording, or a synthetic market, as the exchange would send it, on loopback.

    It serves the exchange's WebSocket and REST protocol and ends by itself when everything has
    been delivered and the last client has left. Nothing is sent before the first subscription.
    REST tells what has happened by then: trades, candles of the same trades, archive files of days
    that are over, and (made up, but always the same) futures and Yahoo's minutes, all at one port.

    \b
    Examples:
      lake replay --symbols SOLUSDT,BTCUSDT --speed 20 --fault drop=at:120s
      lake replay --recording data/raw/binance/SOLUSDT/2025-10-20 --speed max
      lake replay --rest-only --history-days 180 --port 8080
    """
    from replay.server import Exchange

    names = tuple(dict.fromkeys(name.strip() for name in symbols.split(",") if name.strip()))
    try:
        source = _source(recordings, names, seed, start, duration)
        asyncio.run(_serve(Exchange(source, faults=faults, seed=seed, **how), how["rest_only"]))
    except KeyboardInterrupt:
        click.echo("Stopped.")


async def _serve(exchange, rest_only: bool) -> None:
    """Until the recording is over and its last client has left, or Ctrl+C."""
    source, speed = exchange.source, exchange.clock.speed
    async with exchange:
        pace = "as fast as it is read" if speed is None else f"{speed:g} times real time"
        pace = "all of it has happened" if rest_only else pace
        click.echo(f"Replaying {source.title}, {pace}.")
        click.echo(f"  WebSocket  {exchange.ws_url}\n  REST       {exchange.rest_url}")
        if rest_only:
            click.echo("Ctrl+C stops.")
        else:
            click.echo(
                f"Record it:\n  lake collect --ws-url {exchange.ws_url} "
                f"--rest-url {exchange.rest_url} --symbols {','.join(source.symbols)}"
            )
            click.echo("The clock starts with the first subscription. Ctrl+C stops.")
        await exchange.played()
        delivered = sum(len(ids) for ids in exchange.delivered.values())
        stays = "; REST stays. Ctrl+C stops." if exchange.stay else "."
        if not rest_only:
            click.echo(f"End of recording: {delivered:,} trades delivered{stays}")
        if exchange.stay:
            await exchange.finished()


def _source(recordings, symbols, seed, start, duration):
    """The recording that is given, else the synthetic market."""
    if recordings:
        from replay.recording import Recording

        return Recording(recordings, symbols)
    from datetime import UTC

    from replay.market import DEFAULT_START, DEFAULT_SYMBOLS, Market

    begin = start.replace(tzinfo=UTC) if start else DEFAULT_START
    return Market(symbols or DEFAULT_SYMBOLS, seed, begin, duration)
