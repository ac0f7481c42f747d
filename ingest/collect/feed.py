"""What one connection receives, message by message: raw lines, signs of life, replies, rejects."""

import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ingest import binance
from ingest.binance import text
from ingest.collect.buffer import Lane, Room
from ingest.collect.clock import Clock
from ingest.collect.drops import Drops
from ingest.collect.meter import Meter
from ingest.collect.pulse import Watch

# A combined message begins with this; what follows is the name of its stream.
PREFIX = len(b'{"stream":"')

Handler = Callable[[bytes], None]


class Refused(ValueError):
    """A message of the right form that says something it cannot say here."""


@dataclass
class Desk:
    """Where the messages of all connections go. `lanes`, `meters`: by symbol."""

    clock: Clock
    room: Room
    lanes: dict[str, Lane]
    meters: dict[str, Meter]
    rejects: Lane
    rejected: int = 0


class Feed:
    """The messages of one connection. `replies`: what the exchange answered, by request id: None
    not yet, "" content, else its complaint. `on_first`: called at the first data."""

    def __init__(
        self,
        conn: int,
        desk: Desk,
        watch: Watch,
        drops: Drops,
        on_first: Callable[[], None] = lambda: None,
    ) -> None:
        self.conn = conn
        self.heard = False
        self.shutdown = False
        self.replies: dict[int | str | None, str | None] = {}
        self.on_reply: Callable[[], None] = lambda: None
        self._on_first = on_first
        self._desk = desk
        self._watch = watch
        self._drops = drops
        self._handlers: dict[bytes, Handler] = {b"!serverShutdown": self._on_shutdown}
        for symbol in desk.lanes:
            makers = self._trade_handler, self._quote_handler, self._kline_handler
            names = binance.stream_names([symbol])
            for name, make in zip(names, makers, strict=True):
                self._handlers[name.encode()] = make(symbol)

    def message(self, payload: bytes) -> None:
        """Take one text message; nothing that it may hold raises."""
        handler = self._handlers.get(payload[PREFIX : payload.find(b'"', PREFIX)])
        try:
            if handler:
                handler(payload)
                if not self.heard:
                    self._begin()
            else:
                self._other(payload)
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            self.reject(payload, str(error))

    def binary(self, payload: bytes) -> None:
        """Take a binary message: the exchange sends none in this protocol."""
        self.reject(payload, "binary frame")

    def _begin(self) -> None:
        """The first data of the connection."""
        self.heard = True
        self._on_first()

    def reject(self, payload: bytes, reason: str) -> None:
        """Keep what cannot be used, so that it can be had back byte for byte."""
        desk = self._desk
        desk.rejected += 1
        if desk.room.used > desk.room.quote_limit:
            return
        try:
            shown = payload.decode()
        except UnicodeDecodeError:
            shown, reason = b64encode(payload).decode(), f"{reason} (text is base64)"
        recv_us = self._watch.clock.heard_until()
        row = {"ts_recv": recv_us, "conn": self.conn, "reason": reason, "text": shown}
        desk.rejects.add(recv_us, msgspec.json.encode(row).decode() + "\n")

    def _stamp(self) -> Callable[[object], int]:
        """A function frame → receive time in µs: a replay's frame says it, live it is now."""
        clock = self._watch.clock
        if not clock.replay:
            base_ns, count_ns = clock.base_ns, time.perf_counter_ns
            return lambda frame: (base_ns + count_ns()) // 1000

        def recv(frame: binance.Frame) -> int:
            clock.received(frame.recv)
            return frame.recv

        return recv

    def _decoder(self, replayed: type, live: type) -> Callable[[bytes], object]:
        return msgspec.json.Decoder(replayed if self._desk.clock.replay else live).decode

    def _trade_handler(self, symbol: str) -> Handler:
        desk, watch, drops, stamp = self._desk, self._watch, self._drops, self._stamp()
        decode = self._decoder(binance.TradeFrame, binance.LiveTradeFrame)
        line = binance.trade_line(symbol, self.conn)
        room, add, meter = desk.room, desk.lanes[symbol].add, desk.meters[symbol]
        note, latency = watch.pulses[symbol].trade, meter.latencies.append

        def on_trade(payload: bytes) -> None:
            frame = decode(payload)
            trade = frame.data
            if trade.s != symbol:
                raise Refused(f"a trade of {trade.s} in the stream of {symbol}")
            watch.heard_us = meter.seen_us = recv_us = stamp(frame)
            if b"\\" in payload:
                trade.p, trade.q = text(trade.p), text(trade.q)
            note(recv_us, trade.t)
            meter.trades += 1
            meter.price = trade.p
            latency(recv_us - trade.E)
            if room.used > room.trade_limit:
                drops.note(symbol, "trade", trade.t)
            else:
                add(recv_us, line(recv_us, trade))

        return on_trade

    def _quote_handler(self, symbol: str) -> Handler:
        desk, watch, drops, stamp = self._desk, self._watch, self._drops, self._stamp()
        decode = self._decoder(binance.QuoteFrame, binance.LiveQuoteFrame)
        line = binance.quote_line(symbol, self.conn)
        room, add, meter = desk.room, desk.lanes[symbol].add, desk.meters[symbol]
        pulse = watch.pulses[symbol]

        def on_quote(payload: bytes) -> None:
            frame = decode(payload)
            quote = frame.data
            if quote.s != symbol:
                raise Refused(f"a quote of {quote.s} in the stream of {symbol}")
            watch.heard_us = meter.seen_us = pulse.quote_us = recv_us = stamp(frame)
            if b"\\" in payload:
                quote.b, quote.a = text(quote.b), text(quote.a)
                quote.B, quote.A = text(quote.B), text(quote.A)
            meter.quotes += 1
            meter.bid, meter.ask = quote.b, quote.a
            if room.used > room.quote_limit:
                drops.note(symbol, "bookTicker", quote.u)
            else:
                add(recv_us, line(recv_us, quote))

        return on_quote

    def _kline_handler(self, symbol: str) -> Handler:
        watch, stamp, pulse = self._watch, self._stamp(), self._watch.pulses[symbol]
        meter = self._desk.meters[symbol]
        decode = self._decoder(binance.KlineFrame, binance.LiveKlineFrame)

        def on_kline(payload: bytes) -> None:
            frame = decode(payload)
            event = frame.data
            if event.s != symbol:
                raise Refused(f"a kline of {event.s} in the stream of {symbol}")
            watch.heard_us = meter.seen_us = recv_us = stamp(frame)
            pulse.beat(recv_us, event.k.n, event.k.L)

        return on_kline

    def _on_shutdown(self, payload: bytes) -> None:
        self.shutdown = True

    def _other(self, payload: bytes) -> None:
        """A message that begins with no stream of ours: a reply, or keys in another order."""
        envelope = msgspec.json.decode(payload, type=binance.Envelope)
        if envelope.stream is not None:
            handler = self._handlers.get(envelope.stream.encode())
            if handler is None:
                raise Refused(f"unknown stream {envelope.stream[:100]}")
            handler(payload)
            if not self.heard:
                self._begin()
        elif envelope.e == "serverShutdown":
            self.shutdown = True
        elif envelope.id in self.replies or envelope.failure:
            self.replies[envelope.id] = envelope.failure or ""
            self.on_reply()
        else:
            raise Refused("neither an event nor a reply to a request")
