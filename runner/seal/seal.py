"""Sealing a day of a symbol: its published files are read once more and verified against what was
staged, hashed, and put down in relation `archive`.
"""

import time
from pathlib import Path

import click
import duckdb

from runner.build import notes
from runner.build.metadata import Published
from runner.build.plan import Planner
from runner.build.publish import content, scan, target
from runner.build.stage import run, unit_values
from runner.files import sha256
from runner.moments import DAY_US, day_number
from runner.seal import archive
from runner.seal.seals import content_of, key

# Their content is compared hour by hour, and their hash is made of what the plan noted.
STREAMS = ("trades", "quotes")


def is_over(day: str, over_us: int) -> bool:
    """Whether a day ends until a moment."""
    return (day_number(day) + 1) * DAY_US <= over_us


class Sealing:
    """The days of one symbol that are over. `plan` is done: what it found stale cannot be sealed.

    `over_us`: days that end until then are over.
    """

    def __init__(self, plan: Planner, stale: set[str], over_us: int):
        self.con, self.models, self.plan, self.of = plan.con, plan.models, plan, plan.of
        self.base, self.stale, self.over_us = plan.base, stale, over_us
        self.sealed: set[str] = set()

    def days(self) -> list[str]:
        """The days that are over, not stale, and have a published file."""
        found = set().union(*(self.plan.published[name] for name in archive.RELATIONS))
        return sorted(day for day in found - self.stale if is_over(day, self.over_us))

    def note_sealed(self, day: str) -> bool:
        """Whether the day's files are those that were sealed; its note is brought up to date."""
        path = target(self.base, self.models["archive"], *self.of, day)
        before = archive.sealed_files(self.con, path)
        wanted = {name: meta.hash for name, (_, meta) in self._files(day).items()}
        if {name: found for name, (found, _) in before.items()} != wanted:
            return False
        _, old = self.plan.published["archive"][day]
        note = self._note(day, old.note)
        if old.note != note:
            archive.change(self.con, self.models, self.of, day, note=note)
        self.sealed.add(day)
        return True

    def seal(self, day: str) -> str:
        """Verify a day's files and put them down as sealed; returns what to tell of it."""
        files = self._files(day)
        _, old = self.plan.published["archive"].get(day, (None, None))
        self._view(day, files)
        self._compare(day, files)
        facts = [self._facts(name, *file) for name, file in sorted(files.items())]
        notes.load(self.con, "sealed_files", facts, archive.TABLES["sealed_files"])
        run(self.con, self.models, "archive", unit_values(*self.of, day))
        self.con.execute("create or replace temp table published as from archive")
        archive.write(self.con, self.models, self.of, day, self._note(day, old.note if old else {}))
        self.sealed.add(day)
        return self._told(day)

    def _files(self, day: str) -> dict[str, tuple[Path, Published]]:
        return {
            name: self.plan.published[name][day]
            for name in archive.RELATIONS
            if day in self.plan.published[name]
        }

    def _view(self, day: str, files: dict[str, tuple[Path, Published]]) -> None:
        """Let the models of sql/compact/ read the day's own files."""
        for name in ("trades", "quotes", "bars_1s"):
            source = scan([files[name][0]]) if name in files else f"no_{name}"
            self.con.execute(f"create or replace temp view {name} as from {source}")
        for stream in ("trades", "quotes"):
            self.con.execute(f"create or replace temp view noted_{stream} as from {stream}")
        for name in ("trade_hours", "quote_hours"):
            run(self.con, self.models, name, {}, kind="view")

    def _compare(self, day: str, files: dict[str, tuple[Path, Published]]) -> None:
        """Stop where the day's files are not what was staged."""
        for relation, stem in {"trades": "trade", "quotes": "quote", "bars_1s": "bar"}.items():
            name = f"{stem}_differences"
            run(self.con, self.models, name, unit_values(*self.of, day))
            found = self.con.execute(f"select hour % 24, detail from {name} order by 1").fetchall()
            if found:
                hour, detail = found[0]
                raise self._refusal(day, relation, f"at {hour:02}:00 UTC {detail}")

    def _facts(self, name: str, path: Path, meta: Published) -> dict:
        """What the archive says of a file, read now; ClickException where it is damaged."""
        try:
            rows, duplicates, schema = self._read(name, path, meta)
        except duckdb.Error as error:
            raise self._refusal(path.stem, name, f"its file cannot be read: {error}") from error
        return {
            "relation": name,
            "file": path.relative_to(self.base).as_posix(),
            "rows": rows,
            "duplicates": duplicates,
            "schema": schema,
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
            "content": meta.hash,
            "sealed_us": time.time_ns() // 1000,
        }

    def _read(self, name: str, path: Path, meta: Published) -> tuple[int, int, str]:
        """Rows, duplicates and schema of a file whose order and content are as they must be."""
        columns = [part for part in self.models[name].grain if part not in ("exchange", "symbol")]
        keys = columns[0] if len(columns) == 1 else f"row({', '.join(columns)})"
        source = scan([path]).removesuffix(")") + ", file_row_number = true)"
        self.con.execute(
            "create or replace temp view sealed_rows as "
            f"select file_row_number as place, {keys} as key from {source}"
        )
        run(self.con, self.models, "file_rows", {})
        rows, duplicates, misplaced = self.con.execute("from file_rows").fetchone()
        self.con.execute(f"create or replace temp view published as from {scan([path])}")
        try:
            is_same = name in STREAMS or content(self.con) == (meta.rows, meta.hash)
            described = self.con.execute("describe published").fetchall()
        finally:
            self.con.execute("drop view published")
        for is_wrong, what in (
            (duplicates, f"{duplicates} rows are there twice"),
            (misplaced, f"{misplaced} rows are out of order"),
            (rows != meta.rows, f"it has {rows} rows, where {meta.rows} were published"),
            (not is_same, "its rows are not those that were published"),
        ):
            if is_wrong:
                raise self._refusal(path.stem, name, what)
        return rows, duplicates, ", ".join(f"{row[0]} {row[1]}" for row in described)

    def _refusal(self, day: str, relation: str, what: str) -> click.ClickException:
        return click.ClickException(
            f"{self.of[1]} {day}: {relation} cannot be sealed: {what}; delete the file and run "
            "`lake build`, then `lake compact`"
        )

    def _note(self, day: str, old: dict) -> dict:
        """What later plans ask of a sealed day (seals.py)."""
        number, staged = day_number(day), self.plan.symbol.staged
        held = {key(folder): content_of(note, number) for folder, note in staged.items()}
        rejects = {
            key(folder): note["rejects_hash"]
            for folder, note in staged.items()
            if note["rejects"] and folder.parent.name == day
        }
        _, rejected = self.plan.published["rejects"].get(day, (None, None))
        return {
            "consumed": old.get("consumed", {})
            | {name: text for name, text in held.items() if text},
            "rejects": old.get("rejects", {}) | rejects,
            "rejected": rejected.inputs if rejected else {"rejects": 0, "hash": "0"},
            "pruned": old.get("pruned", False),
        }

    def _told(self, day: str) -> str:
        """The day in words, with what is missing in it."""
        rows = self.con.execute("select relation, rows, verdict, missing_trades from archive")
        told = {relation: more for relation, *more in rows.fetchall()}
        counts = [
            f"{told[name][0]:,} {name}" for name in ("bars_1s", "trades", "quotes") if name in told
        ]
        _, verdict, missing = told.get("trades") or next(iter(told.values()))
        why = f" ({missing:,} trades are missing)" if missing else ""
        return f"sealed {self.of[1]} {day}: {', '.join(counts)}, {verdict}{why}"
