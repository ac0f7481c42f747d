"""Clients that fetch 1-minute klines."""

import asyncio
import json
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from ingest.backfill import backfill
from runner.build.build import Choice, build
from runner.config import load, with_flags

DAY_MS = 86_400_000
SLEEP_S = 0.1


def fetched(folder: str, rest_url: str, symbols: list[str], days: int) -> dict:
    """What `lake backfill` does up to its build."""
    flags = {
        "exchanges[0].symbols": ("--symbols", tuple(symbols)),
        "exchanges[0].rest_url": ("--rest-url", rest_url),
        "backfill.days": ("--days", days),
    }
    lake = with_flags(load(Path(folder)), flags)
    done = asyncio.run(backfill.Fetch(lake, "rest").run(None, None))
    assert not done.refused, done.refused
    return {"candles": done.candles, "requests": done.requests}


def built(folder: str) -> dict:
    """The stored klines of what was fetched."""
    report = build(load(Path(folder)), Choice(select="klines"))
    assert not report.failed, report.failed
    return {"candles": report.rows}


def day_by_day(rest_url: str, symbols: list[str], days: int, pages_a_day: int) -> dict:
    """A loop that asks for a day, page after page, and sleeps after each; a page cannot hold a
    whole day.
    """
    with urllib.request.urlopen(f"{rest_url}/api/v3/time") as answer:
        today_ms = json.load(answer)["serverTime"] // DAY_MS * DAY_MS
    candles = requests = 0
    for symbol in symbols:
        for day in range(days):
            begin_ms, rows = today_ms - (days - day) * DAY_MS, []
            for _ in range(pages_a_day):
                from_ms = rows[-1][0] + 60_000 if rows else begin_ms
                rows += _page(rest_url, symbol, from_ms, begin_ms + DAY_MS - 1)
                requests += 1
                time.sleep(SLEEP_S)
            candles += len(rows)
    return {"candles": candles, "requests": requests}


def _page(rest_url: str, symbol: str, from_ms: int, to_ms: int) -> list[list]:
    asked = {"symbol": symbol, "interval": "1m", "startTime": from_ms, "endTime": to_ms}
    query = urlencode({**asked, "limit": 1000})
    with urllib.request.urlopen(f"{rest_url}/api/v3/klines?{query}") as answer:
        return json.load(answer)
