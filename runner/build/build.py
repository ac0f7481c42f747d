"""`lake build`: stage what is new, plan each symbol, execute what is stale, publish, renew the
catalog.
"""

import difflib
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click
from loguru import logger

from ingest.collect.recover import recover
from runner.build import unchanged
from runner.config import Lake
from runner.lock import hold, is_held
from runner.run import supervised

if TYPE_CHECKING:
    from runner.build.answers import Answers
    from runner.build.raw_hours import Hour
    from runner.build.unit import Unit
    from runner.models.models import Models

BUILD_WAIT_S = 60
SHOWN_IGNORED = 5


@dataclass(frozen=True)
class Choice:
    """What a build is asked for; empty is everything. `select` as on the command line: name,
    name+.
    """

    select: str = ""
    symbols: frozenset[str] = frozenset()
    day: str | None = None
    full_refresh: bool = False
    from_raw: bool = False

    @property
    def force(self) -> bool:
        """Whether what is chosen is rebuilt, stale or not."""
        return self.full_refresh or self.from_raw

    def wants(self, unit: "Unit", relations: frozenset[str]) -> bool:
        return (not relations or unit.relation in relations) and self.day in (None, unit.day)

    def wants_symbol(self, name: str) -> bool:
        return not self.symbols or name in self.symbols


EVERYTHING = Choice()


@dataclass
class Report:
    """What a build did, or with a dry run would do. `lines` and `rejects`: of the hours staged;
    `unread`: the files of answers staged that have unreadable lines, with the first of these.
    """

    staged: list[tuple["Hour", str]] = field(default_factory=list)
    answers: list[tuple["Answers", str]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    units: list["Unit"] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    catalog: str | None = None
    ignored: list[Path] = field(default_factory=list)
    lines: int = 0
    rejects: int = 0
    rows: int = 0
    seconds: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was stale."""
        found = (self.staged, self.answers, self.units, self.failed, self.catalog)
        return not any(found)

    def good(self, results: list) -> list:
        """The results that are no failures; those go into `failed`, once each."""
        for result in results:
            if isinstance(result, click.ClickException) and result.message not in self.failed:
                self.failed.append(result.message)
        return [result for result in results if not isinstance(result, click.ClickException)]

    def told(self, dry_run: bool) -> list[str]:
        """What a person wants to know of it, a line each."""
        if self.is_empty:
            return [*self._told_ignored(), "nothing is stale: everything is up to date"]
        if dry_run:
            lines = [f"stage    {one}  ({why})" for one, why in [*self.staged, *self.answers]]
            lines += [f"publish  {unit}  ({unit.why})" for unit in self.units]
            return lines + ([f"catalog  {self.catalog}"] if self.catalog else [])
        lines = self._told_ignored()
        if self.staged:
            rejected = (
                f", {self.rejects:,} of them unreadable (see `rejects`)" if self.rejects else ""
            )
            lines.append(
                f"staged {len(self.staged):,} hours of raw: {self.lines:,} lines{rejected}"
            )
        if self.answers:
            lines.append(f"staged {len(self.answers):,} files of answers")
        lines += [f"not exactly readable, see `rejects`: {one}" for one in self.unread]
        if self.units:
            lines.append(
                f"published {len(self.units):,} files, {self.rows:,} rows, in {self.seconds:.1f} s"
            )
        return lines + ([self.catalog] if self.catalog else [])

    def _told_ignored(self) -> list[str]:
        """What lies among the raw files and is none, in one line."""
        if not self.ignored:
            return []
        shown = ", ".join(ascii(str(path))[1:-1] for path in self.ignored[:SHOWN_IGNORED])
        rest = len(self.ignored) - SHOWN_IGNORED
        more = f" and {rest:,} more" if rest > 0 else ""
        return [f"not read, as no raw part is named so: {shown}{more}"]


def build(
    lake: Lake, choice: Choice = EVERYTHING, dry_run: bool = False, threads: int | None = None
) -> Report:
    """Bring the lake's published files up to its raw lines and SQL; `failed` of the report says
    what could not be.
    """
    started = time.monotonic()
    report = Report()
    with ExitStack() as stack:
        if not dry_run:
            lake.base.mkdir(parents=True, exist_ok=True)
            if holder := is_held(lake.base / "build.lock"):
                logger.info("waiting for {}", holder)
            stack.enter_context(
                hold(lake.base / "build.lock", "building this lake", wait_s=BUILD_WAIT_S)
            )
            recover(lake)
            _clear(lake)
        found = unchanged.sources(lake)
        if choice != EVERYTHING or not unchanged.is_unchanged(lake, found):
            _build(lake, choice, dry_run, threads or os.cpu_count() or 1, report)
            if not dry_run and not report.failed and choice == EVERYTHING:
                unchanged.note(lake, found)
    report.seconds = time.monotonic() - started
    supervised.count(files=len(report.units), rows=report.rows)
    return report


def _clear(lake: Lake) -> None:
    """Remove what a build left that was killed; this one holds the lock."""
    for name in ("publishing", "spill"):
        for left in (lake.base / "work" / name).glob("*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _build(lake: Lake, choice: Choice, dry_run: bool, threads: int, report: Report) -> None:
    from runner import engine, lake_db
    from runner.build import inventory
    from runner.build.answer_build import AnswersBuild
    from runner.build.exchange import ExchangeBuild
    from runner.build.execute import prepare
    from runner.build.workers import Workers
    from runner.models.models import Models

    models = Models(lake)
    selected(models, choice.select)
    with engine.connect(models) as con, Workers(models, threads) as workers:
        broken = prepare(con, models)
        answered = AnswersBuild(models, choice, con, workers, broken, dry_run, report)
        refuse_unknown(lake, choice.symbols - answered.symbols)
        report.ignored = [path.relative_to(lake.base) for path in inventory.ignored(lake.base)]
        if answered.is_wanted:
            answered.build()
        for exchange in inventory.exchanges(lake.base) if answered.is_not_all else ():
            ExchangeBuild(exchange, models, choice, con, workers, broken, dry_run, report).build()
        report.failed += [message for message in broken.values() if message not in report.failed]
        if not broken or not lake.db.exists():
            report.catalog = lake_db.renew(con, models, dry_run, broken)
    if not dry_run:
        models.save()


def selected(models: "Models", select: str) -> frozenset[str]:
    """The relations that `--select name,name+` means; `+` adds all that reads one."""
    chosen: set[str] = set()
    for part in select.split(","):
        name = part.strip().removesuffix("+")
        if name and name not in models.models:
            raise click.UsageError(
                f"--select: there is no relation {name!r}{did_you_mean(name, models.models)}"
            )
        if name:
            chosen |= {name, *(models.readers(name) if part.strip().endswith("+") else ())}
    return frozenset(chosen)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint at the nearest known name, or nothing."""
    known = list(names)
    close = [name.upper()] if name.upper() in known else difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def refuse_unknown(lake: Lake, symbols: frozenset[str]) -> None:
    """Refuse a symbol that has nothing in this lake."""
    from runner.build import inventory

    known = {
        name
        for exchange in inventory.exchanges(lake.base)
        for name in inventory.symbols(lake.base, exchange)
    }
    for name in sorted(symbols - known):
        hint = did_you_mean(name, known)
        raise click.ClickException(f"--symbols: there is nothing of {name} in {lake.base}{hint}")
