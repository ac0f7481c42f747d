"""The collector's connections: raw session lines become the relation `sessions`, one file an exchange and day."""

from pathlib import Path

import duckdb

from runner import notes
from runner.inventory import folders, published_days
from runner.models import Models, why_changed
from runner.paths import encode
from runner.plan import Unit
from runner.publish import Published, file_list, read_metadata, target
from runner.stage import run


def load(con: duckdb.DuckDBPyConnection, models: Models, exchange: str) -> None:
    """Make the tables `session_events` and `sessions` of an exchange."""
    root = models.lake.base / "raw" / encode(exchange) / "_sessions"
    files = [path for day in folders(root) for path in sorted(day.glob("*.jsonl"))]
    if not files:
        con.execute("create or replace temp table session_events as from no_session_events")
    else:
        run(con, models, "session_events", {"raw_files": file_list(files)})
    run(con, models, "sessions", {"exchange": exchange})


def units(con: duckdb.DuckDBPyConnection, models: Models, exchange: str) -> list[Unit]:
    """The days of connections that are stale."""
    model = models["sessions"]
    published = published_days(models.lake.base, model, exchange, None)
    meta = read_metadata(con, list(published.values()))
    columns = ", ".join(row[0] for row in con.execute("describe sessions").fetchall())
    stale = []
    for day, digest in con.execute(
        f"select day::varchar, sum(hash({columns}))::varchar from sessions group by day order by day"
    ).fetchall():
        found = meta.get(published.get(day, Path()))
        why = _why(found, models.fingerprint("sessions"), {"rows": digest})
        if why:
            path = target(models.lake.base, model, exchange, None, day)
            context = {"table": notes.table(con, f"(from sessions where day = date '{day}')")}
            stale.append(Unit("sessions", exchange, None, day, path, why, inputs={"rows": digest}, context=context))
    return stale


def _why(found: Published | None, sql: dict[str, str], inputs: dict) -> str | None:
    if found is None:
        return "not there"
    return why_changed(found.sql, sql) or (None if found.inputs == inputs else "inputs changed")
