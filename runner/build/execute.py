"""Executing a unit of the plan: make its rows with the shipped SQL, publish its file."""

import re
import tempfile
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import click
import duckdb

from runner import engine
from runner.build import answer_units, derived, notes, sessions
from runner.build.answers import COLUMNS
from runner.build.publish import file_list, publish, scan
from runner.build.stage import run, unit_values
from runner.build.ticks import view_ticks
from runner.build.unit import Unit
from runner.models.models import Models
from runner.models.sql_files import Model
from runner.moments import hours_of
from runner.seal import archive

# What is noted of trades and quotes reads them by another name, because it is asked of hour parts
# and day files alike.
NOTED = {"trades": ("trade_hours", "trade_runs"), "quotes": ("quote_hours",)}
KEY = {"trades": "trade_id", "quotes": "update_id"}


def execute(
    con: duckdb.DuckDBPyConnection, models: Models, unit: Unit, until_us: int, may_lose: bool
) -> int:
    """Publish a unit; returns its rows. ClickException names the SQL file, or the ticks that would
    be lost.
    """
    compression = "zstd"
    if unit.relation in KEY:
        _ticks(con, models, unit, until_us, may_lose)
    elif unit.relation == "bars_1s":
        _bars(con, models, unit)
        compression = models.lake.config.transformer.parquet_compression
    elif "published" in unit.context:
        unit.context["published"].load(con, "published")
    elif unit.relation == "rejects":
        _rejects(con, unit)
    elif "answers" in unit.context:
        answer_units.make(con, models, unit)
    else:
        derived.make(con, models, unit)
    meta = {"sql": models.fingerprint(unit.relation), "inputs": unit.inputs, "note": unit.note}
    if unit.relation in KEY:
        meta["content"] = unit.context["content"]
    return publish(con, models.lake.base, models[unit.relation], unit.path, compression, meta)


def _ticks(
    con: duckdb.DuckDBPyConnection, models: Models, unit: Unit, until_us: int, may_lose: bool
) -> None:
    """Make `published` the trades or quotes of a day."""
    hours, of = hours_of(unit.day), (unit.exchange, unit.symbol)
    has_copies = unit.context["has_copies"]
    view_ticks(
        con,
        models,
        unit.relation,
        of,
        unit.sources,
        (hours[0], hours[-1]),
        until_us,
        has_copies,
        unit.context["is_sealed"],
    )
    con.execute(f"create or replace temp view published as from {unit.relation}")
    if unit.path.exists() and not may_lose:
        _refuse_loss(con, unit)


def _refuse_loss(con: duckdb.DuckDBPyConnection, unit: Unit) -> None:
    """Stop before a published trade or quote disappears from the lake."""
    key = KEY[unit.relation]
    others = [path for path in unit.path.parents[3].glob("*/*/*/*.parquet") if path != unit.path]
    kept = f"select {key} from published"
    try:
        missing = _count_without(con, key, unit.path, kept)
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return  # a damaged file holds nothing that could be lost
    if missing and others:
        missing = _count_without(
            con, key, unit.path, f"select {key} from {scan(others)} union all {kept}"
        )
    if missing:
        raise click.ClickException(
            f"{unit.symbol} {unit.day}: this build would lose {missing} published {unit.relation}, "
            "so the file stays as it is; put the raw of that day back, or accept it with "
            f"`lake build --from-raw --symbols {unit.symbol} --date {unit.day}`"
        )


def _count_without(con: duckdb.DuckDBPyConnection, key: str, path: Path, kept: str) -> int:
    """How many rows of a file have a key that is not among the kept ones."""
    query = f"select count(*) from {scan([path])} as old anti join ({kept}) as kept using ({key})"
    return con.execute(query).fetchone()[0]


def _bars(con: duckdb.DuckDBPyConnection, models: Models, unit: Unit) -> None:
    """Make `published` the bars of a day: the hours that changed anew, the others from the file
    that is there.
    """
    for name in ("bar_hours", "holes", "merged_covers"):
        unit.context[name].load(con, name)
    first, last = unit.hours[0], unit.hours[-1]
    for stream, sources in unit.context["sources"].items():
        has_copies = unit.context["has_copies"][stream]
        of = (unit.exchange, unit.symbol)
        view_ticks(
            con,
            models,
            stream,
            of,
            sources,
            (first, last),
            has_copies=has_copies,
            is_sealed=unit.context["is_sealed"],
        )
    values = unit_values(unit.exchange, unit.symbol, unit.day)
    for name in ("trade_bars_1s", "quote_bars_1s", "seconds", "bars_1s"):
        run(con, models, name, values)
    con.execute("create or replace temp table published as from bars_1s")
    if len(unit.hours) < len(unit.inputs):
        con.execute(
            f"insert into published by name from {scan([unit.path])} "
            "where not (epoch_us(window_start) // 3600000000 between $first and $last)",
            {"first": first, "last": last},
        )


def _rejects(con: duckdb.DuckDBPyConnection, unit: Unit) -> None:
    """Make `published` the unreadable lines of a day of receipt."""
    source = scan(list(unit.sources)) if unit.sources else "no_rejects"
    # a sealed file may hold late lines already that an hour part still has
    con.execute(f"create or replace temp table published as select distinct * from {source}")


def prepare(con: duckdb.DuckDBPyConnection, models: Models) -> dict[str, str]:
    """Keep each stored relation once without rows as `no_…`; returns which relations cannot be
    made, and why.

    Where the SQL changed, every relation is made once: so each file's errors show before anything
    is built, and what does not depend on a broken file is built all the same.
    """
    _load_empty(con)
    known = models.known
    if known.duckdb != duckdb.__version__:
        if broken := _make_all(con, models):
            return broken
        known.duckdb = duckdb.__version__
    for name in _kept(models):
        listed = ", ".join(f'"{column}" {kind}' for column, kind in known.columns[name])
        con.execute(f"create or replace temp table no_{name} ({listed})")
    return {}


def _kept(models: Models) -> list[str]:
    """The relations that are kept without rows."""
    return [*(model.name for model in models.stored()), "session_events", "session_rejects"]


def _columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    return [row[:2] for row in con.execute(f"describe {relation}").fetchall()]


def _load_empty(con: duckdb.DuckDBPyConnection) -> None:
    """What Python tells SQL of, without rows."""
    notes.load_notes(con, [])
    notes.load(con, "noted_sessions", [], sessions.NOTED)
    notes.load(con, "answered", [], COLUMNS)
    for name, columns in archive.TABLES.items():
        notes.load(con, name, [], columns)


def _make_all(con: duckdb.DuckDBPyConnection, models: Models) -> dict[str, str]:
    """Make every relation without rows, what it reads first; returns what failed, and why."""
    broken: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        # read_json takes no empty list of files; Windows opens no temporary file a second time
        empty = Path(scratch) / "empty.jsonl"
        empty.touch()
        unit = {"raw_files": file_list([empty])}
        reads = _reads(models)
        for name in TopologicalSorter(reads).static_order():
            if roots := [read for read in sorted(reads[name]) if read in broken]:
                broken[name] = broken[roots[0]]
                continue
            try:
                run(con, models, name, unit, "view" if models[name].is_view else "table")
                _check_grain(con, models[name])
            except click.ClickException as error:
                broken[name] = error.message
            if name in NOTED and name not in broken:
                con.execute(f"create or replace temp view noted_{name} as from {name}")
    whole = [name for name in _kept(models) if name not in broken]
    for name in whole:
        con.execute(f"create or replace temp table no_{name} as from {name}")
    whole += [name for name in models.models if models[name].is_view and name not in broken]
    models.known.columns = {name: _columns(con, name) for name in whole}
    engine.clear(con, models)
    return broken


def _check_grain(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Stop where a relation lacks a column by which its files are found or sorted, or its answers
    told apart.
    """
    columns = {column for column, _ in _columns(con, model.name)}
    wanted = [*model.grain, *re.findall(r"{(\w+)}", model.file)] if model.file else []
    if model.raw and (missing := sorted(COLUMNS.keys() - columns)):
        raise click.ClickException(
            f"{model.path}, line 1: a model of raw answers needs a column {missing[0]!r}"
        )
    if missing := [column for column in wanted if column not in columns]:
        raise click.ClickException(
            f"{model.path}, line 1: its header names {missing[0]!r}, which is no column of it"
        )


def _reads(models: Models) -> dict[str, set[str]]:
    """What each model reads, and so what must be made before it."""
    built = [name for name, model in models.models.items() if not (model.is_rule or model.is_check)]
    reads = {name: set(models.reads(name)) for name in built}
    for name, noting in NOTED.items():
        for model in noting:
            reads[model].add(name)
    try:
        TopologicalSorter(reads).prepare()
    except CycleError as error:
        circle = error.args[1]
        raise click.ClickException(
            f"{models[circle[0]].path}: reads itself, by {' → '.join(circle)}"
        ) from None
    return reads
