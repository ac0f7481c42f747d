"""The oracle itself: on cases small enough to check by eye, and on real input."""

import csv
import gzip
import json
from bisect import bisect_right
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random

import duckdb
import oracle
import pytest
from raw_lines import DAY_US, SECOND_US, line, micros, session

START_US = micros("2025-10-20T12:00:00Z")
START = START_US // SECOND_US
CAPTURES = Path(__file__).parents[2] / "shared" / "data" / "binance"


def us(seconds: float) -> int:
    return START_US + round(seconds * SECOND_US)


def trade(trade_id: int, at: float, price: str = "100", qty: str = "1", **own) -> dict:
    """A trade `at` seconds, heard at once unless `own` says otherwise."""
    row = {"ts_recv": us(at), "event_time": us(at), "side": "buy", "source": "ws", "conn": 1} | own
    return line("S", "trade", us(at), trade_id=trade_id, price=price, qty=qty, **row)


def quote(update_id: int, at: float, bid: str = "99", ask: str = "101", conn: int = 1) -> dict:
    own = {"update_id": update_id, "bid": bid, "ask": ask, "bid_qty": "1", "ask_qty": "1"}
    return line("S", "bookTicker", us(at), ts_recv=us(at), conn=conn, **own)


def absent(first_id: int, last_id: int) -> dict:
    return line("S", "absent", us(0), ts_recv=us(0), first_id=first_id, last_id=last_id)


def judged(*lines: dict, sessions: tuple = ()) -> oracle.Judgement:
    return oracle.judge(list(lines), list(sessions))["S"]


def bars(*lines: dict, sessions: tuple = (), columns: str = "second, state") -> list[tuple]:
    """Some columns of the bars; seconds count from START."""
    rows = []
    for values in judged(*lines, sessions=sessions).bars:
        row = dict(zip(oracle.BAR.split(", "), values, strict=True))
        rows.append(tuple(row[name] for name in columns.split(", ")))
    return [(row[0] - START, *row[1:]) for row in rows] if columns.startswith("second") else rows


def quote_times(*lines: dict, sessions: tuple = ()) -> dict[int, float]:
    """Seconds from START at which the quotes lie, by update id."""
    quotes = judged(*lines, sessions=sessions).quotes
    return {key: (time - START_US) / SECOND_US for key, (_, time) in quotes.items()}


def test_a_bar_takes_its_trades_in_order_of_their_ids_not_of_their_times():
    lines = trade(3, 0.1, "7"), trade(1, 0.9, "5", "2"), trade(2, 0.5, "9", side="sell")
    columns = "open, high, low, close, volume_base, volume_quote, trade_count, vwap"
    assert bars(*lines, columns=columns) == [(5.0, 9.0, 5.0, 7.0, 4.0, 26.0, 3, 6.5)]
    columns = "taker_buy_base, taker_buy_quote, first_trade_id, last_trade_id"
    assert bars(*lines, columns=columns) == [(3.0, 17.0, 1, 3)]


def test_a_second_between_consecutive_ids_is_quiet_at_the_close_before():
    columns = "second, open, close, vwap, volume_base, trade_count, first_trade_id, state"
    quiet = (1, 5.0, 5.0, 5.0, 0.0, 0, None, "quiet")
    assert bars(trade(1, 0, "5"), trade(2, 2, "6"), columns=columns)[1] == quiet


def test_missing_ids_make_seconds_dark_and_their_neighbours_partial():
    lines = [trade(number, at) for number, at in ((1, 0), (2, 1), (5, 3), (6, 4), (7, 5), (8, 6))]
    states = ["partial", "partial", "dark", "partial", "traded", "traded", "partial"]
    assert bars(*lines) == list(enumerate(states))
    assert bars(*lines, columns="close, vwap, trade_count")[2] == (None, None, None)


def test_a_hole_is_as_wide_as_its_neighbours_in_whichever_order_they_are():
    lines = [trade(number, at) for number, at in ((1, 0), (2, 4), (4, 2), (5, 6), (6, 7))]
    states = ["partial", "quiet", "partial", "dark", "partial", "quiet", "traded", "partial"]
    assert bars(*lines) == list(enumerate(states))


def test_the_lowest_and_the_highest_id_touch_all_on_their_open_side():
    lines = trade(2, 0), trade(1, 2), trade(4, 3), trade(3, 5)
    states = ["partial", "dark", "partial", "partial", "dark", "partial"]
    assert bars(*lines) == list(enumerate(states))


def test_ids_that_the_exchange_lacks_leave_no_hole_unless_one_is_still_unknown():
    lines = trade(1, 0), trade(9, 2)
    assert bars(*lines, absent(2, 5), absent(4, 8))[1] == (1, "quiet")
    assert bars(*lines, absent(2, 5), absent(4, 7))[1] == (1, "dark")


def test_a_trade_heard_twice_counts_once_as_it_was_heard_first():
    first, again = trade(1, 0, source="rest", ts_recv=us(3)), trade(1, 0, ts_recv=us(4))
    assert judged(again, first).trades[1][0] is first
    assert judged(first, trade(1, 0, ts_recv=us(3))).trades[1][0]["source"] == "ws"
    assert bars(again, first, columns="trade_count") == [(1,)]


def test_the_tape_counts_ids_copies_repairs_and_holes_by_day_of_the_trade():
    midnight = 12 * 3600
    lines = [trade(1, 0), trade(1, 1), trade(5, 2, source="rest"), trade(9, midnight)]
    lines[1]["ts_event"] = us(0)
    today = START_US // DAY_US
    tape = judged(*lines, absent(2, 3), absent(8, 8)).tape
    assert tape == {today: (1, 5, 2, 3, 1, 1, 3), today + 1: (9, 9, 1, 0, 0, 0, 0)}


def test_huge_and_tiny_numbers_are_summed_exactly_and_rounded_once():
    lines = trade(1, 0, "0.00000001", "99999999999999999999.99999999"), trade(2, 0, "3", "1e-8")
    exact = Decimal("99999999999999999999.99999999") * Decimal("0.00000001") + Decimal("3e-8")
    assert bars(*lines, columns="volume_base, volume_quote") == [(1e20, float(exact))]


def test_trades_without_size_have_no_vwap():
    assert bars(trade(1, 0, "5", "0"), columns="close, volume_base, vwap") == [(5.0, 0.0, None)]


def test_days_with_neither_trade_nor_session_of_the_symbol_have_no_rows():
    lines = trade(1, 0), trade(2, 2 * 86_400)
    between = [
        session("connected", us(86_400), 9),
        session("subscribed", us(86_400), 9, symbols=["T"]),
        session("disconnected", us(86_401), 9),
    ]
    assert len(bars(*lines)) == 12 * 3600 + 12 * 3600 + 1
    assert len(bars(*lines, sessions=between)) == 12 * 3600 + 12 * 3600 + 1
    between[1]["symbols"] = ["S", "T"]
    assert len(bars(*lines, sessions=between)) == 2 * 86_400 + 1


def test_the_median_is_that_of_the_database():
    random = Random(1)
    for size in (*range(1, 9), 50, 51):
        values = [random.randint(-9, 9) for _ in range(size)]
        query = "select quantile_disc(value, 0.5) from (select unnest(?) as value)"
        assert oracle.lower_median(values) == duckdb.execute(query, [values]).fetchone()[0]


def test_a_quote_moves_by_the_median_of_its_minute():
    early = [trade(number, number, event_time=us(number + number)) for number in (1, 2, 3, 4)]
    assert quote_times(*early, quote(1, 30)) == {1: 32}
    other = [row | {"conn": 2} for row in early]
    fetched = [row | {"source": "rest"} for row in early]
    assert quote_times(*other, *fetched, quote(1, 30)) == {1: 30}


def test_a_quote_without_trades_in_its_minute_takes_the_nearest_of_the_hour_the_earlier_of_two():
    lines = trade(1, 0, event_time=us(1)), trade(2, 120, event_time=us(122))
    assert quote_times(*lines, quote(1, 119), quote(2, 180)) == {1: 120, 2: 182}


def test_a_quote_without_trades_in_its_hour_takes_the_first_measured_offset():
    lines = trade(1, 3599, event_time=us(3601)), quote(1, 3598), quote(2, 3600)
    clock = [session("clock", us(at), 1, offset=offset) for at, offset in ((0, 5), (9, 7))]
    assert quote_times(*lines, sessions=clock) == {1: 3600, 2: 3600.000005}
    assert quote_times(*lines) == {1: 3600, 2: 3600}


def shown(*lines: dict, sessions: tuple = ()) -> list[float | None]:
    """The bid of each second."""
    return [bid for (bid,) in bars(*lines, sessions=sessions, columns="bid")]


def test_a_quote_is_carried_forward_while_the_symbol_is_covered():
    trades = trade(1, 0), trade(2, 3.5)
    assert shown(*trades, quote(1, -1.5, "7"), quote(2, 1.2, "8")) == [7, 8, 8, None]
    assert shown(*trades, quote(1, 0.5, "7"), quote(2, 5, "8")) == [7, 7, 7, 7]


def test_a_quote_counts_in_its_own_second_though_the_cover_ends_there():
    trades = trade(1, 0, source="rest"), trade(2, 2, source="rest")
    assert shown(*trades, quote(1, 0.5, "7")) == [7, None, None]
    assert shown(*trades, quote(1, 0.5, "7"), quote(2, 0.5, "8")) == [8, None, None]


def test_a_stall_of_the_connection_or_the_symbol_ends_the_cover():
    lines = trade(1, 0), quote(1, 0, "7"), trade(2, 5)
    opened, stalled = session("connected", us(-1), 1), session("stalled", us(3), 1)
    whole, broken = [7] * 5 + [None], [7] + [None] * 5
    assert shown(*lines, sessions=(opened,)) == whole
    assert shown(*lines, sessions=(opened, stalled)) == broken
    assert shown(*lines, sessions=(opened, stalled | {"symbol": "S"})) == broken
    assert shown(*lines, sessions=(opened, stalled | {"symbol": "T"})) == whole
    assert shown(*lines, sessions=(opened, stalled | {"conn": 2})) == whole


def test_a_minute_of_silence_ends_the_cover_of_a_connection_without_a_session():
    known = (session("connected", us(-1), 1),)
    assert len(judged(quote(1, 0), quote(2, 60)).covers) == 1
    assert len(judged(quote(1, 0), quote(2, 60.000001)).covers) == 2
    assert len(judged(quote(1, 0), quote(2, 61), sessions=known).covers) == 1
    other = quote(3, 30, conn=2), quote(4, 99, conn=2)
    assert len(judged(quote(1, 0), quote(2, 61), *other).covers) == 4


def test_overlapping_and_touching_covers_are_one():
    lines = [quote(at, at, conn=conn) for conn, at in ((1, 0), (1, 9), (2, 9), (2, 20), (3, 21))]
    covers = judged(*lines).covers
    assert covers == [(us(0), us(20)), (us(21), us(21))]


def captured(folder: Path) -> list[dict]:
    """Trades and best quotes of a capture in which a line is `<receive time, ns> <message>`."""
    lines, conn = [], None
    for path in sorted(folder.glob("btcusdt_*.gz")):
        for text in gzip.decompress(path.read_bytes()).decode().splitlines():
            received, _, message = text.partition(" ")
            received, message = int(received) // 1000, json.loads(message)
            conn = conn or received
            if message.get("stream") in ("btcusdt@trade", "btcusdt@bookTicker"):
                lines.append(raw_line(message["data"]) | {"ts_recv": received, "conn": conn})
    return lines


def raw_line(data: dict) -> dict:
    """One message of the exchange as a raw line, but for when and where it was received."""
    if data.get("e") == "trade":
        own = {"price": data["p"], "qty": data["q"], "side": "sell" if data["m"] else "buy"}
        own |= {"trade_id": data["t"], "event_time": data["E"] * 1000, "source": "ws"}
        return line(data["s"], "trade", data["T"] * 1000, **own)
    own = {"update_id": data["u"], "bid": data["b"], "ask": data["a"]}
    return line(data["s"], "bookTicker", 0, **own, bid_qty=data["B"], ask_qty=data["A"])


@pytest.fixture(scope="module")
def capture() -> oracle.Judgement:
    if not CAPTURES.is_dir():
        pytest.skip("the recordings of real markets are not on this machine")
    return oracle.judge(captured(CAPTURES), [])["BTCUSDT"]


def test_the_real_capture_is_complete_with_six_quiet_seconds(capture):
    counts = [row[2:6] for row in capture.tape.values()]
    assert counts == [(9738, 0, 0, 0), (10166, 0, 0, 0)] and len(capture.trades) == 19_904
    states = Counter(row[-1] for row in capture.bars)
    assert states == {"traded": 643, "quiet": 6, "partial": 2}


def test_the_real_capture_gives_the_official_klines_in_all_nine_fields(capture):
    with (CAPTURES / "official_klines_5m.csv").open() as file:
        official = list(csv.DictReader(file))
    assert len(official) == 2
    for kline in official:
        start = int(kline["open_time"]) // 1000
        bars = [row for row in capture.bars if start <= row[0] < start + 300]
        opened, high, low, closed = zip(*(row[1:5] for row in bars), strict=True)
        ours = [exact(price) for price in (opened[0], max(high), min(low), closed[-1])]
        ours += [sum(exact(row[column]) for row in bars) for column in (5, 6, 7, 12, 13)]
        names = "open high low close volume quote_volume trades taker_buy_base taker_buy_quote"
        assert ours == [Decimal(kline[name]) for name in names.split()]


def exact(number: float) -> Decimal:
    """The decimal number that a double of at most 15 digits stands for."""
    return Decimal(repr(number))


def test_the_quotes_of_the_real_capture_line_up_with_its_trades_once_moved(capture):
    received = {key: (row, row["ts_recv"]) for key, (row, _) in capture.quotes.items()}
    assert inside_share(capture.trades, received) == pytest.approx(0.128, abs=0.001)
    assert inside_share(capture.trades, capture.quotes) >= 0.58


def inside_share(trades: dict, quotes: dict) -> float:
    """Share of the trades whose price lies within the last quote at their time."""
    ordered = sorted((time, key) for key, (_, time) in quotes.items())
    inside = 0
    for row, time in trades.values():
        before = bisect_right(ordered, (time, float("inf")))
        quoted, _ = quotes[ordered[before - 1][1]]
        inside += Decimal(quoted["bid"]) <= Decimal(row["price"]) <= Decimal(quoted["ask"])
    return inside / len(trades)
