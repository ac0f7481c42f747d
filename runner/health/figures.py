"""The figures of a lake's health: each file of reports/health is asked for one row."""

import shutil
from pathlib import Path

import duckdb

from ingest import status
from ingest.status import machine_us
from runner import catalog
from runner.asking import READS, Absent, Unreadable, asking
from runner.build.publish import file_list, literal, sql_text
from runner.config import Lake
from runner.models import sql_files
from runner.models.models import Models
from runner.moments import DAY_US, day_of
from runner.paths import day_folder

FOLDER = "reports/health"
MINUTES_A_DAY = 1440


def measured(lake: Lake) -> dict[str, int | float | None]:
    """The figures by name, as they are now; None for what cannot be known yet."""
    models = Models(lake)
    found: dict[str, int | float | None] = {}
    with catalog.connect(lake) as con:
        for macro in models.macros.sql():  # a lake's catalog may be older than a figure
            con.execute(macro)
        for path in sql_files.files(models.roots, FOLDER, "*.sql"):
            found |= _asked(con, models, path)
    return found


def _values(lake: Lake) -> dict:
    """What the SQL is told: the moment, its day, the files of the last minute, room on the disk."""
    told = status.read(lake.base)
    now_us = told.now_us if told and told.speed is not None else machine_us()
    raw, today, before = lake.base / "raw", day_of(now_us), day_of(now_us - DAY_US)
    minute = now_us % DAY_US // (DAY_US // MINUTES_A_DAY)
    parts = [f"part_{number + 1:03}*.jsonl" for number in (minute - 1, minute) if number >= 0]
    parts.append("part_*.jsonl.open")
    days = (today, before) if minute == 0 else (today,)
    patterns = [f"binance/[!_]*/{day}/{part}" for day in days for part in parts]
    files = sorted({path for pattern in patterns for path in raw.glob(pattern)})
    globs = [f"raw/*/*/{day}{end}" for day in (today, before) for end in ("/*", ".jsonl.zst")]
    folders = [day_folder(day).as_posix() for day in (today, before)]
    globs += [f"{top}/**/{folder}/*" for top in ("parquet", "ticks") for folder in folders]
    base = sql_text(literal(lake.base))
    return {
        "raw": f"{base}/raw",
        "today": today,
        "today_folder": day_folder(today).as_posix(),
        "now_us": now_us,
        "offset_us": (told.clock_offset_us if told else None) or 0,
        "raw_files": file_list(files) if files else None,
        "day_globs": "[" + ", ".join(f"'{base}/{one}'" for one in globs) + "]",
        "free_bytes": shutil.disk_usage(lake.base).free,
    }


def _asked(con: duckdb.DuckDBPyConnection, models: Models, path: Path) -> dict:
    """One file's figures by the names of its columns; none of what is not there yet."""
    text = sql_files.read(path)
    _, keys = sql_files.header(path, text)
    for _ in range(READS):
        values = _values(models.lake)
        if "raw_files" in text and values["raw_files"] is None:
            return {}
        try:
            with asking(path, may_be_absent="absent" in keys):
                [row] = con.execute(models.rendered(path, text, **values)).fetchall()
        except Absent:
            return {}
        except Unreadable:  # a part was sealed meanwhile, or there is no file yet
            continue
        return dict(zip([column[0] for column in con.description], row, strict=True))
    return {}
