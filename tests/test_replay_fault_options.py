"""How faults are written, and what is said about one that is written wrongly."""

import click
import pytest

from replay.faults import FAULTS, duration_us, parse
from replay.market import Market
from replay.server import Exchange


@pytest.mark.parametrize(
    ("value", "us"), [("500ms", 500_000), ("30s", 30_000_000), ("1.5m", 90_000_000), ("1h", 36e8)]
)
def test_durations_have_a_unit(value, us):
    assert duration_us(value) == us


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("drp=at:1s", "no fault 'drp', did you mean drop?"),
        ("drop", "needs one of at:120s"),
        ("drop=at:1s,every:2s", "needs one of at:120s"),
        ("drop=at:1", "should be a duration such as"),
        ("drop=every:0s", "should be longer than nothing"),
        ("gap=at:1s,symbl:X", "gap has no 'symbl', did you mean symbol?"),
        ("gap=at:1s,count:many", "should be a whole number above 0"),
        ("gap=at:1s,count", "'count' should be key:value"),
        ("close=at:1s,code:99", "should be a close code"),
        ("close=at:1s,code:1006", "should be a close code"),
        (f"close=at:1s,reason:{'x' * 124}", "should have at most 123 bytes"),
        ("malformed=at:1s,kind:odd", "should be one of invalid, truncated"),
        ("stall=at:1s,pings:maybe", "should be yes or no"),
        ("stall=at:1s,stream:trades", "should be trade, bookTicker or kline_1s"),
        ("delay=at:1s,for:soon", "should be a duration"),
    ],
)
def test_a_bad_fault_is_refused_in_one_sentence(spec, words):
    with pytest.raises(click.ClickException) as refusal:
        parse(spec)
    assert words in refusal.value.message and "\n" not in refusal.value.message


def test_every_fault_can_be_written_with_its_defaults():
    assert [parse(f"{name}=at:1s").name for name in FAULTS] == list(FAULTS)


def test_a_fault_of_an_unknown_symbol_is_refused():
    with pytest.raises(click.ClickException, match="--fault gap: SOLUSD .*did you mean SOLUSDT"):
        Exchange(Market(("SOLUSDT",)), faults=["gap=at:1s,symbol:SOLUSD"])
