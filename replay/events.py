"""What the exchange sends: trades, quotes and 1-second candles, and how they look on the wire.

Every event has `recv_us` (when it is received: the axis of the replay's clock), `stream`
(`btcusdt@trade`) and `data(milliseconds)`, its JSON. Its own times are µs on the exchange's clock.
The exact keys are those of the exchange's documentation (trades as they are since June 2024).
"""

import json

import msgspec

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


class Trade(msgspec.Struct, gc=False):
    """One fill. `event_us` is the exchange's E, `trade_us` its T; price and qty as it sent them."""

    recv_us: int
    stream: str
    symbol: str
    event_us: int
    trade_us: int
    trade_id: int
    price: str
    qty: str
    buyer_is_maker: bool

    def data(self, milliseconds: bool) -> str:
        event, trade = self.event_us, self.trade_us
        if milliseconds:
            event, trade = event // 1000, trade // 1000
        maker = "true" if self.buyer_is_maker else "false"
        return (
            f'{{"e":"trade","E":{event},"s":"{self.symbol}","t":{self.trade_id},'
            f'"p":"{self.price}","q":"{self.qty}","T":{trade},"m":{maker},"M":true}}'
        )


class Quote(msgspec.Struct, gc=False):
    """Best bid and ask after a change. The exchange sends no time with it."""

    recv_us: int
    stream: str
    symbol: str
    update_id: int
    bid: str
    bid_qty: str
    ask: str
    ask_qty: str

    def data(self, milliseconds: bool) -> str:
        return (
            f'{{"u":{self.update_id},"s":"{self.symbol}","b":"{self.bid}","B":"{self.bid_qty}",'
            f'"a":"{self.ask}","A":"{self.ask_qty}"}}'
        )


class Kline(msgspec.Struct, gc=False):
    """A closed 1-second candle. Prices and base volumes count 1e-8, quote volumes 1e-16."""

    recv_us: int
    stream: str
    symbol: str
    event_us: int
    second: int
    first_id: int
    last_id: int
    open: int
    close: int
    high: int
    low: int
    count: int
    volume: int
    quote_volume: int
    taker_volume: int
    taker_quote_volume: int

    def data(self, milliseconds: bool) -> str:
        unit = 1000 if milliseconds else 1_000_000
        start = self.second * unit
        return (
            f'{{"e":"kline","E":{self.event_us * unit // 1_000_000},"s":"{self.symbol}",'
            f'"k":{{"t":{start},"T":{start + unit - 1},"s":"{self.symbol}","i":"1s",'
            f'"f":{self.first_id},"L":{self.last_id},"o":"{decimal(self.open)}",'
            f'"c":"{decimal(self.close)}","h":"{decimal(self.high)}","l":"{decimal(self.low)}",'
            f'"v":"{decimal(self.volume)}","n":{self.count},"x":true,'
            f'"q":"{decimal(self.quote_volume // 10**8)}","V":"{decimal(self.taker_volume)}",'
            f'"Q":"{decimal(self.taker_quote_volume // 10**8)}","B":"0"}}}}'
        )


class Shutdown(msgspec.Struct, gc=False):
    """The announcement that the exchange is about to close this connection."""

    recv_us: int
    event_us: int
    stream: str = "!serverShutdown"

    def data(self, milliseconds: bool) -> str:
        event = self.event_us // 1000 if milliseconds else self.event_us
        return f'{{"e":"serverShutdown","E":{event}}}'


Event = Trade | Quote | Kline | Shutdown


def text(event: Event, combined: bool, milliseconds: bool) -> str:
    """The message of an event: wrapped with its stream and `recv` in combined mode, else bare."""
    data = event.data(milliseconds)
    if not combined:
        return data
    return f'{{"stream":"{event.stream}","data":{data},"recv":{event.recv_us}}}'


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One unmasked, unfragmented WebSocket frame (RFC 6455, 5.2), as a server sends it.

    >>> frame(b"hi")
    b'\\x81\\x02hi'
    """
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, 126, size >> 8, size & 255))
    else:
        head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
    return head + payload


def scaled(number: str) -> int:
    """A decimal of up to eight places as a count of 1e-8. ValueError when it is none.

    >>> scaled("61837.63000000")
    6183763000000
    """
    whole, _, fraction = number.partition(".")
    return int(whole + fraction.ljust(8, "0")[:8])


def decimal(count: int) -> str:
    """A count of 1e-8 the way the exchange writes it, with eight places.

    >>> decimal(6183763000000)
    '61837.63000000'
    """
    digits = f"{count:09d}"  # a third faster than dividing
    return digits[:-8] + "." + digits[-8:]


def json_text(value: object) -> bytes:
    """Compact JSON, as the exchange writes it."""
    return json.dumps(value, separators=(",", ":")).encode()
