"""Collect: what the exchange sends goes into raw files, until the run is stopped.

reader (connections, link, feed) → lanes in memory (buffer) → writer → journal → parts on disk.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext

import click
from loguru import logger

from ingest import status
from ingest.backoff import Backoff
from ingest.collect import sessions, table
from ingest.collect.buffer import Lane, Room
from ingest.collect.clock import Clock
from ingest.collect.connections import Connections
from ingest.collect.feed import Desk
from ingest.collect.journal import Journal
from ingest.collect.meter import Meter
from ingest.collect.mode import mode_of
from ingest.collect.plan import Plan, check_symbols, plan
from ingest.collect.recover import recover_held
from ingest.collect.sessions import SessionLog
from ingest.collect.summary import Summary, summary_of
from ingest.collect.unsealed import Unsealed
from ingest.collect.writer import Writer
from ingest.http import SPOT, Host
from ingest.repair.due import DueRepairs
from ingest.stop import stop_on_signals
from runner import logs
from runner.config import Lake
from runner.lock import hold
from runner.paths import encode

LOCK = "collector.lock"
DOING = "collecting into this lake"
OVER = "the recording is over"
# A build that seals what a killed collector left is waited for: it takes a moment.
RECOVERY_S = 8.0
TELL_DROPS_S = 5.0
SWITCH_S = 0.0005
# Sockets closed by then, whatever the other side does; the rest of the 10 s is for the disk.
CLOSE_S = 4.0


def collect(
    lake: Lake,
    symbols: list[str] | None = None,
    duration_s: float | None = None,
    ws_url: str | None = None,
    rest_url: str | None = None,
    repairs: bool = False,
) -> Summary:
    """Collect until stopped, for `duration_s`, or to the end of a recording.

    `repairs`: what a lost connection cost is fetched by id meanwhile.
    """
    before_s = sys.getswitchinterval()
    # The writer's thread has to get its turn between two messages: with 5 ms it falls behind at
    # 100,000 messages/s, and lines pile up in memory (measured).
    sys.setswitchinterval(SWITCH_S)
    try:
        own = plan(lake, symbols, duration_s, ws_url, rest_url)
        return asyncio.run(_run_with_repairs(lake, own) if repairs else run(lake, own))
    finally:
        sys.setswitchinterval(before_s)


async def _run_with_repairs(lake: Lake, plan: Plan) -> Summary:
    clock = Clock()
    async with DueRepairs(lake, plan, clock) as repairs:
        summary = await run(lake, plan, on_reconnect=repairs.due, clock=clock)
        if not summary.ended.startswith("SIG"):
            await repairs.finish()
        return summary


async def run(
    lake: Lake,
    plan: Plan,
    stop: asyncio.Event | None = None,
    room: Room | None = None,
    on_reconnect: Callable[[int], None] | None = None,
    clock: Clock | None = None,
) -> Summary:
    """Collect within a running loop. `stop`: set it to end the run in order; without it signals do.

    `on_reconnect`: called with the id of each connection made after a lost one, once data flows.
    `clock`: a new one, for whoever must know the time of this run.
    """
    with hold(lake.base / LOCK, DOING, others_s=RECOVERY_S):
        _make_ready(lake)
        clock = clock or Clock()
        async with Host(plan.rest_url, SPOT, clock) as host:
            mode = await mode_of(lake, plan, host, clock)
            await check_symbols(plan, host)
            made = _Run(lake, plan, clock, mode, room or Room(), host)
            made.connections.on_reconnect = on_reconnect
            return await made.collect(stop)


def _make_ready(lake: Lake) -> None:
    """Seal what a killed run left; ClickException where raw files cannot be written."""
    raw = lake.base / "raw"
    try:
        recover_held(lake)
        if raw.exists():
            Unsealed(raw).touch()
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or raw} cannot be written ({error.strerror}): make it writable, or"
            " choose another general.base_path"
        ) from None


class _Run:
    """Everything of one run: made, running, taken down in order."""

    def __init__(
        self, lake: Lake, plan: Plan, clock: Clock, mode: str, room: Room, host: Host
    ) -> None:
        settings = lake.config.collector
        interval_us = settings.write_interval_sec * 1_000_000
        lanes = {s: Lane(f"binance/{encode(s)}", room, interval_us) for s in plan.symbols}
        rejects = Lane("_rejected/binance", room, interval_us)
        diary = Lane(sessions.LANE, room, interval_us)
        self.plan, self.clock, self.mode = plan, clock, mode
        self.log = SessionLog(diary, clock.heard_until)
        self.desk = Desk(clock, room, lanes, {s: Meter() for s in plan.symbols}, rejects)
        self.base, self.started_us = lake.base, clock.now()
        self.journal = journal = Journal(lake.base / "raw", standing=(sessions.LANE,))
        # The session log first: a connection is on disk before its lines are.
        self.writer = Writer(journal, [diary, *lanes.values(), rejects], room, clock)
        backoff = Backoff(
            settings.reconnect_backoff, settings.max_reconnect_backoff, clock.of_connection()
        )
        self.connections = Connections(plan, self.desk, self.log, self.writer, host, backoff)
        self.ended = OVER

    async def collect(self, stop: asyncio.Event | None) -> Summary:
        """Run until stopped, however that comes about; then end in order."""
        signals = stop_on_signals if stop is None else nullcontext
        stop = stop or asyncio.Event()

        def end(why: str) -> None:
            self.ended = why
            stop.set()

        self.log.note("start", mode=self.mode, detail=self.plan.wss_url)
        self.connections.start()
        work = [self.writer.run(), self._tell_drops(), self._time_out(end), self._show()]
        work.append(status.keep(self.base, self._status))
        tasks = [asyncio.create_task(one) for one in work]
        ends = [asyncio.create_task(self.connections.finished.wait())]
        ends.append(asyncio.create_task(stop.wait()))
        with signals(end):
            try:
                await asyncio.wait([*tasks, *ends], return_when=asyncio.FIRST_COMPLETED)
                if failure := self.connections.failure:
                    self.ended = f"failed: {failure}"
                elif stop.is_set() and self.ended == OVER:
                    self.ended = "stopped"
            finally:
                lost = await self._take_down([*tasks, *ends])
        if self.connections.failure:
            raise self.connections.failure
        return summary_of(self.desk, self.connections, self.mode, lost, self.ended)

    async def _take_down(self, tasks: list[asyncio.Task]) -> int:
        """Close the sockets, write what arrived, seal: the number of lines a full disk cost."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.connections.close()
        except TimeoutError:
            logger.warning("a connection could not be closed in time")
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self.log.note("stop", detail=self.ended)
        lost = await asyncio.to_thread(self.writer.close)
        status.write(self.base, self._status(self.ended))
        if lost:
            logger.error("{} raw lines were lost: the disk did not take them", lost)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return lost

    async def _tell_drops(self) -> None:
        while True:
            await asyncio.sleep(TELL_DROPS_S)
            self.connections.tell_drops()

    async def _time_out(self, end: Callable[[str], None]) -> None:
        if self.plan.duration_s is None:
            await asyncio.Event().wait()
        clock = self.clock.of_connection()
        last_us = clock.heard_until() + int(self.plan.duration_s * 1e6)
        tick_s = max(clock.real_seconds(0.25), 0.02)
        while clock.heard_until() < last_us:
            await asyncio.sleep(tick_s)
        end(f"{self.plan.duration_s:g} s are over")
        await asyncio.Event().wait()

    async def _show(self) -> None:
        made = self.connections
        await table.show(self.desk.meters, lambda: made.offset_us, lambda: made.reconnects)

    def _status(self, ended: str | None = None) -> status.Status:
        """What other processes may know of this run now."""
        made, meters = self.connections, self.desk.meters
        return status.Status(
            pid=os.getpid(),
            mode=self.mode,
            now_us=self.clock.now(),
            written_us=status.machine_us(),
            started_us=self.started_us,
            speed=self.clock.pace,
            connections=made.heard,
            reconnects=made.reconnects,
            rejected=self.desk.rejected,
            dropped=made.dropped_so_far,
            parts=self.journal.begun,
            warnings=logs.warned(),
            refusing=self.writer.failing,
            clock_offset_us=made.offset_us,
            symbols={
                name: status.Symbol(meter.seen_us, meter.trades, meter.quotes)
                for name, meter in meters.items()
            },
            ended=ended,
            trouble=made.trouble,
        )
