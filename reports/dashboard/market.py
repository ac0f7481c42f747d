"""Market: candles of a symbol with volume, VWAP, best quotes, spread, and what is known of them."""

import re

import streamlit as st

from dashboard import candles as figures
from dashboard import page
from runner.dashboard.lake import Span, Viewer
from runner.moments import SECOND_US, WIDTHS_US

# So many candles fit on a screen and are drawn in a moment.
MOST = 1_500
# Widths of a candle, in seconds, that divide a day.
WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
OVERLAYS = {
    "vwap": "VWAP",
    "quotes": "bid and ask",
    "spread": "spread",
    "states": "states (quiet, partial, dark)",
}
SHOWN = ["vwap", "spread", "states"]


def width_s(frame: str, span: Span) -> int:
    """Seconds of a candle: those of the timeframe, or more where there would be too many."""
    least = WIDTHS_US[frame] // SECOND_US
    fitting = [one for one in WIDTHS if one >= least and span.seconds / one <= MOST]
    return fitting[0] if fitting else WIDTHS[-1]


def width_text(seconds: int) -> str:
    """Seconds as DuckDB and people read them: 900 → 15 minutes."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}{'s' * (seconds > size)}"
    raise ValueError(seconds)


def currency(symbol: str) -> str:
    """The currency of a symbol's prices."""
    found = re.search(r"(USDT|USDC|FDUSD|TUSD|BTC|ETH|BNB|EUR|TRY|BRL|JPY)$", symbol)
    return found[1] if found else "quote currency"


def draw(viewer: Viewer) -> None:
    """Choose, ask, draw."""
    known = viewer.symbols().to_pylist()
    if not known:
        page.empty("This lake has no bars yet.", "lake collect", "lake build")
        return
    first, second, third = st.columns([3, 5, 3])
    names = [one["symbol"] for one in known]
    with first:
        symbol = st.selectbox("Symbol", names, key="symbol", bind="query-params")
    with second:
        frame = st.segmented_control(
            "Bars of", list(WIDTHS_US), default="1s", required=True, key="bars", bind="query-params"
        )
    days = known[names.index(symbol)]
    extent = page.ask(
        "extent", symbol=symbol, first=str(days["first_day"]), last=str(days["last_day"])
    )
    with third:
        found = extent.to_pylist()[0]
        span = page.span("market", found["to_us"], found["from_us"], "1 day")
    shown = st.pills(
        "Show", list(OVERLAYS), selection_mode="multi", default=SHOWN,
        format_func=OVERLAYS.get, key="overlays", label_visibility="collapsed",
    )  # fmt: skip
    if span is not None:
        _draw(symbol, frame, span, set(shown))


def _draw(symbol: str, frame: str, span: Span, shown: set[str]) -> None:
    seconds = width_s(frame, span)
    width = width_text(seconds)
    span = Span(span.from_us // (seconds * SECOND_US) * (seconds * SECOND_US), span.to_us)
    candles = page.ask("candles", symbol=symbol, width=width, **span.values)
    if candles is None:
        page.empty(f"{symbol} has no bars from {span.text()}; choose another range.")
        return
    runs = page.viewer().ask("state_runs", tables={"candles": candles}, width_s=seconds)
    note = ""
    if seconds * SECOND_US != WIDTHS_US[frame]:
        note = (
            f"resampled: {candles.num_rows:,} candles of {width}, as one of {frame} each would be "
            f"more than {MOST:,}; choose a shorter range for them"
        )
    figure = figures.market(candles, runs, seconds, currency(symbol), shown)
    page.chart(figure, "candles", f"<b>{symbol}</b>  {frame} bars", span, note)
    page.table(candles, f"candles_{symbol}", is_open=False)


page.show("Market", draw)
