"""`lake backfill` against a replay whose recording is over: what it asked, and what is stored."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import lakes
from click.testing import Result

from replay.market import Market
from replay.rest import Served
from replay.server import Exchange

KLINES = "/api/v3/klines"
MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
# The recording stands in the middle of a minute at its end, whose candle is open then.
START = datetime(2025, 10, 20, 0, 7, tzinfo=UTC)
FIELDS = (
    "epoch_us(open_time), open, high, low, close, volume, epoch_us(close_time), quote_volume,"
    " trades, taker_base_vol, taker_quote_vol"
)


def market(*symbols: str, seconds: float = 150, skew_us: int = 0) -> Market:
    return Market(symbols or ("SOLUSDT", "XLMUSDT"), 3, START, seconds, skew_us, busy=0.2)


@dataclass
class Backfills:
    """Runs of `lake backfill`: what each said and asked, and of which exchange."""

    exchange: Exchange
    interval: str
    results: list[Result] = field(default_factory=list)
    asked: list[list[Served]] = field(default_factory=list)

    @cached_property
    def truth(self) -> dict[str, list[tuple]]:
        """The candles that there were."""
        return truth(self.exchange, self.interval)

    def pages(self, number: int = 0) -> list[dict]:
        """The queries for klines of a run that were answered well."""
        return [one.query for one in self.asked[number] if one.path == KLINES]


def backfill(
    folder: Path,
    source: Market,
    *arguments: str,
    times: int = 1,
    between: Callable[[Exchange], object] = lambda exchange: None,
    interval: str = "1m",
    **knobs,
) -> Backfills:
    """Run `lake backfill` with the exchange's symbols; `between`: called before each but the first.

    `knobs`: of the exchange.
    """
    done = Backfills(Exchange(source, speed=None, rest_only=True, **knobs), interval)
    chosen = ["--symbols", ",".join(source.symbols), "--interval", interval, *arguments]

    async def main() -> None:
        async with done.exchange as exchange:
            url = ["--rest-url", exchange.rest_url, "--archive-url", exchange.rest_url]
            for number in range(times):
                if number:
                    between(exchange)
                before = len(exchange.requests)
                run = asyncio.to_thread(lakes.run, folder, "backfill", *url, *chosen)
                done.results.append(await run)
                done.asked.append(exchange.requests[before:])

    asyncio.run(main())
    return done


def truth(exchange: Exchange, interval: str = "1m") -> dict[str, list[tuple]]:
    """The candles of the exchange that have closed, by symbol: the numbers of FIELDS."""
    now_us = exchange.clock.exchange_us()
    return {
        symbol: [
            tuple(number if type(number) is int else float(number) for number in row[:11])
            for row in exchange.klines(symbol, interval)
            if row[6] < now_us
        ]
        for symbol in exchange.source.symbols
    }


def stored(folder: Path, symbol: str, interval: str = "1m") -> list[tuple]:
    """The klines of a lake: the numbers of FIELDS, in order of time."""
    return lakes.ask(
        folder,
        f"select {FIELDS} from klines where symbol = '{symbol}' and interval = '{interval}'"
        " order by open_time",
    )


def since(rows: list[tuple], from_us: int, to_us: int = 2**62) -> list[tuple]:
    """Those that open in a range."""
    return [row for row in rows if from_us <= row[0] < to_us]


def process(folder: Path, exchange_url: str, *arguments: str) -> subprocess.Popen:
    """`lake backfill` in a process of its own, its output as one text."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "lake", "backfill", "--config", str(folder)),
            *("--rest-url", exchange_url, "--archive-url", exchange_url, *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        cwd=lakes.ROOT,
    )
