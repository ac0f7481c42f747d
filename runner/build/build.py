"""`lake build`: stage what is new, plan each symbol, execute what is stale, publish, renew the
catalog.
"""

import difflib
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from loguru import logger

from ingest.collect.recover import recover
from runner.build import unchanged
from runner.build.report import Perhaps, Report
from runner.config import Lake
from runner.lock import hold, is_held
from runner.run import supervised

if TYPE_CHECKING:
    from runner.build.unit import Unit
    from runner.models.models import Models

BUILD_WAIT_S = 60


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

    def wants(self, unit: "Unit | Perhaps", relations: frozenset[str]) -> bool:
        return (not relations or unit.relation in relations) and self.day in (None, unit.day)

    def wants_symbol(self, name: str) -> bool:
        return not self.symbols or name in self.symbols


EVERYTHING = Choice()


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
    from runner.build import answers, inventory
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
        strange = answers.unread(lake.base, models.models.values())
        report.ignored = [path.relative_to(lake.base) for path in strange]
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
