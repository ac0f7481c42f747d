"""What has arrived since `lake run` began, through all restarts of the collector."""

from ingest import status
from ingest.status import Status, machine_us
from runner.config import Lake
from runner.health.health import Collector
from runner.health.judge import LEAST_SILENCE_S, Seen, collector_status
from runner.moments import iso
from runner.run.clock import SourceClock
from runner.run.jobs import Job

COUNTS = ("reconnects", "rejected", "dropped", "parts", "warnings")


class Feed:
    """The collector's own words, kept up to date by `look`. `counts`: of all its runs together."""

    def __init__(self, lake: Lake, job: Job, clock: SourceClock) -> None:
        self._lake, self._job, self._clock = lake, job, clock
        self.status: Status | None = None
        self.restarts = 0
        self.mode = "live"
        self._seen: dict[str, int] = dict.fromkeys(lake.config.exchanges[0].symbols, 0)
        self._before = dict.fromkeys(COUNTS, 0)
        self._from_us: int | None = None
        self._pid: int | None = None

    def look(self) -> None:
        """Take note of what the collector tells, or told last."""
        if self._job.child:
            self._pid = self._job.child.pid
        told = status.read(self._lake.base)
        if told is None or told.pid != self._pid:
            return
        if self.status is None or self.status.pid != told.pid:
            self._begin(told)
        self.status, self.mode = told, told.mode
        self._clock.follow(told)
        for name, symbol in told.symbols.items():
            self._seen[name] = max(self._seen.get(name, 0), symbol.seen_us)

    @property
    def counts(self) -> dict[str, int]:
        """Reconnects, rejected and dropped messages, raw files begun, warnings."""
        now = self.status
        return {
            name: count + (getattr(now, name) if now else 0) for name, count in self._before.items()
        }

    def _begin(self, told: Status) -> None:
        self.restarts += self.status is not None
        self._before = self.counts
        self.status = None
        if self._from_us is None or not self._newest_us():
            self._from_us = told.started_us

    def _newest_us(self) -> int:
        return max(self._seen.values(), default=0)

    def seen(self) -> Seen:
        """What is known of the collector now."""
        settings, job = self._lake.config.health, self._job
        is_telling = self.status is not None and job.child and self.status.pid == job.child.pid
        now_us = self.status.now_us if is_telling else self._clock.now_us()
        from_us = self._from_us or job.start_us or now_us
        limit_s = max(settings.max_silence_seconds, LEAST_SILENCE_S * self._clock.speed)
        silences = {name: (now_us - (us or from_us)) / 1e6 for name, us in self._seen.items()}
        newest_us = self._newest_us()
        told_s = (machine_us() - self.status.written_us) / 1e6 if is_telling else None
        return Seen(
            is_running=job.is_running,
            told_s=told_s,
            up_s=job.child.age_s if job.child else 0.0,
            silent_s=(now_us - (newest_us or from_us)) / 1e6,
            has_data=bool(is_telling and any(one.seen_us for one in self.status.symbols.values())),
            limit_s=limit_s,
            is_refused=bool(is_telling and self.status.refusing),
            next_try_s=max(0.0, ((job.due_us or now_us) - self._clock.now_us()) / 1e6),
            error=job.error,
            trouble=self.status.trouble if is_telling else None,
            silent={name: silence for name, silence in silences.items() if silence > limit_s},
        )

    def collector(self, figures: dict, is_over: bool) -> Collector:
        """The collector's part of the heartbeat."""
        newest_us, told, counts = self._newest_us(), self.status, self.counts
        offset_us = told.clock_offset_us if told else None
        return Collector(
            status="stopped" if is_over else collector_status(self.seen()),
            pid=self._pid,
            last_seen_ts=iso(newest_us) if newest_us else None,
            last_latency_p50_ms=figures.get("last_latency_p50_ms"),
            last_latency_p95_ms=figures.get("last_latency_p95_ms"),
            reconnects=counts["reconnects"],
            rejected=counts["rejected"],
            dropped=counts["dropped"],
            clock_offset_ms=None if offset_us is None else offset_us / 1000,
            restarts=self.restarts,
            last_error=self._job.error or (told.trouble if told and not is_over else None),
            symbols={name: iso(us) if us else None for name, us in self._seen.items()},
        )
