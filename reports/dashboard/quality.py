"""Data quality: what is known of every hour, which ids are missing, what validations said."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import streamlit as st

from dashboard import charts, page
from runner.dashboard.lake import Span, Viewer, microseconds
from runner.moments import DAY_US

VALIDATIONS = 50


@dataclass(frozen=True)
class Part:
    """A part of the page: its question, what it says, and what to run where there is no answer."""

    title: str
    name: str
    note: str
    absent: str
    commands: tuple[str, ...] = ()
    is_heat_map: bool = False


PARTS = (
    Part(
        "Completeness by hour",
        "completeness",
        "Seconds whose trades are all known (traded, or proven quiet), of those between the first "
        "known trade and the last. Full blue: all of them; empty: not recorded.",
        "There are no bars in this range.",
        ("lake build",),
        is_heat_map=True,
    ),
    Part(
        "Tape certificates",
        "certificates",
        "Which trade ids each UTC day has, and how many are missing.",
        "There are no certificates in this range.",
        ("lake build",),
    ),
    Part(
        "Outages",
        "outages",
        "When a symbol's stream was off for longer than `rules.max_outage_seconds`.",
        "No stream was off in this range.",
    ),
    Part(
        "Latency of the range's last day",
        "latency",
        "From the trade to its receipt, by this machine's clock; below zero: that clock is slow.",
        "No trades were received live on the last day of this range.",
        ("lake collect",),
    ),
    Part(
        "Parity with the official klines",
        "parity",
        "Minutes by verdict: ours beside the exchange's own.",
        "There are no official klines in this range.",
        ("lake backfill",),
    ),
)


def draw(viewer: Viewer) -> None:
    """One part below the other, each on its own: a fault of one leaves the others."""
    known = viewer.symbols()
    if not known.num_rows:
        page.empty("This lake has no bars yet.", "lake collect", "lake build")
    else:
        first, last = min(known["first_day"].to_pylist()), max(known["last_day"].to_pylist())
        with st.columns([2, 3])[0]:
            span = page.span("quality", _start(last) + DAY_US, _start(first), "7 days")
        for part in PARTS if span is not None else ():
            with page.telling():
                _show(viewer, part, span)
    with page.telling():
        _validations(viewer.lake.base / "logs" / "validation")


def _start(day: date) -> int:
    """The beginning of a day in microseconds."""
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _show(viewer: Viewer, part: Part, span: Span) -> None:
    st.subheader(part.title, anchor=False)
    st.caption(part.note)
    own = _own_values(viewer, part.name, span)
    rows = page.ask(part.name, **own, **span.values) if own is not None else None
    if rows is None:
        page.empty(part.absent, *part.commands)
        return
    if part.is_heat_map:
        page.chart(charts.heat_map(rows), part.name, "Seconds proven", span)
    page.table(rows, part.name, is_open=not part.is_heat_map)


def _own_values(viewer: Viewer, name: str, span: Span) -> dict | None:
    """What the SQL of one part fills in beside the range; None where there is nothing to ask."""
    if name == "latency":
        values = {"from_us": span.from_us, "to_us": span.to_us}
        return {"latencies": viewer.checked("latencies", **values)}
    if name == "parity":
        found = page.ask("kline_symbols", **span.values)
        return found.to_pylist()[0] if found else None
    return {}


def _validations(folder: Path) -> None:
    """The verdicts of the last validations."""
    st.subheader("Validation verdicts", anchor=False)
    st.caption("What `lake validate` said, the newest first; also beyond the range above.")
    files = sorted(map(Path.as_posix, folder.glob("validation_*.json")))[-VALIDATIONS:]
    rows = page.ask("validations", files=files) if files else None
    if rows is None:
        page.empty("No validation was run yet.", "lake validate")
    else:
        page.table(rows, "validations")


page.show("Data quality", draw)
