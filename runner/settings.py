"""What config.yml may hold: one frozen struct a section, each key with what it accepts.

A key's description is what a problem says after "expected"; a check returns the reason why a value
of the right type is refused all the same, or None. Defaults are in config.yml alone.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from msgspec import Meta, Struct

YEAR_MINUTES = 366 * 24 * 60
# Characters of a symbol's folder; file systems take 255.
LONGEST_FOLDER = 200


def _key(description: str, check: Callable | None = None, **limits) -> Meta:
    """What a key accepts, in words, limits and a check."""
    return Meta(description=description, extra={"check": check} if check else None, **limits)


def stream_url(url: str) -> str:
    """The combined-stream address behind a wss_url that ends in /ws, /stream or nothing.

    >>> stream_url("wss://stream.binance.com:9443/ws"), stream_url("ws://127.0.0.1:9000")
    ('wss://stream.binance.com:9443/stream', 'ws://127.0.0.1:9000/stream')
    """
    return urlsplit(url)._replace(path="/stream").geturl()


def _why_not_a_url(url: str, schemes: tuple[str, ...]) -> str | None:
    """Why an address cannot be called, None when it can."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"not an address ({error})"
    if parts.scheme not in schemes:
        return f"an address that begins with {' or '.join(f'{s}://' for s in schemes)}"
    if not parts.hostname or port == 0 or " " in url or not url.isprintable():
        return "an address with a host name, and a port from 1 to 65535 if any"
    return "an address without ? and #" if parts.query or parts.fragment else None


def _rest_url(url: str) -> str | None:
    return _why_not_a_url(url, ("http", "https"))


def _own_url(url: str) -> str | None:
    return _rest_url(url) if url else None


def _wss_url(url: str) -> str | None:
    if why := _why_not_a_url(url, ("ws", "wss")):
        return why
    path = urlsplit(url).path.rstrip("/")
    return None if path in ("", "/ws", "/stream") else "an address that ends in /ws or /stream"


def _symbol(name: str) -> str | None:
    if name != name.upper():
        return f"capitals ({name.upper()})"
    if not re.fullmatch(r"[^\W_][\w.-]*", name):
        return "letters, digits and - _ . only, beginning with a letter or digit"
    return "a shorter name" if len(quote(name)) > LONGEST_FOLDER else None


def _ticker(name: str) -> str | None:
    return "a name without blanks" if re.search(r"\s|[\x00-\x1f]", name) else None


def _no_duplicates(names: list) -> str | None:
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    return f"each only once (twice: {', '.join(twice)})" if twice else None


def _exchange_names(exchanges: list) -> str | None:
    named = [one for one in exchanges if isinstance(one, dict) and "name" in one]
    return _no_duplicates([one["name"] for one in named])


def _folder(text: str) -> str | None:
    """Why a folder cannot be meant as it is written; never make a folder named `D:` on Linux."""
    if not text.isprintable() or text != text.strip():
        return "a folder without blanks at its ends and without control characters"
    if os.name != "nt" and (re.match(r"[A-Za-z]:", text) or "\\" in text):
        return "a folder of this system (this one is written for Windows)"
    if re.search(r"\$\w|\$\{|%\w+%", text):
        return "a folder without environment variables (they are not filled in; ~ is)"
    try:
        Path(text).expanduser()
    except RuntimeError:
        return "a folder whose ~ stands for a home folder that exists"
    return None


Minutes = Annotated[int, _key("whole minutes, 1 or more", ge=1, le=YEAR_MINUTES)]
Schedule = Annotated[int, _key("whole minutes, 0 (never) or more", ge=0, le=YEAR_MINUTES)]
MacroDays = Annotated[int, _key("whole days from 1 to 29", ge=1, le=29)]
Wait = Annotated[float, _key("seconds, more than 0 and at most 86400", gt=0, le=86400)]
Symbol = Annotated[str, _key("a symbol such as BTCUSDT", _symbol, min_length=1, max_length=50)]
Ticker = Annotated[str, _key("a ticker such as SPY", _ticker, min_length=1, max_length=50)]
Folder = Annotated[str, _key("a folder", _folder, min_length=1)]


class General(Struct, frozen=True, forbid_unknown_fields=True):
    timezone: Annotated[Literal["UTC"], _key("UTC (all is kept in UTC; convert in your query)")]
    log_level: Annotated[
        Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"],
        _key("TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR or CRITICAL"),
    ]
    base_path: Folder


class Exchange(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[Literal["binance"], _key("binance (no other source is built in)")]
    symbols: Annotated[
        tuple[Symbol, ...], _key("a list of one or more symbols", _no_duplicates, min_length=1)
    ]
    rest_url: Annotated[str, _key("an address such as https://api.binance.com", _rest_url)]
    wss_url: Annotated[str, _key("an address such as wss://stream.binance.com:9443", _wss_url)]
    archive_url: Annotated[str, _key("an address such as https://data.binance.vision", _rest_url)]
    futures_url: Annotated[str, _key("an address such as https://fapi.binance.com", _rest_url)]

    @property
    def stream_url(self) -> str:
        """wss_url in the form that is used, ending in /stream."""
        return stream_url(self.wss_url)


class Collector(Struct, frozen=True, forbid_unknown_fields=True):
    write_interval_sec: Annotated[
        int, _key("whole seconds from 1 to 3600 (no raw file spans an hour)", ge=1, le=3600)
    ]
    reconnect_backoff: Wait
    max_reconnect_backoff: Wait
    output_format: Annotated[Literal["jsonl"], _key("jsonl (no other form keeps lines exact)")]


class Transformer(Struct, frozen=True, forbid_unknown_fields=True):
    resample_interval_sec: Annotated[Literal[1], _key("1 (coarser bars are views: bars_1m …)")]
    parquet_compression: Annotated[
        Literal["snappy", "zstd", "gzip", "lz4", "lz4_raw", "brotli", "uncompressed"],
        _key("snappy, zstd, gzip, lz4, lz4_raw, brotli or uncompressed"),
    ]
    schedule_minutes: Schedule


class Gapfill(Struct, frozen=True, forbid_unknown_fields=True):
    dark: Annotated[Literal["previous_close"] | None, _key("null or previous_close")]


class Compact(Struct, frozen=True, forbid_unknown_fields=True):
    lateness_minutes: Annotated[int, _key("whole minutes from 0 to 1440", ge=0, le=1440)]
    prune_raw_days: Annotated[int, _key("whole days, 0 (never) or more", ge=0, le=10_000)]


class Repair(Struct, frozen=True, forbid_unknown_fields=True):
    max_ids_per_hole: Annotated[int, _key("a whole number, 0 or more", ge=0, le=2**62)]


class Backfill(Struct, frozen=True, forbid_unknown_fields=True):
    days: Annotated[int, _key("whole days, 1 or more", ge=1, le=10_000)]
    interval: Annotated[Literal["1m", "1s"], _key("1m or 1s")]


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    max_spread_bps: Annotated[float, _key("basis points, more than 0", gt=0, le=1e6)]
    max_wide_spread_share: Annotated[float, _key("a share from 0 to 1", ge=0, le=1)]
    max_outage_seconds: Annotated[float, _key("seconds, 0 or more", ge=0, le=86400)]
    max_clock_offset_ms: Annotated[float, _key("milliseconds, more than 0", gt=0, le=1e9)]
    max_latency_ms: Annotated[float, _key("milliseconds, more than 0", gt=0, le=1e9)]


class Check(Struct, frozen=True, forbid_unknown_fields=True):
    max_age_minutes: Annotated[int, _key("whole minutes, 1 or more", ge=1, le=YEAR_MINUTES)]
    min_free_days: Annotated[int, _key("whole days, 0 or more", ge=0, le=10_000)]


class Health(Struct, frozen=True, forbid_unknown_fields=True):
    max_silence_seconds: Annotated[int, _key("whole seconds from 5 to 86400", ge=5, le=86400)]
    min_free_gb: Annotated[float, _key("gigabytes, 0 or more", ge=0, le=1e9)]


class MacroMinute(Struct, frozen=True, forbid_unknown_fields=True):
    tickers: Annotated[tuple[Ticker, ...], _key("a list of tickers", _no_duplicates)]
    schedule_minutes: Schedule
    startup_backfill_days: MacroDays
    runtime_lookback_days: MacroDays
    url: Annotated[str, _key("nothing, or an address such as http://127.0.0.1:8080", _own_url)]


class Derivatives(Struct, frozen=True, forbid_unknown_fields=True):
    schedule_minutes: Schedule
    startup_backfill_days: MacroDays


class Testing(Struct, frozen=True, forbid_unknown_fields=True):
    enabled: Annotated[bool, _key("true or false")]
    transform_interval_min: Minutes
    macro_interval_min: Minutes
    macro_lookback_startup_days: MacroDays
    macro_runtime_lookback_days: MacroDays
    backfill_days: Annotated[int, _key("whole days, 1 or more", ge=1, le=10_000)]
    base_path: Folder


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All of config.yml, a section an attribute."""

    general: General
    exchanges: Annotated[
        tuple[Exchange, ...], _key("a list of one or more exchanges", _exchange_names, min_length=1)
    ]
    collector: Collector
    transformer: Transformer
    gapfill: Gapfill
    compact: Compact
    repair: Repair
    backfill: Backfill
    rules: Rules
    check: Check
    health: Health
    macro_minute: MacroMinute
    derivatives: Derivatives
    testing: Testing
