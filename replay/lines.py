"""Lines of recorded files as events. What is no trade or quote of a stream yields nothing."""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import click
import msgspec

from replay.events import Event, Quote, Trade


class CapturedTrade(msgspec.Struct):
    """`data` of a captured @trade; captures before June 2024 also hold order ids b and a."""

    E: int
    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool


class CapturedQuote(msgspec.Struct):
    """`data` of a captured @bookTicker."""

    u: int
    s: str
    b: str
    B: str
    a: str
    A: str


class Captured(msgspec.Struct):
    """One message of a combined stream."""

    data: msgspec.Raw
    stream: str = ""


class RawLine(msgspec.Struct):
    """One line of our own raw, of either stream; `source` tells streamed trades from fetched."""

    symbol: str
    ts_event: int
    ts_recv: int
    stream: str
    price: str | None = None
    qty: str | None = None
    side: str | None = None
    bid: str | None = None
    ask: str | None = None
    trade_id: int | None = None
    event_time: int | None = None
    source: str = "ws"
    update_id: int | None = None
    bid_qty: str | None = None
    ask_qty: str | None = None


_message = msgspec.json.Decoder(Captured)
_trade = msgspec.json.Decoder(CapturedTrade)
_quote = msgspec.json.Decoder(CapturedQuote)
_raw = msgspec.json.Decoder(RawLine)


def events_in(file: Path) -> Iterator[Event]:
    """The trades and quotes of a file in its order. ClickException when it cannot be read."""
    try:
        with _open(file) as lines:
            for line in lines:
                try:
                    event = raw_line(line) if line.startswith(b"{") else captured_line(line)
                except (msgspec.DecodeError, ValueError):
                    continue  # a torn or foreign line is no event
                if event is not None:
                    yield event
    except (OSError, EOFError, zlib.error) as error:
        raise click.ClickException(
            f"{file}: cannot be read as a recording ({error}); check that the file is whole."
        ) from error


def _open(file: Path):
    """The file's lines as bytes, unpacked by its ending."""
    if file.suffix == ".gz":
        return gzip.open(file)
    if file.suffix == ".zst":
        from pyarrow import input_stream

        return BufferedReader(input_stream(str(file), compression="zstd"))
    return file.open("rb")


def captured_line(line: bytes) -> Event | None:
    """The event of a line `<receive time> <combined-stream JSON>`, None for other streams."""
    received, _, message = line.partition(b" ")
    # Most of a capture may be order books of 60 KB a line: their name alone rules them out.
    if message.startswith(b'{"stream":"') and not _wanted(message[11 : message.find(b'"', 11)]):
        return None
    captured = _message.decode(message)
    recv_us = microseconds(int(received))
    if captured.stream.endswith("@trade"):
        data = _trade.decode(captured.data)
        times = (microseconds(data.E), microseconds(data.T))
        return Trade(recv_us, captured.stream, data.s, *times, data.t, data.p, data.q, data.m)
    if captured.stream.endswith("@bookTicker"):
        data = _quote.decode(captured.data)
        sides = (data.b, data.B, data.a, data.A)
        return Quote(recv_us, captured.stream, data.s, data.u, *sides)
    return None


def _wanted(stream: bytes) -> bool:
    return stream.endswith((b"@trade", b"@bookTicker"))


def raw_line(line: bytes) -> Event | None:
    """The event of one of our own raw lines, None for what did not come over the WebSocket."""
    raw = _raw.decode(line)
    stream = f"{raw.symbol.lower()}@{raw.stream}"
    if raw.stream == "trade" and raw.source == "ws":
        times = (raw.event_time, raw.ts_event)
        fill = (raw.trade_id, raw.price, raw.qty, raw.side == "sell")
        return _whole(Trade(raw.ts_recv, stream, raw.symbol, *times, *fill))
    if raw.stream == "bookTicker":
        sides = (raw.bid, raw.bid_qty, raw.ask, raw.ask_qty)
        return _whole(Quote(raw.ts_recv, stream, raw.symbol, raw.update_id, *sides))
    return None


def _whole(event: Event) -> Event | None:
    """The event when nothing in it is null: a line of ours that lacks a value is no event."""
    return None if None in msgspec.structs.astuple(event) else event


def microseconds(time: int) -> int:
    """Epoch time in s, ms, µs or ns, told by its size, in µs.

    >>> microseconds(1723161254087896568), microseconds(1723161255342)
    (1723161254087896, 1723161255342000)
    """
    if time >= 10**17:
        return time // 1000
    if time >= 10**14:
        return time
    return time * 1000 if time >= 10**11 else time * 1_000_000
