"""The lake on which documented queries and notebooks are tried: two hours of two symbols, with what
a real one has.

A connection is lost for 90 s (no trades, no quotes), and later 20 s of trades never arrive. The
exchange's whole tape is known (`Tape.trades`), so that what a query says can be worked out here.
Times are epoch microseconds (`_us`).
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import groupby
from pathlib import Path
from random import Random

import lakes
from raw_answers import (
    HOUR_US,
    LEGS,
    funded,
    kline,
    klines,
    measured,
    minute,
    put_derivs,
    put_klines,
    put_minutes,
)
from raw_lines import MINUTE_US, SECOND_US, micros, session

SYMBOLS = ("SOLUSDT", "BTCUSDT")
DAY = "2025-10-20"
START_US = micros(f"{DAY}T14:00:00Z")
END_US = START_US + 2 * HOUR_US
LOST = (START_US + 40 * MINUTE_US, START_US + 40 * MINUTE_US + 90 * SECOND_US)
HOLE = (START_US + 70 * MINUTE_US, START_US + 70 * MINUTE_US + 20 * SECOND_US)
# The bell of New York's stocks, put where crypto is recorded on both sides of it.
BELL_US = START_US + 30 * MINUTE_US
DELAY_US = 900


@dataclass(frozen=True)
class Tape:
    """One symbol at the exchange: trades (id, when, price, quantity, side), quotes (id, when, bid,
    ask)."""

    trades: tuple
    quotes: tuple

    def heard(self) -> list[tuple]:
        """The trades that reached the lake."""
        return [trade for trade in self.trades if not _within(trade[1], LOST, HOLE)]

    def seen(self) -> list[tuple]:
        """The quotes that reached the lake."""
        return [quote for quote in self.quotes if not _within(quote[1], LOST)]


@cache
def tape(symbol: str) -> Tape:
    """A walk of the best bid and ask; each trade is at one of them, a millisecond after a quote."""
    random = Random(f"worked {symbol}")
    bid, tick = (Decimal("186.50"), Decimal("0.01"))
    if symbol == "BTCUSDT":
        bid, tick = (Decimal("108400.00"), Decimal("0.50"))
    trades, quotes, now_us = [], [], START_US
    while (now_us := now_us + round(random.expovariate(0.8) * SECOND_US) + 5000) < END_US:
        bid += random.choice((-2, -1, 0, 0, 1, 2)) * tick
        ask = bid + random.choice((1,) * 17 + (2, 2, 4)) * tick
        quotes.append((len(quotes) + 1, now_us, bid, ask))
        for number in range(random.choice((0, 1, 1, 3))):
            side = random.choice(("buy", "sell"))
            qty = Decimal(random.randint(1, 5000)) / 1000
            price = ask if side == "buy" else bid
            trades.append((1000 + len(trades), now_us + 1000 + number, price, qty, side))
    return Tape(tuple(trades), tuple(quotes))


def make(folder: Path) -> Path:
    """The lake, built, with official klines, macro minutes, fundings and open interest."""
    lakes.make(folder, "exchanges:\n  - name: binance\n    symbols: [SOLUSDT, BTCUSDT]\n")
    for symbol in SYMBOLS:
        own = tape(symbol)
        rows = [
            lakes.trade(symbol, key, at_us, str(price), str(qty), side=side, **_by(at_us))
            for key, at_us, price, qty, side in own.heard()
        ]
        rows += [
            lakes.quote(symbol, key, at_us, str(bid), str(ask), **_by(at_us))
            for key, at_us, bid, ask in own.seen()
        ]
        lakes.put(folder, symbol, sorted(rows, key=lambda row: row["ts_recv"]))
        answer = klines(official(symbol), END_US + 2 * HOUR_US, symbol=symbol)
        put_klines(folder, [answer], symbol=symbol)
    lakes.put(folder, "_sessions", _sessions())
    _put_answers(folder)
    lakes.bring(folder)
    return folder


def official(symbol: str) -> list[list]:
    """The exchange's minutes of all its trades, worked out in decimals."""
    rows = []
    for number, group in groupby(tape(symbol).trades, key=lambda trade: trade[1] // MINUTE_US):
        trades = list(group)
        prices = [trade[2] for trade in trades]
        bought = [trade for trade in trades if trade[4] == "buy"]
        own = {
            **{"open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]},
            **{"volume": volume(trades), "quote_volume": amount(trades)},
            **{"taker_base_vol": volume(bought), "taker_quote_vol": amount(bought)},
        }
        told = {name: f"{value:.8f}" for name, value in own.items()}
        rows.append(kline(number * MINUTE_US, trades=len(trades), **told))
    return rows


def volume(trades: list[tuple]) -> Decimal:
    return sum((trade[3] for trade in trades), Decimal(0))


def amount(trades: list[tuple]) -> Decimal:
    """The sum of price × quantity."""
    return sum((trade[2] * trade[3] for trade in trades), Decimal(0))


def spy() -> dict[int, float]:
    """Close of SPY by the start of its minute: from the bell on, and never all minutes."""
    moments = range(BELL_US, END_US, MINUTE_US)
    return {at_us: 664.0 + n % 13 / 8 for n, at_us in enumerate(moments) if n % 17 != 5}


def _put_answers(folder: Path) -> None:
    """Macro minutes of before and after the crypto's, fundings and open interest."""
    fetched_us = END_US + HOUR_US
    put_minutes(
        folder, "SPY", ([minute(at_us, close) for at_us, close in spy().items()], fetched_us)
    )
    for leg, (ticker, close) in enumerate(LEGS.items()):
        moments = range(START_US - HOUR_US, END_US, MINUTE_US)
        rows = [
            minute(at_us, round(close * (1 + (n * (leg + 3) % 11) / 20_000), 5))
            for n, at_us in enumerate(moments)
            if n % 29 != leg
        ]
        put_minutes(folder, ticker, (rows, fetched_us))
    fundings = [funded(START_US - 6 * HOUR_US), funded(START_US + 2 * HOUR_US, "-0.00020000")]
    put_derivs(folder, "funding_rate", fundings, fetched_us)
    moments = range(START_US - HOUR_US, END_US + 1, 5 * MINUTE_US)
    rows = [measured(at_us, f"{20_000 + n}.5") for n, at_us in enumerate(moments)]
    put_derivs(folder, "open_interest_5m", rows, fetched_us)


def _sessions() -> list[dict]:
    """One run of the collector with two connections."""
    found = [session("start", START_US - 2, mode="live")]
    for conn, (from_us, to_us) in enumerate(((START_US, LOST[0]), (LOST[1], END_US)), 1):
        found.append(session("connected", from_us - 1, conn))
        found.append(session("subscribed", from_us, conn, symbols=list(SYMBOLS)))
        found.append(session("disconnected", to_us + SECOND_US, conn, detail="closed"))
    return [*found, session("stop", END_US + 2 * SECOND_US)]


def _by(at_us: int) -> dict:
    """Which connection heard it, and when."""
    return {"conn": 1 if at_us < LOST[0] else 2, "ts_recv": at_us + DELAY_US}


def _within(at_us: int, *stretches: tuple[int, int]) -> bool:
    return any(start <= at_us < end for start, end in stretches)
