"""Staging: the raw parts of one hour of receipt, parsed once, become an hour part in the workshop.

An hour part is a folder work/staged/{exchange}/{symbol}/{day}/{hour}/ with trades.parquet,
quotes.parquet, perhaps
rejects.parquet, and note.json, written last: without it the folder does not count.
"""

import json
import re
import shutil
import uuid
from pathlib import Path

import click
import duckdb

from runner import engine
from runner.build import notes
from runner.build.packed import pack_of, unpack
from runner.build.publish import file_list, sql_text
from runner.build.raw_hours import Hour
from runner.files import replace
from runner.models.models import Models

# Reading line by line holds an hour's text several times over.
STRICT_MEMORY = "4GB"
BLOCK = 1 << 20  # bytes read at once

# Of an hour part, the note last; rejects are there only where there are any.
FILES = ("rejects.parquet", "trades.parquet", "quotes.parquet", "note.json")

STAGE_MODELS = [
    "lines",
    "line_texts",
    "strict_lines",
    "written",
    "received",
    "clock",
    "repeated",
    "staged_trades",
    "staged_quotes",
    "cover_pieces",
    "trade_hours",
    "trade_runs",
    "quote_hours",
    "staged_trade_hours",
    "newest",
    "rejects",
]


def fingerprint(models: Models) -> dict[str, str]:
    """File → hash of all SQL that makes an hour part."""
    return {
        file: digest for name in STAGE_MODELS for file, digest in models.fingerprint(name).items()
    }


def stage(
    con: duckdb.DuckDBPyConnection, models: Models, hour: Hour, sql: dict, old: dict | None = None
) -> dict:
    """Parse an hour's raw parts and write its hour part; returns its note. `old`: the note it
    replaces, whose ticks it must not lose in silence.

    The connection holds `connections` and `session_events`. ClickException where DuckDB cannot read
    a part at all.
    """
    unit = unit_values(hour.exchange, hour.symbol, hour.day)
    loose = models.lake.base / "work" / "publishing" / uuid.uuid4().hex
    packed = unpack(pack_of(hour.folder), hour.packed, loose) if hour.packed else []
    parts = [hour.folder / name for name in hour.loose] + packed
    unit["raw_files"] = file_list(parts)
    read_lines(con, models, unit, parts)
    for name in ("stalls", "received", "clock", "cover_pieces", "repeated"):
        run(con, models, name, unit)
    copies = con.execute("select trades, quotes from repeated").fetchone()
    for name, has_copies in zip(("staged_trades", "staged_quotes"), copies, strict=True):
        run(con, models, name, unit | {"has_copies": has_copies})
    con.execute("create or replace temp view noted_trades as from staged_trades")
    con.execute("create or replace temp view noted_quotes as from staged_quotes")
    for name in ("trade_hours", "trade_runs", "quote_hours", "staged_trade_hours", "newest"):
        run(con, models, name, unit, kind="view")
    note = _note(con, hour, sql)
    note["held"] = _held(note, old)
    place = hour.place(models.lake.base)
    staging = models.lake.base / "work" / "publishing" / uuid.uuid4().hex
    staging.mkdir(parents=True)
    if note["rejects"]:
        note["rejects_hash"] = _reject(con, models, unit, staging)
    for relation in ("trades", "quotes"):
        con.execute(
            f"copy (select * exclude (is_kept) from staged_{relation}) "
            f"to '{sql_text(staging / relation)}.parquet' "
            "(format parquet, parquet_version v2, compression snappy, row_group_size 122880)"
        )
    note["sizes"] = {path.name: path.stat().st_size for path in staging.iterdir()}
    (staging / "note.json").write_text(json.dumps(note, separators=(",", ":")), encoding="utf-8")
    into_place(staging, place, FILES)
    if packed:
        shutil.rmtree(loose)
    return note


def read_lines(
    con: duckdb.DuckDBPyConnection, models: Models, unit: dict, parts: list[Path]
) -> None:
    """Make `lines`: all parts at once, or line by line where that is not certain to be exact.

    The bytes and quotation marks in the parts must be those of the lines as they were understood.
    """
    whole = models.lake.base / "work" / "publishing" / f"{uuid.uuid4().hex}.jsonl"
    marks_there = _join(parts, whole)
    try:
        run(con, models, "lines", unit | {"raw_files": file_list([whole])})
        run(con, models, "written", unit)
        query = "select is_whole, bytes, quotation_marks from written"
        is_whole, written, marks = con.execute(query).fetchone()
    except click.ClickException:  # a line longer than DuckDB's reader takes stops it
        is_whole, written, marks = False, 0, 0
    if not is_whole or (written, marks) != (whole.stat().st_size, marks_there):
        with engine.memory(con, STRICT_MEMORY):
            run(con, models, "line_texts", unit, kind="view")
            run(con, models, "strict_lines", unit)
            run(con, models, "lines", unit | {"is_strict": True})
    whole.unlink()


def _join(parts: list[Path], whole: Path) -> int:
    """Write raw parts into one file; returns how many quotation marks they hold.

    For each file DuckDB sets up its reader anew, which takes longer than to parse a minute of most
    symbols.
    """
    marks = 0
    whole.parent.mkdir(parents=True, exist_ok=True)
    with whole.open("wb") as joined:
        for part in parts:
            with part.open("rb") as opened:
                while block := opened.read(BLOCK):
                    marks += block.count(b'"')
                    joined.write(block)
    return marks


def unit_values(exchange: str, symbol: str | None, day: str) -> dict[str, str]:
    """What a template is told of its unit; quotes are doubled, as names go into SQL strings."""
    return {"exchange": sql_text(exchange), "symbol": sql_text(symbol or ""), "day": day}


def run(
    con: duckdb.DuckDBPyConnection, models: Models, name: str, unit: dict, kind: str = "table"
) -> None:
    """Make one model's relation in a connection; an error names the SQL file, its line and
    DuckDB's message.
    """
    sql = models.render(name, **unit)
    try:
        con.execute(f"create or replace temp {kind} {name} as {sql}")
    except duckdb.Error as error:
        raise sql_error(models[name].path, error) from error


def sql_error(path: Path, error: duckdb.Error) -> click.ClickException:
    """One sentence for DuckDB's error, with the line of the SQL file where it names one."""
    text = str(error).strip()
    line = re.search(r"^LINE (\d+):", text, re.MULTILINE)
    return click.ClickException(f"{path}{f', line {line[1]}' if line else ''}: {text}")


def _held(note: dict, old: dict | None) -> dict[str, dict[str, int]]:
    """The most ticks that the hour part ever held, by hour, where that is more than now: other SQL
    left some out.
    """
    held = {}
    for stream, key in (("trades", "trade_hours"), ("quotes", "quote_hours")):
        now = {str(row["hour"]): row[stream] for row in note[key]}
        before = {str(row["hour"]): row[stream] for row in (old or {}).get(key, ())}
        before |= (old or {}).get("held", {}).get(stream, {})
        held[stream] = {hour: count for hour, count in before.items() if count > now.get(hour, 0)}
    return held


def _note(con: duckdb.DuckDBPyConnection, hour: Hour, sql: dict) -> dict:
    lines, rejects = con.execute(
        "select count(*), count(*) filter (not (is_trade or is_quote or is_absent)) from lines"
    ).fetchone()
    return {
        "format": notes.FORMAT,
        "sql": sql,
        "raw": [list(part) for part in hour.parts],
        "lines": lines,
        "rejects": rejects,
        "trade_hours": notes.rows_of(con, "staged_trade_hours"),
        "trade_runs": notes.rows_of(con, "trade_runs"),
        "quote_hours": notes.rows_of(con, "quote_hours"),
        "pieces": notes.rows_of(con, "cover_pieces"),
        "absent": notes.rows_of(con, "(select first_id, last_id from lines where is_absent)"),
        "newest": notes.rows_of(con, "newest"),
        "fallback": notes.rows_of(
            con,
            "(select distinct conn, offset_us from clock where is_fallback and conn is not null)",
        ),
    }


def _reject(con: duckdb.DuckDBPyConnection, models: Models, unit: dict, staging: Path) -> str:
    """Write the lines that could not be read, with their reasons; returns their logical hash."""
    run(con, models, "rejects", unit)
    con.execute(
        f"copy (from rejects order by file, line) to '{sql_text(staging / 'rejects.parquet')}' "
        "(format parquet)"
    )
    query = "select sum(hash(file, line, text, reason))::varchar from rejects"
    return con.execute(query).fetchone()[0]


def into_place(staging: Path, place: Path, names: tuple[str, ...]) -> None:
    """Move a part's files over the old ones, the last of the names last: its note."""
    place.mkdir(parents=True, exist_ok=True)
    (place / names[-1]).unlink(missing_ok=True)
    if not (staging / names[0]).exists():
        (place / names[0]).unlink(missing_ok=True)
    for name in names:
        if (staging / name).exists():
            replace(staging / name, place / name)
    shutil.rmtree(staging)
