"""Health: what `lake status` says, how new the data are, connections, unreadable lines."""

import msgspec
import streamlit as st

from dashboard import page
from runner.dashboard.lake import Viewer
from runner.health import now

COLOURS = {"HEALTHY": "success", "DEGRADED": "warning", "ERROR": "error", "STOPPED": "warning"}
PARTS = (
    ("Newest bars", "freshness", "This lake has no bars yet.", ("lake collect", "lake build")),
    ("Connections", "connections", "This lake has no connection yet.", ("lake collect",)),
    ("Unreadable lines", "unread_lines", "Every raw line could be read.", ()),
)


def draw(viewer: Viewer) -> None:
    """The verdict, then what the lake itself knows."""
    _verdict(viewer)
    for title, name, absent, commands in PARTS:
        st.subheader(title, anchor=False)
        with page.telling():
            rows = page.ask(name)
            if rows is None:
                page.empty(absent, *commands)
            else:
                page.table(rows, name)


def _verdict(viewer: Viewer) -> None:
    """What `lake status` says: the last heartbeat, held against who really runs."""
    told = now.current(viewer.lake)
    said = f"**{told.status}** {told.reason}  \n{told.mode}, as of {told.ts_utc}"
    getattr(st, COLOURS.get(told.status, "info"))(said)
    for other in told.others:
        st.warning(other)
    figures = {
        "free disk": f"{told.disk.free_bytes / 1e9:,.1f} GB" if told.disk.free_bytes else "–",
        "latency, median": _unit(told.collector.last_latency_p50_ms, "ms"),
        "trade ids missing today": _unit(told.tape.missing_today, ""),
        "raw files today": _unit(told.files.raw_count_today, ""),
    }
    for place, (name, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        place.metric(name, value)
    with st.expander("All that is known of its health"):
        st.json(msgspec.to_builtins(told))


def _unit(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:,.0f} {unit}".strip()


page.show("Health", draw)
