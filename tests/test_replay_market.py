"""The synthetic market: the same for the same seed, and shaped like a real one."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import click
import pytest

from replay.events import Kline, Quote, Trade
from replay.klines import with_klines
from replay.market import DEFAULT_SYMBOLS, Market
from replay.symbols import LISTINGS

EVENTS = list(Market(duration_s=300))
TRADES = [event for event in EVENTS if type(event) is Trade]


def test_the_same_arguments_give_the_same_events_however_often():
    market = Market(("SOLUSDT", "XLMUSDT"), seed=9, duration_s=60)
    assert list(market) == list(market)
    assert list(market) == list(Market(("SOLUSDT", "XLMUSDT"), seed=9, duration_s=60))
    assert list(market) != list(Market(("SOLUSDT", "XLMUSDT"), seed=10, duration_s=60))


def test_a_symbol_trades_the_same_whoever_else_is_there():
    alone = list(Market(("SOLUSDT",), duration_s=60))
    among = [event for event in Market(duration_s=60) if event.symbol == "SOLUSDT"]
    assert alone == among


def test_a_later_start_moves_every_time_and_nothing_else():
    start = datetime(2025, 10, 20, 12, tzinfo=UTC)
    early = [e for e in Market(start=start, duration_s=30) if type(e) is Trade]
    late = [e for e in Market(start=start + timedelta(hours=1), duration_s=30) if type(e) is Trade]
    hour_us = 3_600_000_000
    assert [(e.trade_us + hour_us, e.price) for e in early] == [(e.trade_us, e.price) for e in late]


def test_events_are_in_order_of_receipt_and_received_within_tens_of_milliseconds():
    assert all(a.recv_us <= b.recv_us for a, b in pairwise(EVENTS))
    latencies = sorted(trade.recv_us - trade.event_us for trade in TRADES)
    assert latencies[0] > 0 and 3_000 < latencies[len(latencies) // 2] < 15_000
    assert latencies[-1] < 100_000
    assert all(0 < trade.event_us - trade.trade_us < 5_000 for trade in TRADES)


def test_trade_ids_are_contiguous_and_trades_are_in_their_order():
    for symbol in DEFAULT_SYMBOLS:
        mine = [trade for trade in TRADES if trade.symbol == symbol]
        assert all(b.trade_id == a.trade_id + 1 for a, b in pairwise(mine))
        assert all(a.trade_us <= b.trade_us for a, b in pairwise(mine))


def test_every_trade_is_at_the_touch_of_the_quote_before_it():
    quotes: dict[str, Quote] = {}
    for event in EVENTS:
        if type(event) is Quote:
            assert Decimal(event.bid) < Decimal(event.ask)
            assert event.symbol not in quotes or event.update_id > quotes[event.symbol].update_id
            quotes[event.symbol] = event
        else:
            quote = quotes[event.symbol]
            assert event.price == (quote.bid if event.buyer_is_maker else quote.ask)


def test_prices_and_quantities_are_whole_ticks_and_lots_with_eight_places():
    for trade in TRADES:
        listing = LISTINGS[trade.symbol]
        assert Decimal(trade.price) % Decimal(listing.tick) == 0
        assert Decimal(trade.qty) % Decimal(listing.lot) == 0
        assert trade.price.partition(".")[2].isdigit() and len(trade.price.partition(".")[2]) == 8


def test_there_are_bursts_quiet_symbols_and_trades_of_one_millisecond():
    by_symbol = Counter(trade.symbol for trade in TRADES)
    assert by_symbol["BTCUSDT"] > 5_000 and 1 <= by_symbol["XLMUSDT"] < 150
    seconds = Counter(t.trade_us // 1_000_000 for t in TRADES if t.symbol == "BTCUSDT")
    assert max(seconds.values()) > 300 > 10 > min(seconds.values())
    quiet = {t.trade_us // 1_000_000 for t in TRADES if t.symbol == "XLMUSDT"}
    assert len(quiet) < 100
    same = sum(a.trade_us // 1000 == b.trade_us // 1000 for a, b in pairwise(TRADES))
    assert same > len(TRADES) // 4


def test_the_skew_shifts_receipt_and_not_the_exchange():
    plain, skewed = Market(duration_s=20), Market(duration_s=20, skew_us=-1_270_000)
    for event, late in zip(plain, skewed, strict=True):
        assert late.recv_us == event.recv_us - 1_270_000
        assert type(event) is Quote or late.trade_us == event.trade_us


def test_every_second_has_a_candle_of_each_symbol_that_equals_its_trades():
    market = Market(("BTCUSDT", "XLMUSDT"), duration_s=120, skew_us=250_000)
    events = list(with_klines(market, market.skew_us))
    assert all(a.recv_us <= b.recv_us for a, b in pairwise(events))
    for symbol in market.symbols:
        trades = [e for e in events if type(e) is Trade and e.symbol == symbol]
        candles = [e for e in events if type(e) is Kline and e.symbol == symbol]
        assert [b.second - a.second for a, b in pairwise(candles)] == [1] * (len(candles) - 1)
        close = None
        for candle in candles:
            fills = [t for t in trades if t.trade_us // 1_000_000 == candle.second]
            _assert_equal(candle, fills, close)
            close = candle.close
            boundary_us = (candle.second + 1) * 1_000_000
            assert 0 < candle.event_us - boundary_us <= 50_000
            assert candle.recv_us == candle.event_us + 250_000


def _assert_equal(candle: Kline, fills: list[Trade], close: int | None) -> None:
    """The candle against plain Decimal sums of its trades, or the close before where none is."""
    prices = [Decimal(fill.price) for fill in fills] or [Decimal(close) / 10**8]
    money = [Decimal(fill.price) * Decimal(fill.qty) for fill in fills]
    assert candle.count == len(fills)
    assert (candle.first_id, candle.last_id) == (
        (fills[0].trade_id, fills[-1].trade_id) if fills else (-1, -1)
    )
    scale = Decimal(10**8)
    assert candle.open / scale == prices[0] and candle.close / scale == prices[-1]
    assert candle.high / scale == max(prices) and candle.low / scale == min(prices)
    assert candle.volume / scale == sum(Decimal(fill.qty) for fill in fills)
    assert candle.quote_volume / scale**2 == sum(money)
    taker = [m for m, fill in zip(money, fills, strict=True) if not fill.buyer_is_maker]
    assert candle.taker_quote_volume / scale**2 == sum(taker)


def test_an_unknown_symbol_is_refused_with_the_one_meant():
    with pytest.raises(click.ClickException, match="SOLUSD is not .* did you mean SOLUSDT"):
        Market(("SOLUSD",))
