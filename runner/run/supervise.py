"""`lake run`: one small loop that starts jobs as processes of their own, and tells how all is."""

import shutil
import time
from contextlib import suppress

from loguru import logger

from ingest.collect.calm import Calm
from runner import logs
from runner.config import Lake
from runner.health import health, judge, record, report
from runner.health.feed import Feed
from runner.lock import is_held
from runner.run.clock import SourceClock
from runner.run.job_plan import Plan
from runner.run.jobs import Job

TICK_S = 0.2
# Real seconds: everything is down by then; a heartbeat at least this often, and at most.
DOWN_S = 8.5
HEARTBEAT_S, LEAST_HEARTBEAT_S = 15.0, 1.0
LOOK_S = 1.0
# Real seconds without a word of the collector after which the other jobs begin all the same.
PATIENCE_S = 60.0
# Real seconds in which a first connection may be made before that counts as a flaw to tell.
CONNECTING_S = 10.0
OVER = "the recording is over"


class Supervisor:
    """A run of all jobs of a lake. `stop(why)` may be called from anywhere, also by signals."""

    def __init__(self, lake: Lake, duration_s: float | None = None) -> None:
        self.lake, self.clock = lake, SourceClock()
        self.plan = Plan(lake, self.clock)
        self.jobs = self.plan.jobs
        self.feed = Feed(lake, self.jobs["collector"], self.clock)
        self.duration_s = duration_s
        self.started_us = self.clock.now_us()
        self.ended: str | None = None
        self.validated: dict[str, str | None] = {}
        # No events: a signal's handler that sets one while it is waited for would never return.
        self._stopping = self._hurry = False
        self._began = time.monotonic()
        self._begun_as: str | None = None
        self._calm = Calm()
        self._looked = self._written = float("-inf")
        # The status, and whether a cause is known for which nothing comes: now, and as last told.
        self._judged = self._told = ("", False)

    def stop(self, why: str) -> None:
        """End in order; called twice, at once."""
        self._hurry = self._stopping
        self.ended = self.ended or why
        self._stopping = True

    def run(self) -> None:
        """Run until stopped, for `duration_s`, or to the end of a recording."""
        before = health.read(self.lake)
        if before and before.validation.day:
            kept = ("day", "verdict", "reason")
            self.validated = {name: getattr(before.validation, name) for name in kept}
        self.jobs["collector"].due_us = 0
        try:
            while not self._stopping:
                self.tick()
                time.sleep(TICK_S)
        finally:
            self.take_down()

    def tick(self) -> None:
        """Look at everything once, and start what is due."""
        self._look_at_jobs()
        if self._begun_as != self.feed.mode:
            self._begin()
        else:
            self.plan.close_day()
        self._start_due()
        if time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            self._keep_room()
            self.tell()
        is_timed = self.duration_s is not None and self._begun_as
        if is_timed and self.clock.now_us() >= self.started_us + self.duration_s * 1e6:
            self.stop(f"{self.duration_s:g} s are over")

    def _look_at_jobs(self) -> None:
        collector = self.jobs["collector"]
        was_running = collector.is_running
        for job in self.jobs.values():
            job.look()
        self.feed.look()
        has_ended = was_running and not collector.is_running and self.feed.status
        if has_ended and self.feed.status.ended == OVER:
            self.stop(OVER)
        found = self.jobs["validation"].facts
        if "verdict" in found:
            self.validated = {name: found[name] for name in ("day", "verdict", "reason")}

    def _begin(self) -> None:
        """Set the schedule once the source's clock is known, or turns out to be another."""
        collector = self.jobs["collector"]
        is_known = self.feed.status is not None or collector.failures
        if is_known or time.monotonic() - self._began > PATIENCE_S:
            self._begun_as = self.feed.mode
            self.started_us = self.clock.now_us()
            has_failed = self.validated.get("verdict") == "FAIL"
            self.plan.begin(self.validated.get("day"), has_failed)

    def _start_due(self) -> None:
        for job in self.jobs.values():
            if not self._stopping and job.is_due() and self._may_start(job):
                job.start()

    def _may_start(self, job: Job) -> bool:
        taken = {one.kind.slot for one in self.jobs.values() if one.is_running and one.kind.slot}
        if job.kind.slot in taken or self.is_paused(job):
            return False
        return not any(is_held(self.lake.base / lock) for lock in job.kind.locks)

    def is_paused(self, job: Job) -> bool:
        """Whether a job would take room that raw lines need; pruning makes some."""
        return bool(job.kind.locks) and job.name != "prune" and self._is_full()

    def _is_full(self) -> bool:
        return judge.is_full(self.lake, self.free_bytes())

    def free_bytes(self) -> int:
        """Room on the lake's disk."""
        return shutil.disk_usage(self.lake.base).free

    def _keep_room(self) -> None:
        """Stop what builds before the disk is full."""
        for job in self.jobs.values():
            if job.is_running and self.is_paused(job):
                job.end()

    def tell(self) -> None:
        """Write the heartbeat when it is time, or when something has changed."""
        found = record.record(self)
        has_cause = found.collector.status == "connecting" and bool(found.collector.last_error)
        judged = found.status, has_cause
        every_s = min(self.clock.real_s(health.PERIOD_S, LEAST_HEARTBEAT_S), HEARTBEAT_S)
        if judged != self._judged or time.monotonic() - self._written >= every_s:
            self._write(found)
        self._judged = judged
        if judged != self._told and not self._is_beginning(found):
            level = "INFO" if found.status == health.HEALTHY else "WARNING"
            self._calm.say(level, "{}: {}", found.status, found.reason)
            self._told = judged

    def _is_beginning(self, found: health.Health) -> bool:
        """Whether all that is wrong may be that the first connection is still under way."""
        collector, passed_s = found.collector, time.monotonic() - self._began
        is_waiting = collector.status == "connecting" and collector.last_error is None
        return is_waiting and found.status == health.DEGRADED and passed_s < CONNECTING_S

    def _write(self, found: health.Health) -> None:
        self._written = time.monotonic()
        with suppress(OSError):  # a full disk: raw lines matter more
            report.write(self.lake, found)

    def take_down(self) -> None:
        """End all jobs, in order as long as there is time, and write the last heartbeat."""
        logger.info("stopping: {}", self.ended or "an error")
        until = time.monotonic() + DOWN_S
        running = [job for job in self.jobs.values() if job.child]
        for job in running:
            job.child.stop()
        while any(job.child for job in running):
            for job in running:
                job.look()
                if job.child and (time.monotonic() > until or self._hurry):
                    job.child.kill()
            time.sleep(0.02)
        self.feed.look()
        self._write(record.record(self, self.ended or "an error"))

    def summary(self) -> list[str]:
        """What the run did, a line each."""
        counts, jobs = self.feed.counts, self.jobs.values()
        published = sum(job.files for job in jobs)
        warnings = counts["warnings"] + logs.warned() + sum(job.warnings for job in jobs)
        seconds = (self.clock.now_us() - self.started_us) / 1e6
        head = "MODE: TEST, summary" if self.lake.testing else "Summary"
        return [
            f"{head} of {self.lake.base}: {self.ended}",
            f"Duration: {seconds:,.0f} s",
            f"Transform cycles run: {self.jobs['transformer'].runs:,}",
            f"Macro fetches: {self.jobs['macro_minute'].runs:,}",
            f"Files written: {counts['parts'] + published:,}"
            f" ({counts['parts']:,} raw, {published:,} published)",
            f"Warnings: {warnings:,}",
        ]
