"""The figures of the dashboard: they draw answers as they are, times in UTC.

Colours are Okabe and Ito's, which people with any kind of colour vision tell apart; what they mean
is said by patterns, words or places too. They stand on a light page and on a dark one.
"""

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa

BLUE, ORANGE, GREEN, PURPLE, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
SKY, GREY = "#56B4E9", "#8C8C8C"
LINES = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, GREY)
GRID = "rgba(128,128,128,0.18)"
# A title is short, so that it fits beside the buttons of a chart in a narrow window too.
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
HOUR, HOUR_MS = np.timedelta64(1, "h"), 3_600_000
# Hours from which lines between the cells of a heat map would hide the cells.
MANY = 24 * 3
# Hours up to which each has its own mark on the axis.
FEW = 12
# Lines so many times as high as others would make these flat: then the scale is logarithmic.
WIDE = 20
# Of an hour's seconds so many percent are proven: only what is whole has the full blue.
CLASSES = (
    (0, ORANGE, "below 50"),
    (50, "#EE9C66", "50 to 90"),
    (90, "#F6D7C0", "90 to 99"),
    (99, "#BBD9EC", "99 to 99.9"),
    (99.9, "#6BAED6", "99.9 to 100"),
    (100, BLUE, "100"),
)


def times(table: pa.Table, column: str = "window_start") -> np.ndarray:
    """A column of moments as numpy's datetime64, which Plotly shows as they are: in UTC."""
    return table[column].cast(pa.timestamp("us")).to_numpy()


def values(table: pa.Table, column: str) -> np.ndarray:
    """A column as numbers or texts; null as NaN or None."""
    return table[column].to_numpy(zero_copy_only=False)


def heat_map(table: pa.Table) -> go.Figure:
    """How much of each hour is known: a row a symbol, a column an hour, a colour a class."""
    symbols = sorted(set(values(table, "symbol")), reverse=True)
    at = times(table, "hour")
    edges = np.arange(at.min(), at.max() + 2 * HOUR, HOUR)
    cells = [symbols.index(name) for name in values(table, "symbol")], (at - at.min()) // HOUR
    grid = np.full((len(symbols), len(edges) - 1), np.nan)
    told = np.full((*grid.shape, 2), np.nan)
    told[cells] = np.column_stack([values(table, "known_percent"), values(table, "seconds")])
    starts = [start for start, _, _ in CLASSES]
    grid[cells] = np.searchsorted(starts, told[cells][:, 0], side="right") - 1
    trace = go.Heatmap(
        z=grid,
        x=edges,
        y=symbols,
        customdata=told,
        zmin=-0.5,
        zmax=len(CLASSES) - 0.5,
        colorscale=_steps([colour for _, colour, _ in CLASSES]),
        xgap=1 if len(edges) < MANY else 0,
        ygap=1,
        colorbar={
            "title": "proven (%)",
            "tickvals": list(range(len(CLASSES))),
            "ticktext": [name for _, _, name in CLASSES],
            "ticks": "",
        },
        hovertemplate="%{y}, hour of %{x|%Y-%m-%d %H:%M} UTC<br>"
        "%{customdata[0]:.2f} % of %{customdata[1]:,} s proven<extra></extra>",
    )
    figure = go.Figure(trace)
    dress(figure, 200 + 24 * max(4, len(symbols)))
    figure.update_layout(margin_b=50)
    figure.update_xaxes(title_text="hour (UTC)", dtick=HOUR_MS if len(edges) <= FEW + 1 else None)
    figure.update_yaxes(type="category", dtick=1)
    return figure


def _steps(colours: list[str]) -> list[tuple[float, str]]:
    """A colour scale of steps without a gradient."""
    edges = np.linspace(0, 1, len(colours) + 1)
    return [
        (edge, colour)
        for number, colour in enumerate(colours)
        for edge in edges[number : number + 2]
    ]


def lines(
    table: pa.Table,
    column: str,
    by: str | None,
    unit: str,
    shape: str = "linear",
    is_size: bool = False,
) -> go.Figure:
    """One line over time for each value of `by`, or one for all. `shape`: hv for steps; `is_size`:
    of sizes, which may differ so much that their scale is logarithmic.
    """
    figure = go.Figure()
    names = values(table, by) if by else np.full(table.num_rows, column)
    for number, name in enumerate(sorted(set(names))):
        chosen = names == name
        line = {"color": LINES[number % len(LINES)], "width": 1.4, "shape": shape}
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
    dress(figure, 380)
    figure.update_xaxes(title_text="time (UTC)")
    figure.update_yaxes(title_text=unit, exponentformat="B")
    numbers = values(table, column).astype(float)
    if is_size and 0 < WIDE * np.nanmin(numbers) < np.nanmax(numbers):
        figure.update_yaxes(type="log", title_text=f"{unit}, log scale")
    figure.update_layout(showlegend=by is not None)
    return figure


def _broken(at: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line that ends where nothing is known for a while, such as a night without trading."""
    steps = np.diff(at)
    if not len(steps):
        return at, numbers
    ends = np.flatnonzero(steps > 3 * np.median(steps)) + 1
    return np.insert(at, ends, at[ends - 1]), np.insert(numbers.astype(float), ends, np.nan)


def dress(figure: go.Figure, height: int) -> None:
    """What all figures share."""
    figure.update_layout(
        height=height,
        margin={"l": 75, "r": 20, "t": 75, "b": 90},
        legend=LEGEND,
        hovermode="closest",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(showgrid=True, gridcolor=GRID, zerolinecolor=GRID, title_font_size=12)


def head(figure: go.Figure, title: str, about: str, kept: str, is_dark: bool) -> None:
    """Write over a figure what it shows and of when. `kept`: while this stays the same, so does
    what a viewer has zoomed to.
    """
    figure.update_layout(
        template="plotly_dark" if is_dark else "plotly_white",
        title=HEADING | {"text": title, "subtitle": {"text": about, "font": {"size": 12}}},
        uirevision=kept,
    )
