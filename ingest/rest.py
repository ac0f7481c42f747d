"""Questions about the exchange itself: what time it is, and which symbols exist."""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from loguru import logger

from ingest.collect.clock import FULL_SPEED
from ingest.http import Host, Refused, Unreachable

TIME = "/api/v3/time"
INFO = "/api/v3/exchangeInfo"
INFO_WEIGHT = 20
# The collector asks on the way: it has more urgent things to do than to wait.
SHORT = {"is_patient": False, "total_s": 5.0}
SAMPLES = 5
YEAR_2000_MS, YEAR_2100_MS = 946_684_800_000, 4_102_444_800_000
REPLAY = re.compile(r"speed=(max|\d+(?:\.\d+)?);\s*recv=(\d+)$")


@dataclass(frozen=True)
class Reading:
    """The exchange's time minus ours in µs, and the round trip that found it.

    `speed`, `recv_us`: what a replay says of its clock; None at the real exchange.
    """

    offset_us: int
    round_trip_us: int
    speed: str | None = None
    recv_us: int | None = None


async def synchronise(host: Host, path: str = TIME) -> int:
    """Let a host's limits and waits run on its own clock; its time in µs, at the earliest.

    `path`: its time endpoint. A replay's clock becomes that of the host's answers, too.
    """
    reading = await clock_offset(host, path, is_patient=True)
    speed = 1.0
    if reading.speed:
        host.clock.follow(reading.recv_us, reading.speed)
        speed = FULL_SPEED if reading.speed == "max" else float(reading.speed)
    now_us = host.clock.now() + reading.offset_us
    host.timer.follow(now_us, speed)
    return now_us - (0 if reading.speed else reading.round_trip_us)


async def clock_offset(host: Host, path: str = TIME, **patience) -> Reading:
    """The best of a few readings, that is the one of the smallest round trip; or NoAnswer."""
    best = await _read_clock(host, path, **(patience or SHORT))
    for _ in range(0 if best.speed else SAMPLES - 1):
        reading = await _read_clock(host, path, **(patience or SHORT))
        if reading.round_trip_us < best.round_trip_us:
            best = reading
    return best


async def _read_clock(host: Host, path: str, **patience) -> Reading:
    answer = await host.get(path, **patience)
    trip_us = answer.round_trip_us
    try:
        theirs_us = _micros(answer.json["serverTime"])
    except (KeyError, TypeError, ValueError):
        why = f"answered {answer.status} and no time"
        raise Unreachable(f"{host.url}{path} {why}: is this the exchange's address?", why) from None
    if replay := replay_of(f"{host.url}{path}", answer.headers):
        recv_us, speed = replay
        return Reading(theirs_us - recv_us, trip_us, speed, recv_us)
    return Reading(theirs_us - (answer.sent_us + trip_us // 2), trip_us)


def replay_of(url: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
    """Where a replay's clock stands, in µs, and its speed, a number or "max"; None: no replay.

    Unreachable when what `url` answered cannot be read.
    """
    if (said := headers.get("X-Lake-Replay")) is None:
        return None
    if not (match := REPLAY.match(said)):
        why = f"a replay whose clock cannot be read: {said[:100]}"
        raise Unreachable(f"{url}: {why}", why)
    return int(match[2]), match[1]


def _micros(value: object) -> int:
    """A time in µs; ValueError for what is none. An exchange that knows no µs says ms."""
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError
    return value * 1000 if YEAR_2000_MS <= value < YEAR_2100_MS else value


async def unknown_symbols(host: Host, symbols: list[str]) -> dict[str, list[str]]:
    """The symbols that the exchange does not know, each with those it may have meant.

    NoAnswer when it does not say.
    """
    asked = {"symbols": json.dumps(symbols, separators=(",", ":"))}
    try:
        answer = await host.get(INFO, INFO_WEIGHT, asked, **SHORT)
    except Refused as refused:
        if refused.code not in (-1121, -1100):
            raise
    else:
        _warn_of_halted(answer.json)
        return {}
    answer = await host.get(INFO, INFO_WEIGHT, **SHORT)
    try:
        known = {str(entry["symbol"]) for entry in answer.json["symbols"]}
    except (KeyError, TypeError):
        why = f"answered {answer.status}"
        raise Unreachable(f"{host.url}{INFO} {why} and no symbols", why) from None
    return {
        symbol: difflib.get_close_matches(symbol, known, 3)
        for symbol in symbols
        if symbol not in known
    }


def _warn_of_halted(body: object) -> None:
    """Symbols that exist and are not traded now."""
    entries = body.get("symbols", []) if isinstance(body, dict) else []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("status", "TRADING") != "TRADING":
            logger.warning("{} is not traded now: {}", entry.get("symbol"), entry["status"])
