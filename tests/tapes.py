"""Random tapes that try to break the build: the raw folder of a whole lake, made from a seed.

Times are epoch microseconds (`_us`). An exchange makes trades and quotes of many symbols; a few
connections, each with a clock of its own that is seconds off, hear some of them, late, twice or
not at all; a repair fetches some of the rest.
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from raw_lines import (
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    line,
    micros,
    session,
    write_lines,
    write_repairs,
)

# Moments around which the tapes lie: plain, over an hour, a day, a leap day, a year.
MOMENTS = (
    "2025-10-20T13:27:31Z",
    "2025-10-20T16:00:00Z",
    "2025-10-21T00:00:00Z",
    "2024-03-01T00:00:00Z",
    "2026-01-01T00:00:00Z",
)
# Least and greatest price and quantity; the greatest products stay within DECIMAL(38,16).
SCALES = (
    ("60000.00", "61000.00", "0.00001", "2"),
    ("0.00000001", "0.00000009", "0.00000001", "99999999999999999999.99999999"),
    ("9999999998.00000001", "9999999999.99999999", "0.00000001", "1000000.00000001"),
    ("0.5", "0.6", "0.00000001", "0.00000003"),
)
# Trades of a tape of each kind.
KINDS = {"busy": 150, "ties": 150, "sparse": 12, "one trade": 1, "quotes only": 0}


@dataclass(frozen=True)
class Connection:
    """One connection: open from `start` to `end` on the exchange's clock; its own clock shows
    `skew` more, and `drift` microseconds on top of it for each minute."""

    conn: int
    start: int
    end: int
    skew: int
    drift: int
    is_known: bool

    def received(self, time_us: int) -> int:
        """What our clock shows at a moment of the exchange's."""
        return time_us + self.skew + self.drift * ((time_us - self.start) // MINUTE_US)


def write_lake(
    base: Path, seed: int, symbols: int = 30, span_us: int = 5 * MINUTE_US, gap_us: int = 0
) -> None:
    """Write the raw folder of a lake with `symbols` tapes of about `span_us` each; with `gap_us`
    they go on after an interruption of that length."""
    random = Random(seed)
    moment = micros(random.choice(MOMENTS)) + random.randint(0, SECOND_US)
    window = moment - span_us * random.randint(3, 7) // 10, moment + span_us // 2
    windows = [window] + [(window[0] + gap_us, window[1] + gap_us)] * (gap_us > 0)
    has_sessions = random.random() < 0.8
    connections = make_connections(random, windows, has_sessions)
    sessions, names = [], [f"S{number}USDT" for number in range(symbols - 3)]
    for name in [*names, "1000", "ES=F", "币安USDT"]:
        heard = random.sample(connections, random.randint(1, len(connections)))
        tape = Tape(random, name, heard, windows)
        write_lines(base, name, tape.lines)
        write_repairs(base, name, tape.repairs)
        sessions += tape.sessions()
    if has_sessions:
        write_lines(base, "_sessions", run_lines(random, connections, sessions))


def make_connections(random: Random, windows: list, has_sessions: bool) -> list[Connection]:
    """A few connections that overlap or leave gaps; the first hears the beginning."""
    connections = []
    for number in range(random.randint(len(windows), 4)):
        low, high = windows[number % len(windows)]
        start, end = sorted(random.randint(low - MINUTE_US, high + MINUTE_US) for _ in "se")
        if number == 0:
            start, end = low - 20 * SECOND_US, max(end, low + 20 * SECOND_US)
        skew, drift = random.randint(-1_300_000, 5_000_000), random.randint(-300, 300)
        is_known = has_sessions and random.random() < 0.85
        connections.append(Connection(start + skew, start, end, skew, drift, is_known))
    return connections


class Tape:
    """One symbol: the `lines` that were received and the `repairs`."""

    def __init__(self, random: Random, symbol: str, heard: list[Connection], windows: list):
        self.random, self.symbol, self.heard, self.windows = random, symbol, heard, windows
        self.lines, self.repairs = [], []
        self.low, self.high, *self.sizes = random.choice(SCALES)
        self.kind = random.choice(("busy", *KINDS))
        trades = self.make_trades()
        lost = self.lost_ids([trade for _, trade in trades])
        self.deliver([event for event in trades if event[1]["trade_id"] not in lost])
        if random.random() < 0.85 or self.kind == "quotes only":
            self.deliver(self.make_quotes())
        now = windows[-1][1] + random.randint(2, 40) * MINUTE_US
        self.fetch([trade for _, trade in trades], now)

    def moments(self, count: int, margin_us: int = 0) -> list[int]:
        """Random times within the windows, in order."""
        windows = self.random.choices(self.windows, k=count)
        return sorted(
            self.random.randint(low - margin_us, high + margin_us) for low, high in windows
        )

    def decimal(self, least: str, most: str) -> str:
        """A number between two, in the eight decimals that the exchange sends, or fewer."""
        low, high = (units(text) for text in (least, most))
        own = self.random.choice((low, high, *(self.random.randint(low, high) for _ in range(6))))
        text = f"{own // 10**8}.{own % 10**8:08d}"
        return text if self.random.random() < 0.8 else text.rstrip("0").rstrip(".")

    def make_trades(self) -> list[tuple[int, dict]]:
        """(moment, trade) in order of the ids; some ids never were, some times run backwards."""
        random, trade_id = self.random, self.random.choice((1, 3_735_683_259, 10**14))
        step = random.choice((1000, 2_500_000)) if self.kind == "ties" else 1
        trades = []
        for moment in self.moments(KINDS[self.kind]):
            back = random.choice((700_000, 1_500_000, 90_000_000)) if random.random() < 0.03 else 0
            if random.random() < 0.0005:
                back = 2 * HOUR_US
            trade_id += 1
            if random.random() < 0.02:
                trade_id += random.choice((1, 5, 3_000_000))
            trades.append((moment, self.trade(trade_id, (moment - back) // step * step)))
        return trades

    def trade(self, trade_id: int, time_us: int) -> dict:
        """A trade as the exchange makes it; one in fifty of no size at all."""
        size = self.decimal(*self.sizes) if self.random.random() < 0.98 else "0.00000000"
        side = self.random.choice(("buy", "sell"))
        own = {"price": self.decimal(self.low, self.high), "qty": size, "side": side}
        return line(self.symbol, "trade", time_us, **own, trade_id=trade_id)

    def make_quotes(self) -> list[tuple[int, dict]]:
        """(moment, quote) in order of the ids, from before the first trade to after the last."""
        random, update_id = self.random, self.random.randint(1, 10**11)
        quotes = []
        for moment in self.moments(random.choice((1, 10, 150)), MINUTE_US):
            update_id += random.randint(1, 9)
            early = random.randint(1, 3 * SECOND_US) if random.random() < 0.02 else 0
            own = {"bid": self.decimal(self.low, self.high), "bid_qty": self.decimal(*self.sizes)}
            own |= {"ask": self.decimal(self.low, self.high), "ask_qty": self.decimal(*self.sizes)}
            own["update_id"] = update_id
            quotes.append((moment - early, line(self.symbol, "bookTicker", moment, **own)))
        return quotes

    def lost_ids(self, trades: list[dict]) -> set[int]:
        """Ids in a few runs of trades that no connection hears."""
        lost = set()
        for _ in range(self.random.choice((0, 0, 1, 3))):
            first = self.random.randint(0, len(trades))
            run = trades[first : first + self.random.choice((1, 4, 25))]
            lost |= {trade["trade_id"] for trade in run}
        return lost

    def deliver(self, events: list[tuple[int, dict]]) -> None:
        """Let each connection hear most of what happens while it is open, some of it twice."""
        random, deafness = self.random, self.random.choice((0, 0, 0.01, 0.3))
        for moment, event in events:
            for connection in self.heard:
                if connection.start <= moment <= connection.end:
                    copies = (random.random() >= deafness) + (random.random() < 0.02)
                    for _ in range(copies):
                        self.receive(moment, event, connection)

    def receive(self, moment: int, event: dict, connection: Connection) -> None:
        """Write down one event as one connection heard it, at times late by minutes."""
        random = self.random
        sent = moment + random.choice((0, 1000, 1000, 204_000))
        delay = random.randint(300, 9_000)
        if random.random() < 0.02:
            delay += random.choice((400_000, 2_000_000, 200_000_000))
        received = connection.received(min(sent + delay, max(connection.end, moment)))
        if event["stream"] == "trade":
            own = {"event_time": sent, "source": "ws"}
        else:
            own = {"ts_event": received}
        self.lines.append({**event, **own, "ts_recv": received, "conn": connection.conn})

    def fetch(self, trades: list[dict], now: int) -> None:
        """Repair by id: some lost trades, some that were heard, some ids that never were."""
        random, heard = self.random, {row.get("trade_id") for row in self.lines}
        wish = random.choice((0, 0, 0.5, 1))
        for trade in trades:
            if random.random() < (0.02 if trade["trade_id"] in heard else wish):
                received = random.choice((now, now, now, trade["ts_event"] + 2 * SECOND_US))
                self.repairs.append({**trade, "source": "rest", "ts_recv": received})
        for before, after in zip(trades, trades[1:], strict=False):
            first, last = before["trade_id"] + 1, after["trade_id"] - 1
            if first <= last and random.random() < 0.7:
                for low, high in self.absences(first, last):
                    own = {"ts_recv": now, "first_id": low, "last_id": high}
                    self.repairs.append(line(self.symbol, "absent", before["ts_event"], **own))

    def absences(self, first: int, last: int) -> list[tuple[int, int]]:
        """Ranges in which a hole may be known to be absent: whole, twice, in two, in part."""
        middle = (first + last) // 2
        return self.random.choice(
            (
                [(first, last)],
                [(first, last), (first, last)],
                [(middle, last), (first, middle)],
                [(first, middle), (min(middle + 1, last), last)],
                [(first, middle)],
            )
        )

    def sessions(self) -> list[dict]:
        """What the session log says of this symbol."""
        random, rows = self.random, []
        for connection in self.heard:
            conn = connection.conn
            rows.append(session("subscribed", conn + 1, conn, symbols=[self.symbol]))
            if random.random() < 0.3:
                moment = random.randint(connection.start, connection.end)
                own = {"symbol": self.symbol, "detail": "silent"}
                rows.append(session("stalled", connection.received(moment), conn, **own))
            if random.random() < 0.1:
                own = {"symbol": self.symbol, "stream": "trade", "first_id": 5, "last_id": 8}
                moment = connection.received(connection.end)
                rows.append(session("dropped", moment, conn, **own, count=4))
        return rows


def units(text: str) -> int:
    """A decimal text in units of 0.00000001."""
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(8, "0"))


def run_lines(random: Random, connections: list[Connection], own: list[dict]) -> list[dict]:
    """The session log of one run; connections that are not known left no trace in it."""
    rows = []
    for connection in connections:
        conn = connection.conn
        opened, closed = connection.received(connection.start), connection.received(connection.end)
        rows.append(session("connected", opened, conn))
        for _ in range(random.randint(0, 2)):
            offset = -connection.skew + random.randint(-9_000, 9_000)
            moment = random.randint(opened, closed)
            rows.append(session("clock", moment, conn, offset=offset, detail="8 ms"))
        if random.random() < 0.3:
            rows.append(session("stalled", random.randint(opened, closed), conn, detail="silent"))
        rows.append(session("disconnected", closed, conn, detail="closed"))
    known = {connection.conn for connection in connections if connection.is_known}
    rows = [row for row in [*rows, *own] if row["conn"] in known]
    times = [row["ts_recv"] for row in rows] or [connections[0].conn]
    start = session("start", min(times) - 1000, mode="live")
    return [start, *rows, session("stop", max(times) + 1000)]
