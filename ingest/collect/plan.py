"""What a run is to collect, and what is asked of the exchange before it begins."""

from dataclasses import dataclass

import click
from loguru import logger

from ingest import rest
from ingest.binance import STREAMS, STREAMS_PER_CONNECTION
from ingest.collect import sessions
from ingest.http import Host, NoAnswer
from runner.config import Lake


@dataclass(frozen=True)
class Plan:
    """What a run collects and from where. `duration_s`: None = until stopped."""

    symbols: list[str]
    wss_url: str
    rest_url: str
    duration_s: float | None = None


def plan(
    lake: Lake,
    symbols: list[str] | None = None,
    duration_s: float | None = None,
    ws_url: str | None = None,
    rest_url: str | None = None,
) -> Plan:
    """What to collect: what is given here, else what the lake's config says."""
    exchange = lake.config.exchanges[0]
    chosen = list(dict.fromkeys(symbols or exchange.symbols))
    if len(chosen) * len(STREAMS) > STREAMS_PER_CONNECTION:
        most = STREAMS_PER_CONNECTION // len(STREAMS)
        raise click.ClickException(
            f"{len(chosen)} symbols are more than a connection carries: choose {most} or fewer"
        )
    return Plan(chosen, ws_url or exchange.wss_url, rest_url or exchange.rest_url, duration_s)


def refuse_other(lake: Lake, mode: str, address: str) -> None:
    """Refuse to bring an address that is "live" into a lake of replays, or the reverse."""
    before = sessions.mode_of_lake(lake.base / "raw")
    if before not in (None, mode):
        kinds = {"live": "live data", "replay": "a replay"}
        raise click.ClickException(
            f"{lake.base} holds {kinds[before]} and {address} is {kinds[mode]}: the two are not"
            " mixed, use another folder (lake init makes one)"
        )


def archive_of(lake: Lake, host: Host) -> str:
    """Where the archive of a host lies: a replay serves its own, unless another one is named."""
    key = "exchanges[0].archive_url"
    is_own = host.clock.replay and key not in lake.origins
    return host.url if is_own else lake.config.exchanges[0].archive_url


def refuse_made_up(lake: Lake, is_replay: bool, address: str) -> None:
    """Refuse history of a replay among live data; real history may lie beside a recording."""
    if is_replay:
        refuse_other(lake, "replay", address)


async def check_symbols(plan: Plan, host: Host) -> None:
    """ClickException that names the symbols which the exchange does not have."""
    try:
        unknown = await rest.unknown_symbols(host, plan.symbols)
    except NoAnswer as error:
        logger.warning("the symbols could not be checked at {}: {}", plan.rest_url, error.why)
        return
    if unknown:
        told = ", ".join(
            f"{symbol} (did you mean {' or '.join(near)}?)" if near else symbol
            for symbol, near in unknown.items()
        )
        raise click.ClickException(f"the exchange has no symbol {told}")
