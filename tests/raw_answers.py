"""Raw answers of REST sources as the fetching commands write them, for tests to put into a lake."""

import json
from pathlib import Path
from urllib.parse import quote as quoted

import lakes
from raw_lines import DAY_US, MINUTE_US

HOUR_US = 60 * MINUTE_US
WIDTHS_US = {"1s": 1_000_000, "1m": MINUTE_US, "5m": 5 * MINUTE_US}
PRICES = ("open", "high", "low", "close")
LEGS = {
    "EURUSD=X": 1.0842,
    "USDJPY=X": 150.02,
    "GBPUSD=X": 1.2655,
    "USDCAD=X": 1.3503,
    "USDSEK=X": 10.3217,
    "USDCHF=X": 0.8811,
}
OFFICIAL = """
    select epoch_us(window_start), open, high, low, close, volume_base, volume_quote, trade_count,
        taker_buy_base, taker_buy_quote
    from bars_{interval}
    where symbol = '{symbol}' and open is not null
    order by window_start"""


def put(folder: Path, place: str, lines: list, day: str = "2025-10-22", number: int = 1) -> Path:
    """Append lines (dicts, or text as it is) to a file of answers in raw/; returns it."""
    name = "answers.jsonl" if number == 1 else f"answers_{number}.jsonl"
    path = folder / "data" / "raw" / place / day / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        for line in lines:
            text = line if isinstance(line, str) else json.dumps(line, separators=(",", ":"))
            file.write(f"{text}\n".encode())
    return path


def kline(open_us: int, *, interval="1m", unit=1000, **own) -> list:
    """A row of /api/v3/klines; `unit`: 1000 for times in milliseconds, 1 for microseconds."""
    row = {
        "open": "100.00000000",
        "high": "101.00000000",
        "low": "99.00000000",
        "close": "100.50000000",
        "volume": "2.00000000",
        "quote_volume": "200.50000000",
        "trades": 3,
        "taker_base_vol": "1.00000000",
        "taker_quote_vol": "100.25000000",
    } | own
    close = (open_us + WIDTHS_US[interval]) // unit - 1
    head = [open_us // unit, *(row[name] for name in ("open", "high", "low", "close", "volume"))]
    tail = [row[name] for name in ("quote_volume", "trades", "taker_base_vol", "taker_quote_vol")]
    return [*head, close, *tail, "0"]


def klines(rows: list, fetched_us: int, *, symbol="SOLUSDT", interval="1m") -> dict:
    """An answer of /api/v3/klines."""
    request = {"path": "/api/v3/klines", "symbol": symbol, "interval": interval, "limit": 1000}
    return {"fetched_at": fetched_us, "request": request, "body": rows}


def archived(rows: list, fetched_us: int, *, symbol="SOLUSDT", interval="1m", header="") -> dict:
    """A day of klines of the archive, as the CSV that its zip holds."""
    body = header + "".join(",".join(map(str, row)) + "\n" for row in rows)
    request = {"url": "http://archive/x.zip", "symbol": symbol, "interval": interval}
    return {"fetched_at": fetched_us, "request": request, "body": body}


def put_klines(folder: Path, lines: list, *, symbol="SOLUSDT", interval="1m", **more) -> Path:
    return put(folder, f"binance/_rest/klines_{interval}/{symbol}", lines, **more)


def official(folder: Path, symbol: str, interval: str) -> list[list]:
    """The klines that the exchange would give for what a built lake has recorded."""
    rows = lakes.ask(folder, OFFICIAL.format(interval=interval, symbol=symbol))
    names = [*PRICES, "volume", "quote_volume", "trades", "taker_base_vol", "taker_quote_vol"]
    found = []
    for open_us, *numbers in rows:
        own = {
            name: number if name == "trades" else f"{number:.8f}"
            for name, number in zip(names, numbers, strict=True)
        }
        found.append(kline(open_us, interval=interval, **own))
    return found


def give_klines(folder: Path, change=lambda rows, symbol, interval: rows) -> Path:
    """Build; put official klines of 1s and 1m that agree with the bars but for `change`; build."""
    lakes.bring(folder)
    symbols = [symbol for (symbol,) in lakes.ask(folder, "select distinct symbol from bars_1s")]
    for interval in ("1s", "1m"):
        for symbol in sorted(symbols):
            rows = change(official(folder, symbol, interval), symbol, interval)
            answer = klines(rows, lakes.MIDNIGHT + 86_400_000_000, symbol=symbol, interval=interval)
            put_klines(folder, [answer], symbol=symbol, interval=interval)
    lakes.bring(folder)
    return folder


def minute(ts_us: int, close: float = 100.0, **own) -> dict:
    """A row of Yahoo's as yfinance hands it over."""
    prices = {"open": close, "high": close, "low": close, "close": close, "volume": 0}
    return {"ts": ts_us, **prices, **own}


def minutes(ticker: str, rows: list, fetched_us: int) -> dict:
    """An answer of Yahoo's."""
    request = {"ticker": ticker, "start": 0, "end": 1, "interval": "1m"}
    return {"fetched_at": fetched_us, "request": request, "body": rows}


def put_minutes(folder: Path, ticker: str, *answers: tuple[list, int], **more) -> Path:
    """Put answers (rows, fetched) of Yahoo's into a lake."""
    lines = [minutes(ticker, rows, fetched_us) for rows, fetched_us in answers]
    return put(folder, f"yahoo/{quoted(ticker, safe='')}", lines, **more)


def funded(time_us: int, rate: str = "0.00010000", *, symbol="SOLUSDT", **own) -> dict:
    """A row of /fapi/v1/fundingRate."""
    row = {"symbol": symbol, "fundingRate": rate, "fundingTime": time_us // 1000}
    return {**row, "markPrice": "34287.54619963", **own}


def measured(time_us: int, contracts: str = "20403.12345678", *, symbol="SOLUSDT", **own) -> dict:
    """A row of /futures/data/openInterestHist."""
    row = {"symbol": symbol, "sumOpenInterest": contracts, "timestamp": time_us // 1000}
    return {**row, "sumOpenInterestValue": "176196512.12345678", **own}


def put_derivs(folder: Path, kind: str, rows: list, fetched_us: int, **more) -> Path:
    """Put an answer of the futures exchange, of SOLUSDT, into a lake."""
    path = {"funding_rate": "/fapi/v1/fundingRate"}.get(kind, "/futures/data/openInterestHist")
    answer = {
        "fetched_at": fetched_us,
        "request": {"path": path, "symbol": "SOLUSDT"},
        "body": rows,
    }
    return put(folder, f"binance/_rest/{kind}/SOLUSDT", [answer], **more)


def give_all(folder: Path) -> Path:
    """Give a built lake of two days klines, macro minutes, fundings and open interest; build."""
    fetched_us, noon = lakes.MIDNIGHT + 2 * DAY_US, lakes.NOON
    for ticker, close in {**LEGS, "SPY": 500.25, "ES=F": 5012.5}.items():
        first = [minute(noon + n * MINUTE_US, close + n / 1024) for n in range(3)]
        put_minutes(
            folder, ticker, (first, fetched_us), ([minute(noon, close + 1)], fetched_us + 1)
        )
    put_derivs(folder, "funding_rate", [funded(noon), funded(noon + 8 * HOUR_US)], fetched_us)
    rows = [measured(noon + n * MINUTE_US) for n in range(0, 600, 5)]
    put_derivs(folder, "open_interest_5m", rows, fetched_us)
    return give_klines(folder)
