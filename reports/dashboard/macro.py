"""Macro and DXY: the minute bars of the macro tickers and the synthetic dollar index."""

import streamlit as st

from dashboard import charts, page
from runner.dashboard.lake import Span, Viewer

MOST = 2_000
WIDTHS = (("1 minute", 60), ("5 minutes", 300), ("15 minutes", 900), ("1 hour", 3600))


def width(span: Span) -> str:
    """The width of a point, so that there are not too many."""
    return next((name for name, size in WIDTHS if span.seconds / size <= MOST), WIDTHS[-1][0])


def draw(viewer: Viewer) -> None:
    """Choose tickers and a range, draw."""
    found = page.ask("macro_extent")
    if found is None:
        page.empty("This lake has no macro data yet.", "lake macro")
        return
    [known] = found.to_pylist()
    first, second = st.columns([3, 2])
    with first:
        tickers = st.multiselect("Tickers", known["tickers"], known["tickers"], key="tickers")
    with second:
        span = page.span("macro", known["to_us"], known["from_us"], "7 days")
    if span is None or not tickers:
        return
    values = {"width": width(span), **span.values}
    st.caption("In percent of the first close of each ticker in the range.")
    with page.telling():
        _tickers(tickers, span, values)
    st.subheader("Synthetic dollar index", anchor=False)
    st.caption("Of the minutes in which all six exchange rates are known; not the index itself.")
    with page.telling():
        _dxy(span, values)


def _tickers(tickers: list[str], span: Span, values: dict) -> None:
    rows = page.ask("macro_minutes", tickers=tickers, **values)
    if rows is None:
        page.empty("These tickers have no data in this range.", "lake macro")
        return
    figure = charts.lines(rows, "change_percent", "ticker", "change (%)")
    page.chart(figure, "macro", "Change", span, f"{values['width']} a point")
    page.table(rows, "macro_minute", is_open=False)


def _dxy(span: Span, values: dict) -> None:
    rows = page.ask("dxy", **values)
    if rows is None:
        page.empty("There is no dollar index in this range.", "lake macro")
        return
    figure = charts.lines(rows, "dxy_synthetic", None, "index (points)")
    page.chart(figure, "dxy", "Synthetic DXY", span, f"{values['width']} a point")
    page.table(rows, "dxy_synthetic_minute", is_open=False)


page.show("Macro and DXY", draw)
