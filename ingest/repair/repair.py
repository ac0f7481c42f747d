"""`lake repair`: missing trades are fetched by id, until the tape is whole or says what it lacks.

build → SQL lists the missing ids → REST, and the archive for what that keeps no more → raw repair
files → build.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby

from loguru import logger

from ingest import rest
from ingest.collect.plan import archive_of, refuse_other
from ingest.http import FILES, SPOT, Host
from ingest.no_answer import NoAnswer, Refused
from ingest.progress import Progress
from ingest.repair import files as repair_files
from ingest.repair.archive import Archive
from ingest.repair.files import RepairFiles
from ingest.repair.pages import PATH, Asked, Odd, Pages
from runner.build.build import EVERYTHING, Choice, build
from runner.build.missing import LargeHole, Range, count, find
from runner.config import Lake
from runner.lock import hold
from runner.paths import encode

LOCK = "repair.lock"
DOING = "repairing this lake"
EXCHANGE = "binance"
INVALID_SYMBOL = -1121  # also one that is not traded any more


@dataclass
class Repaired:
    """What was done, in ids by symbol. `large`: holes that were only listed; `notes`, `failed`:
    sentences on what could not be had, and on what went wrong.
    """

    missing: Counter[str] = field(default_factory=Counter)
    fetched: Counter[str] = field(default_factory=Counter)
    absent: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    young: int = 0
    requests: int = 0
    large: list[LargeHole] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def told(self, most: int) -> list[str]:
        """What a person wants to know of it, a line each. `most`: repair.max_ids_per_hole."""
        if not self.missing:
            return [] if self.failed else ["nothing is missing"]
        lines = [self._line(symbol, [symbol]) for symbol in sorted(self.missing)]
        lines.append(f"{self._line('total', list(self.missing))} ({self.requests:,} requests)")
        for one in self.large:
            minutes = f"{one.minutes:,} minute{'s' * (one.minutes > 1)}"
            lines.append(
                f"{one.symbol}: {one.ids:,} ids between {one.from_text} and {one.to_text} UTC are"
                f" more than repair.max_ids_per_hole ({most:,}): {one.requests:,} requests, weight"
                f" {one.weight:,}, {minutes}; `lake repair --symbols {one.symbol} --all` does it"
            )
        if self.young:
            lines.append(f"{self.young:,} ids are too new to be absent for good: ask again later")
        return lines + list(dict.fromkeys(self.notes))

    def _line(self, name: str, symbols: list[str]) -> str:
        missing, fetched, absent, left = (
            sum(counts[symbol] for symbol in symbols)
            for counts in (self.missing, self.fetched, self.absent, self.left)
        )
        lacks = f", {absent:,} the exchange itself lacks" if absent else ""
        return f"{name}: {missing:,} ids were missing, {fetched:,} fetched{lacks}, {left:,} left"


def repair(lake: Lake, symbols: frozenset[str] = frozenset(), everything: bool = False) -> Repaired:
    """Fetch what is missing, of all symbols or these; `everything`: large holes too.

    ClickException for a lake that is being repaired, or is not the address's: live or a replay.
    """
    done = Repaired()
    choice = Choice(symbols=symbols) if symbols else EVERYTHING
    with hold(lake.base / LOCK, DOING):
        repair_files.clear(lake.base / "raw" / EXCHANGE)
        done.failed += build(lake, choice).failed
        found = find(lake, EXCHANGE, symbols)
        done.failed += found.failed
        for one in found.ranges:
            done.missing[one.symbol] += one.ids
        wanted = [one for one in found.ranges if everything or not one.is_large]
        done.large = [] if everything else found.large
        if wanted:
            asyncio.run(_fetch(lake, wanted, done))
        if done.fetched.total() or done.absent.total():
            done.failed += [one for one in build(lake, choice).failed if one not in done.failed]
        left = count(lake, EXCHANGE)
        done.left = Counter({symbol: left.get(symbol, 0) for symbol in done.missing})
    return done


async def _fetch(lake: Lake, wanted: list[Range], done: Repaired) -> None:
    """Fetch ranges, symbol by symbol; what went wrong is in `done`."""
    ids = sum(one.ids for one in wanted)
    async with Host(lake.config.exchanges[0].rest_url, SPOT) as host:
        try:
            await rest.synchronise(host)
            refuse_other(lake, "replay" if host.clock.replay else "live", host.url)
            url = archive_of(lake, host)
            async with Host(url, FILES, host.clock, host.timer) as archive:
                try:
                    with Progress("missing trades", "ids", ids) as progress:
                        fetcher = _Fetcher(lake, host, archive, done, progress)
                        for symbol, ranges in groupby(wanted, key=lambda one: one.symbol):
                            await fetcher.fetch(symbol, list(ranges))
                finally:
                    done.requests = archive.requests
        except NoAnswer as error:
            done.failed.append(error.message)
        finally:
            done.requests += host.requests


class _Fetcher:
    """Fetches from a host and its archive; a host without trades by id is asked for them once."""

    def __init__(
        self, lake: Lake, host: Host, archive: Host, done: Repaired, progress: Progress
    ) -> None:
        self._raw = lake.base / "raw" / EXCHANGE
        self._host, self._archive, self._done, self._progress = host, archive, done, progress
        self._has_trades = True

    async def fetch(self, symbol: str, ranges: list[Range]) -> None:
        """Fetch ranges of one symbol; NoAnswer ends it all, after what came is on the disk."""
        files = RepairFiles(self._raw / encode(symbol), symbol, self._progress)
        try:
            if gone := await self._by_page(symbol, ranges, files):
                logger.info("{}: {} does not keep what is missing", symbol, self._host.url)
                archive = Archive(self._archive, symbol, Asked(gone), files)
                await archive.fetch()
                self._done.notes += archive.notes
        except Odd as odd:
            self._done.failed.append(odd.message)
        finally:
            files.flush()
            self._done.fetched[symbol] += files.trades
            self._done.absent[symbol] += files.absent

    async def _by_page(self, symbol: str, ranges: list[Range], files: RepairFiles) -> list[Range]:
        """Fetch over REST; returns what it does not keep, that is all where it has no such call."""
        if not self._has_trades:
            return ranges
        pages = Pages(self._host, symbol, Asked(ranges), files)
        try:
            gone = await pages.fetch()
        except Refused as refused:
            if refused.status == 404:
                self._has_trades = False
                self._done.notes.append(
                    f"{self._host.url} does not serve single trades ({PATH}): what is missing comes"
                    " from the archive, or give --rest-url https://api.binance.com"
                )
            elif refused.code != INVALID_SYMBOL:
                raise
            return ranges
        self._done.young += pages.young
        return gone
