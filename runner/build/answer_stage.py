"""Staging of raw answers: a file of them becomes typed rows in the workshop."""

import json
import uuid
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb

from runner import engine
from runner.build import notes
from runner.build.answers import Answers
from runner.build.publish import file_list, sql_text
from runner.build.stage import STRICT_MEMORY, into_place, run, unit_values
from runner.models.models import Models

NOTED = ("answer_days", "answer_rejects")


def fingerprint(models: Models, name: str) -> dict[str, str]:
    """File → hash of all SQL that makes the rows of a file of answers, and its note."""
    return {
        file: digest
        for model in (name, *NOTED)
        for file, digest in models.fingerprint(model).items()
    }


def stage(con: duckdb.DuckDBPyConnection, models: Models, answers: Answers, sql: dict) -> dict:
    """Read a file of answers into the workshop; returns its note.

    ClickException where the SQL fails.
    """
    unit = values(answers) | {"raw_files": file_list([answers.raw])}
    with engine.memory(con, STRICT_MEMORY):
        chain = {name: models.reads(name) for name in models.chain(answers.model)}
        for name in TopologicalSorter(chain).static_order():
            run(con, models, name, unit)
    con.execute(f"create or replace temp view answered as from {answers.model}")
    for name in NOTED:
        run(con, models, name, unit)
    staging = models.lake.base / "work" / "publishing" / uuid.uuid4().hex
    staging.mkdir(parents=True)
    note = _note(con, answers, sql)
    _copy(con, "select * from answered where flaw is null order by day", staging / "rows.parquet")
    if note["rejects"]:
        _copy(con, "from answer_rejects order by line", staging / "rejects.parquet")
    note["sizes"] = {path.name: path.stat().st_size for path in staging.iterdir()}
    (staging / "note.json").write_text(json.dumps(note, separators=(",", ":")), encoding="utf-8")
    into_place(staging, answers.place, ("rejects.parquet", "rows.parquet", "note.json"))
    return note


def values(answers: Answers) -> dict[str, str]:
    """What a template is told of a file of answers."""
    return unit_values(answers.exchange, answers.symbol, answers.day) | {
        "ticker": sql_text(answers.symbol),
        "interval": sql_text(answers.interval),
        "file": sql_text(answers.file.relative_to(answers.exchange).as_posix()),
    }


def _note(con: duckdb.DuckDBPyConnection, answers: Answers, sql: dict) -> dict:
    rejects, digest, first = con.execute(
        "select count(*), coalesce(sum(hash(file, line, text, reason)), 0)::varchar, "
        "arg_min(format('line {}: {}', line, reason), line) from answer_rejects"
    ).fetchone()
    return {
        "format": notes.FORMAT,
        "sql": sql,
        "bytes": answers.size,
        "days": notes.rows_of(con, "answer_days"),
        "rejects": rejects,
        "rejects_hash": digest,
        "first_reject": first,
    }


def _copy(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    con.execute(
        f"copy ({query}) to '{sql_text(path)}' "
        "(format parquet, parquet_version v2, compression snappy, row_group_size 20480)"
    )
