"""One WebSocket client: what it is sent, its control messages, pings, limits and end."""

import asyncio
import time
from collections.abc import Iterable

from aiohttp import WSMessage, WSMsgType, web

from replay.clock import Clock
from replay.control import Refused, Wishes, answer, request_in
from replay.delivered import BySymbol, Sent
from replay.events import CLOSE, PING, PONG, Event, Shutdown, frame, json_text, text
from replay.faults import Fault
from replay.rules import Limit, Rules
from replay.stream_faults import Garbled, Oversized

# A client is given at least this long by the wall clock to answer a ping: at many times real time
# the exchange's minute would be shorter than a client needs to write a file.
LEAST_ANSWER_S = 10.0
# How long the exchange waits for the answer that proves what a client has read.
PROOF_S = 10.0


class Connection:
    """Data frames are written to the transport as bytes, many at once; aiohttp does the rest."""

    def __init__(
        self,
        request: web.Request,
        wishes: Wishes,
        milliseconds: bool,
        rules: Rules,
        clock: Clock,
        delivered: BySymbol,
    ):
        self._transport, self._writer = request.transport, request.writer
        self._rules, self._clock = rules, clock
        self.wishes, self.milliseconds = wishes, milliseconds
        self.sent = Sent(delivered)
        self.streams: frozenset[str] = frozenset()  # what is sent now: wishes without stalls
        self.from_us = 0  # events received before the subscription are not its
        self._close_code, self._closed_s = 0, 0.0  # sent: code and when, by the wall clock
        self._ended = asyncio.get_running_loop().create_future()
        self._stalls: list[tuple[float, Fault]] = []
        self._messages = Limit(rules.messages_per_second, 1.0)
        self._opened_us = self._pinged_us = clock.timer_us()
        self._announced = False
        # Pings not answered yet, in order: when by both clocks, and who waits for the answer.
        self._pings: dict[bytes, tuple[int, float, asyncio.Future]] = {}
        self._last_ping = self._opened_us // 1000

    # What the exchange does with it

    @property
    def gone(self) -> bool:
        return self._close_code > 0 or self._transport.is_closing()

    @property
    def mute(self) -> bool:
        """Stalled without pings: as if the line were cut, nothing is said at all."""
        return any(fault.settings["pings"] == "no" for _, fault in self._stalls)

    def send(self, events: Iterable[Event]) -> None:
        """Writes those of the events that this client has subscribed to."""
        streams, frames = self.streams, []
        combined, milliseconds, sent = self.wishes.combined, self.milliseconds, self.sent
        for event in events:
            if event.stream not in streams or event.recv_us < self.from_us:
                continue
            if type(event) is Garbled or type(event) is Oversized:
                message = event.text(text(event.event, combined, milliseconds))
            else:
                message = text(event, combined, milliseconds)
                sent.add(event)
            frames.append(frame(message.encode()))
        if frames and not self.gone:
            self._transport.write(b"".join(frames))

    async def drain(self) -> None:
        """Returns when the client has read enough to be sent more, or is gone."""
        try:
            await self._writer.drain()
        except ConnectionError:
            self._transport.abort()

    async def prove(self) -> None:
        """Returns once the client has answered a ping sent now: it has read all before it."""
        if not self.gone and not self.mute:
            await asyncio.wait([self._ping()], timeout=PROOF_S)

    def stall(self, fault: Fault) -> None:
        for_us = fault.duration_us("for")
        until_us = float("inf") if for_us is None else self._clock.now_us() + for_us
        self._stalls.append((until_us, fault))
        self.refresh()

    def refresh(self) -> None:
        """Works out what is sent from here on: what is wished and not stalled."""
        now_us = self._clock.now_us()
        over = [until_us for until_us, _ in self._stalls if until_us <= now_us]
        if over and not self.streams:
            # The player may not have come to the end of the stall yet; what it held back is lost.
            self.from_us = max(self.from_us, *over)
        self._stalls = [stall for stall in self._stalls if stall[0] > now_us]
        self.streams = frozenset(
            stream
            for stream in self.wishes.streams
            if not any(f.hits(stream.partition("@")[0].upper(), stream) for _, f in self._stalls)
        )

    def abort(self) -> None:
        """Breaks the connection without a close frame."""
        self._transport.abort()

    def close(self, code: int, reason: str) -> asyncio.Future:
        """Sends the close frame; the future ends with the connection."""
        if not self.gone:
            self._transport.write(frame(code.to_bytes(2, "big") + reason.encode(), CLOSE))
            self._close_code, self._closed_s = code, time.monotonic()
        return self._ended

    def ended(self, client_code: int | None) -> None:
        """The client has sent its close frame (with this code), or is gone without one (None)."""
        if self._close_code and client_code == self._close_code:
            self.sent.closed()
        elif client_code is not None and not self._transport.is_closing():
            self._transport.write(frame(client_code.to_bytes(2, "big"), CLOSE))
        self._transport.close()
        self._ended.set_result(None)
        for _, _, answered in self._pings.values():
            answered.cancel()

    # What time brings

    def tick(self) -> None:
        """Pings, cuts a client that does not answer, and ends the connection's lifetime."""
        if self._stalls:
            self.refresh()
        if self._close_code and time.monotonic() - self._closed_s > PROOF_S:
            self.abort()
        if self.gone or self.mute:
            return
        timer_us = self._clock.timer_us()
        if timer_us - self._pinged_us >= self._rules.ping_every_s * 1e6:
            self._pinged_us = timer_us
            self._ping()
        if self._unanswered(timer_us):
            self.abort()
        self._age(timer_us)

    def _unanswered(self, timer_us: int) -> bool:
        """Whether the oldest open ping has waited too long."""
        if not self._pings:
            return False
        pinged_us, pinged_s, _ = next(iter(self._pings.values()))
        within_s = self._rules.pong_within_s
        waited_s = time.monotonic() - pinged_s
        return timer_us - pinged_us > within_s * 1e6 and waited_s > min(within_s, LEAST_ANSWER_S)

    def _age(self, timer_us: int) -> None:
        """Announces the end of the connection's lifetime, and ends it."""
        left_s = self._rules.lifetime_s - (timer_us - self._opened_us) / 1e6
        if left_s <= self._rules.shutdown_lead_s > 0 and not self._announced:
            self._announced = True
            event = Shutdown(self._clock.now_us(), self._clock.exchange_us())
            self._write(text(event, self.wishes.combined, self.milliseconds))
        if left_s <= 0:
            self.close(self._rules.lifetime_code, "")

    def _ping(self) -> asyncio.Future:
        """Sends a ping that holds a time in ms, no two alike; the future ends with its answer."""
        timer_us = self._clock.timer_us()
        self._last_ping = max(self._last_ping + 1, timer_us // 1000)
        payload = b"%d" % self._last_ping
        answered = asyncio.get_running_loop().create_future()
        self._pings[payload] = (timer_us, time.monotonic(), answered)
        self.sent.mark(payload)
        self._transport.write(frame(payload, PING))
        return answered

    # What the client says

    def hear(self, message: WSMessage) -> bool:
        """Takes one message of the client; whether its subscriptions changed."""
        if message.type is WSMsgType.PONG and self._answered(bytes(message.data)):
            return False
        if self.mute:
            return False
        if self._messages.exceeded(self._clock.timer_us()):
            self.close(1008, "Too many requests")
        elif message.type is WSMsgType.PING:
            self._transport.write(frame(bytes(message.data), PONG))
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return self._control(message.data)
        return False

    def _answered(self, payload: bytes) -> bool:
        """A pong that echoes a ping answers it and those before it; any other is ignored."""
        if payload not in self._pings:
            return False
        self.sent.answered(payload)
        while payload in self._pings:
            _, _, answered = self._pings.pop(next(iter(self._pings)))
            if not answered.done():
                answered.set_result(None)
        return True

    def _control(self, message: str | bytes) -> bool:
        raw = message.encode() if isinstance(message, str) else message
        if len(raw) > self._rules.client_frame_bytes - 8:
            return False  # as the real one does: no answer, and the connection goes on
        request: dict = {}
        try:
            request = request_in(raw.decode(errors="replace"))
            result = answer(self.wishes, request)
        except Refused as error:
            refusal = {"code": error.code, "msg": error.text}
            reply = refusal if self._rules.flat_errors else {"error": refusal}
            self._write(json_text({**reply, "id": request.get("id")}).decode())
            if error.fatal:
                self.close(1008, "Invalid request")
            return False
        self._write(json_text({"result": result, "id": request.get("id")}).decode())
        return request["method"].endswith("SUBSCRIBE")

    def _write(self, message: str) -> None:
        if not self.gone:
            self._transport.write(frame(message.encode()))
