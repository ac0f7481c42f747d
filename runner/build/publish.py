"""Putting a file into place: written outside every glob, synced, then moved over the old one in one
step.

Any other way gives readers errors or silently wrong counts while a build runs.
"""

import json
import os
import uuid
from pathlib import Path

import duckdb

from runner.files import replace, sync_folder
from runner.lease import replace_unread
from runner.models.sql_files import Model
from runner.paths import day_folder, encode


def target(
    base: Path, model: Model, exchange: str, symbol: str | None, day: str, interval: str = ""
) -> Path:
    """Where the file of a relation, symbol (or ticker) and day lies."""
    pattern, leaf = steps(model)
    name = encode(symbol or "")
    folder = pattern.format(exchange=encode(exchange), symbol=name, ticker=name)
    file = leaf.format(day=day, interval=encode(interval))
    return base / folder / day_folder(day) / f"{file}.parquet"


def steps(model: Model) -> tuple[str, str]:
    """The pattern of a relation's folders above those of days, and of the names of its files."""
    pattern, _, leaf = model.file.partition("/{day}")
    return pattern, leaf.removeprefix("/") or "{day}"


def publish(
    con: duckdb.DuckDBPyConnection,
    base: Path,
    model: Model,
    path: Path,
    compression: str,
    meta: dict,
) -> int:
    """Write the temporary table or view `published`, sorted by the grain, and move it into place;
    returns its rows.

    `meta`: sql (file → hash), inputs and note (JSON-ready); content: row count and logical hash,
    where the plan knows them.
    """
    rows, total = meta.get("content") or content(con)
    staging = base / "work" / "publishing" / f"{uuid.uuid4().hex}.parquet"
    staging.parent.mkdir(parents=True, exist_ok=True)
    if _copy(con, model, staging, compression, meta, rows, total) != rows:
        # SQL that leaves rows out, or makes more: then they are counted as they are
        rows, total = content(con)
        _copy(con, model, staging, compression, meta, rows, total)
    move(staging, path)
    return rows


def _copy(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    staging: Path,
    compression: str,
    meta: dict,
    rows: int,
    total: str,
) -> int:
    """Write `published` to a file with its metadata; returns how many rows there were."""
    pairs = {
        "lake.sql": _json(meta["sql"]),
        "lake.inputs": _json(meta.get("inputs", {})),
        "lake.rows": str(rows),
        "lake.hash": total,
        "lake.note": _json(meta.get("note", {})),
    }
    quoted = ", ".join(f"'{key}': '{sql_text(value)}'" for key, value in pairs.items())
    level = ", compression_level 1" if compression == "zstd" else ""
    # a file holds one exchange and one symbol: sorting by them too would only take memory
    columns = [column for column in model.grain if column not in ("exchange", "symbol")]
    order = ", ".join(columns or model.grain)
    # Parquet's version 1, the default: every reader knows its encodings. Version 2 takes a seventh
    # less room, but fastparquet and older Sparks cannot read its doubles.
    return con.execute(
        f"copy (from published order by {order}) to '{sql_text(staging)}' "
        f"(format parquet, compression {compression}{level}, "
        f"row_group_size 122880, kv_metadata {{{quoted}}})"
    ).fetchone()[0]


def content(con: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """Row count and logical hash of `published`: a sum of row hashes, as an xor loses twins."""
    columns = [row[0] for row in con.execute("describe published").fetchall()]
    listed = ", ".join(f'"{column}"' for column in columns)
    query = f"select count(*), coalesce(sum(hash({listed})), 0)::varchar from published"
    return con.execute(query).fetchone()


def _json(value: dict) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def move(staging: Path, path: Path) -> None:
    """Sync a finished file and put it over the old one; who has that open is waited for, where the
    system tells.
    """
    with staging.open("r+b") as file:
        os.fsync(file.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not replace_unread(staging, path):
            replace(staging, path)
    except PermissionError:
        staging.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sql_text(value: object) -> str:
    """A value inside single quotes of SQL."""
    return str(value).replace("'", "''")


def file_list(paths: list[Path]) -> str:
    """Paths as a DuckDB list of strings, glob characters taken literally."""
    return "[" + ", ".join(f"'{sql_text(literal(path))}'" for path in paths) + "]"


def scan(paths: list[Path]) -> str:
    """SQL that reads Parquet files as they are: columns come from the files, never from folder
    names.
    """
    return f"read_parquet({file_list(paths)}, hive_partitioning = false)"


def literal(path: Path) -> str:
    """A path in which DuckDB sees no glob.

    >>> literal(Path("a[1]*.parquet"))
    'a[[]1][*].parquet'
    """
    return "".join(f"[{char}]" if char in "*?[" else char for char in path.as_posix())
