"""Notes: what the plan knows of a file of ticks without reading its rows.

A note is JSON, made by SQL when the rows were at hand: beside an hour part in the workshop
(`note.json`), or in the
metadata of a published file. The plan loads notes into the tables named `noted_…` that its models
read.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec

FORMAT = 4
NO_ROWS = "[]"

# Table → key in a note, and its columns. Sums of hashes are HUGEINT, prices stay text until a model
# casts them.
HASHED = "HUGEINT"
TABLES = {
    "noted_trade_hours": (
        "trade_hours",
        {
            "hour": "BIGINT",
            "trades": "BIGINT",
            "repaired": "BIGINT",
            "first_id": "BIGINT",
            "last_id": "BIGINT",
            "first_second": "BIGINT",
            "last_second": "BIGINT",
            "last_price": "VARCHAR",
            "duplicates": "BIGINT",
            "price_hash": HASHED,
            "qty_hash": HASHED,
            "side_hash": HASHED,
            "source_hash": HASHED,
            "ts_event_hash": HASHED,
            "ts_recv_hash": HASHED,
        },
    ),
    "noted_runs": (
        "trade_runs",
        {
            "hour": "BIGINT",
            "first_id": "BIGINT",
            "last_id": "BIGINT",
            "first_second": "BIGINT",
            "last_second": "BIGINT",
        },
    ),
    "noted_quote_hours": (
        "quote_hours",
        {
            "hour": "BIGINT",
            "quotes": "BIGINT",
            "first_id": "BIGINT",
            "last_id": "BIGINT",
            "last_us": "BIGINT",
            "last_bid": "VARCHAR",
            "last_ask": "VARCHAR",
            "bid_hash": HASHED,
            "bid_qty_hash": HASHED,
            "ask_hash": HASHED,
            "ask_qty_hash": HASHED,
            "ts_event_hash": HASHED,
            "ts_recv_hash": HASHED,
        },
    ),
    "noted_pieces": (
        "pieces",
        {
            "conn": "BIGINT",
            "first_recv_us": "BIGINT",
            "last_recv_us": "BIGINT",
            "start_us": "BIGINT",
            "end_us": "BIGINT",
        },
    ),
    "noted_absent": ("absent", {"first_id": "BIGINT", "last_id": "BIGINT"}),
    "noted_newest": ("newest", {"conn": "BIGINT", "recv_us": "BIGINT"}),
    "noted_covers": ("covers", {"start_us": "BIGINT", "end_us": "BIGINT"}),
    "noted_certificates": ("certificate", {"day_number": "BIGINT", "duplicates": "BIGINT"}),
}
EXACT = {"exact_trade_hours": "noted_trade_hours", "exact_quote_hours": "noted_quote_hours"}


@dataclass(frozen=True)
class Table:
    """A small relation on its way from one connection to another: its rows as JSON, its columns'
    types.
    """

    rows: str
    types: dict[str, str]
    digest: str = ""

    def load(self, con: duckdb.DuckDBPyConnection, name: str) -> None:
        """Make it a temporary table."""
        fields = ", ".join(f'"{column}" {kind}' for column, kind in self.types.items())
        if self.rows == NO_ROWS:
            con.execute(f"create or replace temp table {name} ({fields})")
            return
        con.execute(
            f"create or replace temp table {name} as "
            f"select unnest(cast(cast($rows as json) as struct({fields})[]), recursive := true)",
            {"rows": self.rows},
        )


def table(con: duckdb.DuckDBPyConnection, relation: str) -> Table:
    """A small relation of a connection, ready to be loaded into another."""
    return Table(_json(con, relation), _types(con, relation))


def empty(con: duckdb.DuckDBPyConnection, relation: str) -> Table:
    """The same of a relation that is known to have no rows."""
    return Table(NO_ROWS, _types(con, relation))


def _types(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute(f"describe (from {relation})").fetchall()}


def tables_by_day(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, Table]:
    """A small relation cut by its column `day`, with the logical hash of each day's rows."""
    types = _types(con, relation)
    columns = ", ".join(f'"{column}"' for column in types)
    found = con.execute(
        f"select day::varchar, to_json(list(r))::varchar, sum(hash({columns}))::varchar "
        f"from (from {relation}) as r group by day order by day"
    ).fetchall()
    return {day: Table(rows, types, digest) for day, rows, digest in found}


def load(
    con: duckdb.DuckDBPyConnection, name: str, rows: list[dict], types: dict[str, str]
) -> None:
    """Make rows a temporary table; each row has just these columns."""
    Table(json.dumps(rows), types).load(con, name)


def load_notes(con: duckdb.DuckDBPyConnection, parts: list[dict]) -> None:
    """Fill the `noted_…` tables of one symbol from the notes of its files; `part` tells them
    apart.
    """
    for name, (key, types) in TABLES.items():
        rows = [row for note in parts for row in note.get(key, ())]
        if name in EXACT.values():
            rows = [
                {**row, "part": part}
                for part, note in enumerate(parts)
                for row in note.get(key, ())
            ]
            types = {**types, "part": "BIGINT"}
        load(con, name, rows, types)
    for name, like in EXACT.items():
        con.execute(f"create or replace temp table {name} as from {like} limit 0")


def rows_of(con: duckdb.DuckDBPyConnection, relation: str) -> list[dict]:
    """The rows of a small relation, as they go into a note."""
    return msgspec.json.decode(_json(con, relation))


def _json(con: duckdb.DuckDBPyConnection, relation: str) -> str:
    return con.execute(
        f"select coalesce(to_json(list(r)), '{NO_ROWS}')::varchar from (from {relation}) as r"
    ).fetchone()[0]


def read(path: Path) -> dict | None:
    """An hour part's note; None where there is none, a crash left half of one, or another version
    wrote it.
    """
    try:
        note = msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return note if isinstance(note, dict) and note.get("format") == FORMAT else None
