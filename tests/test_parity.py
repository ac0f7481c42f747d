"""Bars and official klines of one list of trades are the same, field by field."""

import lakes
from backfills import backfill
from holed_lakes import make
from raw_lines import MINUTE_US, SECOND_US

from replay.market import Market
from runner.moments import microseconds

START_US = microseconds("2025-10-20T14:55:00Z")


def test_bars_equal_the_klines_also_of_a_symbol_that_rarely_trades(tmp_path):
    source = Market(("XLMUSDT", "AAVEUSDT", "SOLUSDT"), seed=7, duration_s=3600.0)
    folder = make(tmp_path / "lake", source)
    lakes.bring(folder)
    done = backfill(folder, source, "--days", "1", history_days=2)
    assert done.results[0].exit_code == 0, done.results[0].output
    verdicts = "select verdict, count(*) from compare_our_vs_kline_1m group by all order by all"
    assert lakes.ask(folder, verdicts) == [("equal", 3 * 58), ("incomplete", 3)]
    late = "select count(*) from bars_1m where symbol = 'XLMUSDT' and open <> close"
    assert lakes.ask(folder, late)[0][0] > 0
    told = lakes.run(folder, "validate", "--start", "2025-10-20", "--end", "2025-10-21").output
    assert "R7   Bars equal official klines.  holds" in told


def test_a_bar_opens_with_its_first_trade_not_with_the_close_before_it(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    seconds = [(0, "100"), (65, "102"), (70, "101"), (75, "103"), (185, "99")]
    rows = [
        lakes.trade("SOLUSDT", number, START_US + second * SECOND_US, price)
        for number, (second, price) in enumerate(seconds, 1)
    ]
    lakes.put(folder, "SOLUSDT", rows)
    lakes.put(
        folder, "_sessions", lakes.sessions(START_US, START_US + 200 * SECOND_US, ["SOLUSDT"])
    )
    lakes.bring(folder)
    query = """
        select (epoch_us(window_start) - {}) // {}, state, open, high, low, close
        from bars_1m order by 1"""
    assert lakes.ask(folder, query.format(START_US, MINUTE_US)) == [
        (0, "partial", 100.0, 100.0, 100.0, 100.0),
        (1, "traded", 102.0, 103.0, 101.0, 103.0),
        (2, "quiet", 103.0, 103.0, 103.0, 103.0),
        (3, "partial", 99.0, 99.0, 99.0, 99.0),
    ]
