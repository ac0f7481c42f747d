"""Playing the events: who is sent what, when, and how fast.

Events go to the connections that are subscribed at that moment, none is kept for later. At speed N
each goes out when the clock has come to its receive time. At full speed they go as fast as every
subscribed client reads, the slowest sets the pace, and the clock stands at the last event sent;
while no subscribed client is there (or all are stalled) the clock runs at 1,000 times real time,
so that a client which comes back has lost a stretch, as it would have. A client that does not read
holds the others up until it is cut for not answering a ping; nothing is buffered without bound.
"""

import asyncio
import heapq
from collections.abc import Iterable

from replay.clock import IDLE_RATE, Clock
from replay.connection import Connection
from replay.events import Event
from replay.faults import Fault
from replay.klines import with_klines
from replay.ledger import Ledger
from replay.stream_faults import Oversized, with_faults

# Sent at once: so many events, of so much of the replay's time, so that its timers stay exact.
BATCH = 256
BATCH_US = 5_000_000
NAP_S = 0.005
END_CODE, END_REASON = 4000, "end of recording"


class Player:
    """Plays a source to the connections in `connections`, with faults, until nothing is left.

    The ledger reads along; when it has been read to its end before, there is nothing to play.
    """

    def __init__(
        self,
        source,
        clock: Clock,
        faults: Iterable[Fault],
        connections: set[Connection],
        ledger: Ledger,
    ):
        faults = list(faults)
        self._clock, self._connections, self._ledger = clock, connections, ledger
        events = with_klines(ledger.reading(), source.skew_us)
        self._events = with_faults(faults, events, source.start_us)
        self._next: Event | None = None
        self._actions = [
            (next(times), number, fault, times)
            for number, fault in enumerate(faults)
            if fault.name in ("drop", "close", "stall")
            for times in [fault.times_us(source.start_us)]
        ]
        heapq.heapify(self._actions)
        self._begun = asyncio.Event()
        self.over = asyncio.Event()
        self.told = False
        if ledger.over:
            self.over.set()

    def subscribed(self, connection: Connection) -> None:
        """A connection's subscriptions changed; the first one of all starts the clock."""
        if not connection.wishes.streams and not connection.streams:
            return
        self._clock.start()
        if self._clock.speed is None:
            self._clock.run(0.0)
        if not connection.streams:
            connection.from_us = self._clock.now_us()
        connection.refresh()
        self._begun.set()

    async def play(self) -> None:
        """Everything, from the first subscription to the end of the recording."""
        if self.over.is_set():
            return
        await self._begun.wait()
        self._next = next(self._events, None)
        while self._next is not None:
            until_us = self._until_us()
            if batch := self._take(until_us):
                await self._deliver(batch)
            elif self._actions and self._actions[0][0] <= min(until_us, self._next.recv_us):
                await self._act()
            else:
                await asyncio.sleep(NAP_S)
        self._ledger.over = True
        if self._clock.speed is None:
            self._clock.run(0.0)
        self.over.set()
        await asyncio.gather(*(self.tell(connection) for connection in list(self._connections)))

    def tell(self, connection: Connection) -> asyncio.Future:
        """Ends a connection because nothing is left to send."""
        self.told = True
        return connection.close(END_CODE, END_REASON)

    def _readers(self) -> list[Connection]:
        return [each for each in self._connections if each.streams and not each.gone]

    def _until_us(self) -> float:
        """How far the replay may go at this moment, on the receive axis."""
        if self._clock.speed is None:
            reading = bool(self._readers())
            self._clock.run(0.0 if reading else IDLE_RATE)
            if reading:
                return float("inf")
        return self._clock.now_us()

    def _take(self, until_us: float) -> list[Event]:
        """The next events up to then, not past the next fault; a huge frame goes by itself."""
        if self._actions:
            until_us = min(until_us, self._actions[0][0] - 1)
        batch, event = [], self._next
        until_us = min(until_us, event.recv_us + BATCH_US)
        while event is not None and event.recv_us <= until_us and len(batch) < BATCH:
            if type(event) is Oversized and batch:
                break
            batch.append(event)
            event = next(self._events, None)
            if type(batch[-1]) is Oversized:
                break
        self._next = event
        return batch

    async def _deliver(self, batch: list[Event]) -> None:
        readers = self._readers()
        huge = type(batch[0]) is Oversized
        if huge:
            await self._prove(readers)
        for connection in readers:
            connection.send(batch)
        self._clock.advance(batch[-1].recv_us)
        for connection in readers:
            connection.tick()
            await connection.drain()
        if huge:
            await self._prove(readers)
        await asyncio.sleep(0)

    async def _prove(self, connections: list[Connection]) -> None:
        """Waits until these have read all they were sent, so that what a fault costs is certain."""
        await asyncio.gather(*(connection.prove() for connection in connections))

    async def _act(self) -> None:
        """The next fault of connections: on all that are subscribed now."""
        at_us, number, fault, times = heapq.heappop(self._actions)
        following = next(times, None)
        if following is not None:
            heapq.heappush(self._actions, (following, number, fault, times))
        self._clock.advance(at_us)
        readers = self._readers()
        await self._prove(readers)
        for connection in readers:
            if fault.name == "drop":
                connection.abort()
            elif fault.name == "close":
                connection.close(fault.count("code"), fault.settings["reason"])
            else:
                connection.stall(fault)
