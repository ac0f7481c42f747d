"""Binance spot: its stream names, its messages and the raw lines made of them.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
"""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from runner.settings import stream_url

# The exchange goes quiet when a control message is larger than 4,096 bytes on the wire.
CONTROL_BYTES = 3900
STREAMS_PER_CONNECTION = 1024
STREAMS = ("trade", "bookTicker", "kline_1s")

# Ids and times as a BIGINT holds them; a price is whatever text the exchange sent, within reason.
Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[str, Meta(max_length=100)]


class Trade(Struct, gc=False):
    """{"e":"trade","E":1672515782136000,"s":"BNBBTC","t":12345,"p":"0.001","q":"100",
    "T":1672515782136000,"m":true,"M":true}: event time, id, price, quantity, trade time in µs,
    whether the buyer was the maker."""

    E: Whole
    s: str
    t: Whole
    p: Number
    q: Number
    T: Whole
    m: bool
    e: Literal["trade"] = "trade"


class Quote(Struct, gc=False):
    """{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000",
    "A":"40.66000000"}: update id, best bid and ask with their quantities; it has no time."""

    u: Whole
    s: str
    b: Number
    B: Number
    a: Number
    A: Number


class Kline(Struct, gc=False):
    """The part of a kline message that counts trades; ids are -1 in a second without any."""

    f: int
    L: int
    n: int


class KlineEvent(Struct, gc=False):
    s: str
    k: Kline


class Frame(Struct, gc=False):
    """A combined-stream message around its event. `recv`: only a replay's is read."""

    recv: Whole


class TradeFrame(Frame, gc=False):
    data: Trade


class QuoteFrame(Frame, gc=False):
    data: Quote


class KlineFrame(Frame, gc=False):
    data: KlineEvent


class LiveTradeFrame(Struct, gc=False):
    data: Trade


class LiveQuoteFrame(Struct, gc=False):
    data: Quote


class LiveKlineFrame(Struct, gc=False):
    data: KlineEvent


class Failure(Struct):
    code: int | None = None
    msg: str | None = None


class Envelope(Struct):
    """Any message, only as far as it takes to see what it is."""

    stream: str | None = None
    e: str | None = None
    id: int | str | None = None
    error: Failure | None = None
    code: int | None = None
    msg: str | None = None

    @property
    def failure(self) -> str | None:
        """What a reply complains of, nested (as the exchange does) or flat (as its docs say)."""
        failure = self.error or (self if self.code is not None else None)
        return failure and f"{failure.code}: {failure.msg}"


def url(wss_url: str) -> str:
    """The address to connect to: combined streams, every time in microseconds."""
    return f"{stream_url(wss_url)}?timeUnit=MICROSECOND"


def stream_names(symbols: list[str]) -> list[str]:
    """The streams of these symbols.

    >>> stream_names(["BTCUSDT"])
    ['btcusdt@trade', 'btcusdt@bookTicker', 'btcusdt@kline_1s']
    """
    return [f"{symbol.lower()}@{stream}" for symbol in symbols for stream in STREAMS]


def subscriptions(symbols: list[str]) -> list[tuple[int, str]]:
    """SUBSCRIBE messages and their ids, each small enough for the exchange.

    >>> subscriptions(["BTCUSDT"])[0][1][:45]
    '{"method":"SUBSCRIBE","params":["btcusdt@trad'
    """
    chunks: list[list[str]] = [[]]
    for name in stream_names(symbols):
        if len(_subscribe([*chunks[-1], name], 999)) > CONTROL_BYTES:
            chunks.append([])
        chunks[-1].append(name)
    return [(number, _subscribe(chunk, number).decode()) for number, chunk in enumerate(chunks, 1)]


def _subscribe(names: list[str], number: int) -> bytes:
    return msgspec.json.encode({"method": "SUBSCRIBE", "params": names, "id": number})


def text(value: str) -> str:
    """A string as it stands between the quotes of a JSON string.

    >>> text('1"2')
    '1\\\\"2'
    """
    return msgspec.json.encode(value).decode()[1:-1]


def trade_line(symbol: str, conn: int) -> Callable[[int, Trade], str]:
    """A function (receive time, trade) → raw line, for one symbol and connection.

    The strings must be free of what JSON escapes: `text` sees to that.
    """
    head = f'{{"symbol":"{text(symbol)}","ts_event":'
    tail = f',"source":"ws","conn":{conn}}}\n'

    def line(recv_us: int, trade: Trade) -> str:
        return (
            f'{head}{trade.T},"ts_recv":{recv_us},"price":"{trade.p}","qty":"{trade.q}",'
            f'"side":"{"sell" if trade.m else "buy"}","bid":null,"ask":null,"stream":"trade",'
            f'"trade_id":{trade.t},"event_time":{trade.E}{tail}'
        )

    return line


def quote_line(symbol: str, conn: int) -> Callable[[int, Quote], str]:
    """A function (receive time, quote) → raw line; a quote's time is when we received it."""
    head = f'{{"symbol":"{text(symbol)}","ts_event":'
    tail = f',"conn":{conn}}}\n'

    def line(recv_us: int, quote: Quote) -> str:
        return (
            f'{head}{recv_us},"ts_recv":{recv_us},"price":null,"qty":null,"side":null,'
            f'"bid":"{quote.b}","ask":"{quote.a}","stream":"bookTicker","update_id":{quote.u},'
            f'"bid_qty":"{quote.B}","ask_qty":"{quote.A}"{tail}'
        )

    return line
