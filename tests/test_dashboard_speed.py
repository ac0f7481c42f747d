"""How soon a day of one-second candles is on the screen, on a lake of 90 days and 19 symbols.

A long run that prints a table: pytest -m soak -s -n 0 tests/test_dashboard_speed.py
(--rounds: how many days the lake has).
"""

import time

import pytest
from dashboards import Look, chromium, needs_browser, served

from benchmarks.market import SYMBOLS
from benchmarks.rebuild import FULL, make

pytestmark = [needs_browser, pytest.mark.soak]


def test_a_day_of_candles_is_drawn_when_a_symbol_is_chosen(request, tmp_path):
    days = request.config.getoption("--rounds") or 90
    with served(make(tmp_path, days, FULL)) as url, chromium() as window:
        started = time.monotonic()
        look = Look(window, url)
        look.traces()
        print(f"\n| {days} days, {FULL.symbols} symbols | seconds |\n|---|---:|")
        print(f"| opened, browser and all | {time.monotonic() - started:.2f} |")
        for symbol in SYMBOLS[1:6]:
            look.choose("Symbol", symbol)
            started = time.monotonic()
            window.until(f"document.querySelector('.gtitle')?.textContent.includes('{symbol}')")
            print(f"| {symbol} chosen | {time.monotonic() - started:.2f} |")
            assert "resampled" in look.title() and look.faults() == []
