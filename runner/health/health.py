"""The health of a lake as one record: what arrived, what the jobs did, what is on the disk.

It is the heartbeat of `lake run`, and what reports/health.md and `lake status` are made of. Times
are ISO texts in UTC on the clock of the source, but for `ts_utc`, which is the machine's.
"""

import shutil
from pathlib import Path

import msgspec
from msgspec import field

from ingest.status import machine_us
from runner.config import Lake
from runner.files import write_whole
from runner.moments import iso

# Seconds between two looks at the figures; a heartbeat is never older.
PERIOD_S = 60.0
HEALTHY, DEGRADED, ERROR, STOPPED = "HEALTHY", "DEGRADED", "ERROR", "STOPPED"


class Collector(msgspec.Struct):
    """`status`: running, connecting, silent, error or stopped. Latencies: of the trades of the last
    minute, None where none came. `symbols`: when the last message of each came.
    """

    status: str = "stopped"
    pid: int | None = None
    last_seen_ts: str | None = None
    last_latency_p50_ms: float | None = None
    last_latency_p95_ms: float | None = None
    reconnects: int = 0
    rejected: int = 0
    dropped: int = 0
    clock_offset_ms: float | None = None
    restarts: int = 0
    last_error: str | None = None
    symbols: dict[str, str | None] = {}


class Job(msgspec.Struct):
    """`status`: idle, running, error, off, paused (the disk is full), waiting or stopped."""

    status: str = "off"
    last_run_start: str | None = None
    last_run_end: str | None = None
    last_error: str | None = None
    next_run: str | None = None
    runs: int = 0


class Macro(Job):
    last_run_rows_written: int | None = None


class Transformer(Job):
    last_run_rows_written: int | None = None
    last_run_files_written: int | None = None


class Compact(Job):
    last_run_days_sealed: int | None = None


class Validation(Job):
    """The last validation of a day that was over."""

    day: str | None = None
    verdict: str | None = None
    reason: str | None = None


class Files(msgspec.Struct):
    """Of the UTC day of the source; None where it is not known."""

    raw_count_today: int | None = None
    parquet_1s_rows_today: int | None = None
    macro_min_rows_today: int | None = None


class Tape(msgspec.Struct):
    missing_today: int | None = None


class Disk(msgspec.Struct):
    """`days_left`: how many days like the last one there is room for."""

    free_bytes: int | None = None
    days_left: float | None = None


class Health(msgspec.Struct):
    """The health of a lake. `mode`: PRODUCTION or TEST; `source`: live or replay; `others`: what is
    wrong besides `reason`; `figures_ts`: when files, tape and latencies were looked at.
    """

    ts_utc: str
    mode: str
    source: str
    source_ts: str
    status: str
    reason: str
    others: list[str]
    pid: int | None
    started: str | None
    collector: Collector = field(default_factory=Collector)
    macro_minute: Macro = field(default_factory=Macro)
    transformer: Transformer = field(default_factory=Transformer)
    derivatives: Job = field(default_factory=Job)
    repair: Job = field(default_factory=Job)
    compact: Compact = field(default_factory=Compact)
    validation: Validation = field(default_factory=Validation)
    prune: Job = field(default_factory=Job)
    figures: Job = field(default_factory=Job)
    files: Files = field(default_factory=Files)
    tape: Tape = field(default_factory=Tape)
    disk: Disk = field(default_factory=Disk)
    figures_ts: str | None = None


def blank(lake: Lake, verdict: str, reason: str) -> Health:
    """A record of a lake in which nothing is known but this."""
    moment = iso(machine_us() // 1_000_000 * 1_000_000)
    mode = "TEST" if lake.testing else "PRODUCTION"
    try:
        free_bytes = shutil.disk_usage(lake.base).free
    except OSError:  # nothing was ever collected
        free_bytes = None
    disk = Disk(free_bytes)
    return Health(moment, mode, "live", moment, verdict, reason, [], None, None, disk=disk)


def file(lake: Lake) -> Path:
    """Where the heartbeat lies."""
    return lake.base / "logs" / "health" / "heartbeat.json"


def read(lake: Lake) -> Health | None:
    """The last heartbeat; None where there is none."""
    try:
        return msgspec.json.decode(file(lake).read_bytes(), type=Health)
    except (OSError, msgspec.MsgspecError):
        return None


def write(lake: Lake, health: Health) -> None:
    """Put a heartbeat in the place of the one before; its readers never see half a file."""
    text = msgspec.json.format(msgspec.json.encode(health), indent=1)
    write_whole(file(lake), text + b"\n")
