"""The figures of the dashboard: they draw answers as they are, times in UTC.

Colours are Okabe and Ito's, which people with any kind of colour vision tell apart; what they mean
is said by patterns, words or places too.
"""

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
from plotly.subplots import make_subplots

BLUE, ORANGE, GREEN, PURPLE, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
SKY, GREY = "#56B4E9", "#8C8C8C"
LINES = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, GREY, "#000000")
# What is known of a stretch, from most to least: the fill, its pattern and what it means.
STATES = {
    "quiet": ("rgba(86,180,233,0.16)", "", "quiet (nobody traded)"),
    "partial": ("rgba(230,159,0,0.32)", "/", "partial (ids missing)"),
    "dark": ("rgba(60,60,60,0.45)", "x", "dark (no trade known)"),
}
UTC_AXIS = "time (UTC)"
TALL = 700
HEADING = {
    "font": {"size": 15},
    "x": 0,
    "xanchor": "left",
    "y": 1,
    "yanchor": "top",
    "pad": {"t": 8},
}
LEGEND = {
    "orientation": "h",
    "yref": "container",
    "yanchor": "bottom",
    "y": 0,
    "x": 0,
    "entrywidth": 0,
}
HOUR = np.timedelta64(1, "h")
# Hours from which lines between the cells of a heat map would hide the cells.
MANY = 24 * 3
# Only what is wholly proven has the full blue; a single second less can be seen.
PROVEN = ((0, ORANGE), (0.9, "#F6D7C0"), (0.9999, "#BBD9EC"), (1, BLUE))


def times(table: pa.Table, column: str = "window_start") -> np.ndarray:
    """A column of moments as numpy's datetime64, which Plotly shows as they are: in UTC."""
    return table[column].cast(pa.timestamp("us")).to_numpy()


def values(table: pa.Table, column: str) -> np.ndarray:
    """A column as numbers or texts; null as NaN or None."""
    return table[column].to_numpy(zero_copy_only=False)


def market(
    candles: pa.Table, runs: pa.Table, width_s: int, quote: str, shown: set[str], title: str
) -> go.Figure:
    """Candles of `width_s` seconds, volume and spread below each other. `runs`: the stretches that
    are not simply traded; `shown`: of vwap, quotes, spread, states; `quote`: the prices' currency.
    """
    rows = 3 if "spread" in shown else 2
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.03,
        row_heights=[0.62, 0.18, 0.2][:rows],
    )
    at = times(candles)
    figure.add_trace(_candles(candles, at), row=1, col=1)
    _overlays(figure, candles, at, shown)
    for name, colour in (("up", BLUE), ("down", ORANGE)):
        chosen = values(candles, "direction") == name
        volume = go.Bar(
            x=at[chosen],
            y=values(candles, "volume_quote")[chosen],
            name=f"volume, {name}",
            marker={"color": colour, "line": {"width": 0}},
        )
        figure.add_trace(volume, row=2, col=1)
    if "spread" in shown:
        _spread(figure, candles, at)
    if "states" in shown:
        _shade(figure, runs)
    _dress(figure, title, TALL)
    figure.update_layout(barmode="overlay", bargap=0.05, xaxis_rangeslider_visible=False)
    price_axis = {"exponentformat": "none", "separatethousands": True}
    figure.update_yaxes(title_text=f"price ({quote})", **price_axis, row=1, col=1)
    figure.update_yaxes(title_text=f"volume ({quote})", row=2, col=1)
    figure.update_xaxes(title_text=UTC_AXIS, row=rows, col=1)
    figure.update_xaxes(range=[at[0], at[-1] + np.timedelta64(width_s, "s")])
    return figure


def _candles(candles: pa.Table, at: np.ndarray) -> go.Candlestick:
    """Those with prices: Plotly stumbles over candles of nothing, as dark ones are."""
    known = candles["close"].is_valid().to_numpy()
    prices = {name: values(candles, name)[known] for name in ("open", "high", "low", "close")}
    return go.Candlestick(
        x=at[known],
        **prices,
        name="price",
        increasing={"line": {"color": BLUE, "width": 1}, "fillcolor": BLUE},
        decreasing={"line": {"color": ORANGE, "width": 1}, "fillcolor": "white"},
        showlegend=False,
    )


def _overlays(figure: go.Figure, candles: pa.Table, at: np.ndarray, shown: set[str]) -> None:
    """VWAP, best bid and best ask as lines over the candles."""
    lines = [("vwap", "VWAP", PURPLE, None)] if "vwap" in shown else []
    if "quotes" in shown:
        lines += [("bid", "bid", GREEN, "hv"), ("ask", "ask", AMBER, "hv")]
    for column, name, colour, shape in lines:
        line = {"color": colour, "width": 1, "shape": shape or "linear"}
        trace = go.Scatter(x=at, y=values(candles, column), name=name, mode="lines", line=line)
        figure.add_trace(trace, row=1, col=1)


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
            hovertemplate=f"{meaning}<extra></extra>",
            xaxis="x",
            yaxis="y9",
        )
        figure.add_trace(bar)


def heat_map(table: pa.Table, title: str) -> go.Figure:
    """How much of each hour is known: a row a symbol, a column an hour, 0 to 100 %."""
    symbols = sorted(set(values(table, "symbol")), reverse=True)
    at = times(table, "hour")
    edges = np.arange(at.min(), at.max() + 2 * HOUR, HOUR)
    grid = np.full((len(symbols), len(edges) - 1), np.nan)
    rows = [symbols.index(name) for name in values(table, "symbol")]
    grid[rows, (at - at.min()) // HOUR] = values(table, "known_percent")
    trace = go.Heatmap(
        z=grid,
        x=edges,
        y=symbols,
        zmin=0,
        zmax=100,
        colorscale=PROVEN,
        xgap=1 if len(edges) < MANY else 0,
        ygap=1,
        colorbar={"title": "proven (%)"},
        hovertemplate="%{y}, hour of %{x|%Y-%m-%d %H:%M} UTC: %{z:.2f} % proven<extra></extra>",
    )
    figure = go.Figure(trace)
    _dress(figure, title, 180 + 24 * max(4, len(symbols)))
    figure.update_layout(margin_b=50)
    figure.update_xaxes(title_text="hour (UTC)")
    figure.update_yaxes(type="category", dtick=1)
    return figure


def lines(
    table: pa.Table, column: str, by: str | None, title: str, unit: str, height: int = 380
) -> go.Figure:
    """One line over time for each value of `by`, or one for all."""
    figure = go.Figure()
    names = values(table, by) if by else np.full(table.num_rows, column)
    for number, name in enumerate(sorted(set(names))):
        chosen = names == name
        line = {"color": LINES[number % len(LINES)], "width": 1.4}
        line["dash"] = ("solid", "dash", "dot")[number // len(LINES) % 3]
        at, numbers = _broken(times(table)[chosen], values(table, column)[chosen])
        trace = go.Scatter(
            x=at,
            y=numbers,
            name=str(name),
            mode="lines+markers" if chosen.sum() < 60 else "lines",
            marker={"size": 4},
            line=line,
        )
        figure.add_trace(trace)
    _dress(figure, title, height)
    figure.update_xaxes(title_text=UTC_AXIS)
    figure.update_yaxes(title_text=unit)
    figure.update_layout(showlegend=True)
    return figure


def _broken(at: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line that ends where nothing is known for a while, such as a night without trading."""
    steps = np.diff(at)
    if not len(steps):
        return at, numbers
    ends = np.flatnonzero(steps > 3 * np.median(steps)) + 1
    return np.insert(at, ends, at[ends - 1]), np.insert(numbers.astype(float), ends, np.nan)


def _dress(figure: go.Figure, title: str, height: int) -> None:
    """What all figures share."""
    figure.update_layout(
        template="plotly_white",
        title=HEADING | {"text": title},
        height=height,
        margin={"l": 75, "r": 20, "t": 60, "b": 90},
        legend=LEGEND,
        hovermode="x unified" if height == TALL else "closest",
        uirevision=title,
    )
    figure.update_xaxes(showgrid=True, gridcolor="#EEEEEE")
    figure.update_yaxes(showgrid=True, gridcolor="#EEEEEE")
