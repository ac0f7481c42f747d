"""What a run that was killed left behind: open parts are sealed, ends of connections written."""

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
from loguru import logger

from ingest.collect import sessions, unsealed
from ingest.collect.buffer import Lane, Room
from ingest.collect.journal import Journal
from ingest.collect.part import OPEN, moment, seal
from runner.config import Lake
from runner.lock import hold, is_held
from runner.paths import HOUR_US, is_day

# A part's end is searched this far back for the newest line of each connection.
TAIL_BYTES = 2**20
CHUNK_BYTES = 2**16
RECOVERING = "sealing what a killed collector left"
LINE = re.compile(rb'"ts_recv":(\d+),.*"conn":(\d+)\}$')


@dataclass(frozen=True)
class Recovered:
    """What was done. `parts`: sealed; `torn`: half lines put aside; `ends`: session lines added."""

    parts: int = 0
    torn: int = 0
    ends: int = 0


def recover(lake: Lake) -> Recovered:
    """Seal what a killed collector left open; nothing while one is running.

    Cheap when there is nothing to do: day folders are looked at, not what lies in them.
    """
    if not unsealed.folders(lake.base / "raw"):
        return Recovered()
    lock = lake.base / "collector.lock"
    if is_held(lock):
        return Recovered()
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(lock, RECOVERING))
        except click.ClickException:
            return Recovered()  # a collector has just started, and recovers by itself
        return recover_held(lake)


def recover_held(lake: Lake) -> Recovered:
    """The same, for the holder of the collector's lock."""
    raw = lake.base / "raw"
    folders = unsealed.folders(raw)
    if not folders:
        return Recovered()
    opened = [path for folder in folders for path in sorted(folder.glob(f"part_*{OPEN}"))]
    torn, sealed = 0, []
    for path in opened:
        torn += _put_torn_tail_aside(path)
        if part := seal(path, empty=path.stat().st_size == 0):
            sealed.append(part)
    ends = _write_ends(raw, sealed)
    unsealed.Unsealed(raw).clear()
    if opened or ends:
        logger.info(
            "a run was cut off: {} parts sealed, {} half lines put aside", len(opened), torn
        )
    return Recovered(len(sealed), torn, ends)


def _put_torn_tail_aside(path: Path) -> bool:
    """Cut a half line off an open part and keep it in a .torn file; True when there was one."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        whole = _end_of_whole_lines(file, end)
        if whole < end:
            file.seek(whole)
            stem = path.name.removesuffix(OPEN).removesuffix(".jsonl")
            _keep(file.read(), path.with_name(f"{stem}.torn"))
            file.truncate(whole)
        os.fsync(file.fileno())
    return whole < end


def _keep(tail: bytes, aside: Path) -> None:
    """Add a half line to a file, unless a recovery that was killed has just done so."""
    if aside.exists() and aside.read_bytes().endswith(tail):
        return
    with aside.open("ab") as file:
        file.write(tail)
        file.flush()
        os.fsync(file.fileno())


def _end_of_whole_lines(file, end: int) -> int:
    """The position behind the last newline, 0 without any."""
    while end > 0:
        start = max(0, end - CHUNK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write_ends(raw: Path, sealed: list[Path]) -> int:
    """Session lines for the ends that the last run did not write; how many."""
    lines = _last_run(raw)
    if not lines or any(line.event == "stop" for line in lines):
        return 0
    open_conns = {line.conn for line in lines if line.event == "connected"}
    open_conns -= {line.conn for line in lines if line.event == "disconnected"}
    newest_us = _newest_received({*sealed, *_newest_parts(raw)})
    for line in lines:
        newest_us[line.conn] = max(newest_us.get(line.conn, 0), line.ts_recv)
    ended_us = max(newest_us[line.conn] for line in lines)
    ends = [
        sessions.Line(
            "disconnected", newest_us[conn], conn, detail="recovered: the run was cut off"
        )
        for conn in sorted(open_conns)
    ]
    ends.append(sessions.Line("stop", ended_us, detail="recovered: the run was cut off"))
    lane = Lane(sessions.LANE, Room(), HOUR_US)
    for end in ends:
        lane.add(end.ts_recv, sessions.encode(end))
    journal = Journal(raw)
    _, failure = journal.write(lane.take())
    journal.close()
    if failure:
        raise click.ClickException(f"the end of a run cannot be written to {raw}: {failure}")
    return len(ends)


def _last_run(raw: Path) -> list[sessions.Line]:
    """The session lines from the last `start` on."""
    found: list[sessions.Line] = []
    for path in sessions.files(raw, newest_first=True):
        lines = sessions.read(path)
        starts = [number for number, line in enumerate(lines) if line.event == "start"]
        found[:0] = lines[starts[-1] :] if starts else lines
        if starts:
            break
    return found


def _newest_parts(raw: Path) -> list[Path]:
    """The newest sealed part of each symbol: the run may have been cut off just after sealing."""
    newest = []
    for lane in raw.glob("binance/[!_]*/"):
        days = sorted(path for path in lane.iterdir() if is_day(path.name))
        parts = [path for path in days[-1].iterdir() if moment(path)] if days else []
        newest += sorted(parts, key=moment)[-1:]
    return newest


def _newest_received(parts: set[Path]) -> dict[int | None, int]:
    """The newest receive time in µs at the end of these parts, by connection."""
    newest: dict[int | None, int] = {}
    for path in parts:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            for text in file.read().split(b"\n"):
                if match := LINE.search(text):
                    recv_us, conn = int(match[1]), int(match[2])
                    newest[conn] = max(newest.get(conn, 0), recv_us)
    return newest
