"""Fetch Yahoo's 1-minute bars: what no answer covers yet, every answer kept raw, then built."""

import asyncio
import time
from dataclasses import dataclass, field

import msgspec
from loguru import logger

from ingest import rest
from ingest.answers import Answers
from ingest.collect.clock import FULL_SPEED
from ingest.collect.plan import refuse_made_up
from ingest.fetching import bring, tell_lost, told
from ingest.http import Host, NoAnswer
from ingest.macro.yahoo_worker import Limited, Trouble, Worker
from ingest.progress import Progress
from ingest.windows import Planner, Source, Window
from runner.config import Lake
from runner.lock import hold
from runner.moments import DAY_US

LOCK = "macro.lock"
DOING = "fetching macro data into this lake"
RELATIONS = "macro,macro_revisions"
MINUTE_US = 60_000_000
MINUTES = Source(
    answered="answered_minutes",
    place="yahoo",
    step_us=MINUTE_US,
    span_us=MINUTE_US,
    settle_us=60 * MINUTE_US,  # some exchanges come 15 minutes late, and minutes are revised
    chunk_us=7 * DAY_US,  # more is refused
    wall_us=29 * DAY_US,  # 30, less a day to be safe
    lead_us=MINUTE_US,  # the first row of an answer may come without its volume
)
# Seconds of the source before each further try, and those after "too many requests".
WAITS_S = (1.0, 2.0, 4.0)
LIMITED_WAITS_S = (15.0, 30.0, 60.0)
# So many tickers in a row without any answer, and the others are not asked.
GIVE_UP = 2
AGAIN = "run the same command again"


@dataclass
class Done:
    """What a run did. `failed`: a sentence a ticker; `new`, `revised`: rows of the relations;
    `silence`: why nobody answered at all.
    """

    tickers: int
    asked: int = 0
    answered: int = 0
    received: int = 0
    new: int = 0
    revised: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    silence: str = ""

    def told(self) -> str:
        """The run in one line."""
        if not self.tickers:
            return "nothing to fetch: macro_minute.tickers names none"
        what = f"{self.new:,} new minutes" if self.new else "nothing new"
        if self.revised:
            what += f", {self.revised:,} revised"
        of = f"{self.tickers:,} tickers, {self.asked:,} requests, {self.received:,} rows received"
        return f"{what} ({of})"

    def errors(self) -> str:
        """Why the run failed, a sentence a ticker; one for all where nobody answered."""
        if self.silence and not self.answered:
            return f"no usable answer: {self.silence}; look at the network, then {AGAIN}"
        lines = list(self.failed.values())
        if self.skipped:
            lines.append(f"{', '.join(self.skipped)}: not asked, as nobody answered; {AGAIN}")
        return "\n".join(lines)


def fetch(lake: Lake) -> Done:
    """Fetch the configured tickers' minutes. ClickException when nothing can be fetched; what
    failed else stands in the result.
    """
    settings = lake.config.macro_minute
    done = Done(len(settings.tickers))
    if not settings.tickers:
        return done
    with hold(lake.base / LOCK, DOING):
        bring(lake, RELATIONS)
        clock = AddressClock(settings.url)
        now_us = clock.now_us()
        refuse_made_up(lake, bool(clock.is_replay), settings.url)
        with Planner(lake, MINUTES, settings.tickers, now_us) as planner:
            tell_lost(planner.lost(), "macro data")
            days = settings.startup_backfill_days, settings.runtime_lookback_days
            windows = planner.windows(*days)
            before = planner.stored("macro"), planner.stored("macro_revisions")
            _Run(lake, clock, done).ask(windows)
            if done.received:
                bring(lake, RELATIONS)
            done.new = planner.stored("macro") - before[0]
            done.revised = planner.stored("macro_revisions") - before[1]
    return done


class AddressClock:
    """The wall clock; at a replay the replay's, asked anew each time.

    `is_replay`: None until the address was asked for its time.
    """

    def __init__(self, url: str) -> None:
        self._url, self.speed = url, 1.0
        self.is_replay: bool | None = None if url else False

    def now_us(self) -> int:
        """The time in µs; NoAnswer for a replay that does not tell it any more."""
        reading = None if self.is_replay is False else asyncio.run(self._reading())
        self.is_replay = bool(reading and reading.speed)
        if not self.is_replay:
            return time.time_ns() // 1000
        self.speed = FULL_SPEED if reading.speed == "max" else float(reading.speed)
        return reading.recv_us

    async def _reading(self) -> rest.Reading | None:
        async with Host(self._url) as host:
            if self.is_replay:
                return await rest.clock_offset(host, is_patient=True)
            try:
                return await rest.clock_offset(host)
            except NoAnswer:  # no replay then; Yahoo has no such endpoint
                return None

    def sleep(self, seconds: float) -> None:
        """Wait for seconds of the source."""
        time.sleep(seconds / self.speed)


class _Run:
    """One run's requests. A ticker that fails is left at its oldest missing stretch."""

    def __init__(self, lake: Lake, clock: AddressClock, done: Done) -> None:
        self.lake, self.clock, self.done = lake, clock, done
        self._url = lake.config.macro_minute.url
        self._in_vain = 0

    def ask(self, windows: list[Window]) -> None:
        """Ask for all windows and keep the answers."""
        cache = self.lake.base / "work" / "yfinance"
        kept = self.lake.base / "raw" / MINUTES.place
        with (
            Worker(cache, self._url) as self._worker,
            Answers(kept) as answers,
            Progress("macro", "requests", len(windows)) as progress,
        ):
            for window in windows:
                self._ask(window, answers)
                progress.add(1)

    def _ask(self, window: Window, answers: Answers) -> None:
        done = self.done
        if window.name in done.failed or window.name in done.skipped:
            return
        if self._in_vain >= GIVE_UP:
            done.skipped.append(window.name)
            return
        try:
            rows = self._patiently(window)
        except Trouble as trouble:
            advice = AGAIN if trouble.is_passing else "look at macro_minute.tickers"
            done.failed[window.name] = f"no minutes of {told(window)}: {trouble}; {advice}"
            self._in_vain = self._in_vain + 1 if trouble.is_general else 0
            done.silence = f"{self._url or 'Yahoo'}, {trouble}" if self._in_vain else ""
            return
        self._in_vain = 0
        done.answered += 1
        request = _request(window)
        answers.append(window.name, self.clock.now_us(), request, msgspec.json.encode(rows))
        done.received += len(rows)
        logger.debug("{}: {:,} rows", told(window), len(rows))

    def _patiently(self, window: Window) -> list[dict]:
        """The rows of a window, tried again after what may pass; Trouble."""
        request = _request(window)
        # Where the ticker before had no answer at all, one try tells whether it is over.
        for number in range(1 if self._in_vain else len(WAITS_S) + 1):
            self.done.asked += 1
            try:
                return self._worker.minutes(request["ticker"], request["start"], request["end"])
            except Trouble as trouble:
                if not trouble.is_passing:
                    raise
                last = trouble
                if number < len(WAITS_S) and not self._in_vain:
                    self._wait(number, trouble)
        raise last

    def _wait(self, number: int, trouble: Trouble) -> None:
        """Before another try, told where it is long."""
        is_limited = isinstance(trouble, Limited)
        seconds = (LIMITED_WAITS_S if is_limited else WAITS_S)[number]
        level = "WARNING" if is_limited else "DEBUG"
        logger.log(level, "Yahoo: {}; the next try is in {:.0f} s", trouble, seconds)
        self.clock.sleep(seconds)


def _request(window: Window) -> dict[str, str | int]:
    """A request as it is kept beside its answer; times in seconds."""
    times = {"start": window.from_us // 1_000_000, "end": window.to_us // 1_000_000}
    return {"ticker": window.name, **times, "interval": "1m"}
