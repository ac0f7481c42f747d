"""The figure of the market: candles, volume and spread below each other, states behind them."""

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
from plotly.subplots import make_subplots

from dashboard.charts import AMBER, BLUE, GREEN, GREY, ORANGE, PURPLE, dress, times, values

# What is known of a stretch, from most to least: the fill, its pattern and what it means.
STATES = {
    "quiet": ("rgba(86,180,233,0.16)", "", "quiet (nobody traded)"),
    "partial": ("rgba(230,159,0,0.32)", "/", "partial (ids missing)"),
    "dark": ("rgba(110,110,110,0.5)", "x", "dark (no trade known)"),
}
TALL = 700


def market(
    candles: pa.Table, runs: pa.Table, width_s: int, quote: str, shown: set[str]
) -> go.Figure:
    """Candles of `width_s` seconds, each over the stretch that it stands for. `runs`: the stretches
    that are not simply traded; `shown`: of vwap, quotes, spread, states; `quote`: the prices'
    currency.
    """
    rows = 3 if "spread" in shown else 2
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.04,
        row_heights=[0.6, 0.2, 0.2][:rows],
    )
    at = times(candles)
    figure.add_trace(_prices(candles, at), row=1, col=1)
    _overlays(figure, candles, at, shown)
    if "spread" in shown:
        _spread(figure, candles, at)
    # what was measured over a stretch stands in its middle
    figure.update_traces(xperiod=width_s * 1000, xperiodalignment="middle")
    _volume(figure, candles, at, width_s)
    if "states" in shown:
        _shade(figure, runs)
    dress(figure, TALL)
    figure.update_layout(barmode="overlay", xaxis_rangeslider_visible=False)
    figure.update_layout(hovermode="x unified")
    exact = {"exponentformat": "none", "separatethousands": True, "hoverformat": ",.8~f"}
    figure.update_yaxes(title_text=f"price ({quote})", **exact, row=1, col=1)
    figure.update_yaxes(title_text=f"volume ({quote})", row=2, col=1)
    figure.update_xaxes(title_text="time (UTC)", row=rows, col=1)
    figure.update_xaxes(range=[at[0], at[-1] + np.timedelta64(width_s, "s")])
    return figure


def _prices(candles: pa.Table, at: np.ndarray) -> go.Candlestick:
    """Those with prices: Plotly stumbles over candles of nothing, as dark ones are."""
    known = candles["close"].is_valid().to_numpy()
    prices = {name: values(candles, name)[known] for name in ("open", "high", "low", "close")}
    return go.Candlestick(
        x=at[known],
        **prices,
        text=values(candles, "state")[known],
        name="price",
        increasing={"line": {"color": BLUE, "width": 1}, "fillcolor": BLUE},
        decreasing={"line": {"color": ORANGE, "width": 1}, "fillcolor": "rgba(0,0,0,0)"},
        showlegend=False,
    )


def _overlays(figure: go.Figure, candles: pa.Table, at: np.ndarray, shown: set[str]) -> None:
    """VWAP, best bid and best ask as lines over the candles."""
    lines = [("vwap", "VWAP", PURPLE, "linear")] if "vwap" in shown else []
    if "quotes" in shown:
        lines += [("bid", "bid", GREEN, "hv"), ("ask", "ask", AMBER, "hv")]
    for column, name, colour, shape in lines:
        line = {"color": colour, "width": 1, "shape": shape}
        trace = go.Scatter(x=at, y=values(candles, column), name=name, mode="lines", line=line)
        figure.add_trace(trace, row=1, col=1)


def _volume(figure: go.Figure, candles: pa.Table, at: np.ndarray, width_s: int) -> None:
    """Bars in the colour of their candle; Plotly would make those wide that stand apart."""
    for name, colour in (("up", BLUE), ("down", ORANGE)):
        chosen = values(candles, "direction") == name
        volume = go.Bar(
            x=at[chosen],
            y=values(candles, "volume_quote")[chosen],
            width=width_s * 950,
            offset=width_s * 25,
            name=f"volume, {name}",
            marker={"color": colour, "line": {"width": 0}},
        )
        figure.add_trace(volume, row=2, col=1)


def _spread(figure: go.Figure, candles: pa.Table, at: np.ndarray) -> None:
    for column, name, colour in (
        ("max_spread_bps", "spread, widest", GREY),
        ("mean_spread_bps", "spread, mean", GREEN),
    ):
        line = {"color": colour, "width": 1.2}
        trace = go.Scatter(x=at, y=values(candles, column), name=name, mode="lines", line=line)
        figure.add_trace(trace, row=3, col=1)
    figure.update_yaxes(title_text="spread (bps)", rangemode="tozero", row=3, col=1)


def _shade(figure: go.Figure, runs: pa.Table) -> None:
    """Shade the stretches of each state over the whole height, behind everything else."""
    figure.update_layout(
        yaxis9={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    )
    for state, (colour, pattern, meaning) in STATES.items():
        chosen = values(runs, "state") == state
        if not chosen.any():
            continue
        marker = {"color": colour, "line": {"width": 0}}
        marker["pattern"] = {"shape": pattern, "fgcolor": "rgba(0,0,0,0.35)", "size": 6}
        bar = go.Bar(
            x=times(runs)[chosen],
            y=np.ones(chosen.sum()),
            width=values(runs, "seconds")[chosen] * 1000.0,
            offset=0,
            name=meaning,
            marker=marker,
            hoverinfo="skip",  # in the hover of far candles too otherwise; theirs tells the state
            xaxis="x",
            yaxis="y9",
        )
        figure.add_trace(bar)
