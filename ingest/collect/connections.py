"""The connections of a run: made again when lost, replaced before the exchange cuts them."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, InvalidURI

from ingest import binance
from ingest.backoff import Backoff
from ingest.collect.calm import Calm
from ingest.collect.drops import Drops
from ingest.collect.feed import Desk, Feed
from ingest.collect.frames import Socket
from ingest.collect.link import Link, why_not
from ingest.collect.offset import Offset
from ingest.collect.plan import Plan
from ingest.collect.pulse import Stall, Watch
from ingest.collect.sessions import SessionLog
from ingest.collect.writer import Writer
from ingest.http import Host, on_loopback

# The exchange's own client takes messages up to this size.
MAX_MESSAGE_BYTES = 20 * 2**20
# Messages the library may hold before it stops reading the socket.
QUEUE = (4096, 1024)
CLOSE_S = 2.0
# The answer to our ping waits behind what we have not read yet: a busy machine is no dead line.
PONG_S = 60.0
# A connection that is told to go at once after it was opened is replaced with a wait between.
YOUNG_S = 60.0
LOOK_S = 0.05


class Connections:
    """Keeps one connection alive, two during a roll-over.

    `finished`: a recording came to its end, or a task failed with `failure`. `on_reconnect`: called
    with the id of each connection that follows a lost one, once it is settled; `trouble`: why the
    last try to connect failed, None once one did not.
    """

    def __init__(
        self, plan: Plan, desk: Desk, log: SessionLog, writer: Writer, host: Host, backoff: Backoff
    ) -> None:
        self.finished = asyncio.Event()
        self.failure: BaseException | None = None
        self.trouble: str | None = None
        self.on_reconnect: Callable[[int], None] | None = None
        self.reconnects = self.dropped = 0
        self._plan, self._desk, self._log = plan, desk, log
        self._writer, self._backoff = writer, backoff
        self._clock = desk.clock
        self._calm = Calm()
        self._offset = Offset(plan, host, self._clock, log, self._calm)
        self._patience: dict[str, float] = {}
        self._links: dict[Link, Drops] = {}
        self._tasks: set[asyncio.Task] = set()
        self._made = 0
        self._closing = False

    @property
    def heard(self) -> int:
        """How many connections have brought data and are not lost yet."""
        return sum(link.feed.heard for link in self._links)

    @property
    def dropped_so_far(self) -> int:
        """Messages that found no room, also on the connections that go on."""
        return self.dropped + sum(drops.total for drops in self._links.values())

    @property
    def offset_us(self) -> int | None:
        """The exchange's time minus ours, as it was last told."""
        return self._offset.us

    def start(self) -> None:
        """Open the first connection."""
        self._spawn(self._follow(None))

    def tell_drops(self) -> None:
        """Bring what was dropped so far into the session log."""
        for drops in self._links.values():
            drops.tell()

    async def close(self) -> None:
        """Close every connection; nothing arrives afterwards."""
        self._closing = True
        await asyncio.gather(*(link.close("stopped") for link in list(self._links)))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine) -> asyncio.Task:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            while isinstance(failure, BaseExceptionGroup):
                failure = failure.exceptions[0]
            self.failure = self.failure or failure
            self.finished.set()
        elif not self._tasks:
            self.finished.set()

    async def _follow(self, before: Link | None) -> None:
        """Connect, again and again, until a recording is over or a successor has taken over.

        `before`: the connection that this one replaces.
        """
        sockets = connect(
            binance.url(self._plan.wss_url),
            create_connection=Socket,
            proxy=None if on_loopback(self._plan.wss_url) else True,
            compression=None,  # a core spent on inflating costs more than the bandwidth
            process_exception=self._connect_failed,
            reconnect_delays=lambda: self._backoff,
            close_timeout=CLOSE_S,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=QUEUE,
            ping_timeout=PONG_S,
        )
        async with aclosing(aiter(sockets)) as each:
            async for socket in each:
                planned = before is not None and not before.stalled
                link, drops = await self._begin(socket, planned)
                try:
                    await self._live(link, before)
                finally:
                    self._end(link, drops)
                if link.over:
                    await self._let_go(link, "the recording is over")
                if link.over or link.successor or self._closing:
                    return
                before = None
                await self._wait()

    async def _begin(self, socket: Socket, planned: bool) -> tuple[Link, Drops]:
        # A replay's clock is exact as long as nothing is subscribed; live, nothing may wait for it.
        reading = await self._offset.read() if self._clock.replay else None
        conn = self._clock.connection_id()
        self._log.note("connected", conn, detail=self._plan.wss_url)
        self._made += 1
        self.trouble = None
        self.reconnects += self._made > 1 and not planned
        self._calm.say("INFO", "connected to {} ({})", self._plan.wss_url, conn)
        drops = Drops(conn, self._log)
        watch = Watch(self._plan.symbols, self._clock.of_connection(), self._patience)
        feed = Feed(conn, self._desk, watch, drops, self._backoff.reset)
        link = Link(socket, feed, watch, self._plan.symbols, self._clock)
        self._links[link] = drops
        if reading:
            self._offset.note(conn, reading)
        return link, drops

    async def _live(self, link: Link, before: Link | None) -> None:
        """Everything that goes on beside reading, until reading ends."""
        work = [self._subscribe(link), self._guard(link), self._replace(link)]
        again = self._made > 1 and (not before or before.stalled)
        work.append(self._settle(link, before, again))
        if self._clock.replay:
            work.append(link.spare(self._desk.room, self._writer))
        else:
            work.append(self._offset.tell(link.feed.conn))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
            await link.read()
            for task in tasks:
                task.cancel()

    def _end(self, link: Link, drops: Drops) -> None:
        del self._links[link]
        self.dropped += drops.total
        drops.tell()
        reason = link.ended or "stopped"
        self._log.note("disconnected", link.feed.conn, link.now_us(), detail=reason)
        expected = link.over or link.successor or self._closing
        level = "INFO" if expected else "WARNING"
        self._calm.say(level, "connection ended after {:.0f} s: {}", link.age_s, reason)

    async def _subscribe(self, link: Link) -> None:
        if await link.subscribe():
            conn, symbols = link.feed.conn, self._plan.symbols
            self._log.note("subscribed", conn, link.now_us(), symbols=symbols)

    async def _guard(self, link: Link) -> None:
        """Tell of streams that only seem alive."""

        def tell(stall: Stall) -> None:
            symbol, why = stall.symbol, stall.why
            # Of quotes for when it began: trades went on, and with them the cover of the last one.
            at_us = stall.quotes_until_us or link.now_us()
            stream = "bookTicker" if stall.quotes_until_us else None
            self._log.note(
                "stalled", link.feed.conn, at_us, symbol=symbol, stream=stream, detail=why
            )
            self._calm.say("WARNING", "stalled: {}: {}", symbol or "all symbols", why)

        await link.look(tell)

    async def _replace(self, link: Link) -> None:
        """Open a successor when the connection has stalled or is about to be cut.

        This one stays until data flows there: what still comes here is not lost, and a false
        alarm costs nothing.
        """
        await link.due.wait()
        if set_by_s := link.set_by_s:
            self._calm.say("WARNING", "this machine's clock was set by {:+.1f} s", set_by_s)
        if link.age_s < YOUNG_S:
            await self._wait()
        self._calm.say("INFO", "changing over to a new connection")
        await self._let_go(link, "stalled")
        link.successor = self._spawn(self._follow(link))

    async def _settle(self, link: Link, before: Link | None, again: bool) -> None:
        """Once data flows: let older connections go, or tell that a hole may need filling."""
        while not link.settled:
            await asyncio.sleep(LOOK_S)
        await self._let_go(link, "stalled" if before and before.stalled else "rolled over")
        if again and self.on_reconnect:
            self.on_reconnect(link.feed.conn)

    async def _let_go(self, link: Link, reason: str) -> None:
        """Close the connections that are older than this one."""
        older = [one for one in self._links if one.feed.conn < link.feed.conn]
        await asyncio.gather(*(one.close(reason) for one in older))

    async def _wait(self) -> None:
        wait_s = next(self._backoff)
        seconds = wait_s * (self._clock.speed or 1.0)
        whose = " of the replay's clock" if self._clock.replay else ""
        self._calm.say("INFO", "connecting again in {:.0f} s{}", seconds, whose)
        await asyncio.sleep(wait_s)

    def _connect_failed(self, error: Exception) -> Exception | None:
        """None for what may pass, which is all but an address that cannot be one."""
        if isinstance(error, InvalidURI):
            return error
        if isinstance(error, InvalidStatus):
            asked = error.response.headers.get("Retry-After", "")
            self._backoff.at_least(float(asked) if asked.isdigit() else 0.0)
        self.trouble = why_not(self._plan.wss_url, error)
        self._calm.say("WARNING", "{}", self.trouble)
        return None
