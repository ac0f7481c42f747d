"""The health of a run of `lake run` at this moment, put together from what it knows."""

import os
from typing import TYPE_CHECKING

from ingest.status import machine_us
from runner.health.health import (
    STOPPED,
    Compact,
    Disk,
    Files,
    Health,
    Job,
    Macro,
    Tape,
    Transformer,
    Validation,
)
from runner.health.judge import WAITING_S, judged
from runner.moments import iso
from runner.run.jobs import Job as Run

if TYPE_CHECKING:
    from runner.run.supervise import Supervisor


def record(run: "Supervisor", ended: str | None = None) -> Health:
    """The health now. `ended`: why the run is over, once it is."""
    figures, jobs = run.jobs["figures"].facts, run.jobs
    is_over = ended is not None
    found = Health(
        ts_utc=shown(machine_us()),
        mode="TEST" if run.lake.testing else "PRODUCTION",
        source=run.feed.mode,
        source_ts=shown(run.clock.now_us()),
        status=STOPPED,
        reason=f"`lake run` has ended: {ended}",
        others=[],
        pid=os.getpid(),
        started=shown(run.started_us),
        collector=run.feed.collector(figures, is_over),
        derivatives=_job(run, jobs["derivatives"], is_over),
        repair=_job(run, jobs["repair"], is_over),
        prune=_job(run, jobs["prune"], is_over),
        figures=_job(run, jobs["figures"], is_over),
        files=Files(**_of(figures, Files)),
        tape=Tape(**_of(figures, Tape)),
        disk=Disk(run.free_bytes(), figures.get("days_left")),
        figures_ts=shown(jobs["figures"].start_us) if figures else None,
        **_with_facts(run, is_over),
    )
    if not is_over:
        found.status, reasons = judged(run.lake, found, run.feed.seen())
        found.reason, found.others = reasons[0], reasons[1:]
    return found


def _with_facts(run: "Supervisor", is_over: bool) -> dict[str, Job]:
    """The jobs of which more is known than when they ran."""
    jobs = run.jobs
    macro, built = jobs["macro_minute"].facts, jobs["transformer"].facts
    return {
        "macro_minute": _job(
            run, jobs["macro_minute"], is_over, Macro, last_run_rows_written=macro.get("new")
        ),
        "transformer": _job(
            run,
            jobs["transformer"],
            is_over,
            Transformer,
            last_run_rows_written=built.get("rows"),
            last_run_files_written=built.get("files"),
        ),
        "compact": _job(
            run,
            jobs["compact"],
            is_over,
            Compact,
            last_run_days_sealed=jobs["compact"].facts.get("sealed"),
        ),
        "validation": _job(run, jobs["validation"], is_over, Validation, **run.validated),
    }


def _job(run: "Supervisor", job: Run, is_over: bool, kind: type[Job] = Job, **more) -> Job:
    """When a job ran and will run, and how it went."""
    return kind(
        status=_status(run, job, is_over),
        last_run_start=shown(job.start_us),
        last_run_end=shown(job.end_us),
        last_error=job.error,
        next_run=None if is_over else shown(job.due_us),
        runs=job.runs,
        **more,
    )


def _status(run: "Supervisor", job: Run, is_over: bool) -> str:
    if is_over:
        return "stopped"
    if job.is_off:
        return "off"
    if job.is_running:
        return "running"
    if run.is_paused(job):
        return "paused"
    late_us = run.clock.now_us() - (job.wanted_us or run.clock.now_us())
    if late_us > run.clock.lasting_us(WAITING_S, least=10.0):
        return "waiting"
    return "error" if job.error else "idle"


def _of(figures: dict, kind: type) -> dict:
    """The figures that a part of the record holds."""
    return {name: figures.get(name) for name in kind.__struct_fields__}


def shown(us: int | None) -> str | None:
    """A moment to the second."""
    return None if us is None else iso(us // 1_000_000 * 1_000_000)
