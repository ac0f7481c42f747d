"""Fundings and open interest: raw answers of the futures exchange, by the hour."""

from pathlib import Path

import lakes
import pytest
from lakes import MIDNIGHT, NOON
from raw_answers import HOUR_US, funded, measured, put_derivs
from raw_lines import DAY_US, MINUTE_US

LATER = MIDNIGHT + DAY_US
HOURLY = f"""
    select (epoch_us(window_start) - {NOON}) // 3600000000, funding_rate, open_interest, oi_usd
    from funding_oi_hourly order by window_start"""


@pytest.fixture
def folder(tmp_path) -> Path:
    return lakes.make(tmp_path / "lake")


def test_a_funding_is_kept_with_its_rate_its_kind_and_its_mark_price(folder):
    old = {key: value for key, value in funded(NOON).items() if key != "markPrice"}
    rows = [old, funded(NOON + 8 * HOUR_US, "-0.03750000", rateType="Regular", markPrice="")]
    extra = funded(NOON + 8 * HOUR_US, "0.00500000", rateType="Special")
    put_derivs(folder, "funding_rate", [*rows, extra], LATER)
    lakes.bring(folder)
    query = """
        select exchange, symbol, day::varchar, epoch_us(funding_time), rate_type, funding_rate,
            mark_price
        from funding order by all"""
    of, second = ("binance_futures", "SOLUSDT", "2025-10-20"), NOON + 8 * HOUR_US
    assert lakes.ask(folder, query) == [
        (*of, NOON, "Regular", 0.0001, None),
        (*of, second, "Regular", -0.0375, None),
        (*of, second, "Special", 0.005, 34287.54619963),
    ]
    place = "derivs/binance_futures/funding/SOLUSDT/year=2025/month=10/day=20/2025-10-20.parquet"
    assert (folder / "data" / place).is_file()


def test_open_interest_takes_times_as_numbers_and_as_text(folder):
    text = measured(NOON + 5 * MINUTE_US, timestamp=str((NOON + 5 * MINUTE_US) // 1000))
    put_derivs(folder, "open_interest_5m", [measured(NOON, "1.50000000"), text], LATER)
    put_derivs(folder, "open_interest_5m", [measured(NOON, "2.50000000")], LATER + 1)
    lakes.bring(folder)
    query = "select epoch_us(measured_at), open_interest, oi_usd from open_interest order by all"
    assert lakes.ask(folder, query) == [
        (NOON, 2.5, 176196512.12345678),
        (NOON + 5 * MINUTE_US, 20403.12345678, 176196512.12345678),
    ]


BAD = {
    "funding_rate": [
        (funded(NOON, "0.000000001"), "fundingRate is not a number"),
        (funded(NOON, "x"), "fundingRate is not a number"),
        (funded(NOON, None), "fundingRate is not a number"),
        (funded(NOON, markPrice="-1"), "markPrice is not a price"),
        (funded(NOON, fundingTime="soon"), "fundingTime is not a time"),
        (funded(NOON + 9 * DAY_US), "fundingTime lies after it was fetched"),
        (funded(NOON, symbol="BTCUSDT"), "symbol BTCUSDT in the answer of another"),
        ("x", "symbol null in the answer of another"),
    ],
    "open_interest_5m": [
        (measured(NOON, "-1"), "sumOpenInterest is not a quantity"),
        (measured(NOON, "1.123456789"), "sumOpenInterest is not a quantity"),
        (measured(NOON, sumOpenInterestValue="NaN"), "sumOpenInterestValue is not an amount"),
        (measured(NOON, timestamp=None), "timestamp is not a time"),
        (measured(NOON + 9 * DAY_US), "timestamp lies after it was fetched"),
        (None, "not an object"),
    ],
}


@pytest.mark.parametrize("kind", BAD)
def test_rows_that_are_not_exact_are_told_one_by_one(folder, kind):
    for row, _ in BAD[kind]:
        put_derivs(folder, kind, [row], LATER)
    lakes.bring(folder)
    told = lakes.ask(folder, "select line, reason from rejects order by line")
    assert [line for line, _ in told] == list(range(1, 1 + len(BAD[kind])))
    for (_, reason), (_, expected) in zip(told, BAD[kind], strict=True):
        assert expected in reason
    query = "select (select count(*) from funding), (select count(*) from open_interest)"
    assert lakes.ask(folder, query) == [(0, 0)]


def test_an_hour_has_the_funding_in_force_and_the_open_interest_measured_in_the_hour_before(folder):
    # 13:00 has none of its own hour: what was measured at 12:00 is too old there
    times = {0: "1", 5: "2", 125: "3", 180: "4", 181: "5"}
    rows = [measured(NOON + minute * MINUTE_US, f"{n}") for minute, n in times.items()]
    put_derivs(
        folder, "open_interest_5m", [row for row in rows if row["sumOpenInterest"] != "2"], LATER
    )
    rates = [funded(NOON + HOUR_US + 3000, "0.00010000"), funded(NOON + 3 * HOUR_US, "0.00030000")]
    special = funded(NOON + 2 * HOUR_US, "0.00900000", rateType="Special")
    put_derivs(folder, "funding_rate", [*rates, special], LATER)
    lakes.bring(folder)
    usd = 176196512.12345678
    assert lakes.ask(folder, HOURLY) == [
        (0, None, 1.0, usd),
        (1, 0.0001, None, None),
        (2, 0.0001, None, None),
        (3, 0.0003, 4.0, usd),
    ]


def test_hours_go_on_over_midnight_with_the_funding_of_the_day_before(folder):
    put_derivs(folder, "funding_rate", [funded(MIDNIGHT - 8 * HOUR_US)], LATER)
    rows = [measured(MIDNIGHT + minute * MINUTE_US) for minute in range(0, 90, 5)]
    put_derivs(folder, "open_interest_5m", rows, LATER)
    lakes.bring(folder)
    query = """
        select day::varchar, count(*), count(funding_rate), count(open_interest)
        from funding_oi_hourly group by all order by all"""
    assert lakes.ask(folder, query) == [("2025-10-20", 8, 8, 0), ("2025-10-21", 2, 2, 2)]


def test_the_first_hour_is_there_though_its_funding_was_stamped_after_it(folder):
    put_derivs(folder, "funding_rate", [funded(NOON + 3000), funded(NOON + HOUR_US)], LATER)
    lakes.bring(folder)
    assert lakes.ask(folder, HOURLY) == [(0, 0.0001, None, None), (1, 0.0001, None, None)]
