"""Minute bars of securities for the replayed Yahoo: the same for the same ticker and minute.

FX and the dollar index trade from Sunday to Friday 22:00 UTC, futures from Sunday 18:00 to Friday
17:00 in New York with an hour's pause a day, all else from 9:30 to 16:00 in New York.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY_S = 86_400
NULLS = 97  # one minute of so many is null


class Bar(NamedTuple):
    """A minute of prices; `ts` in seconds. Prices and volume are None in a minute without."""

    ts: int
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: int | None


class Security(NamedTuple):
    """How a ticker trades: `hours` is fx, futures or stocks."""

    kind: str
    hours: str
    zone: str
    price: float
    digits: int


_PRICES = {
    **{"EURUSD=X": 1.0842, "GBPUSD=X": 1.2931, "USDJPY=X": 150.62, "JPY=X": 150.62},
    **{"USDCAD=X": 1.4012, "CAD=X": 1.4012, "USDCHF=X": 0.7954, "CHF=X": 0.7954},
    **{"USDSEK=X": 9.4213, "SEK=X": 9.4213, "DX-Y.NYB": 98.61},
    **{"ES=F": 6702.25, "NQ=F": 24_870.5, "GC=F": 4262.1, "CL=F": 57.2},
    **{"SPY": 664.39, "QQQ": 603.93, "UUP": 28.04, "^VIX": 20.78, "^GSPC": 6664.01},
}


def security(ticker: str) -> Security:
    price = _PRICES.get(ticker, 100.0)
    if ticker.endswith("=X"):
        return Security("CURRENCY", "fx", "Europe/London", price, 3 if price > 50 else 5)
    if ticker == "DX-Y.NYB":
        return Security("INDEX", "fx", "America/New_York", price, 3)
    if ticker.endswith("=F"):
        return Security("FUTURE", "futures", "America/New_York", price, 2)
    kind = "INDEX" if ticker.startswith("^") else "ETF"
    return Security(kind, "stocks", "America/New_York", price, 2)


def known() -> tuple[str, ...]:
    return tuple(_PRICES)


def is_open(hours: str, ts: int) -> bool:
    """Whether there is trading in the minute that begins at `ts`."""
    if hours == "fx":
        at = datetime.fromtimestamp(ts, UTC)
        day, minute = at.weekday(), at.hour * 60 + at.minute
        return day < 4 or (day == 4 and minute < 22 * 60) or (day == 6 and minute >= 22 * 60)
    at = datetime.fromtimestamp(ts, ZoneInfo("America/New_York"))
    day, minute = at.weekday(), at.hour * 60 + at.minute
    if hours == "stocks":
        return day < 5 and 9 * 60 + 30 <= minute < 16 * 60
    if day == 4:
        return minute < 17 * 60
    return day < 4 and not 17 * 60 <= minute < 18 * 60 or day == 6 and minute >= 18 * 60


def sessions(hours: str, zone: str, start_s: int, end_s: int) -> list[dict]:
    """Yahoo's trading periods of the local days that are touched: one a day with trading.

    Round the clock they end at 23:59:00, as Yahoo says it.
    """
    place, found = ZoneInfo(zone), []
    day = datetime.fromtimestamp(start_s, place).replace(hour=0, minute=0, second=0)
    while day.timestamp() < end_s:
        begin, end = day, day.replace(hour=23, minute=59)
        if hours == "stocks":
            begin, end = day.replace(hour=9, minute=30), day.replace(hour=16)
        if day.weekday() < 5 or (day.weekday() == 6 and hours != "stocks"):
            found.append(session(begin, end))
        day += timedelta(days=1)
    return found


def session(begin: datetime, end: datetime) -> dict:
    return {
        "timezone": begin.tzname(),
        "start": int(begin.timestamp()),
        "end": int(end.timestamp()),
        "gmtoffset": int(begin.utcoffset().total_seconds()),
    }


@lru_cache(256)
def bars_of_day(ticker: str, day: int) -> tuple[Bar, ...]:
    """The bars of a day since 1970 in UTC: what is traded then, and nulls now and then."""
    kind, hours, _, price, digits = security(ticker)
    random = Random(f"{ticker} {day}")
    here, there = (price * _away(ticker, which) for which in (day, day + 1))
    bars, close = [], here
    for minute in range(1440):
        ts = day * DAY_S + minute * 60
        target = here + (there - here) * (minute + 1) / 1440 + random.gauss(0, price / 8000)
        wicks = abs(random.gauss(0, price / 9000)), abs(random.gauss(0, price / 9000))
        volume = 0 if hours == "fx" or kind == "INDEX" else random.randrange(100, 400_000)
        is_null = random.randrange(NULLS) == 0
        if not is_open(hours, ts):
            continue
        if is_null:
            bars.append(Bar(ts, None, None, None, None, None))
            continue
        high, low = max(close, target) + wicks[0], min(close, target) - wicks[1]
        prices = (round(value, digits) for value in (close, high, low, target))
        bars.append(Bar(ts, *prices, volume))
        close = target
    return tuple(bars)


def _away(ticker: str, day: int) -> float:
    """By what factor the price at the day's start differs from the usual one."""
    return 1 + Random(f"{ticker} at {day}").uniform(-0.01, 0.01)


def provisional(bar: Bar) -> Bar:
    """A bar as it looks before it is final: part of its volume, another close."""
    if bar.close is None:
        return bar
    return bar._replace(close=bar.open, volume=bar.volume // 2)
