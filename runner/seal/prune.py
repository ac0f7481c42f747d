"""`lake prune`: packed raw is removed where the sealed files hold all of it, verified now."""

import shutil
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from runner import engine
from runner.build import inventory, stage
from runner.build.build import EVERYTHING, refuse_unknown
from runner.build.exchange import ExchangeBuild
from runner.build.execute import prepare
from runner.build.packed import read_index, unpack
from runner.build.publish import file_list, scan, target
from runner.build.report import Report
from runner.build.stage import run, unit_values
from runner.build.workers import Workers
from runner.config import Lake
from runner.files import sha256
from runner.lock import hold
from runner.models.models import Models
from runner.moments import DAY_US
from runner.paths import encode
from runner.seal import archive
from runner.seal.seal import is_over

WAIT_S = 60


@dataclass(frozen=True)
class Spare:
    """A packed file that may go: whose it is, its day, its size in bytes."""

    of: tuple[str, str]
    day: str
    path: Path
    bytes: int


class Pruning:
    """One look at a lake's packed raw, and the removal of what may go; holds the build's lock."""

    def __init__(self, lake: Lake, days: int, symbols: frozenset[str]):
        self.lake, self.days, self.symbols = lake, days, symbols
        self.stack = ExitStack()

    def __enter__(self) -> "Pruning":
        refuse_unknown(self.lake, self.symbols)
        self.stack.enter_context(
            hold(self.lake.base / "build.lock", "removing raw of this lake", wait_s=WAIT_S)
        )
        self.models = Models(self.lake)
        self.con = self.stack.enter_context(engine.connect(self.models))
        self.workers = self.stack.enter_context(Workers(self.models, threads=1))
        self.broken = prepare(self.con, self.models)
        return self

    def __exit__(self, *error) -> None:
        self.stack.close()

    def look(self) -> tuple[list[Spare], list[str]]:
        """What may go, and why older packed raw must stay."""
        found, kept = [], []
        for exchange in inventory.exchanges(self.lake.base):
            before = self._before(exchange)
            for name in inventory.symbols(self.lake.base, exchange):
                if self.symbols and name not in self.symbols:
                    continue
                raw = self.lake.base / "raw" / encode(exchange) / encode(name)
                for day in inventory.packed_days(raw):
                    path = raw / f"{day}.jsonl.zst"
                    if not is_over(day, before):
                        continue
                    if why := self._why_not((exchange, name), day, path):
                        kept.append(f"{path}: {why}")
                    else:
                        found.append(Spare((exchange, name), day, path, path.stat().st_size))
        return found, kept

    def _before(self, exchange: str) -> int:
        """Days that ended before this moment (µs) are old enough, by the lake's own clock."""
        parts = (exchange, self.models, EVERYTHING, self.con, self.workers, self.broken)
        ExchangeBuild(*parts, dry_run=True, report=Report()).known()
        now_us = self.con.execute("select now_us from lake_clock").fetchone()[0]
        return (now_us or 0) - self.days * DAY_US

    def _why_not(self, of: tuple[str, str], day: str, path: Path) -> str | None:
        """Why packed raw must stay, None where every line of it is in sealed files."""
        loose = ("*.jsonl", "*.jsonl.open")
        if any(any(path.with_name(day).glob(pattern)) for pattern in loose):
            return "its day has loose raw too; run `lake compact` first"
        loose = self.lake.base / "work" / "publishing" / uuid.uuid4().hex
        try:
            return self._why_unsafe(of, day, path, loose)
        except click.ClickException as error:
            return error.message
        finally:
            shutil.rmtree(loose, ignore_errors=True)

    def _why_unsafe(self, of: tuple[str, str], day: str, path: Path, loose: Path) -> str | None:
        index = read_index(path)
        parts = unpack(path, [part.name for part in index.parts], loose)
        unit = unit_values(*of, day) | {"raw_files": file_list(parts)}
        engine.clear(self.con, self.models, keep=("lake_clock", "connections", "sessions"))
        stage.read_lines(self.con, self.models, unit, parts)
        run(self.con, self.models, "line_days", unit)
        traded = {
            row[0] for row in self.con.execute("select day::varchar from line_days").fetchall()
        }
        days = sorted({*index.days, *traded, day})
        for one in days:
            if why := self._why_unsealed(of, one, must_exist=one in (*index.days, *traded)):
                return why
        self._view(of, days)
        run(self.con, self.models, "unkept_lines", unit)
        for relation, lines in self.con.execute("from unkept_lines order by all").fetchall():
            if lines:
                return f"{lines:,} of its lines are not in {relation}; `lake compact` adds new ones"
        return None

    def _view(self, of: tuple[str, str], days: list[str]) -> None:
        """Make trades, quotes and rejects the published rows of some days."""
        for name in ("trades", "quotes", "rejects"):
            paths = [target(self.lake.base, self.models[name], *of, day) for day in days]
            paths = [path for path in paths if path.exists()]
            source = scan(paths) if paths else f"no_{name}"
            self.con.execute(f"create or replace temp view {name} as from {source}")

    def _why_unsealed(self, of: tuple[str, str], day: str, must_exist: bool) -> str | None:
        """Why a day does not count as sealed, None where its files are as they were sealed."""
        path = target(self.lake.base, self.models["archive"], *of, day)
        sealed = archive.sealed_files(self.con, path)
        if not sealed and must_exist:
            return f"trades in it fall on {day}, which is not sealed; run `lake compact` first"
        for name in archive.RELATIONS:
            file = target(self.lake.base, self.models[name], *of, day)
            if file.exists() != (name in sealed):
                return f"{file} is {'not sealed' if file.exists() else 'gone'}; run `lake compact`"
            if name in sealed and sha256(file) != sealed[name][1]:
                return f"{file} is damaged: its sha256 is not the one that was sealed"
        return None

    def remove(self, spare: Spare) -> None:
        """Remove one packed file; its day says from then on that its raw is gone."""
        if note := archive.published(self.con, self.models, spare.of, [spare.day]):
            changed = note[spare.day].note | {"pruned": True}
            archive.change(self.con, self.models, spare.of, spare.day, note=changed)
        spare.path.unlink()
