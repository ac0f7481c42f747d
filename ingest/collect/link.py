"""One WebSocket connection: subscribe, read until it ends, and watch that it does not only seem
alive."""

import asyncio
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State

from ingest import binance
from ingest.collect.buffer import Room
from ingest.collect.clock import Clock
from ingest.collect.feed import Feed
from ingest.collect.frames import Socket
from ingest.collect.pulse import Stall, Watch
from ingest.collect.writer import Writer

# The exchange cuts a connection after 24 hours.
PLANNED_LIFE_S = 23 * 3600
END_OF_RECORDING = 4000
TOO_BIG = 1009
# The exchange allows 5 messages a second, its pings' pongs included.
CONTROL_PAUSE_S = 0.34
REPLY_S = 10.0
# The least real time for a reply, however fast a replay's clock runs.
LEAST_REPLY_S = 2.0
# How often a connection is looked at: once a second, in a replay at most this often.
LEAST_TICK_S = 0.02
# How often a replay's lead over the disk is looked at.
SPARE_S = 0.01
# A look this late says that we did not read for a while (a suspended machine), not that the
# exchange did not send: the next one counts.
LATE_S = 0.1
# A connection keeps its clock; one that is this far from the machine's is replaced.
CLOCK_SET_S = 1.0
# Market data only, from where the exchange itself serves some countries nothing.
MIRROR = "wss://data-stream.binance.vision"


class Link:
    """A connection in use. `ended`: why it ended, in words, once it did."""

    def __init__(
        self, socket: Socket, feed: Feed, watch: Watch, symbols: list[str], clock: Clock
    ) -> None:
        self.feed = feed
        self.ended: str | None = None
        self.over = False  # a recording came to its end
        self.stalled = False
        self.due = asyncio.Event()  # a successor should be opened
        self.successor: asyncio.Task | None = None
        self._socket = socket
        self._watch = watch
        self._symbols = symbols
        self._clock = clock
        self._opened_us = watch.clock.now()
        self._replied = asyncio.Event()
        socket.on_text, socket.on_binary = feed.message, feed.binary
        feed.on_reply = self._replied.set

    @property
    def age_s(self) -> float:
        """Seconds since the connection was opened."""
        return (self._watch.clock.now() - self._opened_us) / 1e6

    @property
    def set_by_s(self) -> float:
        """Seconds by which the machine's clock was set since; 0.0 when it was not."""
        seconds = self._watch.clock.set_by_s()
        return seconds if abs(seconds) > CLOCK_SET_S else 0.0

    def now_us(self) -> int:
        """The time on the connection's clock, which its lines bear."""
        return self._watch.clock.heard_until()

    @property
    def settled(self) -> bool:
        """Whether every stream was confirmed and data has come for every symbol that beats."""
        subscribed_us = self._watch.subscribed_us
        if subscribed_us is None or not self.feed.heard:
            return False
        waited_s = (self.now_us() - subscribed_us) / 1e6
        return waited_s > 5 or all(pulse.beats for pulse in self._watch.pulses.values())

    async def close(self, reason: str) -> None:
        """End the connection ourselves."""
        self.ended = self.ended or reason
        await self._socket.close()

    async def subscribe(self) -> bool:
        """Ask for every stream and wait for every confirmation; the connection is closed, and
        False, when one fails to come."""
        for number, request in binance.subscriptions(self._symbols):
            await asyncio.sleep(CONTROL_PAUSE_S if number > 1 else 0)
            self.feed.replies[number] = None
            self._clock.start()
            try:
                await self._socket.send(request)
            except ConnectionClosed:
                return False
            if trouble := await self._reply(number):
                await self.close(f"subscribing failed: {trouble}")
                return False
        self._watch.subscribed()
        return True

    async def _reply(self, number: int) -> str | None:
        """What the exchange complains of, "" when it is content."""
        limit_s = max(self._clock.real_seconds(REPLY_S), LEAST_REPLY_S)
        try:
            async with asyncio.timeout(limit_s):
                while self.feed.replies[number] is None:
                    if refusal := self.feed.replies.get(None):
                        return refusal
                    self._replied.clear()
                    await self._replied.wait()
        except TimeoutError:
            return "no reply"
        return self.feed.replies[number]

    async def read(self) -> None:
        """Read to the end of the connection. What comes here is put together from fragments."""
        try:
            while True:
                self.feed.message(await self._socket.recv(decode=False))
        except ConnectionClosed as closed:
            self._note_end(closed)

    async def spare(self, room: Room, writer: Writer) -> None:
        """Let a replay wait for a busy disk.

        A market does not wait; and a full disk is no reason to wait either. Then messages are
        dropped and counted.
        """
        while True:
            await asyncio.sleep(SPARE_S)
            room.drop(writer.failing)
            if writer.failing or not room.filled(1 / 2):
                continue
            self._clock.stand_still()
            self._socket.transport.pause_reading()
            while room.filled(1 / 4) and not writer.failing:
                writer.acknowledged.clear()
                await writer.acknowledged.wait()
            self._socket.transport.resume_reading()
            self._clock.start()

    def _note_end(self, closed: ConnectionClosed) -> None:
        if closed.rcvd and closed.rcvd.code == END_OF_RECORDING:
            self.over = True
        if closed.sent and closed.sent.code == TOO_BIG and not closed.rcvd_then_sent:
            self.feed.reject(b"", f"a message that is too big: {closed.sent.reason}")
        if closed.rcvd:
            told = f"closed by the exchange: {closed.rcvd.code} {closed.rcvd.reason}".rstrip()
        elif closed.sent:
            told = f"closed by us: {closed.sent.code} {closed.sent.reason}".rstrip()
        else:
            told = "lost without a closing message"
        self.ended = self.ended or told

    async def look(self, on_stall: Callable[[Stall], None]) -> None:
        """Look at the connection every second; `due` is set when it needs a successor.

        `on_stall`: told of each thing that has stalled, once.
        """
        loop = asyncio.get_running_loop()
        tick_s = max(self._clock.real_seconds(1.0), LEAST_TICK_S)
        late = False
        while True:
            started = loop.time()
            await asyncio.sleep(tick_s)
            if self.feed.shutdown or self.age_s > PLANNED_LIFE_S or self.set_by_s:
                self.due.set()
            late = not late and loop.time() - started > tick_s + LATE_S
            if late or self._socket.state is not State.OPEN:
                continue
            for stall in self._watch.stalled():
                on_stall(stall)
                self.stalled = True
                self.due.set()


def why_not(address: str, error: Exception) -> str:
    """Why there is no connection to an address, and from where the same data comes."""
    why = " ".join(str(error).split()) or type(error).__name__
    sentence = f"cannot connect to {address}: {why}"
    is_blocked = isinstance(error, InvalidStatus) and error.response.status_code in (403, 451)
    if not is_blocked or address.startswith(MIRROR):
        return sentence
    return (
        f"{sentence}; it does not serve this machine's address: {MIRROR} has the same market data,"
        " give it as wss_url"
    )
