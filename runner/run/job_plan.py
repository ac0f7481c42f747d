"""Which jobs `lake run` has, and with which options each is called."""

from runner.config import Lake
from runner.health.health import PERIOD_S
from runner.moments import DAY_US, day_number, day_of, day_text
from runner.paths import is_day
from runner.run.clock import SourceClock
from runner.run.job_process import Ended
from runner.run.jobs import Job, Kind
from runner.validation.validate import FAILED

# Seconds after the start at which the first build begins, and before which no day is closed.
WARM_UP_S = 120.0
# Seconds after a day is over by compact.lateness_minutes: its last lines are on disk, sealed.
GRACE_S = 120.0
# Real seconds after which a run counts as hanging.
FIGURES_S, FETCH_S, LONG_S = 60.0, 1800.0, 4 * 3600.0
AGAIN_US = 60_000_000
# A day is sealed though its repair fails so often: without network it would else stay open.
TRIES = 3


class Plan:
    """The jobs of a run, by name. Times in µs on the source's clock."""

    def __init__(self, lake: Lake, clock: SourceClock) -> None:
        self.lake, self.clock = lake, clock
        self.day: str | None = None  # the day that is closed next
        self.closed: str | None = None
        self.failed: str | None = None  # the day validated last, where it failed
        self._first_us, self._looked_for = 0, ""
        self.jobs = {kind.name: Job(lake, kind, clock) for kind in self._kinds()}
        self.jobs["repair"].on_end = self._repaired
        self.jobs["compact"].on_end = self._compacted
        self.jobs["validation"].on_end = self._validated

    def _kinds(self) -> list[Kind]:
        config = self.lake.config
        macro_s = _seconds(config.macro_minute) if config.macro_minute.tickers else 0
        build = {"limit_s": LONG_S, "slot": "build"}
        long = build | {"locks": ("build.lock",)}

        def fetch(lock: str, slot: str = "fetch") -> dict:
            return {"limit_s": FETCH_S, "locks": ("build.lock", lock), "slot": slot}

        return [
            Kind("collector", self._collect),
            Kind("figures", lambda: ["status", "--figures"], PERIOD_S, FIGURES_S, least_s=5.0),
            Kind("transformer", lambda: ["build"], _seconds(config.transformer), **long),
            Kind("repair", lambda: ["repair", *self._symbols()], **fetch("repair.lock", "repair")),
            Kind("compact", lambda: ["compact"], **long),
            Kind("validation", self._validate, verdicts=(0, FAILED), **build),
            Kind("prune", self._prune, **long),
            Kind("macro_minute", self._macro, macro_s, **fetch("macro.lock")),
            Kind(
                "derivatives",
                lambda: ["derivatives", *self._symbols()],
                _seconds(config.derivatives),
                **fetch("derivatives.lock"),
            ),
        ]

    def begin(self, closed: str | None, has_failed: bool = False) -> None:
        """Set what is due first. `closed`: the day that an earlier run has closed last;
        `has_failed`: its validation failed, so it is closed once more.
        """
        self._first_us = self.clock.now_us() + int(WARM_UP_S * 1e6)
        self.closed = closed
        self.day = self.failed = closed if has_failed else None
        for job in self.jobs.values():
            if job.kind.every_s:
                job.due_us = self.clock.now_us()
        # what was missed while nothing ran
        self.jobs["repair"].due_us = self._first_us
        transformer = self.jobs["transformer"]
        if transformer.due_us:
            transformer.due_us += int(min(WARM_UP_S, transformer.kind.every_s) * 1e6)

    def close_day(self) -> None:
        """Once a day is over: repair it, then seal it, validate it, and prune.

        A day that cannot be validated, by a rule that is wrong, gives way to the next.
        """
        now_us, validation = self.clock.now_us(), self.jobs["validation"]
        gives_way = validation.failures and not validation.is_running
        if (self.day and not gives_way) or now_us < self._first_us:
            return
        late_us = int((self.lake.config.compact.lateness_minutes * 60 + GRACE_S) * 1e6)
        last = day_of(now_us - late_us - DAY_US)
        if last <= self._looked_for or last <= (self.closed or ""):
            return
        self._looked_for = last
        day = max((day for day in raw_days(self.lake) if day <= last), default=None)
        if day and day > (self.day or self.closed or ""):
            self.day, validation.due_us = day, None
            self.jobs["repair"].due_us = now_us

    def _repaired(self, ended: Ended, is_done: bool) -> None:
        if is_done and ended.facts.get("new") and not self.day:
            self.day = self.failed  # what it failed for may be mended
        if self.day and (is_done or self.jobs["repair"].failures >= TRIES):
            self.jobs["repair"].due_us = None
            self.jobs["compact"].due_us = self.clock.now_us()

    def _compacted(self, ended: Ended, is_done: bool) -> None:
        if is_done and not ended.facts.get("waiting"):
            self.jobs["validation"].due_us = self.clock.now_us()
        elif is_done:  # raw came meanwhile: it is built and sealed by a second run
            self.jobs["compact"].due_us = self.clock.now_us() + AGAIN_US

    def _validated(self, ended: Ended, is_done: bool) -> None:
        if not is_done:
            return
        self.jobs["validation"].facts = {**ended.facts, "day": self.day}
        self.failed = self.day if ended.code == FAILED else None
        self.closed, self.day = max(self.closed or "", self.day), None
        if self.lake.config.compact.prune_raw_days:
            self.jobs["prune"].due_us = self.clock.now_us()

    def _symbols(self) -> list[str]:
        """Only where they were given: else what config.yml says holds for the child too."""
        if self.lake.origins.get("exchanges[0].symbols") != "--symbols":
            return []
        return ["--symbols", ",".join(self.lake.config.exchanges[0].symbols)]

    def _collect(self) -> list[str]:
        return ["collect", *self._symbols()]

    def _validate(self) -> list[str]:
        following = day_text(day_number(self.day) + 1)
        return ["validate", "--start", self.day, "--end", following]

    def _prune(self) -> list[str]:
        return ["prune", "--yes", "--raw-older-than", f"{self.lake.config.compact.prune_raw_days}d"]

    def _macro(self) -> list[str]:
        settings = self.lake.config.macro_minute
        is_first = self.jobs["macro_minute"].runs == 0
        days = settings.startup_backfill_days if is_first else settings.runtime_lookback_days
        return ["macro", "--tickers", ",".join(settings.tickers), "--days", str(days)]


def _seconds(section) -> float:
    """The pace of a section in seconds; 0 = never."""
    return section.schedule_minutes * 60.0


def raw_days(lake: Lake) -> set[str]:
    """The days of which there is raw market data, packed or not."""
    found = (lake.base / "raw").glob("binance/[!_]*/*")
    return {path.name[:10] for path in found if is_day(path.name[:10])}
