"""Relation `archive`: what is known of each sealed file. And SHA256SUMS, the same for sha256sum.

A file that is about to be replaced is struck off both first, so that neither ever speaks of other
bytes than those that are there.
"""

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import duckdb

from runner.build import metadata
from runner.build.inventory import published_days
from runner.build.metadata import Published
from runner.build.publish import publish, scan, target
from runner.build.unit import Unit
from runner.files import replace, sync_folder
from runner.models.models import Models

SUMS = "SHA256SUMS"
RELATIONS = ("trades", "quotes", "covers", "rejects", "tape_days", "bars_1s")
# What Python tells the SQL of sql/compact/: facts of the day's files, and one file's keys in order.
TABLES = {
    "sealed_files": {
        "relation": "VARCHAR",
        "file": "VARCHAR",
        "rows": "BIGINT",
        "duplicates": "BIGINT",
        "schema": "VARCHAR",
        "bytes": "BIGINT",
        "sha256": "VARCHAR",
        "content": "VARCHAR",
        "sealed_us": "BIGINT",
    },
    "sealed_rows": {"place": "BIGINT", "key": "BIGINT"},
    # a sealed day's own ticks, and those that came late
    **{
        f"{kind}_{stream}": {key: "BIGINT", "ts_recv": "TIMESTAMPTZ"}
        for kind in ("sealed", "late")
        for stream, key in (("trades", "trade_id"), ("quotes", "update_id"))
    },
}


def sealed_files(con: duckdb.DuckDBPyConnection, path: Path) -> dict[str, tuple[str, str]]:
    """Relation → (content, sha256) of the files that a day's archive file tells of."""
    if not path.exists():
        return {}
    rows = con.execute(f"select relation, content, sha256 from {scan([path])}").fetchall()
    return {relation: (content, digest) for relation, content, digest in rows}


def write(
    con: duckdb.DuckDBPyConnection, models: Models, of: tuple[str, str], day: str, note: dict
) -> None:
    """Publish the temporary table `published` as the archive file of a day, and drop it."""
    path = target(models.lake.base, models["archive"], *of, day)
    meta = {"sql": models.fingerprint("archive"), "note": note}
    publish(con, models.lake.base, models["archive"], path, "zstd", meta)
    con.execute("drop table published")


def change(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    of: tuple[str, str],
    day: str,
    without: Iterable[str] = (),
    note: dict | None = None,
) -> None:
    """Publish a day's archive file without some relations, or with another note."""
    path = target(models.lake.base, models["archive"], *of, day)
    if note is None:
        note = published(con, models, of, [day])[day].note
    names = ", ".join(f"'{name}'" for name in ("", *without))
    rows = f"select * from {scan([path])} where relation not in ({names})"
    con.execute(f"create or replace temp table published as {rows}")
    write(con, models, of, day, note)


def published(
    con: duckdb.DuckDBPyConnection, models: Models, of: tuple[str, str], days: list[str]
) -> dict[str, Published]:
    """The metadata of the archive files of some days."""
    paths = {day: target(models.lake.base, models["archive"], *of, day) for day in days}
    found = metadata.read(con, [path for path in paths.values() if path.exists()])
    return {day: found[path] for day, path in paths.items() if path in found}


def reopen(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    units: list[Unit],
    forgotten: set[tuple[str, str]],
) -> None:
    """Strike the sealed files that these units are about to replace off the archive.

    `forgotten`: symbols and days of which no sealed file is a source any more.
    """
    days: dict[tuple[str, str, str], set[str]] = {}
    for unit in units:
        if unit.symbol is not None and unit.relation in RELATIONS:
            days.setdefault((unit.exchange, unit.symbol, unit.day), set()).add(unit.relation)
    touched = {}
    for (exchange, symbol, day), relations in sorted(days.items()):
        of = (exchange, symbol)
        path = target(models.lake.base, models["archive"], *of, day)
        struck = relations & set(sealed_files(con, path))
        forgets = (symbol, day) in forgotten and path.exists()
        if struck or forgets:
            touched.setdefault(of, {})[day] = (struck, {} if forgets else None)
    for of, changed in touched.items():
        write_sums(con, models, of, {day: struck for day, (struck, _) in changed.items()})
        for day, (struck, note) in changed.items():
            change(con, models, of, day, struck, note)


def write_sums(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    of: tuple[str, str],
    without: dict[str, set[str]] | None = None,
) -> None:
    """Bring the SHA256SUMS of a symbol's folders up to its archive files; `without`: less these."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in RELATIONS}
    paths = list(published_days(models.lake.base, models["archive"], *of).values())
    if paths:
        query = f"select relation, day::varchar, sha256 from {scan(paths)} order by all"
        for relation, day, digest in con.execute(query).fetchall():
            if relation not in (without or {}).get(day, ()):
                found[relation].append((day, digest))
    for relation, files in found.items():
        folder = _folder(models, relation, of)
        lines = []
        for day, digest in files:
            path = target(models.lake.base, models[relation], *of, day)
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
        _write_if_changed(models, folder / SUMS, "".join(lines))


def _folder(models: Models, relation: str, of: tuple[str, str]) -> Path:
    """The folder of a symbol's files of a relation."""
    return target(models.lake.base, models[relation], *of, "1970-01-01").parents[3]


def _write_if_changed(models: Models, path: Path, text: str) -> None:
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if old == text:
        return
    staging = models.lake.base / "work" / "publishing" / f"{uuid.uuid4().hex}.{SUMS}"
    staging.parent.mkdir(parents=True, exist_ok=True)
    with staging.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    replace(staging, path)
    sync_folder(path.parent)
