"""What all pages share: the viewer's connection, refreshing, ranges of time, empty states and
downloads. All times are UTC.
"""

import io
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import duckdb
import plotly.graph_objects as go
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st

from dashboard import charts
from runner.answer import Answer
from runner.asking import Absent, Unreadable
from runner.config import Lake, load
from runner.dashboard.lake import Span, Viewer, microseconds
from runner.moments import DAY_US, SECOND_US

REFRESH = {"off": None, "15 s": 15, "30 s": 30, "1 min": 60, "5 min": 300}
RANGES = {
    "15 minutes": 900 * SECOND_US,
    "1 hour": 3600 * SECOND_US,
    "6 hours": 6 * 3600 * SECOND_US,
    "1 day": DAY_US,
    "7 days": 7 * DAY_US,
    "30 days": 30 * DAY_US,
    "90 days": 90 * DAY_US,
}
OWN_RANGE = "from … to …"
ROWS_SHOWN = 500
# Less white around a page than Streamlit leaves.
STYLE = """<style>
.stMainBlockContainer {padding: 3.5rem 2rem 2rem;}
.stMainBlockContainer h2 {padding: 0; font-size: 1.6rem;}
.stMainBlockContainer h3 {font-size: 1.15rem; padding: 0.6rem 0 0.3rem;}
</style>"""


def lake() -> Lake:
    """The lake whose config.yml the command named."""
    return load(Path(sys.argv[1]))


def viewer() -> Viewer:
    """This viewer's own connection."""
    if "viewer" not in st.session_state:
        st.session_state["viewer"] = Viewer(lake())
    return st.session_state["viewer"]


def sidebar() -> None:
    """What stands beside every page."""
    st.html(STYLE)
    with st.sidebar:
        st.selectbox(
            "Refresh every", list(REFRESH), index=3, key="refresh", persist_state="session"
        )
        try:
            shown = viewer().lake
        except click.ClickException as error:
            st.error(error.message)
            st.stop()
        if shown.testing:
            st.warning("**MODE: TEST** – the data of test runs")
        st.caption("All times are UTC.")
        st.caption(f"lake `{shown.file}`")
        st.caption(f"data `{shown.base}`")


def show(title: str, draw: Callable[[Viewer], None], refreshes: bool = True) -> None:
    """Draw a page, again and again if the viewer wants it; a fault is told in one sentence."""
    every = REFRESH[st.session_state.get("refresh", "1 min")] if refreshes else None

    @st.fragment(run_every=every)
    def body() -> None:
        st.caption(f"as of {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", text_alignment="right")
        with telling():
            draw(viewer())

    st.header(title, anchor=False)
    body()


class telling:  # noqa: N801  (used as a function)
    """Tells a fault of the part of a page inside it in one sentence; the other parts go on."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> bool:
        if isinstance(error, Unreadable):
            told = f"This cannot be read: {plain(error)}."
            st.error(f"{told} `lake build` makes a damaged file anew.")
        elif isinstance(error, Absent):
            empty("This lake has no such relation yet.", "lake build")
        elif isinstance(error, click.ClickException):
            st.error(plain(error.message))
        elif isinstance(error, duckdb.Error):
            st.error(plain(error))
        return isinstance(error, Unreadable | Absent | click.ClickException | duckdb.Error)


def plain(message: object) -> str:
    """A message in one line, as it is: what would be Markdown in it, such as `*`, is none, but for
    what stands in backticks.
    """
    line = " ".join(str(message).split())
    return re.sub(r"(`[^`]*`)|([^\w\s.,;'\"()`])", lambda found: found[1] or f"\\{found[2]}", line)


def empty(what: str, *commands: str) -> None:
    """Say that there is nothing to show, and which commands change it, if it should be."""
    told = ", then ".join(f"`{one}`" for one in commands)
    st.info(f"{what} Run {told}." if commands else what)


def ask(name: str, **values) -> pa.Table | None:
    """The answer to a question; None where the lake has no such relation, or no such rows, yet."""
    try:
        found = viewer().ask(name, **values)
    except Absent:
        return None
    return found if found.num_rows else None


def span(page: str, newest_us: int, oldest_us: int, default: str) -> Span | None:
    """The range that is chosen: so much up to the newest data, or from a moment to another."""
    chosen = st.selectbox(
        "Range, up to the newest data",
        [*RANGES, OWN_RANGE],
        index=list(RANGES).index(default),
        key=f"{page}_range",
        bind="query-params",
    )
    if chosen in RANGES:
        return Span(max(oldest_us, newest_us - RANGES[chosen]), newest_us)
    first, last = st.columns(2)
    to_us, from_us = newest_us, max(oldest_us, newest_us - DAY_US)
    begin = first.datetime_input("From (UTC)", _naive(from_us), key=f"{page}_from", step=60)
    end = last.datetime_input("To (UTC)", _naive(to_us), key=f"{page}_to", step=60)
    if not begin or not end or begin >= end:
        st.warning("From must lie before To.")
        return None
    return Span(microseconds(begin), microseconds(end))


def _naive(us: int) -> datetime:
    return datetime.fromtimestamp(us // SECOND_US // 60 * 60, UTC).replace(tzinfo=None)


def chart(figure: go.Figure, key: str, title: str, span: Span, note: str = "") -> None:
    """Show a figure under its title, the range and a note; zooming with the wheel, saving as a
    picture.
    """
    about = "<br>".join(filter(None, (span.text(), note)))
    is_dark = st.context.theme.type == "dark"
    charts.head(figure, title, about, f"{title} {span.seconds}", is_dark)
    config = {"scrollZoom": True, "displaylogo": False, "toImageButtonOptions": {"scale": 2}}
    config["modeBarButtonsToRemove"] = ["zoomIn2d", "zoomOut2d"]
    st.plotly_chart(figure, theme=None, key=key, config=config)


def table(rows: pa.Table, name: str, is_open: bool = True, is_exact: bool = False) -> None:
    """Show rows, at most ROWS_SHOWN of them, and offer all as files; those of a chart once they
    are asked for, as a table costs a browser as much as a chart. `is_exact`: moments to the last
    digit, numbers as they are.
    """
    place = st.container()
    if not is_open:
        label = "The rows of this chart" if rows.num_rows != 1 else "The row of this chart"
        place = st.expander(f"{label} ({rows.num_rows:,})", key=f"{name}_open", on_change="rerun")
        if not place.open:
            return
    with place:
        shown = rows.slice(0, ROWS_SHOWN)
        shown, config = (exact(shown), {}) if is_exact else (shown, formats(shown))
        st.dataframe(shown, hide_index=True, column_config=config, key=f"{name}_rows")
        if rows.num_rows > ROWS_SHOWN:
            st.caption(f"The first {ROWS_SHOWN} of {rows.num_rows:,} rows; the files hold all.")
        offer(rows, name)


def exact(rows: pa.Table) -> pa.Table:
    """The rows with moments as texts, which a browser does not cut to seconds."""
    schema = pa.schema(
        field.with_type(pa.string()) if pa.types.is_timestamp(field.type) else field
        for field in rows.schema
    )
    return rows.cast(schema)


def formats(rows: pa.Table) -> dict:
    """How the columns of a table are shown: moments in UTC, counts with thousands apart."""
    moment = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss", timezone="UTC")
    count = st.column_config.NumberColumn(format="localized")
    return {
        field.name: moment if pa.types.is_timestamp(field.type) else count
        for field in rows.schema
        if pa.types.is_timestamp(field.type)
        or (pa.types.is_integer(field.type) and not field.name.endswith("_id"))
    }


def offer(rows: pa.Table, name: str) -> None:
    """Buttons that download rows as CSV, as `lake sql --format csv` prints them, and Parquet."""
    place = st.container(horizontal=True)
    for label, form, make, kind in (
        ("CSV", "csv", as_csv, "text/csv"),
        ("Parquet", "parquet", as_parquet, "application/vnd.apache.parquet"),
    ):
        try:
            content = make(rows)  # now: Streamlit forgets what it shall make after a refresh
        except pa.ArrowNotImplementedError as error:
            place.caption(f"No Parquet: {error}. Cast such a column: `::varchar`.")
            continue
        place.download_button(
            label,
            content,
            file_name=f"{name}.{form}",
            mime=kind,
            key=f"{name}_{form}",
            on_click="ignore",
            icon=":material/download:",
        )


def as_csv(rows: pa.Table) -> bytes:
    """Rows as CSV; times are UTC."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.register("shown", rows)
        return "".join(Answer(con, "from shown", "csv")).encode()


def as_parquet(rows: pa.Table) -> bytes:
    """Rows as a Parquet file."""
    file = io.BytesIO()
    pq.write_table(rows, file, compression="zstd")
    return file.getvalue()
