"""The exchange's archive: a zip of CSV for each symbol and day, and its checksum beside it.

    /data/spot/daily/klines/SOLUSDT/1m/SOLUSDT-1m-2025-10-20.zip (.CHECKSUM)
    /data/spot/daily/trades/SOLUSDT/SOLUSDT-trades-2025-10-20.zip (.CHECKSUM)
A day is there once it is over and the delay of publishing has passed on the replay's clock.
"""

import asyncio
import hashlib
import io
import sys
import zipfile
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatch
from typing import NamedTuple

from aiohttp import web

from replay.candles import INTERVALS
from replay.clock import Clock
from replay.events import decimal
from replay.history import DAY_US
from replay.ledger import Ledger
from replay.spot import Spot

HOUR_US = 3_600_000_000
KEPT = 32  # zips
PAUSE = 5_000  # trades after which others are answered
CANDLE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_base_volume,taker_buy_quote_volume,ignore"
)
TRADE_HEADER = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match"
ABSENT = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'


@dataclass(frozen=True)
class ArchiveRules:
    """What is odd about the archive. Files are named by patterns, e.g. `SOLUSDT-1m-2025-10-1?.zip`.

    `corrupt` zips cannot be opened, though their checksum is right; a `stale` checksum is another
    file's; `absent` files and checksums that are `unchecked` are not there.
    """

    publish_delay_s: float = 8.5 * 3600
    micro_from: date = date(2025, 1, 1)  # files of earlier days have their times in ms
    header: bool = False
    absent: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()


class _File(NamedTuple):
    """A zip that may be there: of candles of an interval, or (interval "") of trades."""

    name: str
    symbol: str
    interval: str
    day: date

    @property
    def start_us(self) -> int:
        return (self.day - date(1970, 1, 1)).days * DAY_US


class Archive:
    """Files from the same candles and trades as REST. They weigh nothing."""

    def __init__(self, spot: Spot, ledger: Ledger, clock: Clock, rules: ArchiveRules):
        self._spot, self._ledger, self._clock, self.rules = spot, ledger, clock, rules
        self._zips: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._replaced: list[tuple[str, int]] = []

    def replace(self, pattern: str) -> None:
        """From now on files of this pattern are another version, with one value corrected."""
        self._replaced.append((pattern, self._clock.exchange_us()))

    def add_to(self, app: web.Application) -> None:
        root = "/data/spot/daily"
        app.router.add_get(f"{root}/klines/{{symbol}}/{{interval}}/{{file}}", self._serve)
        app.router.add_get(f"{root}/trades/{{symbol}}/{{file}}", self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["file"]
        checked = name.removesuffix(".CHECKSUM")
        file = _file(request, checked)
        if file is None or not self._published(file) or _named(checked, self.rules.absent):
            return web.Response(status=404, text=ABSENT, content_type="application/xml")
        content = await self._zip(file)
        if content is None or (name != checked and _named(checked, self.rules.unchecked)):
            return web.Response(status=404, text=ABSENT, content_type="application/xml")
        etag = hashlib.sha256(content).hexdigest()[:32]
        headers = {"ETag": f'"{etag}"', **self._modified(file)}
        if name == checked:
            if request.headers.get("If-None-Match") == headers["ETag"]:
                return web.Response(status=304, headers=headers)
            return web.Response(body=content, headers=headers, content_type="application/zip")
        if _named(checked, self.rules.stale):
            content += b"as it was before"
        line = f"{hashlib.sha256(content).hexdigest()}  {checked}\n"
        return web.Response(text=line, headers=headers)

    def _published(self, file: _File) -> bool:
        known = file.symbol in self._ledger.tapes and file.interval in ("", *INTERVALS)
        delay_us = int(self.rules.publish_delay_s * 1e6)
        now_us = min(self._clock.exchange_us(), self._ledger.now_us())
        return known and now_us >= file.start_us + DAY_US + delay_us

    def _modified(self, file: _File) -> dict[str, str]:
        at_us = file.start_us + DAY_US + int(self.rules.publish_delay_s * 1e6)
        for pattern, replaced_us in self._replaced:
            if fnmatch(file.name, pattern):
                at_us = replaced_us
        at = datetime.fromtimestamp(at_us // 1_000_000, UTC)
        return {"Last-Modified": f"{at:%a, %d %b %Y %H:%M:%S} GMT"}

    async def _zip(self, file: _File) -> bytes | None:
        """The zip's bytes, None for a day without anything."""
        versions = sum(fnmatch(file.name, pattern) for pattern, _ in self._replaced)
        key = (file.name, versions)
        if key not in self._zips:
            milliseconds = file.day < self.rules.micro_from
            make = self._candles if file.interval else self._trades
            rows = [row async for row in make(file, milliseconds)]
            if not rows:
                return None
            if versions:
                rows[0] = _corrected(rows[0], versions)
            if self.rules.header:
                rows.insert(0, CANDLE_HEADER if file.interval else TRADE_HEADER)
            content = _zipped(file.name.replace(".zip", ".csv"), "\n".join(rows) + "\n")
            if _named(file.name, self.rules.corrupt):
                content = content[: len(content) // 2]
            self._zips[key] = content
            if len(self._zips) > KEPT:
                self._zips.popitem(last=False)
        return self._zips[key]

    async def _candles(self, file: _File, milliseconds: bool) -> AsyncIterator[str]:
        candles = self._spot.candles(file.symbol, file.interval, milliseconds)
        for first_us in range(file.start_us, file.start_us + DAY_US, HOUR_US):
            page = candles.page(first_us, first_us + HOUR_US - 1, sys.maxsize).decode()
            for row in page[2:-2].replace('"', "").split("],[") if page != "[]" else ():
                yield row
            await asyncio.sleep(0)  # others are answered meanwhile

    async def _trades(self, file: _File, milliseconds: bool) -> AsyncIterator[str]:
        tape, unit = self._ledger.tapes[file.symbol], 1000 if milliseconds else 1
        first = bisect_left(tape.times, file.start_us)
        last = bisect_left(tape.times, file.start_us + DAY_US)
        for i in range(first, last):
            price, qty = tape.prices[i], tape.qtys[i]
            yield (
                f"{tape.ids[i]},{decimal(price)},{decimal(qty)},"
                f"{decimal(price * qty // 10**8)},{tape.times[i] // unit},"
                f"{bool(tape.buyer_is_maker[i])},True"
            )
            if i % PAUSE == 0:
                await asyncio.sleep(0)


def _file(request: web.Request, name: str) -> _File | None:
    """The file of this name, None when the name is none or stands in the wrong folder."""
    symbol, interval = request.match_info["symbol"], request.match_info.get("interval", "")
    day = name.removeprefix(f"{symbol}-{interval or 'trades'}-").removesuffix(".zip")
    try:
        file = _File(name, symbol, interval, date.fromisoformat(day))
    except ValueError:
        return None
    return file if name == f"{symbol}-{interval or 'trades'}-{file.day}.zip" else None


def _named(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _corrected(row: str, version: int) -> str:
    """A row of a later version: its sixth value (a volume) or third (a quantity) is another."""
    values = row.split(",")
    at = 5 if len(values) == 12 else 2
    whole, _, fraction = values[at].partition(".")
    values[at] = f"{int(whole) + version}.{fraction}"
    return ",".join(values)


def _zipped(name: str, text: str) -> bytes:
    """The same bytes for the same text: no time of today is in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
