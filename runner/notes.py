"""Notes: what the plan knows of a file of ticks without reading its rows.

A note is JSON, made by SQL when the rows were at hand: beside an hour part in the workshop (`note.json`), or in the
metadata of a published file. The plan loads notes into the tables named `noted_…` that its models read.
"""

import json
from pathlib import Path

import duckdb
import msgspec

# Table → key in a note, and its columns. Sums of hashes are HUGEINT, prices stay text until a model casts them.
HASHED = "HUGEINT"
TABLES = {
    "noted_trade_hours": (
        "trade_hours",
        {
            "hour": "BIGINT", "trades": "BIGINT", "repaired": "BIGINT", "first_id": "BIGINT", "last_id": "BIGINT",
            "first_second": "BIGINT", "last_second": "BIGINT", "last_price": "VARCHAR", "duplicates": "BIGINT",
            "price_hash": HASHED, "qty_hash": HASHED, "side_hash": HASHED, "source_hash": HASHED,
            "ts_event_hash": HASHED, "ts_recv_hash": HASHED,
        },
    ),
    "noted_runs": (
        "trade_runs",
        {"first_id": "BIGINT", "last_id": "BIGINT", "first_second": "BIGINT", "last_second": "BIGINT"},
    ),
    "noted_quote_hours": (
        "quote_hours",
        {
            "hour": "BIGINT", "quotes": "BIGINT", "first_id": "BIGINT", "last_id": "BIGINT", "last_us": "BIGINT",
            "last_bid": "VARCHAR", "last_ask": "VARCHAR", "bid_hash": HASHED, "bid_qty_hash": HASHED,
            "ask_hash": HASHED, "ask_qty_hash": HASHED, "ts_event_hash": HASHED, "ts_recv_hash": HASHED,
        },
    ),
    "noted_pieces": (
        "pieces",
        {
            "conn": "BIGINT", "first_recv_us": "BIGINT", "last_recv_us": "BIGINT", "start_us": "BIGINT",
            "end_us": "BIGINT",
        },
    ),
    "noted_absent": ("absent", {"first_id": "BIGINT", "last_id": "BIGINT"}),
    "noted_newest": ("newest", {"conn": "BIGINT", "recv_us": "BIGINT"}),
    "noted_covers": ("covers", {"start_us": "BIGINT", "end_us": "BIGINT"}),
}
EXACT = {"exact_trade_hours": "noted_trade_hours", "exact_quote_hours": "noted_quote_hours"}


def structure(columns: dict[str, str]) -> str:
    """The type of a list of rows: STRUCT("hour" BIGINT, …)[]."""
    fields = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f"STRUCT({fields})[]"


def load(con: duckdb.DuckDBPyConnection, table: str, rows: list[dict], columns: dict[str, str]) -> None:
    """Make rows a temporary table; each row has at least the columns."""
    con.execute(
        f"create or replace temp table {table} as "
        f"select unnest(cast(cast($rows as json) as {structure(columns)}), recursive := true)",
        {"rows": json.dumps(rows)},
    )


def load_notes(con: duckdb.DuckDBPyConnection, staged: list[dict], kept: list[dict]) -> None:
    """Fill the `noted_…` tables of one symbol from its hour parts and from the day files that are their own source."""
    for table, (key, columns) in TABLES.items():
        rows = [row for note in staged for row in note.get(key, ())]
        more = [row for note in kept for row in note.get(key, ())]
        if table == "noted_trade_hours":
            columns = {**columns, "is_kept": "BOOLEAN"}
            rows = [{**row, "is_kept": False} for row in rows] + [{**row, "is_kept": True} for row in more]
        else:
            rows += more
        load(con, table, rows, columns)
    for table, like in EXACT.items():
        con.execute(f"create or replace temp table {table} as from {like} limit 0")


def rows_of(con: duckdb.DuckDBPyConnection, relation: str) -> list[dict]:
    """The rows of a small relation, as they go into a note."""
    text = con.execute(f"select coalesce(to_json(list(r)), '[]') from (from {relation}) as r").fetchone()[0]
    return json.loads(text)


def table(con: duckdb.DuckDBPyConnection, relation: str) -> tuple[list[dict], dict[str, str]]:
    """A small relation as load() takes it: its rows, and its columns' types."""
    types = {row[0]: row[1] for row in con.execute(f"describe (from {relation})").fetchall()}
    return rows_of(con, relation), types


def read(path: Path) -> dict | None:
    """An hour part's note; None where there is none or a crash left half of one."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
