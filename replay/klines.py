"""The 1-second candles of a stream of trades: one a second and symbol, from the same trades.

A trade belongs to the second of its trade time T; within it the order is that of the trade ids. An
empty second repeats the last close with ids -1. The exchange sends a candle `DELAY_US` after its
second; trades that are received later than that still count, so this module reads ahead.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from replay.events import Event, Kline, Trade, scaled

DELAY_US = 2_000
READ_AHEAD_US = 5_000_000


def with_klines(events: Iterable[Event], skew_us: int) -> Iterator[Event]:
    """The events in their order, with the candles of every second between them.

    `skew_us` is receive time minus exchange time; a candle is received that much after it was sent.
    """
    candles, waiting, second = _Candles(skew_us), deque(), None
    for event in events:
        if second is None:
            second = (event.recv_us - skew_us) // 1_000_000
        waiting.append(event)
        candles.add(event, second)
        while event.recv_us - READ_AHEAD_US >= candles.due_us(second):
            yield from _until(waiting, candles.due_us(second))
            yield from candles.close(second)
            second += 1
    last_us = waiting[-1].recv_us if waiting else 0
    while waiting and candles.due_us(second) <= last_us:
        yield from _until(waiting, candles.due_us(second))
        yield from candles.close(second)
        second += 1
    yield from waiting


def _until(waiting: deque[Event], until_us: int) -> Iterator[Event]:
    while waiting and waiting[0].recv_us <= until_us:
        yield waiting.popleft()


class _Candles:
    """Trades waiting for the end of their second, and the last close of every symbol."""

    def __init__(self, skew_us: int):
        self.skew_us = skew_us
        self.seconds: dict[int, dict[str, list[Trade]]] = {}
        self.last_close: dict[str, int] = {}

    def due_us(self, second: int) -> int:
        """When the candle of this second is received."""
        return (second + 1) * 1_000_000 + DELAY_US + self.skew_us

    def add(self, event: Event, open_second: int) -> None:
        if type(event) is Trade and event.trade_us // 1_000_000 >= open_second:
            second = self.seconds.setdefault(event.trade_us // 1_000_000, {})
            second.setdefault(event.symbol, []).append(event)

    def close(self, second: int) -> Iterator[Kline]:
        """The candles of a second: of every symbol that has traded so far."""
        traded = self.seconds.pop(second, {})
        for symbol in [*self.last_close, *(new for new in traded if new not in self.last_close)]:
            candle = self._candle(symbol, second, traded.get(symbol, []))
            if candle is not None:
                self.last_close[symbol] = candle.close
                yield candle

    def _candle(self, symbol: str, second: int, trades: list[Trade]) -> Kline | None:
        fills = sorted(_fills(trades).items())
        close = self.last_close.get(symbol)
        if not fills and close is None:
            return None
        prices = [price for _, (price, _, _) in fills] or [close]
        taker = [(price, qty) for _, (price, qty, buyer_is_maker) in fills if not buyer_is_maker]
        return Kline(
            recv_us=self.due_us(second),
            stream=f"{symbol.lower()}@kline_1s",
            symbol=symbol,
            event_us=(second + 1) * 1_000_000 + DELAY_US,
            second=second,
            first_id=fills[0][0] if fills else -1,
            last_id=fills[-1][0] if fills else -1,
            open=prices[0],
            close=prices[-1],
            high=max(prices),
            low=min(prices),
            count=len(fills),
            volume=sum(qty for _, (_, qty, _) in fills),
            quote_volume=sum(price * qty for _, (price, qty, _) in fills),
            taker_volume=sum(qty for _, qty in taker),
            taker_quote_volume=sum(price * qty for price, qty in taker),
        )


def _fills(trades: list[Trade]) -> dict[int, tuple[int, int, bool]]:
    """By trade id, each once: price, quantity, buyer is maker. What is no number does not count."""
    fills = {}
    for trade in trades:
        try:
            fill = (scaled(trade.price), scaled(trade.qty), trade.buyer_is_maker)
        except ValueError:
            continue
        fills.setdefault(trade.trade_id, fill)
    return fills
