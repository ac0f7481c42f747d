"""Repairs that the collector starts: after each reconnect, `lake repair` in a process of its own.

At low priority and one at a time, so that it never disturbs the capture; with pauses between, so
that many reconnects are no storm of requests.
"""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from contextlib import suppress

import msgspec
from loguru import logger

from ingest.collect.clock import Clock
from ingest.collect.plan import Plan
from ingest.stop import stop_on_signals
from runner.config import Lake
from runner.paths import encode
from runner.run.supervised import Outcome

# Seconds of the source from one repair to the next; doubled while connections go on to be lost.
PAUSE_S, LONGEST_PAUSE_S = 60.0, 900.0
# Real seconds: parts are sealed by another thread; a fast replay must not wear the machine out.
SEAL_S, REST_S = 1.0, 5.0
LOOK_S = 0.1
# Seconds that a repair has to end in order; what it has written is whole at every moment.
END_S = 2.0
NICENESS = 10
# Windows: below normal priority, and Ctrl+C of the terminal is the collector's alone.
FLAGS = 0x4000 | 0x200
STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+Z \w+ +")


class DueRepairs:
    """The repairs of one run; `clock` is the run's."""

    def __init__(self, lake: Lake, plan: Plan, clock: Clock) -> None:
        self._lake, self._plan, self._clock = lake, plan, clock
        self._due, self._hurry = asyncio.Event(), asyncio.Event()
        self._work: asyncio.Task | None = None

    async def __aenter__(self) -> "DueRepairs":
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End what is running: the next repair does the rest."""
        if self._work:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    def due(self, conn: int) -> None:
        """A connection was made after a lost one, and data flows."""
        self._due.set()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._repair_while_due())

    async def finish(self) -> None:
        """Let what is due run before the run ends; Ctrl+C cuts it off."""
        if self._work is None or self._work.done():
            return
        self._hurry.set()
        stopped = asyncio.Event()
        with stop_on_signals(lambda _: stopped.set()):
            stop = asyncio.create_task(stopped.wait())
            await asyncio.wait([self._work, stop], return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()

    async def _repair_while_due(self) -> None:
        pause_s = PAUSE_S
        while self._due.is_set():
            self._due.clear()
            # until the first lines after the gap are in sealed parts, which a build reads
            await self._pass(self._lake.config.collector.write_interval_sec, SEAL_S)
            if not await self._repair() and not self._hurry.is_set():
                self._due.set()
            await self._pass(pause_s, REST_S)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _pass(self, seconds: float, least_s: float) -> None:
        """Wait for seconds of the source, and some real ones; not when the run is over."""
        until_us = self._clock.heard_until() + int(seconds * 1e6)
        until = asyncio.get_running_loop().time() + least_s
        while not self._hurry.is_set() and (
            self._clock.heard_until() < until_us or asyncio.get_running_loop().time() < until
        ):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), LOOK_S)

    async def _repair(self) -> bool:
        """Run `lake repair` on what has raw, its output into the log; whether all went well."""
        raw = self._lake.base / "raw" / "binance"
        symbols = [name for name in self._plan.symbols if (raw / encode(name)).is_dir()]
        if not symbols:
            return True
        try:
            process = await self._start(symbols)
        except OSError as error:
            logger.warning("lake repair cannot be started: {}", error)
            return False
        try:
            async for line in process.stdout:
                _log(line.decode(errors="replace").strip())
            return await process.wait() == 0
        finally:
            await _end(process)

    async def _start(self, symbols: list[str]) -> Process:
        """Start the child; it ends with its stdin, also when this process is killed."""
        # -P: a lake.py in the folder where the collector was started must not be taken for ours
        command = [sys.executable, "-P", "-m", "lake", "--supervised", "repair"]
        command += ["--symbols", ",".join(symbols), "--config", str(self._lake.file)]
        own = {"creationflags": FLAGS} if os.name == "nt" else {"start_new_session": True}
        process = await asyncio.create_subprocess_exec(
            *command,
            *("--rest-url", self._plan.rest_url),
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            env={**os.environ, "PYTHONUTF8": "1"},
            **own,
        )
        if hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        return process


def _log(line: str) -> None:
    """Bring a line of a repair's output into this run's log."""
    try:
        msgspec.json.decode(line, type=Outcome)
    except msgspec.MsgspecError:
        if line:
            logger.info("lake repair: {}", STAMP.sub("", line))


async def _end(process: Process) -> None:
    """End a repair that may still be running."""
    if process.returncode is not None:
        return
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END_S)
    except TimeoutError:
        process.kill()
        await process.wait()
