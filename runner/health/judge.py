"""What a lake's health adds up to: a status, and what is wrong in sentences, the worst first."""

from dataclasses import dataclass, field

from runner.config import Lake
from runner.health.health import DEGRADED, ERROR, HEALTHY, Health

# Real seconds after which a collector that tells nothing of itself does not answer, and the least
# ones that count as silence, however fast a replay's clock runs.
NO_ANSWER_S = 15.0
LEAST_SILENCE_S = 5.0
SYMBOLS_NAMED = 3
# Seconds that a job may wait for others before that counts.
WAITING_S = 600.0
JOBS = (
    *("transformer", "macro_minute", "derivatives", "repair", "compact", "validation", "prune"),
    "figures",
)


@dataclass
class Seen:
    """What is known of the collector, in seconds of the source's clock.

    `told_s`: real ones since it last told of itself, None = it has just been started; `up_s`: real
    ones since it was started; `silent_s`: since the last message, or since the start where none
    came; `silent`: symbols beyond `limit_s`; `trouble`: why the last try to connect failed.
    """

    is_running: bool
    told_s: float | None
    up_s: float
    silent_s: float
    has_data: bool
    limit_s: float
    is_refused: bool = False
    next_try_s: float = 0.0
    error: str | None = None
    trouble: str | None = None
    silent: dict[str, float] = field(default_factory=dict)


def collector_status(seen: Seen) -> str:
    """The collector's state in a word, from what arrived."""
    if not seen.is_running:
        return "error"
    if (seen.told_s or 0.0) > NO_ANSWER_S or seen.silent_s > seen.limit_s:
        return "silent"
    return "running" if seen.has_data else "connecting"


def judged(lake: Lake, health: Health, seen: Seen) -> tuple[str, list[str]]:
    """The status and what is wrong; where nothing is, one sentence of what goes on."""
    errors = list(_errors(lake, health, seen))
    flaws = [*_of_capture(lake, health, seen), *_of_disk(lake, health)]
    flaws += [*_of_jobs(health), *_of_data(health)]
    if errors:
        return ERROR, errors + flaws
    if flaws:
        return DEGRADED, flaws
    count = len(health.collector.symbols)
    return HEALTHY, [f"data arrives from {counted(count, 'symbol')}, and every job does its work"]


def _errors(lake: Lake, health: Health, seen: Seen):
    """What costs data at this moment."""
    if seen.is_refused:
        yield f"the disk takes no raw lines: make room on the disk of {lake.base}"
    if not seen.is_running:
        why = f" ({seen.error})" if seen.error else ""
        yield f"the collector is not running{why}; it is started again in {seen.next_try_s:.0f} s"
    elif (seen.told_s or 0.0) > NO_ANSWER_S:
        yield f"the collector does not answer for {seen.told_s:.0f} s; see logs/collector.log"
    elif seen.silent_s > seen.limit_s:
        last = health.collector.last_seen_ts
        since = f"the last message came at {last}" if last else "none has come yet"
        why = seen.trouble or "see logs/collector.log"
        yield f"nothing arrives for {seen.silent_s:.0f} s: {since}; {why}"


def _of_capture(lake: Lake, health: Health, seen: Seen):
    if seen.is_running and not seen.has_data and seen.silent_s <= seen.limit_s:
        why = seen.trouble or "nothing has arrived yet"
        yield f"the collector is connecting since {seen.up_s:.0f} s: {why}"
    if 0 < len(seen.silent) < len(health.collector.symbols):
        longest = sorted(seen.silent, key=seen.silent.get, reverse=True)[:SYMBOLS_NAMED]
        named = ", ".join(f"{name} for {seen.silent[name]:.0f} s" for name in longest)
        yield f"{counted(len(seen.silent), 'symbol')} silent: {named}"
    offset_ms, most_ms = health.collector.clock_offset_ms, lake.config.rules.max_clock_offset_ms
    if offset_ms is not None and abs(offset_ms) > most_ms:
        yield f"this machine's clock is {offset_ms:+.0f} ms off the exchange's: set it"
    latency_ms = health.collector.last_latency_p50_ms
    if latency_ms is not None and latency_ms > lake.config.rules.max_latency_ms:
        yield f"trades arrive {latency_ms:.0f} ms late (half of them, or more)"


def _of_disk(lake: Lake, health: Health):
    days = health.disk.days_left
    free = health.disk.free_bytes
    if free is not None and is_full(lake, free):
        least = lake.config.health.min_free_gb
        yield (
            f"only {free / 1e9:.1f} GB are free, less than {least:g} GB: nothing is built, so that "
            "raw lines find room"
        )
    elif days is not None and days < lake.config.check.min_free_days:
        yield f"the disk has room for {days:.1f} days: `lake prune` makes some"


def _of_jobs(health: Health):
    for name in JOBS:
        job = getattr(health, name)
        if job.last_error:
            yield f"{name} fails: {job.last_error}"
        elif job.status == "waiting":
            minutes = f"{WAITING_S / 60:.0f} minutes"
            yield f"{name} waits for what runs before it, for more than {minutes}"


def _of_data(health: Health):
    if missing := health.tape.missing_today:
        yield f"{missing:,} trades of today are missing: `lake repair` fetches them"
    validation = health.validation
    if validation.verdict == "FAIL":
        when = f" at {validation.last_run_end}" if validation.last_run_end else ""
        yield (
            f"the validation of {validation.day} failed{when}: {validation.reason}; mend that and"
            " start `lake run` again, which repairs, seals and validates the day anew"
        )


def is_full(lake: Lake, free_bytes: int) -> bool:
    """Whether the room that is left is kept for raw lines."""
    return free_bytes < lake.config.health.min_free_gb * 1e9


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "symbol"), counted(2, "symbol")
    ('1 symbol', '2 symbols')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
