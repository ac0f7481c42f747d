"""What must hold of a lake after trials by fault: by the exchange's truth, and by the oracle."""

import json
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

import lakes
import oracle
from trials import Outcome

from replay.events import Quote, Trade

# A quote has no time of its own: receipt puts it this near to the moment that it is of.
NEAR_US = 150_000
SECOND_US = 1_000_000
NUMBERS = ("price", "qty", "bid", "ask", "bid_qty", "ask_qty")


class Lake:
    """A built lake as rows by symbol, and its raw lines. `lines`: those that can be read exactly;
    `unread`: how many others there are, by symbol."""

    def __init__(self, folder: Path) -> None:
        self.folder, base = folder, folder / "data"
        lines, self.sessions = oracle.read(base)
        self.lines = [line for line in lines if is_number(line)]
        self.unread = Counter(line["symbol"] for line in lines if not is_number(line))
        self.judgements = oracle.judge(self.lines, self.sessions)
        parts = (base / "raw" / "_rejected").rglob("*.jsonl")
        texts = [text for part in parts for text in part.read_text("utf-8").split("\n")[:-1]]
        self.rejected = [json.loads(text) for text in texts]
        self.trades = self._rows("trade_id, price, qty, side, epoch_us(ts_event)", "trades")
        self.quotes = self._rows("update_id, epoch_us(ts_event)", "quotes")
        self.tape = self._rows(f"day, {oracle.TAPE}, verdict", "tape where count > 0")
        seconds = "(select *, epoch_us(window_start) // 1000000 as second from bars_1s)"
        self.bars = self._rows(oracle.BAR, seconds)

    def _rows(self, columns: str, relation: str) -> dict[str, dict]:
        """symbol → first column → the others; the first must tell the rows of a symbol apart."""
        found: dict[str, dict] = defaultdict(dict)
        for symbol, key, *rest in lakes.ask(
            self.folder, f"select symbol, {columns} from {relation}"
        ):
            assert key not in found[symbol], f"{relation} has {symbol} {key} twice"
            found[symbol][key] = tuple(rest)
        return found


def is_number(line: dict) -> bool:
    """Whether every number of a raw line is one."""
    try:
        return all(Decimal(line[name]).is_finite() for name in NUMBERS if line.get(name))
    except InvalidOperation:
        return False


def check(lake: Lake, outcome: Outcome) -> Counter:
    """AssertionError that names the trial where something is wrong; what was seen otherwise."""
    seen = Counter(rounds=1, reconnects=outcome.summary.reconnects)
    try:
        for symbol in outcome.symbols:
            seen += trades_arrived_once(lake, outcome, symbol)
            seen += holes_are_named(lake, outcome, symbol)
            seen += seconds_say_what_was(lake, outcome, symbol)
            seen += quotes_are_not_stale(lake, outcome, symbol)
            agrees_with_the_oracle(lake, symbol)
            every_quote_arrived(lake, outcome, symbol)
        seen += sessions_tell_it(lake, outcome)
        seen += unreadable_messages_are_kept(lake, outcome)
    except AssertionError as error:
        raise AssertionError(f"{outcome}\n{error}") from error
    return seen


def trades_arrived_once(lake: Lake, outcome: Outcome, symbol: str) -> Counter:
    """delivered ⊆ lake ⊆ delivered ∪ doubtful, and each trade as the market made it."""
    held, arrived = lake.trades[symbol], outcome.arrived[symbol]
    doubtful = outcome.doubtful.get(symbol, set())
    assert arrived <= held.keys(), f"{symbol}: lost {sorted(arrived - held.keys())[:9]}"
    extra = held.keys() - arrived - doubtful
    assert not extra, f"{symbol}: never sent {sorted(extra)[:9]}"
    market = outcome.market(Trade)[symbol]
    for number, (price, qty, side, time_us) in held.items():
        trade = market[number]
        expected = Decimal(trade.price), Decimal(trade.qty), trade.buyer_is_maker, trade.trade_us
        assert (price, qty, side == "sell", time_us) == expected, f"{symbol}: trade {number}"
    found = {"trades of the market": len(market), "trades delivered": len(arrived)}
    return Counter(found | {"trades doubtful": len(doubtful), "trades held": len(held)})


def holes_are_named(lake: Lake, outcome: Outcome, symbol: str) -> Counter:
    """Every trade between the first and the last held one is held or counted as missing."""
    held = sorted(lake.trades[symbol])
    days = lake.tape[symbol].values()
    names = [*oracle.TAPE.split(", "), "verdict"]
    missing = sum(day[names.index("missing")] for day in days)
    lost = held[-1] - held[0] + 1 - len(held) if held else 0
    assert missing == lost, f"{symbol}: {lost} trades are missing, the tape says {missing}"
    wrong = [day for day in days if (day[-1] == "complete") != (not lost)]
    assert not wrong or len(days) > 1, f"{symbol}: {lost} trades are missing, but {wrong}"
    holes = sum(after - before > 1 for before, after in pairwise(held))
    return Counter({"missing ids, all named": lost, "holes": holes})


def seconds_say_what_was(lake: Lake, outcome: Outcome, symbol: str) -> Counter:
    """A second is traded or quiet only where the lake has all that the market traded in it."""
    made, held = Counter(), Counter()
    for number, trade in outcome.market(Trade)[symbol].items():
        made[trade.trade_us // SECOND_US] += 1
        held[trade.trade_us // SECOND_US] += number in lake.trades[symbol]
    seen = Counter()
    for second, bar in lake.bars[symbol].items():
        state, there = bar[-1], (made[second], held[second])
        right = {
            "traded": there[0] == there[1] > 0,
            "quiet": there == (0, 0),
            "partial": there[1] > 0,
            "dark": there[1] == 0,
        }[state]
        assert right, f"{symbol}: second {second} is {state}, made and held {there}"
        seen[f"seconds {state}"] += 1
    return seen


def quotes_are_not_stale(lake: Lake, outcome: Outcome, symbol: str) -> Counter:
    """A second's quote was the market's in it; none is shown where nobody was listening."""
    shown = {second: bar for second, bar in lake.bars[symbol].items() if bar[8] is not None}
    if outcome.trial.hides_quotes:
        return Counter()
    market = [
        (quote.recv_us - outcome.source.skew_us, float(quote.bid), float(quote.ask))
        for quote in outcome.market(Quote)[symbol].values()
    ]
    times = [time for time, *_ in market]
    for second, bar in shown.items():
        end_us = (second + 1) * SECOND_US
        # It counts in the second that it lies in, also when the connection was lost there.
        low = max(0, bisect_left(times, end_us - SECOND_US - NEAR_US) - 1)
        near = market[low : bisect_right(times, end_us + NEAR_US)]
        assert bar[8:10] in {quote[1:] for quote in near}, (
            f"{symbol}: second {second} shows {bar[8:10]}, the market {near}"
        )
    return Counter({"seconds with a quote, none stale": len(shown)})


def agrees_with_the_oracle(lake: Lake, symbol: str) -> None:
    """Bars, tape, trades and quotes are those that the oracle makes of the raw lines."""
    own = lake.judgements.get(symbol)
    if own is None:
        assert not lake.trades[symbol] and not lake.bars[symbol]
        return
    days = {date(1970, 1, 1) + timedelta(days=day): row for day, row in own.tape.items()}
    found = {day: row[:-1] for day, row in lake.tape[symbol].items()}
    assert found == days, f"{symbol}: the tape is {found}, the oracle's {days}"
    differ("bar", symbol, lake.bars[symbol], {row[0]: row[1:] for row in own.bars})
    differ("trade", symbol, dict.fromkeys(lake.trades[symbol]), dict.fromkeys(own.trades))
    quotes = {number: (time_us,) for number, (_, time_us) in own.quotes.items()}
    differ("quote", symbol, lake.quotes[symbol], quotes)


def differ(what: str, symbol: str, found: dict, expected: dict) -> None:
    wrong = [k for k in found.keys() | expected.keys() if found.get(k, 0) != expected.get(k, 0)]
    shown = [(key, found.get(key), expected.get(key)) for key in sorted(wrong)[:3]]
    assert not wrong, f"{symbol}: {len(wrong)} {what}s differ from the oracle's: {shown}"


def every_quote_arrived(lake: Lake, outcome: Outcome, symbol: str) -> None:
    """Between two quotes of one connection none is missing."""
    if outcome.trial.skips_quotes:
        return
    market = sorted(outcome.market(Quote)[symbol])
    by_conn = defaultdict(set)
    for line in lake.lines:
        if line["symbol"] == symbol and line["stream"] == "bookTicker":
            by_conn[line["conn"]].add(line["update_id"])
    for conn, ids in by_conn.items():
        between = market[bisect_left(market, min(ids)) : bisect_right(market, max(ids))]
        assert ids == set(between), f"{symbol}: quotes of connection {conn} were lost"


def sessions_tell_it(lake: Lake, outcome: Outcome) -> Counter:
    """The session log of a run adds up: every connection has its end, every drop is counted."""
    log = own_sessions(lake, outcome)
    conns = Counter(line["conn"] for line in log if line["event"] == "connected")
    ends = Counter(line["conn"] for line in log if line["event"] == "disconnected")
    assert conns == ends and set(conns.values()) <= {1}, f"connections {conns}, ends {ends}"
    dropped = sum(line["count"] for line in log if line["event"] == "dropped")
    assert dropped == outcome.summary.dropped, f"{dropped} drops told"
    lines = sum(line["symbol"] in outcome.symbols for line in lake.lines)
    lines += sum(lake.unread[symbol] for symbol in outcome.symbols)
    assert (outcome.summary.lines, outcome.summary.lost) == (lines, 0), f"{lines} lines of raw"
    seen = Counter(connections=len(conns))
    for line in log:
        if line["event"] in ("stalled", "dropped"):
            seen[f"{line['event']} noted"] += 1
        if line["event"] == "disconnected":
            seen[f"ended: {line['detail'].split(':')[0]}"] += 1
    return seen


def own_sessions(lake: Lake, outcome: Outcome) -> list[dict]:
    """The session lines of one run, from its start to its stop. (At full speed a connection's clock
    runs on while it closes, so its end may be dated after the stop.)
    """
    own = outcome.source.start_us - 120 * SECOND_US
    log = [line for line in lake.sessions if own <= line["ts_recv"] < own + 10_000 * SECOND_US]
    events = [line["event"] for line in log]
    assert events[0] == "start" and events.count("stop") == 1, events
    return log


def unreadable_messages_are_kept(lake: Lake, outcome: Outcome) -> Counter:
    """What the collector could not parse lies in raw/_rejected, byte for byte."""
    log = own_sessions(lake, outcome)
    conns = {line["conn"] for line in log if line["event"] == "connected"}
    kept = [row for row in lake.rejected if row["conn"] in conns]
    assert len(kept) == outcome.summary.rejected, f"{len(kept)} rejected messages kept"
    garbled = outcome.garbled()
    for row in kept:
        assert row["text"] in garbled or "too big" in row["reason"], row
    return Counter({"messages rejected": len(kept)})
