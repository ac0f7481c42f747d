"""Backfill: the official klines that no answer covers yet are fetched, kept raw, and built."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

import click
from loguru import logger

from ingest import rest
from ingest.answers import Answers
from ingest.backfill.archive import Days
from ingest.backfill.pages import Pages
from ingest.backfill.wanted import Plan, Stretch, Wanted, not_stored
from ingest.collect.plan import archive_of, refuse_made_up
from ingest.http import FILES, SPOT, Host, NoAnswer
from ingest.progress import Progress
from runner.build.build import Choice, build
from runner.config import Lake
from runner.lock import hold
from runner.moments import DAY_US, SECOND_US, WIDTHS_US, iso

LOCK = "backfill.lock"
DOING = "backfilling this lake"
# The exchange's database is about this late; a candle that has just closed may still change.
SETTLED_US = 2 * SECOND_US
# A clock that is this much behind is told.
WRONG_US = 60 * SECOND_US
SHOWN = 5


@dataclass
class Done:
    """What a backfill did. `closed_us`: up to when candles had closed; `least`: the fewest requests
    that fetch what was missing; `refused`, `absent_files`, `unchecked_files`: see Pages and Days;
    `unreadable`: answers kept of which candles cannot be stored exactly.
    """

    wanted: Wanted
    closed_us: int
    missing: int = 0
    candles: int = 0
    requests: int = 0
    least: int = 0
    seconds: float = 0.0
    refused: list[str] = field(default_factory=list)
    absent_files: list[str] = field(default_factory=list)
    unchecked_files: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    absent: list[Stretch] = field(default_factory=list)

    def told(self) -> list[str]:
        """What a person wants to know of it, a line each."""
        wanted = self.wanted
        what = f"klines {wanted.interval} of {len(wanted.symbols)} symbols"
        span = f"{iso(wanted.from_us)} to {iso(wanted.to_us)}"
        if not self.missing:
            lines = [f"nothing to do: the {what} from {span} are all here"]
        else:
            lines = [
                f"{self.candles:,} {what} from {span} fetched in {self.requests:,} requests"
                f" ({self.least:,} is the least), {self.seconds:.1f} s"
            ]
        lines += _some("not in the archive (yet), left for REST: {}", self.absent_files)
        lines += _some("came without a checksum: {}", self.unchecked_files)
        gone = [
            f"{one.symbol} {iso(one.from_us)} to {iso(one.to_us)} ({one.candles:,})"
            for one in self.absent
        ]
        odd = self.unreadable
        lines += _some("not exactly readable, so not stored, see `rejects`: {}", odd)
        whose = "there are" if odd else "the exchange has"
        return lines + _some(f"{whose} no candles, so none is asked for again: {{}}", gone)


def _some(sentence: str, names: list[str]) -> list[str]:
    """One line that names the first of them, none where there is nothing to name."""
    if not names:
        return []
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return [sentence.format(", ".join(names[:SHOWN]) + more)]


def backfill(
    lake: Lake,
    start_us: int | None = None,
    end_us: int | None = None,
    source: Literal["rest", "archive"] = "rest",
) -> Done:
    """Fetch what is missing and build it. `start_us`, `end_us` (exclusive): the range, in place of
    the last backfill.days. ClickException for what could not be had, once the rest is stored.
    """
    with hold(lake.base / LOCK, DOING):
        failure = done = None
        try:
            done = asyncio.run(Fetch(lake, source).run(start_us, end_us))
        except NoAnswer as error:
            failure = error
        report = build(lake, Choice(select="klines,rejects"))
        if failure:
            raise failure
        if report.failed:
            raise click.ClickException("\n".join(report.failed))
        is_whole = not done.refused and not done.absent_files
        found = not_stored(lake, done.wanted, done.closed_us, is_whole)
        done.unreadable, done.absent = found
    return done


class Fetch:
    """One run at one source."""

    def __init__(self, lake: Lake, source: str) -> None:
        self._lake, self._source, self._exchange = lake, source, lake.config.exchanges[0]

    async def run(self, start_us: int | None, end_us: int | None) -> Done:
        """Find out what time it is and what is missing, and fetch that."""
        async with Host(self._exchange.rest_url, SPOT) as host:
            closed_us = await self._closed(host)
            refuse_made_up(self._lake, host.clock.replay, host.url)
            wanted = self._wanted(closed_us, start_us, end_us)
            done = Done(wanted, closed_us)
            with Plan(self._lake, wanted) as plan:
                if self._source == "rest":
                    await self._pages(host, plan, done)
                else:
                    url = archive_of(self._lake, host)
                    async with Host(url, FILES, host.clock, host.timer) as files:
                        await self._days(files, plan, done)
        return done

    async def _pages(self, host: Host, plan: Plan, done: Done) -> None:
        pieces = plan.pieces()
        width_us = done.wanted.width_us
        done.missing = sum(piece.to_us - piece.from_us for piece in pieces) // width_us
        done.least = len(pieces)
        logger.info("{:,} candles are missing, {:,} pages", done.missing, done.least)
        with self._answers(done) as answers, self._progress(done) as progress:
            pages = Pages(host, plan, answers, progress)
            await self._timed(host, done, pages, pages.fetch())

    async def _days(self, files: Host, plan: Plan, done: Done) -> None:
        days = plan.days()
        done.missing = len(days) * DAY_US // done.wanted.width_us
        done.least = 2 * len(days)
        with self._answers(done) as answers, self._progress(done) as progress:
            fetched = Days(files, plan, answers, progress)
            await self._timed(files, done, fetched, fetched.fetch(days))
        done.absent_files, done.unchecked_files = fetched.absent, fetched.unchecked

    async def _timed(self, host: Host, done: Done, fetched: Pages | Days, work) -> None:
        before, began = host.requests, time.monotonic()
        await work
        done.seconds = time.monotonic() - began
        done.requests = host.requests - before
        done.candles, done.refused = fetched.candles, fetched.refused

    def _answers(self, done: Done) -> Answers:
        folder = self._lake.base / "raw" / self._exchange.name / "_rest" / done.wanted.kind
        return Answers(folder)

    def _progress(self, done: Done) -> Progress:
        return Progress(f"klines {done.wanted.interval}", "candles", done.missing)

    async def _closed(self, host: Host) -> int:
        """Up to when candles have surely closed, in µs: by the exchange's clock, and by ours, which
        says when an answer was fetched.
        """
        try:
            exchange_us = await rest.synchronise(host)
        except NoAnswer as error:
            if self._source == "rest":
                raise
            logger.debug("no time from {} ({}): ours is taken", host.url, error.why)
            exchange_us = host.clock.now()
        own_us = host.clock.now()
        if exchange_us - own_us > WRONG_US and not host.clock.replay:
            behind_s = (exchange_us - own_us) / SECOND_US
            logger.warning(
                "this machine's clock is {:,.0f} s behind the exchange's, and the klines end where"
                " it stands: set it",
                behind_s,
            )
        return min(exchange_us, own_us) - SETTLED_US

    def _wanted(self, closed_us: int, start_us: int | None, end_us: int | None) -> Wanted:
        """The range in whole candles, for the archive in whole days; by default from a midnight
        on.
        """
        settings = self._lake.config.backfill
        width_us = WIDTHS_US[settings.interval]
        unit_us = DAY_US if self._source == "archive" else width_us
        to_us = min(closed_us if end_us is None else end_us, closed_us) // unit_us * unit_us
        from_us = start_us
        if from_us is None:
            from_us = (to_us // DAY_US - settings.days) * DAY_US
        from_us = -(-from_us // width_us) * width_us // unit_us * unit_us
        if from_us >= to_us:
            what = "day" if self._source == "archive" else "candle"
            raise click.ClickException(
                f"no whole {what} lies between {iso(start_us or from_us)} and"
                f" {iso(end_us or closed_us)}: choose an earlier --start or a later --end"
            )
        return Wanted(tuple(self._exchange.symbols), settings.interval, from_us, to_us)
