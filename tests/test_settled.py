"""Settled days: a plan passes over them, and what it makes is the same as if it did not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import lakes
import pytest
from raw_lines import DAY_US, HOUR_US, session

from benchmarks import lakes as made
from benchmarks.market import FIRST_DAY, SYMBOLS

SYMBOL, DAYS = SYMBOLS[0], 4
FIRST_US, LAST_US = FIRST_DAY * DAY_US, (FIRST_DAY + DAYS - 1) * DAY_US
FIRST, SECOND, LAST = (made.day_text(FIRST_DAY + n) for n in (0, 1, DAYS - 1))
VWAP = "create or replace macro vwap(quote, base) as 1 + sum(quote) / nullif(sum(base), 0)\n"
BARS = lakes.place("bars_1s", SYMBOL, FIRST)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of four days, the first three sealed."""
    folder = tmp_path_factory.mktemp("settled") / "lake"
    made.history_raw(folder, DAYS, SYMBOLS[:1])
    with lakes.hold_collector(folder):
        done = lakes.run(folder, "compact")
    assert done.exit_code == 0, done.output
    return folder


def settled(folder: Path) -> Path:
    """What a build notes of the days that the next one may pass over."""
    return folder / "data" / "work" / "settled" / "binance" / f"{SYMBOL}.msgpack"


def passed_over(folder: Path) -> bool:
    """Whether a plan has looked at recent files alone."""
    return (folder / "data/work/metadata/binance" / f"{SYMBOL}.recent.msgpack").exists()


def both(sealed: Path, tmp_path: Path, change: Callable) -> tuple[Path, Path, list[str]]:
    """Two copies of a lake, changed: one built by what is settled, one planned in full; and what
    could not be built, which is the same.
    """
    folder, full = tmp_path / "lake", tmp_path / "full" / "lake"
    shutil.copytree(sealed, folder)
    with lakes.hold_collector(folder):
        lakes.bring(folder)
    assert settled(folder).exists() and not passed_over(folder)
    shutil.copytree(folder, full)
    settled(full).unlink()
    failed = []
    for each in (folder, full):
        change(each)
        with lakes.hold_collector(each):
            failed.append(lakes.attempt(each))
    assert failed[0] == failed[1]
    assert lakes.published(folder) == lakes.published(full)
    assert not passed_over(full)
    return folder, full, failed[0]


def minute(folder: Path) -> None:
    made.add_minute(folder, DAYS, SYMBOLS[:1], 0, made.minutes(DAYS, 1)[0])


def late(folder: Path) -> None:
    row = lakes.trade(SYMBOL, 1, FIRST_US + 3 * HOUR_US, ts_recv=FIRST_US + 4 * HOUR_US)
    lakes.put(folder, SYMBOL, [row])


def late_in_the_open_day(folder: Path) -> None:
    row = lakes.trade(SYMBOL, 1, FIRST_US + 3 * HOUR_US, ts_recv=LAST_US + 13 * HOUR_US)
    lakes.put(folder, SYMBOL, [row])


def quote_again(folder: Path) -> None:
    query = f"select min(update_id) from quotes where day = '{FIRST}'"
    row = lakes.quote(SYMBOL, lakes.ask(folder, query)[0][0], LAST_US + 13 * HOUR_US)
    lakes.put(folder, SYMBOL, [row])


def absent(folder: Path) -> None:
    row = lakes.absent(SYMBOL, 1, 5, LAST_US + 13 * HOUR_US)
    lakes.put(folder, SYMBOL, [row])


def formula(folder: Path) -> None:
    (folder / "macros").mkdir()
    (folder / "macros" / "vwap.sql").write_text(VWAP, encoding="utf-8")


def stalled(folder: Path) -> None:
    row = session("stalled", FIRST_US + HOUR_US, FIRST_US, detail="silent")
    lakes.put(folder, "_sessions", [row])


def appeared(folder: Path) -> None:
    """A file of ticks that somebody put there, of a day before all others."""
    before = made.day_text(FIRST_DAY - 1)
    path = folder / "data" / lakes.place("trades", SYMBOL, before)
    path.parent.mkdir(parents=True)
    shutil.copy(folder / "data" / lakes.place("trades", SYMBOL, FIRST), path)


def no_bars(folder: Path) -> None:
    (folder / "data" / BARS).unlink()


def no_trades(folder: Path) -> None:
    (folder / "data" / lakes.place("trades", SYMBOL, FIRST)).unlink()


def changed_by_more(sealed: Path, tmp_path: Path, change: Callable) -> set[str]:
    """The published files that a change of settled days brings about, planned in full."""
    before = lakes.published(sealed)
    folder, _, _ = both(sealed, tmp_path, change)
    assert not passed_over(folder)
    return lakes.changed(before, lakes.published(folder))


def test_one_more_minute_passes_over_settled_days_and_makes_the_same(sealed, tmp_path):
    folder, _, failed = both(sealed, tmp_path, minute)
    assert passed_over(folder) and failed == []
    changed = lakes.changed(lakes.published(sealed), lakes.published(folder))
    assert lakes.place("bars_1s", SYMBOL, LAST) in changed
    assert not any(FIRST in name or SECOND in name for name in changed)


def test_days_are_settled_while_minutes_come_in(sealed, tmp_path):
    folder = tmp_path / "lake"
    shutil.copytree(sealed, folder)
    for number, text in enumerate(made.minutes(DAYS, 2)):
        made.add_minute(folder, DAYS, SYMBOLS[:1], number, text)
        with lakes.hold_collector(folder):
            lakes.bring(folder)
    assert passed_over(folder)


@pytest.mark.parametrize("change", [late, late_in_the_open_day])
def test_a_late_trade_of_a_settled_day_is_counted(sealed, tmp_path, change):
    assert BARS in changed_by_more(sealed, tmp_path, change)


NEWS = [
    absent,
    *(pytest.param(one, marks=pytest.mark.soak) for one in (quote_again, stalled, appeared)),
]


@pytest.mark.parametrize("change", NEWS)
def test_news_of_settled_days_are_looked_at(sealed, tmp_path, change):
    changed_by_more(sealed, tmp_path, change)


def test_a_deleted_file_of_a_settled_day_is_made_again(sealed, tmp_path):
    assert not any(FIRST in name for name in changed_by_more(sealed, tmp_path, no_bars))


def test_settled_ticks_that_are_gone_are_told(sealed, tmp_path):
    folder, _, failed = both(sealed, tmp_path, no_trades)
    assert not passed_over(folder) and FIRST in failed[0] and "published" in failed[0]


def test_another_formula_reaches_settled_days(sealed, tmp_path):
    assert BARS in changed_by_more(sealed, tmp_path, formula)
