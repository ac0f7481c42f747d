"""Funding and open interest of the perpetual futures, hour by hour."""

import streamlit as st

from dashboard import charts, page
from runner.dashboard.lake import Viewer


def draw(viewer: Viewer) -> None:
    """Choose symbols and a range, draw."""
    found = page.ask("derivatives_extent")
    if found is None:
        page.empty("This lake has no funding rates and open interest yet.", "lake derivatives")
        return
    [known] = found.to_pylist()
    first, second = st.columns([3, 2])
    with first:
        symbols = st.multiselect("Symbols", known["symbols"], known["symbols"][:5], key="symbols")
    with second:
        span = page.span("derivatives", known["to_us"], known["from_us"], "30 days")
    if span is None or not symbols:
        return
    rows = page.ask("derivatives_hours", symbols=symbols, **span.values)
    if rows is None:
        page.empty("These symbols have no data in this range.", "lake derivatives")
        return
    for column, title, unit, shape in (
        ("funding_bps", "Funding rate", "rate in force (bps)", "hv"),
        ("oi_usd", "Open interest", "open interest (USD)", "linear"),
    ):
        figure = charts.lines(rows, column, "symbol", unit, shape, is_size=column == "oi_usd")
        page.chart(figure, column, title, span)
    page.table(rows, "funding_oi_hourly", is_open=False)


page.show("Funding and open interest", draw)
