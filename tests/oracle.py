"""What a lake must show, worked out from its raw files slowly and plainly: the judge of the SQL.

Written from the specification alone. Shares no code and no library with the lake: Decimal, lists
and loops only. Times are epoch microseconds (`_us`), seconds and days are numbers since the epoch.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise
from pathlib import Path

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 86_400 * SECOND_US
DAY_SECONDS = 86_400

# What the rows hold, as a select list: `second` is the number of the second since the epoch.
BAR = (
    "second, open, high, low, close, volume_base, volume_quote, trade_count, vwap, bid, ask, spread"
    ", taker_buy_base, taker_buy_quote, first_trade_id, last_trade_id, state"
)
TAPE = "first_id, last_id, count, missing, duplicates, repaired, absent_upstream"


@dataclass(frozen=True)
class Judgement:
    """One symbol: `bars` rows in order of BAR, `tape` {day: values in order of TAPE}, `trades` and
    `quotes` {id: (raw line that wins, time on the exchange's clock)}, `covers` [(from, to)]."""

    bars: list
    tape: dict
    trades: dict
    quotes: dict
    covers: list


def read(base: Path) -> tuple[list[dict], list[dict]]:
    """All raw lines and all session lines under `base`/raw/binance."""
    lines, sessions = [], []
    for path in sorted((base / "raw" / "binance").glob("*/*/*.jsonl")):
        target = sessions if path.parts[-3] == "_sessions" else lines
        target += map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return lines, sorted(sessions, key=lambda line: line["ts_recv"])


def judge(lines: list[dict], sessions: list[dict]) -> dict[str, Judgement]:
    """The judgement of each symbol that has a line."""
    own = defaultdict(list)
    for line in lines:
        own[line["symbol"]].append(line)
    days = session_days(lines, sessions)
    with localcontext(prec=100):  # sums of DECIMAL(38,16) stay exact
        return {symbol: judge_symbol(symbol, own[symbol], sessions, days) for symbol in own}


def judge_symbol(symbol: str, lines: list[dict], sessions: list[dict], days: list) -> Judgement:
    traded = [line for line in lines if line["stream"] == "trade"]
    quoted = [line for line in lines if line["stream"] == "bookTicker"]
    streamed = quoted + [line for line in traded if line["source"] == "ws"]
    clock = Clock(streamed, sessions)
    trades = {key: (line, line["ts_event"]) for key, line in earliest(traded, "trade_id").items()}
    quotes = {key: (line, clock.time(line)) for key, line in earliest(quoted, "update_id").items()}
    covers = covered(symbol, streamed, sessions, clock)
    holes = id_holes(sorted(trades), merged(absent_ranges(lines)))
    recorded = {time // DAY_US for _, time in trades.values()}
    recorded |= {day for symbols, own in days if not symbols or symbol in symbols for day in own}
    if not sessions:
        recorded |= {line["ts_recv"] // DAY_US for line in streamed}
    bars = [
        row for row in all_bars(trades, quotes, covers, holes) if row[0] // DAY_SECONDS in recorded
    ]
    return Judgement(bars, tape(trades, traded, holes), trades, quotes, covers)


def earliest(lines: list[dict], key: str) -> dict[int, dict]:
    """The line of each id that was received first; a tie takes ws before rest, then the conn."""
    winners = {}
    for line in sorted(lines, key=receipt):
        winners.setdefault(line[key], line)
    return winners


def receipt(line: dict) -> tuple:
    return line["ts_recv"], line.get("source") == "rest", line["conn"] or 0


class Clock:
    """Moves times of receipt of one symbol onto the exchange's clock."""

    def __init__(self, streamed: list[dict], sessions: list[dict]):
        differences = defaultdict(list)
        for line in streamed:
            if line["stream"] == "trade" and line["event_time"] is not None:
                minute = line["ts_recv"] // MINUTE_US
                differences[line["conn"], minute].append(line["event_time"] - line["ts_recv"])
        self.medians = {key: lower_median(values) for key, values in differences.items()}
        self.measured = {}
        for line in sessions:
            if line["event"] == "clock":
                self.measured.setdefault(line["conn"], line["offset"])

    def time(self, line: dict) -> int:
        """Microseconds on the exchange's clock at which the line was received."""
        minute = line["ts_recv"] // MINUTE_US
        near = [
            (abs(known - minute), known)
            for conn, known in self.medians
            if conn == line["conn"] and known // 60 == minute // 60
        ]
        if near:
            return line["ts_recv"] + self.medians[line["conn"], min(near)[1]]
        return line["ts_recv"] + self.measured.get(line["conn"], 0)


def lower_median(values: list[int]) -> int:
    """quantile_disc(0.5): of an even number of values the lower one of the middle."""
    return sorted(values)[(len(values) + 1) // 2 - 1]


def covered(symbol: str, streamed: list[dict], sessions: list[dict], clock: Clock) -> list[tuple]:
    """Times between which the symbol was listened to, over all connections."""
    connected = {line["conn"] for line in sessions if line["event"] == "connected"}
    pieces = []
    for conn in {line["conn"] for line in streamed}:
        own = sorted((line for line in streamed if line["conn"] == conn), key=receipt)
        stalls = [
            line["ts_recv"]
            for line in sessions
            if line["event"] == "stalled"
            and line["conn"] == conn
            and line["symbol"] in (None, symbol)
        ]
        pieces.append([clock.time(own[0])])
        for before, line in pairwise(own):
            was, now = before["ts_recv"], line["ts_recv"]
            silent = conn not in connected and now - was > MINUTE_US
            if silent or any(was <= stall < now for stall in stalls):
                pieces.append([])
            pieces[-1].append(clock.time(line))
    return merged((min(piece), max(piece)) for piece in pieces)


def merged(ranges) -> list[tuple]:
    """The union of closed ranges that overlap or touch, in order."""
    union = []
    for start, end in sorted(ranges):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(end, union[-1][1]))
        else:
            union.append((start, end))
    return union


def absent_ranges(lines: list[dict]) -> list[tuple]:
    return [(line["first_id"], line["last_id"]) for line in lines if line["stream"] == "absent"]


def id_holes(known: list[int], absent: list[tuple]) -> list[tuple]:
    """(id before, id after, ids missing, ids absent upstream) of neighbours that are not
    consecutive. `absent` ranges do not overlap."""
    holes = []
    for before, after in pairwise(known):
        lost = after - before - 1
        gone = sum(
            max(0, min(last, after - 1) - max(first, before + 1) + 1) for first, last in absent
        )
        if lost:
            holes.append((before, after, lost - gone, gone))
    return holes


def session_days(lines: list[dict], sessions: list[dict]) -> list[tuple]:
    """(symbols, or none for all; days of receipt that it touches) of each connection."""
    last = {}
    for line in sorted(lines + sessions, key=lambda line: line["ts_recv"]):
        last[line.get("conn")] = line["ts_recv"]
    found = []
    for line in sessions:
        if line["event"] == "connected":
            own = [other for other in sessions if other["conn"] == line["conn"]]
            ends = [other["ts_recv"] for other in own if other["event"] == "disconnected"]
            symbols = {symbol for other in own for symbol in other["symbols"] or ()}
            end = max(ends, default=last[line["conn"]])
            found.append((symbols, range(line["ts_recv"] // DAY_US, end // DAY_US + 1)))
    return found


def all_bars(trades: dict, quotes: dict, covers: list, holes: list):
    """Rows of the grid from the second of the first trade to that of the last one."""
    inside = defaultdict(list)
    for _, (line, time) in sorted(trades.items()):
        inside[time // SECOND_US].append(line)
    if not inside:
        return
    shown = {time // SECOND_US: (line, time) for _, (line, time) in sorted(quotes.items())}
    grid = range(min(inside), max(inside) + 1)
    touched = touched_seconds(trades, holes, grid)
    quote = shown.get(max((second for second in shown if second < grid[0]), default=None))
    close = None
    for second in grid:
        quote = shown.get(second, quote)
        prices = trade_columns(inside.get(second, []), close, second in touched)
        bid_ask = quote_columns(quote, second, covers)
        yield (second, *prices[:8], *bid_ask, *prices[8:])
        if second in inside:
            close = Decimal(inside[second][-1]["price"])


def touched_seconds(trades: dict, holes: list, grid: range) -> set[int]:
    """Seconds in which a trade may lie whose id is not known."""
    second = {key: time // SECOND_US for key, (_, time) in trades.items()}
    spans = [(second[before], second[after]) for before, after, missing, _ in holes if missing]
    spans += [(grid[0], second[min(trades)]), (second[max(trades)], grid[-1])]
    return {number for span in spans for number in range(min(span), max(span) + 1)}


def trade_columns(lines: list[dict], close: Decimal | None, touched: bool) -> tuple:
    """open … vwap, then taker volumes, first and last id, state; `lines` in order of their ids."""
    if not lines and touched:
        return (None,) * 12 + ("dark",)
    if not lines:
        price = float(close)
        return (price,) * 4 + (0.0, 0.0, 0, price, 0.0, 0.0, None, None, "quiet")
    prices = [Decimal(line["price"]) for line in lines]
    base, quote = volumes(lines)
    bought = volumes([line for line in lines if line["side"] == "buy"])
    vwap = float(quote) / float(base) if base else None
    ohlc = map(float, (prices[0], max(prices), min(prices), prices[-1]))
    ids = lines[0]["trade_id"], lines[-1]["trade_id"]
    state = "partial" if touched else "traded"
    return (*ohlc, float(base), float(quote), len(lines), vwap, *map(float, bought), *ids, state)


def volumes(lines: list[dict]) -> tuple[Decimal, Decimal]:
    """Volume in the base and in the quote asset."""
    pairs = [(Decimal(line["price"]), Decimal(line["qty"])) for line in lines]
    return sum((qty for _, qty in pairs), Decimal(0)), sum((p * q for p, q in pairs), Decimal(0))


def quote_columns(quote: tuple | None, second: int, covers: list) -> tuple:
    """bid, ask, spread of the last quote, as long as it is known to hold."""
    if quote:
        line, time = quote
        end = (second + 1) * SECOND_US
        held = any(start <= time <= last and last >= end for start, last in covers)
        if held or time // SECOND_US == second:
            bid, ask = Decimal(line["bid"]), Decimal(line["ask"])
            return float(bid), float(ask), float(ask - bid)
    return None, None, None


def tape(trades: dict, raw: list[dict], holes: list) -> dict[int, tuple]:
    """The certificate of each day that has a trade; a hole counts on the day of the id before."""
    day = {key: time // DAY_US for key, (_, time) in trades.items()}
    rows = {}
    for today in sorted(set(day.values())):
        ids = [key for key in trades if day[key] == today]
        lines = [line for line in raw if line["ts_event"] // DAY_US == today]
        own = [hole for hole in holes if day[hole[0]] == today]
        repaired = sum(trades[key][0]["source"] == "rest" for key in ids)
        missing, absent = sum(hole[2] for hole in own), sum(hole[3] for hole in own)
        copies = len(lines) - len(ids)
        rows[today] = (min(ids), max(ids), len(ids), missing, copies, repaired, absent)
    return rows
