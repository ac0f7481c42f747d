"""What each second says of itself, on tapes small enough to read."""

import json
import math

import lakes
import pytest
from lakes import DAY, MIDNIGHT, NOON, quote, sessions, trade
from raw_lines import DAY_US, HOUR_US, MINUTE_US, SECOND_US, session

BAR = (
    "epoch(window_start)::bigint - {start}, open, high, low, close, volume_base, trade_count, vwap"
    ", bid, state"
)
ODD = ("1000", "ES=F", "币安USDT", "A B'C\"D", "..", "a%b", "x[1]*?")


def us(seconds: float, of: int = NOON) -> int:
    return of + round(seconds * SECOND_US)


def states_tape(symbol: str) -> list[dict]:
    """Ids 1 to 9 in nine seconds; 5 and 6 were never heard."""
    heard = {1: 0, 2: 1, 3: 1.5, 4: 3, 7: 5, 8: 6, 9: 7}
    return [trade(symbol, number, us(at), str(100 + number), "2") for number, at in heard.items()]


def predecessor_lines(symbol: str) -> list[dict]:
    """Raw as the predecessor wrote it: milliseconds, numbers, nine keys, no ids of quotes."""
    keys = (
        "symbol",
        "ts_event",
        "ts_recv",
        "price",
        "qty",
        "side",
        "bid",
        "ask",
        "stream",
        "trade_id",
    )
    rows = [
        (symbol, us(0) // 1000, us(0) // 1000, 61837.63, 0.02, "buy", None, None, "trade", 11),
        (
            symbol,
            us(0.5) // 1000,
            us(0.5) // 1000,
            None,
            None,
            None,
            61837.0,
            61838.5,
            "bookTicker",
            None,
        ),
        (symbol, us(1) // 1000, us(1) // 1000, 61838, 1e-05, "sell", None, None, "trade", 12),
        (
            symbol,
            us(1.5) // 1000,
            us(1.5) // 1000,
            None,
            None,
            None,
            61837.5,
            61838.25,
            "bookTicker",
            None,
        ),
        (symbol, us(3) // 1000, us(3) // 1000, 61840.1, 3, "buy", None, None, "trade", 13),
    ]
    return [dict(zip(keys, row, strict=True)) for row in rows]


TAPES = {
    "STATES": states_tape("STATES"),
    "NIGHT": [
        trade("NIGHT", 1, MIDNIGHT - 1, "1"),
        trade("NIGHT", 2, MIDNIGHT, "2"),
        trade("NIGHT", 3, MIDNIGHT + 1, "3"),
        quote("NIGHT", 1, MIDNIGHT - 10),
    ],
    "PAUSE": [trade("PAUSE", 1, us(0)), trade("PAUSE", 2, us(0) + 3 * DAY_US)],
    "ONE_TRADE": [trade("ONE_TRADE", 7, us(0), "5", "3", side="sell")],
    "ONE_QUOTE": [quote("ONE_QUOTE", 7, us(0))],
    "BOTH": [quote("BOTH", 7, us(0.2)), trade("BOTH", 7, us(0.1))],
    "BEHIND": [
        trade("BEHIND", 3, us(0.1), "7"),
        trade("BEHIND", 1, us(0.9), "5"),
        trade("BEHIND", 2, us(0.5), "9"),
    ],
    "CARRY": [
        trade("CARRY", 1, us(0), conn=1),
        quote("CARRY", 1, us(0.5), bid="90", conn=1),
        quote("CARRY", 2, us(4.2), bid="91", conn=1),
        trade("CARRY", 2, us(12), conn=2),
        quote("CARRY", 3, us(12.5), bid="92", conn=2),
        trade("CARRY", 3, us(15), conn=2),
    ],
    "STALL": [
        trade("STALL", 1, us(0), conn=1),
        quote("STALL", 1, us(0.5), conn=1),
        trade("STALL", 2, us(1.5), conn=1),
        trade("STALL", 3, us(8), conn=1),
        quote("STALL", 2, us(8.5), conn=1),
    ],
    "TINY": [
        trade("TINY", 1, us(0), "0.00000001", "99999999999999999999.99999999"),
        trade("TINY", 2, us(0.1), "9999999999.99999999", "0.00000001"),
    ],
    "NOSIZE": [trade("NOSIZE", 1, us(0), "5", "0")],
    **{symbol: states_tape(symbol) for symbol in ODD},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One lake with all tapes; STALL and CARRY have connections that are known."""
    folder = lakes.make(tmp_path_factory.mktemp("states") / "lake")
    for symbol, rows in TAPES.items():
        lakes.put(folder, symbol, rows)
    one = sessions(us(-1), us(9), ["CARRY", "STALL"], conn=1)
    one.insert(3, session("stalled", us(4), 1, symbol="STALL", detail="silent"))
    lakes.put(folder, "_sessions", [*one, *sessions(us(11), us(20), ["CARRY"], conn=2)])
    old = "\n".join(json.dumps(row) for row in predecessor_lines("OLD"))
    lakes.part(folder, "OLD", NOON, f"{old}\n".encode())
    lakes.bring(folder)
    return folder


def bars(folder, symbol: str, columns: str = BAR, start: int = NOON) -> list[tuple]:
    columns = columns.format(start=start // SECOND_US)
    name = symbol.replace("'", "''")
    return lakes.ask(
        folder, f"select {columns} from bars_1s where symbol = '{name}' order by window_start"
    )


def test_every_second_is_traded_quiet_partial_or_dark(folder):
    assert bars(folder, "STATES") == [
        (0, 101, 101, 101, 101, 2, 1, 101, None, "partial"),
        (1, 102, 103, 102, 103, 4, 2, 102.5, None, "traded"),
        (2, 103, 103, 103, 103, 0, 0, 103, None, "quiet"),
        (3, 104, 104, 104, 104, 2, 1, 104, None, "partial"),
        (4, None, None, None, None, None, None, None, None, "dark"),
        (5, 107, 107, 107, 107, 2, 1, 107, None, "partial"),
        (6, 108, 108, 108, 108, 2, 1, 108, None, "traded"),
        (7, 109, 109, 109, 109, 2, 1, 109, None, "partial"),
    ]


def test_the_sums_of_a_dark_second_are_null_and_of_a_quiet_one_zero(folder):
    columns = "volume_quote, taker_buy_base, taker_buy_quote, first_trade_id, last_trade_id, state"
    rows = bars(folder, "STATES", columns)
    assert rows[1] == (410, 4, 410, 2, 3, "traded")
    assert rows[2] == (0, 0, 0, None, None, "quiet")
    assert rows[4] == (None, None, None, None, None, "dark")


def test_dark_seconds_show_the_previous_close_where_the_config_says_so(tmp_path):
    folder = lakes.make(tmp_path / "lake", "gapfill:\n  dark: previous_close\n")
    lakes.put(folder, "STATES", states_tape("STATES"))
    lakes.bring(folder)
    assert bars(folder, "STATES")[4] == (4, 104, 104, 104, 104, 0, 0, 104, None, "dark")
    assert lakes.ask(folder, "select missing, verdict from tape") == [(2, "incomplete")]


def test_trades_on_both_sides_of_midnight_lie_in_their_own_days(folder):
    columns = "epoch_us(window_start), day::varchar, open, trade_count, bid, state"
    assert bars(folder, "NIGHT", columns) == [
        (MIDNIGHT - SECOND_US, DAY, 1, 1, 99, "partial"),
        (MIDNIGHT, lakes.NEXT_DAY, 2, 2, None, "partial"),
    ]
    tape = """
        select day::varchar, first_id, last_id, count, missing, verdict
        from tape where symbol = 'NIGHT' order by day"""
    assert lakes.ask(folder, tape) == [
        (DAY, 1, 1, 1, 0, "complete"),
        (lakes.NEXT_DAY, 2, 3, 2, 0, "complete"),
    ]


def test_a_day_that_nobody_recorded_has_no_file_and_says_so_in_the_certificate(folder):
    days = ["2025-10-20", "2025-10-21", "2025-10-22", "2025-10-23"]
    query = (
        "select day::varchar, count, missing, verdict from tape where symbol = 'PAUSE' order by day"
    )
    rows = lakes.ask(folder, query)
    assert [row[0] for row in rows] == days
    assert [row[-1] for row in rows] == ["complete", "not recorded", "not recorded", "complete"]
    there = [(folder / "data" / lakes.place("bars_1s", "PAUSE", day)).exists() for day in days]
    assert there == [True, False, False, True]
    bars = "select day::varchar, count(*) from bars_1s where symbol = 'PAUSE' group by day"
    seconds = sorted(lakes.ask(folder, bars))
    assert seconds == [(days[0], 43_200), (days[3], 43_201)]


def test_one_trade_is_one_bar_of_one_partial_second(folder):
    assert bars(folder, "ONE_TRADE") == [(0, 5, 5, 5, 5, 3, 1, 5, None, "partial")]


def test_one_quote_and_no_trade_make_no_bar(folder):
    assert bars(folder, "ONE_QUOTE") == []
    assert lakes.ask(folder, "select count(*) from quotes where symbol = 'ONE_QUOTE'") == [(1,)]
    assert lakes.ask(folder, "select count(*) from covers where symbol = 'ONE_QUOTE'") == [(1,)]
    assert lakes.ask(folder, "select count(*) from latest_price where symbol = 'ONE_QUOTE'") == [
        (0,)
    ]


def test_one_quote_and_one_trade_are_one_bar_with_a_spread(folder):
    assert bars(folder, "BOTH", "bid, ask, spread, close") == [(99, 101, 2, 100)]


def test_a_bar_follows_the_ids_where_times_run_backwards(folder):
    assert bars(folder, "BEHIND", "open, high, low, close") == [(5, 9, 5, 7)]


def test_a_quote_is_carried_within_one_cover_only(folder):
    shown = [bid for (bid,) in bars(folder, "CARRY", "bid")]
    assert shown == [90, 90, 90, 90, 91, None, None, None, None, None, None, None, 92, 92, 92, None]


def test_a_stall_ends_the_cover_and_with_it_the_quote(folder):
    shown = [bid for (bid,) in bars(folder, "STALL", "bid")]
    assert shown == [99, None, None, None, None, None, None, None, 99]


def test_huge_and_tiny_numbers_do_not_overflow_and_are_rounded_once(folder):
    [row] = bars(folder, "TINY", "open, high, volume_base, volume_quote, vwap")
    assert row[:3] == (1e-8, 9999999999.99999999, 1e20)
    assert row[3] == pytest.approx(1e12 + 100, rel=1e-15) and math.isfinite(row[4])


def test_a_trade_without_size_still_has_prices(folder):
    [row] = bars(folder, "NOSIZE", "close, volume_base, trade_count")
    assert row == (5, 0, 1)


@pytest.mark.parametrize("symbol", ODD)
def test_a_symbol_of_odd_characters_stays_what_it_is(folder, symbol):
    assert [row[-1] for row in bars(folder, symbol)] == [row[-1] for row in bars(folder, "STATES")]
    name = symbol.replace("'", "''")
    for relation in ("trades", "covers", "tape", "bars_1m", "latest_price", "daily_summary"):
        query = f"select distinct symbol, typeof(symbol) from {relation} where symbol = '{name}'"
        assert lakes.ask(folder, query) == [(symbol, "VARCHAR")], relation


def test_odd_symbols_have_folders_that_any_file_system_takes(folder):
    plain = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%=")
    names = {part for name in lakes.published(folder) for part in name.split("/")}
    assert [name for name in names if not set(name) <= plain or not name.strip(".")] == []


def test_a_lake_of_the_predecessor_is_read_exactly(folder):
    assert bars(folder, "OLD", BAR + ", ask") == [
        (0, 61837.63, 61837.63, 61837.63, 61837.63, 0.02, 1, 61837.63, 61837.0, "partial", 61838.5),
        (1, 61838, 61838, 61838, 61838, 1e-05, 1, 61838, 61837.5, "traded", 61838.25),
        (2, 61838, 61838, 61838, 61838, 0, 0, 61838, 61837.5, "quiet", 61838.25),
        (3, 61840.1, 61840.1, 61840.1, 61840.1, 3, 1, 61840.1, None, "partial", None),
    ]
    query = """
        select trade_id, price::varchar, qty::varchar, side, epoch_us(ts_event)
        from trades where symbol = 'OLD' order by trade_id limit 1"""
    assert lakes.ask(folder, query) == [(11, "61837.63000000", "0.02000000", "buy", NOON)]
    assert lakes.ask(folder, "select count(*) from rejects") == [(0,)]


def test_the_build_knows_no_time_but_that_of_the_lines(tmp_path):
    """A day is open as long as the lake says so: hours of ticks are published once complete."""
    folder = lakes.make(tmp_path / "lake")
    rows = [trade("SOLUSDT", number, us(0) + number * 10 * MINUTE_US) for number in range(1, 9)]
    lakes.put(folder, "SOLUSDT", rows)
    lakes.put(folder, "_sessions", sessions(us(0), us(0) + DAY_US, ["SOLUSDT"])[:3])
    with lakes.hold_collector(folder):
        lakes.bring(folder)
        assert lakes.ask(folder, "select max(trade_id) from trades") == [(5,)]
        assert lakes.ask(folder, "select max(last_trade_id) from bars_1s") == [(8,)]
    lakes.put(folder, "SOLUSDT", [trade("SOLUSDT", 9, us(0) + 2 * HOUR_US + SECOND_US)])
    with lakes.hold_collector(folder):
        lakes.bring(folder)
        assert lakes.ask(folder, "select max(trade_id) from trades") == [(8,)]
    lakes.bring(folder)
    assert lakes.ask(folder, "select max(trade_id) from trades") == [(9,)]
