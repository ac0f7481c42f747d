"""Fetch funding rates and open interest of the USD-M futures: what no answer covers yet, page by
page, every answer kept raw, then built.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from loguru import logger

from ingest import rest
from ingest.answers import Answers
from ingest.collect.plan import refuse_made_up
from ingest.derivatives.pages import flaw, times_of
from ingest.fetching import bring, tell_lost, told
from ingest.http import FUTURES, Host, NoAnswer, Refused
from ingest.progress import Progress
from ingest.windows import Planner, Source, Window
from runner.config import Lake
from runner.lock import hold
from runner.moments import DAY_US

LOCK = "derivatives.lock"
DOING = "fetching derivatives into this lake"
RELATIONS = "funding,open_interest"
TIME = "/fapi/v1/time"
INVALID_SYMBOL = -1121
MINUTE_US = 60_000_000
TRIES = 3


@dataclass(frozen=True, eq=False)
class Kind:
    """A history of the exchange: what it is called, where it is, and what its rows hold.

    `query`: parameters beside symbol and times; `relation`: the stored one that is made of it.
    """

    title: str
    relation: str
    path: str
    query: Mapping[str, str | int]
    numbers: tuple[str, ...]
    source: Source


FUNDING = Kind(
    title="funding rates",
    relation="funding",
    path="/fapi/v1/fundingRate",
    query={"limit": 1000},
    numbers=("fundingRate",),
    source=Source(
        answered="answered_rows",
        place="binance/_rest/funding_rate",
        step_us=60 * MINUTE_US,  # every 8, 4 or 1 hours
        span_us=0,
        settle_us=5 * MINUTE_US,
        chunk_us=40 * DAY_US,  # fewer than 1,000 hours
        wall_us=10_000 * DAY_US,
        time="fundingTime",
    ),
)
OPEN_INTEREST = Kind(
    title="open interest",
    relation="open_interest",
    path="/futures/data/openInterestHist",
    query={"period": "5m", "limit": 500},
    numbers=("sumOpenInterest", "sumOpenInterestValue"),
    source=Source(
        answered="answered_rows",
        place="binance/_rest/open_interest_5m",
        step_us=5 * MINUTE_US,
        span_us=0,
        settle_us=15 * MINUTE_US,
        chunk_us=499 * 5 * MINUTE_US,  # a page of 500 is full: more might follow
        wall_us=29 * DAY_US,  # 30, less a day to be safe
        time="timestamp",
    ),
)
KINDS = (FUNDING, OPEN_INTEREST)


@dataclass
class Done:
    """What a run did. `new`: rows by kind; `failed`: why, by symbol; `strangers`: symbols that
    have no future.
    """

    symbols: int
    requests: int = 0
    received: int = 0
    new: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def told(self) -> str:
        """The run in one line."""
        new = [f"{rows:,} of {title}" for title, rows in self.new.items() if rows]
        what = f"new rows: {', '.join(new)}" if new else "nothing new"
        return f"{what} ({self.symbols:,} symbols, {self.requests:,} requests)"

    def errors(self) -> str:
        """Why the run failed, a sentence a symbol."""
        return "\n".join(f"{symbol}: {why}" for symbol, why in self.failed.items())


def fetch(lake: Lake) -> Done:
    """Fetch the configured symbols. ClickException when nothing can be fetched; what failed else
    stands in the result.
    """
    done = Done(len(lake.config.exchanges[0].symbols))
    with hold(lake.base / LOCK, DOING), ExitStack() as planners:
        bring(lake, RELATIONS)
        try:
            before = asyncio.run(_fetch(lake, done, planners))
        except NoAnswer:
            bring(lake, RELATIONS)
            raise
        if done.received:
            bring(lake, RELATIONS)
        for kind, (planner, rows) in before.items():
            done.new[kind.title] = planner.stored(kind.relation) - rows
    return done


async def _fetch(lake: Lake, done: Done, planners: ExitStack) -> dict[Kind, tuple[Planner, int]]:
    """Ask for all that is missing; who planned it, and how many rows there were before."""
    exchange, before = lake.config.exchanges[0], {}
    days = lake.config.derivatives.startup_backfill_days
    async with Host(exchange.futures_url, FUTURES) as host:
        now_us = await rest.synchronise(host, TIME)
        refuse_made_up(lake, host.clock.replay, host.url)
        asked = host.requests
        for kind in KINDS:
            symbols = tuple(one for one in exchange.symbols if one not in done.strangers)
            planner = planners.enter_context(Planner(lake, kind.source, symbols, now_us))
            before[kind] = planner, planner.stored(kind.relation)
            tell_lost(planner.lost(), kind.title)
            await _Run(host, kind, done).ask(planner.windows(days, days), lake)
        done.requests = host.requests - asked
    if done.strangers:
        names = ", ".join(done.strangers)
        logger.info("there is no USD-M future of {}: nothing to fetch of it", names)
    return before


class _Run:
    """The requests of one kind. A symbol that fails is left at its oldest missing stretch."""

    def __init__(self, host: Host, kind: Kind, done: Done) -> None:
        self.host, self.kind, self.done = host, kind, done

    async def ask(self, windows: list[Window], lake: Lake) -> None:
        """Ask for all windows and keep the answers; NoAnswer when nobody is there."""
        with (
            Answers(lake.base / "raw" / self.kind.source.place) as self._answers,
            Progress(self.kind.title, "requests", len(windows)) as progress,
        ):
            for window in windows:
                await self._try(window)
                progress.add(1)

    async def _try(self, window: Window) -> None:
        if window.name in self.done.failed or window.name in self.done.strangers:
            return
        try:
            await self._ask(window)
        except Refused as refused:
            self._refused(window, refused)

    def _refused(self, window: Window, refused: Refused) -> None:
        """A symbol without a future is no error; what else is refused is one of the symbol."""
        if refused.status in (403, 451):
            raise refused
        if refused.code == INVALID_SYMBOL:
            self.done.strangers.append(window.name)
        else:
            self.done.failed[window.name] = refused.message

    async def _ask(self, window: Window) -> None:
        """Ask for a window, page by page: a full page may have left the rest out."""
        start, end = window.from_us // 1000, window.to_us // 1000 - 1
        while start <= end:
            request = {"symbol": window.name, "startTime": start, "endTime": end}
            times = await self._page({**request, **self.kind.query})
            if times is None:
                return
            start = times[-1] + 1 if len(times) >= self.kind.query["limit"] else end + 1
        logger.debug("{} of {} is asked for", self.kind.title, told(window))

    async def _page(self, request: dict) -> list[int] | None:
        """Ask for a page and keep it; its times in ms, None when it cannot be used."""
        for _ in range(TRIES):
            answer = await self.host.get(self.kind.path, params=request)
            try:
                times = times_of(answer.json, self.kind.source.time)
                why = flaw(answer.json, times, request, self.kind.numbers)
            except ValueError as error:
                why = str(error)
            if why is None:
                kept = {"path": self.kind.path, **request}
                self._answers.append(request["symbol"], answer.fetched_us, kept, answer.body)
                self.done.received += len(times)
                return times
            logger.debug("{} answers what cannot be used: {}", self.kind.path, why)
        self.done.failed[request["symbol"]] = (
            f"{self.host.url}{self.kind.path} answers what cannot be used: {why}; nothing of it was"
            " kept, run the same command again"
        )
        return None
