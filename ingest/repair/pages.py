"""Missing trades over REST: pages of trades by id, from a known trade on, checked before use.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api (Old trade lookup)
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated

import click
import msgspec
from loguru import logger

from ingest.http import Host
from ingest.repair.files import RepairFiles, Trade
from runner.build.missing import Range

PATH = "/api/v3/historicalTrades"
WEIGHT = 25
PAGE = 1000
PAGE_TRIES = 3
AGAIN_S = 1.0
PRICE = re.compile(r"\d{1,10}(\.\d{1,8})?")
QUANTITY = re.compile(r"\d{1,20}(\.\d{1,8})?")
# Trades of neighbouring ids may be this far from each other's order in time.
SLACK_US = 60_000_000
# The exchange's database may lag: what is missing there is missing for good only after a while.
YOUNG_US = 600_000_000

Whole = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Row(msgspec.Struct, gc=False):
    """{"id":28457,"price":"4.00000100","qty":"12.00000000","time":1499865549590,
    "isBuyerMaker":true}: one trade; its time is in µs, from a host that knows none in ms."""

    id: Whole
    price: str
    qty: str
    time: Whole
    isBuyerMaker: bool  # noqa: N815  (the exchange's name)

    def trade(self) -> Trade:
        return Trade(self.id, self.price, self.qty, micros(self.time), self.isBuyerMaker)


class Odd(click.ClickException):
    """Answers that cannot be the exchange's trades; the sentence names address and flaw."""


def micros(time: int) -> int:
    """A time in ms or µs since 1970, in µs.

    >>> micros(1499865549590), micros(1499865549590123)
    (1499865549590000, 1499865549590123)
    """
    return time if time > 10**14 else time * 1000


class Asked:
    """The ids of one symbol that are asked for: ranges in order that do not overlap."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self.ranges = sorted(ranges, key=lambda one: one.first_id)
        self._firsts = [one.first_id for one in self.ranges]
        self._lasts = [one.last_id for one in self.ranges]

    def range_of(self, trade_id: int) -> Range | None:
        """The range that an id lies in."""
        place = bisect_left(self._lasts, trade_id)
        found = self.ranges[place] if place < len(self.ranges) else None
        return found if found and found.first_id <= trade_id else None

    def after(self, trade_id: int) -> Range | None:
        """The first range that goes on beyond an id."""
        place = bisect_right(self._lasts, trade_id)
        return self.ranges[place] if place < len(self.ranges) else None

    def between(self, before_id: int, after_id: int) -> Iterator[Range]:
        """What is asked for between two ids, both excluded, range by range."""
        for place in range(bisect_right(self._lasts, before_id), len(self.ranges)):
            one = self.ranges[place]
            if one.first_id >= after_id:
                return
            first, last = max(one.first_id, before_id + 1), min(one.last_id, after_id - 1)
            if first <= last:
                yield msgspec.structs.replace(one, first_id=first, last_id=last)


def flaw_of(trade: Trade, one: Range) -> str | None:
    """What cannot be right with a trade that is asked for."""
    if not (PRICE.fullmatch(trade.price) and QUANTITY.fullmatch(trade.qty)):
        return f"price {trade.price[:40]!r} and quantity {trade.qty[:40]!r} of trade"
    if not one.from_us - SLACK_US <= trade.trade_us <= one.to_us + SLACK_US:
        return f"time {trade.trade_us}, which is not near its neighbours', of trade"
    return None


class Pages:
    """Fetches what is asked for of a symbol, as far as the host still keeps it.

    `young`: ids that it lacks, too newly to be sure.
    """

    def __init__(self, host: Host, symbol: str, asked: Asked, files: RepairFiles) -> None:
        self._host, self._symbol, self._asked, self._files = host, symbol, asked, files
        self.young = 0

    async def fetch(self) -> list[Range]:
        """Hand all to the files; returns what is older than the oldest trade that the host keeps.

        Each page begins with a known trade, so that its ids stand on both sides of what is asked
        for. A page reaches as far as it does: near holes cost one request together.
        """
        gone: list[Range] = []
        at = -1
        while wanted := self._asked.after(at):
            known = max(at, wanted.before_id)
            rows, fetched_us = await self._page(known)
            if not rows or rows[-1].id == known:
                break  # it has nothing newer yet
            gone += self._asked.between(known, rows[0].id)
            for row in rows:
                if row.id > at and self._asked.range_of(row.id):
                    self._files.add(row.trade(), fetched_us)
            self._note_absent(rows, fetched_us)
            self._files.show()
            at = rows[-1].id
        return gone

    def _note_absent(self, rows: list[Row], fetched_us: int) -> None:
        now_us = self._host.timer.now_us()
        for before, after in pairwise(rows):
            for one in self._asked.between(before.id, after.id):
                if micros(after.time) + YOUNG_US > now_us:
                    self.young += one.ids
                else:
                    before_us = micros(before.time)
                    self._files.add_absent(one.first_id, one.last_id, before_us, fetched_us)

    async def _page(self, first_id: int) -> tuple[list[Row], int]:
        """The trades from an id on, and when they came; asked again while they cannot be right.

        A page that lacks the first id, or others that are asked for, is asked for twice: one that
        was cut is not believed.
        """
        seen: list[Row] | None = None
        why = ""
        for _ in range(PAGE_TRIES):
            params = {"symbol": self._symbol, "fromId": first_id, "limit": PAGE}
            answer = await self._host.get(PATH, WEIGHT, params)
            try:
                rows = msgspec.convert(answer.json, list[Row])
                self._check(rows, first_id)
            except (msgspec.ValidationError, Odd) as odd:
                why = str(odd)
                logger.debug("{} from id {}: {}", self._symbol, first_id, why)
                await self._host.timer.sleep(AGAIN_S)
                continue
            if rows == seen or not self._is_doubtful(rows, first_id):
                return rows, answer.fetched_us
            why = "other ids each time"
            seen = rows
        raise Odd(
            f"{self._host.url}{PATH} answers for {self._symbol} from id {first_id} with what cannot"
            f" be its trades ({why}): nothing of that page was taken, run `lake repair` again later"
        )

    def _check(self, rows: list[Row], first_id: int) -> None:
        """Odd for a page that is none."""
        if len(rows) > PAGE:
            raise Odd(f"{len(rows):,} trades in one page")
        if rows and rows[0].id < first_id:
            raise Odd(f"trade {rows[0].id}, which was not asked for")
        for before, after in pairwise(rows):
            if after.id <= before.id:
                raise Odd(f"trade {after.id} after {before.id}")
        for row in rows:
            one = self._asked.range_of(row.id)
            if one and (flaw := flaw_of(row.trade(), one)):
                raise Odd(f"{flaw} {row.id}")

    def _is_doubtful(self, rows: list[Row], first_id: int) -> bool:
        if not rows or rows[0].id != first_id:
            return True
        gaps = (pair for pair in pairwise(rows) if pair[1].id > pair[0].id + 1)
        return any(any(self._asked.between(before.id, after.id)) for before, after in gaps)
