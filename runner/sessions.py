"""The collector's connections: raw session lines become the relation `sessions`, one file an
exchange and day.
"""

from pathlib import Path

import duckdb

from runner import notes
from runner.inventory import folders, published_days
from runner.metadata import Metadata
from runner.models import Models
from runner.paths import encode
from runner.publish import file_list, scan, target
from runner.stage import run
from runner.unit import Unit, why_stale

# The columns that published sessions keep when their raw is gone.
NOTED = {
    "conn": "BIGINT",
    "mode": "VARCHAR",
    "connected_at": "TIMESTAMPTZ",
    "subscribed_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "ended_by": "VARCHAR",
    "symbols": "VARCHAR[]",
    "clock_offset_us": "BIGINT",
    "stalls": "STRUCT(symbol VARCHAR, stalled_at TIMESTAMPTZ)[]",
    "dropped_messages": "BIGINT",
}


def load(con: duckdb.DuckDBPyConnection, models: Models, exchange: str) -> None:
    """Make the tables `session_events` and `sessions` of an exchange."""
    root = models.lake.base / "raw" / encode(exchange) / "_sessions"
    files = [path for day in folders(root) for path in sorted(day.glob("*.jsonl"))]
    if files:
        run(con, models, "session_events", {"raw_files": file_list(files)})
    else:
        con.execute("create or replace temp table session_events as from no_session_events")
    notes.load(con, "noted_sessions", [], NOTED)
    published = published_days(models.lake.base, models["sessions"], exchange, None)
    if published:
        kept = f"select {', '.join(NOTED)} from {scan(list(published.values()))}"
        con.execute(f"insert into noted_sessions {kept}")
    run(con, models, "sessions", {"exchange": exchange})


def units(con: duckdb.DuckDBPyConnection, models: Models, exchange: str) -> list[Unit]:
    """The days of connections that are stale."""
    base, model = models.lake.base, models["sessions"]
    days = published_days(base, model, exchange, None)
    found = Metadata(base / "work" / "metadata" / f"{encode(exchange)}.msgpack").read(
        con, list(days.values())
    )
    stale = []
    for day, table in notes.tables_by_day(con, "sessions").items():
        inputs = {"rows": table.digest}
        why = why_stale(found.get(days.get(day, Path())), models.fingerprint("sessions"), inputs)
        if why:
            path = target(base, model, exchange, None, day)
            stale.append(
                Unit(
                    "sessions",
                    exchange,
                    None,
                    day,
                    path,
                    why,
                    inputs=inputs,
                    context={"published": table},
                )
            )
    return stale
