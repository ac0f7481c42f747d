"""Whether a run records the exchange or a replay: known before its first line is written."""

import asyncio
import time
from collections.abc import Mapping

import click
from loguru import logger
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from ingest import binance, rest
from ingest.collect import sessions
from ingest.collect.clock import Clock
from ingest.collect.plan import Plan, refuse_other
from ingest.http import Host, NoAnswer, on_loopback
from runner.config import Lake

HANDSHAKE_S = 5.0


async def mode_of(lake: Lake, plan: Plan, host: Host, clock: Clock) -> str:
    """ "live" or "replay", as the exchange's addresses say; refused when the lake holds the other.

    On this machine, where replays are, it waits until one of the addresses answers.
    """
    if replay := await _replay(lake, plan, host):
        clock.follow(*replay)
    mode = "replay" if clock.replay else "live"
    refuse_other(lake, mode, plan.wss_url)
    return mode


async def _replay(lake: Lake, plan: Plan, host: Host) -> tuple[int, str] | None:
    """Where a replay's clock stands, in µs, and its speed; None for what is live."""
    wait_s, begun, told = lake.config.collector.reconnect_backoff, time.monotonic(), False
    while True:
        try:
            reading = await rest.clock_offset(host)
            return (reading.recv_us, reading.speed) if reading.speed else None
        except NoAnswer as error:
            why = error.why
        headers = await _handshake(plan.wss_url) if on_loopback(plan.wss_url) else {}
        if headers is not None:
            break
        sentence = f"nothing answers at {plan.rest_url} ({why}); is `lake replay` running?"
        over = plan.duration_s is not None and time.monotonic() - begun > plan.duration_s
        if over or sessions.mode_of_lake(lake.base / "raw") == "replay":
            raise click.ClickException(sentence)
        if not told:
            logger.warning("{} Asking again every {:g} s", sentence, wait_s)
            told = True
        await asyncio.sleep(wait_s)
    if replay := rest.replay_of(plan.wss_url, headers):
        return replay
    logger.warning("{} does not tell the time ({}): taken as live", plan.rest_url, why)
    return None


async def _handshake(url: str) -> Mapping[str, str] | None:
    """The headers that the WebSocket answers with; None when it does not."""
    try:
        async with connect(
            binance.url(url), proxy=None, open_timeout=HANDSHAKE_S, close_timeout=HANDSHAKE_S
        ) as socket:
            return socket.response.headers
    except (OSError, WebSocketException):  # TimeoutError is an OSError
        return None
