"""How a lake is at this moment, for `lake status`: what was told last, held against who runs."""

from ingest import status
from ingest.status import Status, machine_us
from runner.config import Lake
from runner.health import health
from runner.health.health import DEGRADED, ERROR, STOPPED, Collector, Disk, Files, Health, Tape
from runner.health.judge import LEAST_SILENCE_S, Seen, collector_status, judged
from runner.lock import is_held
from runner.moments import iso, microseconds
from runner.next_step import is_recorded

RUN_LOCK, COLLECTOR_LOCK = "run.lock", "collector.lock"
# Real seconds after which a heartbeat is too old; it is written every 15 s and more often.
STALE_S = 60.0


def current(lake: Lake) -> Health:
    """The health of a lake, whoever runs, also when nobody does and nothing ever did."""
    beat, told = health.read(lake), status.read(lake.base)
    if holder := is_held(lake.base / RUN_LOCK):
        return _of_run(lake, beat, holder)
    is_left = beat and told and told.pid == beat.collector.pid  # of a run that was killed
    if told and told.ended is None and not is_left and is_held(lake.base / COLLECTOR_LOCK):
        return _of_collector(lake, told)
    if beat:
        return _ended(beat)
    never = "nothing runs" if is_recorded(lake) else f"nothing was ever collected in {lake.base}"
    found = health.blank(lake, STOPPED, f"{never}: `lake run`")
    if told:
        found.reason = f"nothing runs; the last `lake collect` {_how(told)}: `lake run`"
        found.collector = _collector(lake, told, "stopped")
    return found


def _of_run(lake: Lake, beat: Health | None, holder: str) -> Health:
    """What `lake run` says, if it says anything."""
    if beat is None or not holder.startswith(f"process {beat.pid} "):
        return health.blank(lake, DEGRADED, f"`lake run` has just begun ({holder})")
    age_s = (machine_us() - microseconds(beat.ts_utc)) / 1e6
    if age_s > STALE_S:
        why = f"`lake run` does not answer since {beat.ts_utc}, for {age_s:.0f} s ({holder})"
        _change(beat, ERROR, why)
    return beat


def _ended(beat: Health) -> Health:
    """The last heartbeat of a run that is over, in order or not."""
    if beat.status != STOPPED:
        why = f"`lake run` is dead: its last heartbeat is of {beat.ts_utc}; start it again"
        _change(beat, ERROR, why)
        beat.collector.status = "stopped"
    return beat


def _change(beat: Health, verdict: str, reason: str) -> None:
    if beat.status not in (health.HEALTHY, STOPPED):
        beat.others = [f"it last said: {beat.reason}", *beat.others]
    beat.status, beat.reason = verdict, reason


def _of_collector(lake: Lake, told: Status) -> Health:
    """A `lake collect` that runs by itself: nothing builds, but capture can be healthy."""
    from runner.health.figures import measured

    seen, figures = _seen(lake, told), measured(lake)
    found = health.blank(lake, DEGRADED, "")
    found.source, found.source_ts, found.pid = told.mode, iso(told.now_us), told.pid
    found.started = iso(told.started_us)
    found.collector = _collector(lake, told, collector_status(seen))
    found.collector.last_latency_p50_ms = figures.get("last_latency_p50_ms")
    found.collector.last_latency_p95_ms = figures.get("last_latency_p95_ms")
    found.files = Files(**{name: figures.get(name) for name in Files.__struct_fields__})
    found.tape = Tape(figures.get("missing_today"))
    found.disk = Disk(found.disk.free_bytes, figures.get("days_left"))
    found.figures_ts = found.source_ts
    found.status, reasons = judged(lake, found, seen)
    found.reason, found.others = reasons[0], reasons[1:]
    found.others.append("`lake collect` runs by itself: only `lake run` builds and seals")
    return found


def _seen(lake: Lake, told: Status) -> Seen:
    newest_us = max((one.seen_us for one in told.symbols.values()), default=0)
    limit_s = max(lake.config.health.max_silence_seconds, LEAST_SILENCE_S * (told.speed or 1.0))
    silences = {
        name: (told.now_us - (one.seen_us or told.started_us)) / 1e6
        for name, one in told.symbols.items()
    }
    return Seen(
        is_running=True,
        told_s=(machine_us() - told.written_us) / 1e6,
        up_s=(told.now_us - told.started_us) / 1e6,
        silent_s=(told.now_us - (newest_us or told.started_us)) / 1e6,
        has_data=bool(newest_us),
        limit_s=limit_s,
        is_refused=told.refusing,
        trouble=told.trouble,
        silent={name: silence for name, silence in silences.items() if silence > limit_s},
    )


def _collector(lake: Lake, told: Status, state: str) -> Collector:
    newest_us = max((one.seen_us for one in told.symbols.values()), default=0)
    offset_us = told.clock_offset_us
    return Collector(
        status=state,
        pid=told.pid,
        last_seen_ts=iso(newest_us) if newest_us else None,
        reconnects=told.reconnects,
        rejected=told.rejected,
        dropped=told.dropped,
        clock_offset_ms=None if offset_us is None else offset_us / 1000,
        last_error=told.trouble,
        symbols={
            name: iso(one.seen_us) if one.seen_us else None for name, one in told.symbols.items()
        },
    )


def _how(told: Status) -> str:
    """How a collector that does not run any more has ended."""
    when = iso(told.written_us // 1_000_000 * 1_000_000)
    return f"ended at {when} ({told.ended})" if told.ended else f"is dead since {when}"
