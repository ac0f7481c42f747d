"""The two questions the collector asks over REST: what time it is, and which symbols exist."""

import difflib
import json
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from loguru import logger

HEADERS = {"X-MBX-TIME-UNIT": "MICROSECOND"}
TIMEOUT_S = 5.0
SAMPLES = 5
YEAR_2000_MS, YEAR_2100_MS = 946_684_800_000, 4_102_444_800_000
REPLAY = re.compile(r"speed=(max|\d+(?:\.\d+)?);\s*recv=(\d+)$")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Unreachable(Exception):
    """The REST address gave no answer that can be used."""


@dataclass(frozen=True)
class Reading:
    """The exchange's time minus ours in µs, and the round trip that found it.

    `speed`, `recv_us`: what a replay says of its clock; None at the real exchange.
    """

    offset_us: int
    round_trip_us: int
    speed: str | None = None
    recv_us: int | None = None


def on_loopback(url: str) -> bool:
    """Whether an address is on this machine, where no proxy must be asked."""
    return urlsplit(url).hostname in LOOPBACK


def session(rest_url: str) -> aiohttp.ClientSession:
    """An HTTP client for the exchange; proxies of the environment count, but not on loopback."""
    return aiohttp.ClientSession(
        headers=HEADERS,
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        trust_env=not on_loopback(rest_url),
    )


async def clock_offset(http: aiohttp.ClientSession, rest_url: str) -> Reading:
    """The best of a few readings, that is the one of the smallest round trip; or Unreachable."""
    best = await _read_clock(http, rest_url)
    for _ in range(0 if best.speed else SAMPLES - 1):
        reading = await _read_clock(http, rest_url)
        if reading.round_trip_us < best.round_trip_us:
            best = reading
    return best


async def _read_clock(http: aiohttp.ClientSession, rest_url: str) -> Reading:
    sent_us, started = time.time_ns() // 1000, time.perf_counter()
    status, headers, body = await _get(http, f"{rest_url.rstrip('/')}/api/v3/time")
    trip_us = int((time.perf_counter() - started) * 1e6)
    try:
        theirs_us = _micros(body["serverTime"])
    except (KeyError, TypeError, ValueError):
        raise Unreachable(f"answered {status} and no time") from None
    if said := headers.get("X-Lake-Replay"):
        if not (match := REPLAY.match(said)):
            raise Unreachable(f"a replay whose clock cannot be read: {said[:100]}")
        recv_us = int(match[2])
        return Reading(theirs_us - recv_us, trip_us, match[1], recv_us)
    return Reading(theirs_us - (sent_us + trip_us // 2), trip_us)


def _micros(value: object) -> int:
    """A time in µs; ValueError for what is none. An exchange that knows no µs says ms."""
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError
    return value * 1000 if YEAR_2000_MS <= value < YEAR_2100_MS else value


async def unknown_symbols(
    http: aiohttp.ClientSession, rest_url: str, symbols: list[str]
) -> dict[str, list[str]]:
    """The symbols that the exchange does not know, each with those it may have meant.

    Unreachable when it does not say.
    """
    address = f"{rest_url.rstrip('/')}/api/v3/exchangeInfo"
    asked = json.dumps(symbols, separators=(",", ":"))
    status, _, body = await _get(http, address, symbols=asked)
    if status == 200:
        _warn_of_halted(body)
        return {}
    if not isinstance(body, dict) or body.get("code") not in (-1121, -1100):
        raise Unreachable(f"answered {status}")
    status, _, body = await _get(http, address)
    try:
        known = {str(entry["symbol"]) for entry in body["symbols"]}
    except (KeyError, TypeError):
        raise Unreachable(f"answered {status}") from None
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


async def _get(http: aiohttp.ClientSession, address: str, **params: str) -> tuple:
    """(status, headers, body from JSON or None); Unreachable when there is no answer."""
    try:
        async with http.get(address, params=params) as answer:
            content = await answer.read()
            headers, status = answer.headers, answer.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unreachable(str(error) or type(error).__name__) from None
    try:
        return status, headers, json.loads(content)
    except ValueError:
        return status, headers, None
