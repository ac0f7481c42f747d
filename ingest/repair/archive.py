"""Missing trades from the exchange's archive: a zip of CSV a symbol and day.

https://github.com/binance/binance-public-data (Trades)
"""

import asyncio
from datetime import UTC, date, datetime, timedelta

from loguru import logger

from ingest import zips
from ingest.http import Host
from ingest.repair.files import RepairFiles, Trade
from ingest.repair.pages import Asked, flaw_of, micros
from ingest.zips import Damaged, Zipped
from runner.build.missing import Range

# A day of a busy symbol has a hundred megabytes.
TOTAL_S = 900.0
ROWS_AT_ONCE = 50_000


class Archive:
    """Fetches what is asked for of a symbol from the files of its days.

    `notes`: files that could not be had or used, a sentence each.
    """

    def __init__(self, host: Host, symbol: str, asked: Asked, files: RepairFiles) -> None:
        self._host, self._symbol, self._asked, self._files = host, symbol, asked, files
        self._before: Trade | None = None
        self._absent: list[tuple[Range, int]] = []
        self.notes: list[str] = []

    async def fetch(self) -> None:
        """Hand all that the files of the days hold to the repair files.

        Days in a row are one list of trades: an id is absent where that has both sides of it.
        """
        read: date | None = None
        for day in self._days():
            if read != day - timedelta(days=1):
                self._before = None
            path = f"/data/spot/daily/trades/{self._symbol}/{self._symbol}-trades-{day}.zip"
            if await self._fetch(path):
                read = day

    def _days(self) -> list[date]:
        """The UTC days in which the trades may lie."""
        days = set()
        for one in self._asked.ranges:
            first = datetime.fromtimestamp(one.from_us // 1_000_000, UTC).date()
            last = datetime.fromtimestamp(one.to_us // 1_000_000, UTC).date()
            days |= {first + timedelta(days=n) for n in range((last - first).days + 1)}
        return sorted(days)

    async def _fetch(self, path: str) -> bool:
        """Take what is asked for from a day's file; whether it is whole, so that what it lacks is
        absent.
        """
        try:
            file = await zips.fetch(self._host, path, TOTAL_S)
        except Damaged as damaged:
            self.notes.append(f"{self._host.url}{path}: {damaged}: not used")
            return False
        if file is None:
            self.notes.append(f"{self._host.url}{path} is not there: it comes a day later")
            return False
        return await self._take(path, file)

    async def _take(self, path: str, file: Zipped) -> bool:
        self._absent = []
        odd, fetched_us = 0, file.answer.fetched_us
        for number, line in enumerate(file.lines()):
            if number % ROWS_AT_ONCE == 0:
                self._files.show()
                await asyncio.sleep(0)  # Ctrl+C gets its turn
            odd += not self._take_row(line.split(b","), fetched_us)
        if odd:
            logger.warning("{}: {} rows cannot be read or are out of order", path, odd)
        if odd or file.told is None:
            return False
        for one, before_us in self._absent:
            self._files.add_absent(one.first_id, one.last_id, before_us, fetched_us)
        return True

    def _take_row(self, row: list[bytes], fetched_us: int) -> bool:
        """Take a trade that is asked for; whether the row is one, and in its place."""
        trade = _trade(row)
        one = trade and self._asked.range_of(trade.trade_id)
        if trade is None or (one and flaw_of(trade, one)):
            return False
        if one:
            self._files.add(trade, fetched_us)
        before, self._before = self._before, trade
        if before is None:
            return True
        between = self._asked.between(before.trade_id, trade.trade_id)
        self._absent += [(absent, before.trade_us) for absent in between]
        return trade.trade_id > before.trade_id


def _trade(row: list[bytes]) -> Trade | None:
    """id, price, qty, quoteQty, time, isBuyerMaker, isBestMatch; None for another row.

    >>> _trade(b"28457,4.00000100,12.00000000,48.000012,1499865549590,True,True".split(b",")).qty
    '12.00000000'
    """
    if len(row) != 7 or row[5].lower() not in (b"true", b"false"):
        return None
    try:
        number, time = int(row[0]), int(row[4])
        return Trade(
            number, row[1].decode(), row[2].decode(), micros(time), row[5].lower() == b"true"
        )
    except ValueError:
        return None
