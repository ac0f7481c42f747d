"""The collector's connections: raw session lines become the relation `sessions`, one file an
exchange and day.
"""

from pathlib import Path

import duckdb

from runner.build import notes
from runner.build.inventory import folders, published_days
from runner.build.metadata import Metadata
from runner.build.publish import file_list, scan, target
from runner.build.stage import run
from runner.build.unit import Unit, why_stale
from runner.models.models import Models
from runner.paths import encode, is_day

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
    """Make the tables `session_events`, `session_rejects` and `sessions` of an exchange."""
    root = models.lake.base / "raw" / encode(exchange) / "_sessions"
    days = [day for day in folders(root) if is_day(day.name)]
    files = [path for day in days for path in sorted(day.glob("*.jsonl")) if path.is_file()]
    if files:
        unit = {"raw_files": file_list(files), "exchange": exchange}
        run(con, models, "line_texts", unit, kind="view")
        for name in ("session_lines", "session_events", "session_rejects"):
            run(con, models, name, unit)
    else:
        for name in ("session_events", "session_rejects"):
            con.execute(f"create or replace temp table {name} as from no_{name}")
    notes.load(con, "noted_sessions", [], NOTED)
    published = published_days(models.lake.base, models["sessions"], exchange, None)
    if published:
        kept = f"select {', '.join(NOTED)} from {scan(list(published.values()))}"
        con.execute(f"insert into noted_sessions {kept}")
    run(con, models, "sessions", {"exchange": exchange})


def units(con: duckdb.DuckDBPyConnection, models: Models, exchange: str) -> list[Unit]:
    """The days of connections that are stale, and those of lines that could not be read."""
    return [
        *_stale(con, models, exchange, "sessions", None, notes.tables_by_day(con, "sessions")),
        *_stale(con, models, exchange, "rejects", "_sessions", _rejects(con, models, exchange)),
    ]


def _rejects(
    con: duckdb.DuckDBPyConnection, models: Models, exchange: str
) -> dict[str, notes.Table]:
    """The unreadable lines by day; none for a day whose raw was mended since it was published."""
    base = models.lake.base
    found = notes.tables_by_day(con, "session_rejects")
    nothing = notes.table(con, "no_session_rejects")
    for day in published_days(base, models["rejects"], exchange, "_sessions"):
        if any((base / "raw" / encode(exchange) / "_sessions" / day).glob("*.jsonl")):
            found.setdefault(day, nothing)
    return found


def _stale(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    exchange: str,
    relation: str,
    symbol: str | None,
    tables: dict[str, notes.Table],
) -> list[Unit]:
    """The units of the days whose published file does not hold these rows."""
    base, model = models.lake.base, models[relation]
    days = published_days(base, model, exchange, symbol)
    cache = Metadata(base / "work" / "metadata" / f"{encode(exchange)}.{relation}.msgpack")
    found = cache.read(con, list(days.values()))
    cache.save()
    units = []
    for day, table in tables.items():
        inputs = {"rows": table.digest}
        why = why_stale(found.get(days.get(day, Path())), models.fingerprint(relation), inputs)
        if why:
            path = target(base, model, exchange, symbol, day)
            context = {"published": table}
            units.append(
                Unit(relation, exchange, symbol, day, path, why, inputs=inputs, context=context)
            )
    return units
