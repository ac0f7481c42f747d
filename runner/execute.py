"""Executing a unit of the plan: make its rows with the shipped SQL, publish its file."""

from pathlib import Path

import click
import duckdb

from runner import engine, notes
from runner.models import Models
from runner.plan import PLAN_MODELS
from runner.publish import file_list, publish
from runner.stage import run, unit_values
from runner.ticks import hours_of, view_ticks
from runner.unit import Unit

KEY = {"trades": "trade_id", "quotes": "update_id"}


def execute(con: duckdb.DuckDBPyConnection, models: Models, unit: Unit, until_us: int, may_lose: bool) -> int:
    """Publish a unit; returns its rows. ClickException names the SQL file, or the ticks that would be lost."""
    compression = "zstd"
    if unit.relation in KEY:
        _ticks(con, models, unit, until_us, may_lose)
    elif unit.relation == "bars_1s":
        _bars(con, models, unit)
        compression = models.lake.config.transformer.parquet_compression
    elif unit.relation == "rejects":
        _rejects(con, unit)
    else:
        unit.context["published"].load(con, "published")
    meta = {"sql": models.fingerprint(unit.relation), "inputs": unit.inputs, "note": unit.note}
    return publish(con, models.lake.base, models[unit.relation], unit.path, compression, meta)


def _ticks(con: duckdb.DuckDBPyConnection, models: Models, unit: Unit, until_us: int, may_lose: bool) -> None:
    """Make `published` the trades or quotes of a day."""
    hours, of = hours_of(unit.day), (unit.exchange, unit.symbol)
    has_copies = unit.context["has_copies"]
    view_ticks(con, models, unit.relation, of, unit.sources, (hours[0], hours[-1]), until_us, has_copies)
    con.execute(f"create or replace temp view published as from {unit.relation}")
    if unit.path.exists() and not may_lose:
        _refuse_loss(con, unit)


def _refuse_loss(con: duckdb.DuckDBPyConnection, unit: Unit) -> None:
    """Stop before a published trade or quote disappears from the lake."""
    key = KEY[unit.relation]
    others = [path for path in unit.path.parents[3].glob("*/*/*/*.parquet") if path != unit.path]
    elsewhere = f"select {key} from read_parquet({file_list(others)}) union all " if others else ""
    old = f"select {key} from read_parquet({file_list([unit.path])})"
    missing = con.execute(
        f"select count(*) from ({old}) as old anti join published using ({key})"
    ).fetchone()[0]
    if missing and elsewhere:
        missing = con.execute(
            f"select count(*) from ({old}) as old anti join ({elsewhere}select {key} from published) as kept using ({key})"
        ).fetchone()[0]
    if missing:
        raise click.ClickException(
            f"{unit.symbol} {unit.day}: this build would lose {missing} published {unit.relation}, so the file stays as "
            f"it is; put the raw of that day back, or accept it with "
            f"`lake build --from-raw --symbols {unit.symbol} --date {unit.day}`"
        )


def _bars(con: duckdb.DuckDBPyConnection, models: Models, unit: Unit) -> None:
    """Make `published` the bars of a day: the hours that changed anew, the others from the file that is there."""
    for name in ("bar_hours", "holes", "merged_covers"):
        unit.context[name].load(con, name)
    first, last = unit.hours[0], unit.hours[-1]
    for stream, sources in unit.context["sources"].items():
        has_copies = unit.context["has_copies"][stream]
        of = (unit.exchange, unit.symbol)
        view_ticks(con, models, stream, of, sources, (first, last), has_copies=has_copies)
    values = unit_values(unit.exchange, unit.symbol, unit.day)
    for name in ("trade_bars_1s", "quote_bars_1s", "bars_1s"):
        run(con, models, name, values)
    con.execute("create or replace temp table published as from bars_1s")
    if len(unit.hours) < len(unit.inputs):
        con.execute(
            f"insert into published from read_parquet({file_list([unit.path])}) "
            "where not (epoch_us(window_start) // 3600000000 between $first and $last)",
            {"first": first, "last": last},
        )


def _rejects(con: duckdb.DuckDBPyConnection, unit: Unit) -> None:
    """Make `published` the unreadable lines of a day of receipt."""
    source = f"read_parquet({file_list(list(unit.sources))})" if unit.sources else "no_rejects"
    con.execute(f"create or replace temp table published as from {source}")


def prepare(con: duckdb.DuckDBPyConnection, models: Models) -> None:
    """Make every relation once, without rows: `no_…` for the stored ones, and each SQL file's errors show first."""
    nothing = file_list([_empty_file(models.lake.base)])
    notes.load_notes(con, [], [])
    run(con, models, "session_events", {"raw_files": nothing})
    for name in ("sessions", "connections", "lake_clock", "overlapping_hours", "stalls"):
        run(con, models, name, {})
    for name in ("lines", "clock", "staged_trades", "staged_quotes", "cover_pieces", "newest", "rejects"):
        run(con, models, name, {"raw_files": nothing})
    for name in ("trades", "quotes"):
        run(con, models, name, {})
        con.execute(f"create or replace temp view noted_{name} as from {name}")
    for name in ("trade_hours", "trade_runs", "quote_hours", "staged_trade_hours", "trade_bars_1s", "quote_bars_1s"):
        run(con, models, name, {})
    for name in [*PLAN_MODELS[1:], "bars_1s"]:
        run(con, models, name, {})
    for name in (*(model.name for model in models.stored()), "session_events"):
        con.execute(f"create or replace temp table no_{name} as from {name}")
    engine.clear(con, models)


def _empty_file(base: Path) -> Path:
    """A raw file without a line: read_json takes no empty list of files."""
    path = base / "work" / "empty.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(b"")
    return path
