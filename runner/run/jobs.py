"""A job of `lake run`: a command that is due again and again, one at a time."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger

from runner.config import Lake
from runner.lock import BUSY
from runner.run.clock import SourceClock
from runner.run.job_process import Child, Ended

# Seconds before a new try: first, longest. What should go on for ever is begun anew at once.
RETRY_S = (60.0, 3600.0)
RETRY_CONTINUOUS_S = (1.0, 60.0)
BUSY_S = 10.0
# Real seconds: the least wait before a new try, however fast a replay's clock runs; how long a
# command that was told to end may take; how often the same failure is told; for how long what
# should go on must have done so, for its failures to be forgotten.
LEAST_RETRY_S = 1.0
END_S = 9.0
TELL_AGAIN_S = 3600.0
STEADY_S = 60.0
# What a command says to those who call it; a job is tried again by itself.
BY_HAND = re.compile(r"[,;] (?:then )?run the same command again\b")


@dataclass(frozen=True)
class Kind:
    """What is the same for every run of a job.

    `every_s`: seconds between two runs, 0 = never, None = due when told so; `limit_s`: real seconds
    after which a run is ended, None = it should go on for ever; `locks`: files in the data folder
    that it waits for; `slot`: of the jobs that share one, one runs at a time; `verdicts`: exit
    codes that are an answer; `least_s`: real seconds from one run to the next, however fast a
    replay's clock runs.
    """

    name: str
    arguments: Callable[[], list[str]]
    every_s: float | None = None
    limit_s: float | None = None
    locks: tuple[str, ...] = ()
    slot: str = ""
    verdicts: tuple[int, ...] = (0,)
    least_s: float = 1.0


class Job:
    """A kind of job in a run. Times in µs on the source's clock, None = not yet.

    `runs`: how many did what they should; `failures`: how many in a row did not; `facts`: what the
    last run told; `error`: of the last run that failed, until one is good again.
    """

    def __init__(self, lake: Lake, kind: Kind, clock: SourceClock) -> None:
        self.kind = kind
        self.due_us: int | None = None
        self.wanted_us: int | None = None  # since when a run is due that has not been made
        self.start_us: int | None = None
        self.end_us: int | None = None
        self.facts: dict[str, int | float | str | None] = {}
        self.error: str | None = None
        self.runs = self.failures = self.warnings = self.files = 0
        self.child: Child | None = None
        self.on_end: Callable[[Ended, bool], None] = lambda ended, is_done: None
        self._lake, self._clock = lake, clock
        self._limited = False
        self._told: tuple[str, float] = ("", float("-inf"))

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def is_running(self) -> bool:
        return self.child is not None

    @property
    def is_off(self) -> bool:
        """Whether it never runs."""
        return self.kind.every_s == 0

    def is_due(self) -> bool:
        """Whether it should be started now; a clock that was set back does not put it off."""
        if self.is_running or self.due_us is None:
            return False
        now_us, longest_s = self._clock.now_us(), self.kind.every_s or RETRY_S[1]
        self.due_us = min(self.due_us, now_us + self._clock.lasting_us(longest_s, LEAST_RETRY_S))
        if self.due_us > now_us:
            return False
        self.wanted_us = min(self.wanted_us or self.due_us, now_us)
        return True

    def start(self) -> None:
        """Start its command."""
        self.start_us, self._limited = self._clock.now_us(), False
        try:
            is_heavy = self.kind.limit_s is not None
            self.child = Child(self._lake, self.name, self.kind.arguments(), is_heavy)
        except OSError as error:
            self._failed(Ended(1, f"it cannot be started: {error}"))

    def look(self) -> None:
        """Take note of a run that has ended, and end one that takes too long."""
        if self.child is None:
            return
        if ended := self.child.ended():
            child, self.child = self.child, None
            if self.kind.limit_s is None and child.age_s > STEADY_S:
                self.failures = 0
            is_stopped = child.stopped is not None and not self._limited
            self.end_us = self._clock.now_us()
            self.warnings += ended.warnings
            self.files += int(ended.facts.get("files") or 0)
            if is_stopped:
                self._again(RETRY_S[0])
            elif ended.code in self.kind.verdicts and not self._limited:
                self._done(ended)
            elif self.kind.locks and ended.said.startswith(BUSY):
                self._again(BUSY_S)  # somebody was faster: no fault of anybody
            else:
                self._failed(ended)
        elif self.kind.limit_s and self.child.age_s > self.kind.limit_s:
            self._limited = True
            self.end()

    def end(self) -> None:
        """Let a run end in order, and at once where it does not."""
        if self.child is None:
            return
        if self.child.stopped is None:
            self.child.stop()
        elif self.child.stopped_s > END_S:
            self.child.kill()

    def _done(self, ended: Ended) -> None:
        if self.failures:
            logger.info("{} works again", self.name)
        self.wanted_us = None
        self.runs += 1
        self.failures, self.error, self.facts = 0, None, ended.facts
        self._told = ("", float("-inf"))
        logger.debug("{}: {}", self.name, ended.said)
        self.due_us = None
        if self.kind.every_s:
            next_us = self.start_us + self._clock.lasting_us(self.kind.every_s, self.kind.least_s)
            self.due_us = max(next_us, self._clock.now_us())
        self.on_end(ended, True)

    def _failed(self, ended: Ended) -> None:
        said = BY_HAND.sub("", ended.said)
        if self._limited:
            said = f"it was ended after {self.kind.limit_s:g} s, its limit"
        self.wanted_us = None
        self.failures += 1
        self.error = said
        self.facts = ended.facts or self.facts  # some of it may be done
        first_s, longest_s = RETRY_S if self.kind.limit_s else RETRY_CONTINUOUS_S
        longest_s = min(self.kind.every_s or longest_s, longest_s)
        self._again(min(first_s * 2 ** min(self.failures - 1, 10), longest_s))
        self._tell(said)
        self.on_end(ended, False)

    def _again(self, wait_s: float) -> None:
        self.due_us = self._clock.now_us() + self._clock.lasting_us(wait_s, LEAST_RETRY_S)

    def _tell(self, said: str) -> None:
        """One line for a failure; the same again only once an hour."""
        now = time.monotonic()
        if said != self._told[0] or now - self._told[1] > TELL_AGAIN_S:
            self._told = (said, now)
            logger.warning("{} failed: {}; it is tried again", self.name, said)
