"""`lake build`: stage what is new, plan each symbol, execute what is stale, publish, renew the catalog."""

import difflib
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

import click
import duckdb

from ingest.recover import recover
from runner import catalog, engine, inventory, notes, sessions, stage
from runner.config import Lake
from runner.execute import execute, prepare
from runner.inventory import Symbol
from runner.lock import hold
from runner.models import Models
from runner.plan import Planner, SymbolPlan
from runner.unit import Unit
from runner.workers import Workers

BUILD_WAIT_S = 60


@dataclass(frozen=True)
class Choice:
    """What a build is asked for; empty is everything. `select` as on the command line: name, name+."""

    select: str = ""
    symbols: frozenset[str] = frozenset()
    day: str | None = None
    full_refresh: bool = False
    from_raw: bool = False

    @property
    def force(self) -> bool:
        """Whether what is chosen is rebuilt, stale or not."""
        return self.full_refresh or self.from_raw

    def wants(self, unit: Unit, relations: frozenset[str]) -> bool:
        return (not relations or unit.relation in relations) and self.day in (None, unit.day)

    def wants_symbol(self, name: str) -> bool:
        return not self.symbols or name in self.symbols


@dataclass
class Report:
    """What a build did, or with a dry run would do. `lines` and `rejects`: of the hours staged."""

    staged: list[tuple[stage.Hour, str]] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    catalog: str | None = None
    lines: int = 0
    rejects: int = 0
    rows: int = 0
    seconds: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was stale."""
        return not (self.staged or self.units or self.failed or self.catalog)

    def told(self, dry_run: bool) -> list[str]:
        """What a person wants to know of it, a line each."""
        if self.is_empty:
            return ["nothing is stale: everything is up to date"]
        if dry_run:
            lines = [f"stage    {hour.symbol} {hour.day} {hour.hour:02}h  ({why})" for hour, why in self.staged]
            lines += [f"publish  {unit.relation} {unit.symbol or unit.exchange} {unit.day}  ({unit.why})" for unit in self.units]
            return lines + ([f"catalog  {self.catalog}"] if self.catalog else [])
        lines = []
        if self.staged:
            rejected = f", {self.rejects:,} of them unreadable (see `rejects`)" if self.rejects else ""
            lines.append(f"staged {len(self.staged):,} hours of raw: {self.lines:,} lines{rejected}")
        lines.append(f"published {len(self.units):,} files, {self.rows:,} rows, in {self.seconds:.1f} s")
        return lines + ([self.catalog] if self.catalog else [])


def build(lake: Lake, choice: Choice = Choice(), dry_run: bool = False, threads: int | None = None) -> Report:
    """Bring the lake's published files up to its raw lines and SQL; `failed` of the report says what could not be."""
    started = time.monotonic()
    models = Models(lake)
    report = Report()
    lake.base.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(hold(lake.base / "build.lock", "building this lake", wait_s=BUILD_WAIT_S))
            recover(lake)
        con = stack.enter_context(engine.connect(models))
        prepare(con, models)
        workers = stack.enter_context(Workers(models, threads or os.cpu_count() or 1))
        _known_symbols(lake, choice)
        for exchange in inventory.exchanges(lake.base):
            Build(models, choice, con, workers, dry_run, report).exchange(exchange)
        report.catalog = catalog.renew(con, models, dry_run)
    report.seconds = time.monotonic() - started
    return report


def selected(models: Models, select: str) -> frozenset[str]:
    """The relations that `--select name,name+` means; `+` adds all that reads one."""
    chosen: set[str] = set()
    for part in select.split(","):
        name = part.strip().removesuffix("+")
        if name and name not in models.models:
            raise click.UsageError(f"--select: there is no relation {name!r}{did_you_mean(name, models.models)}")
        if name:
            chosen |= {name, *(models.readers(name) if part.strip().endswith("+") else ())}
    return frozenset(chosen)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint at the nearest known name, or nothing."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _known_symbols(lake: Lake, choice: Choice) -> None:
    """Refuse a symbol that has nothing in this lake."""
    known = {name for exchange in inventory.exchanges(lake.base) for name in inventory.symbols(lake.base, exchange)}
    for name in sorted(choice.symbols - known):
        raise click.ClickException(
            f"--symbols: there is nothing of {name} in {lake.base}{did_you_mean(name, known)}"
        )


class Build:
    """One build of one exchange."""

    def __init__(
        self,
        models: Models,
        choice: Choice,
        con: duckdb.DuckDBPyConnection,
        workers: Workers,
        dry_run: bool,
        report: Report,
    ):
        self.models, self.choice, self.con, self.workers = models, choice, con, workers
        self.dry_run, self.report = dry_run, report
        self.base = models.lake.base
        self.relations = selected(models, choice.select)

    def exchange(self, exchange: str) -> None:
        """Stage, plan and publish one exchange."""
        found = [inventory.look(self.base, exchange, name) for name in inventory.symbols(self.base, exchange)]
        sessions.load(self.con, self.models, exchange)
        self._share(found)
        symbols = [symbol for symbol in found if self.choice.wants_symbol(symbol.name)]
        hours = self._stale_hours(symbols)
        if not self.dry_run:
            self._stage(hours, {symbol.name: symbol for symbol in symbols})
            self._share(found)
        self.report.staged += hours
        until_us = self.con.execute("select complete_until_us from lake_clock").fetchone()[0]
        self._publish(sessions.units(self.con, self.models, exchange), until_us)
        waiting = {hour.symbol for hour, _ in hours} if self.dry_run else set()
        plans = self._plan([symbol for symbol in symbols if symbol.name not in waiting], until_us)
        self.report.units += [_after_staging(hour, self.models) for hour in _days(hours)] if self.dry_run else []
        self._publish([unit for plan in plans for unit in plan.units], until_us)

    def _share(self, symbols: list[Symbol]) -> None:
        """Tell all workers what is known of the connections, by the notes of all symbols."""
        newest: dict[int | None, int] = {}
        for symbol in symbols:
            for note in symbol.staged.values():
                for row in note["newest"]:
                    newest[row["conn"]] = max(row["recv_us"], newest.get(row["conn"], 0))
        rows = [{"conn": conn, "recv_us": recv_us} for conn, recv_us in newest.items()]
        notes.load(self.con, "noted_newest", rows, notes.TABLES["noted_newest"][1])
        for name in ("connections", "lake_clock"):
            stage.run(self.con, self.models, name, {})
        empty = [f"no_{model.name}" for model in self.models.stored()]
        self.workers.share(self.con, "session_events", "connections", *empty)

    def _stale_hours(self, symbols: list[Symbol]) -> list[tuple[stage.Hour, str]]:
        offsets = dict(self.con.execute("select conn, offset_us from connections").fetchall())
        stalled = self.con.execute(
            "select conn, list(recv_us) from session_events where event = 'stalled' group by conn"
        ).fetchall()
        sql = stage.fingerprint(self.models)
        stale = []
        for symbol in symbols:
            for hour in symbol.hours:
                note = symbol.staged.get(hour.place(self.base))
                why = stage.why_stale(hour, note, sql, offsets, dict(stalled))
                if self.choice.from_raw and self.choice.day in (None, hour.day):
                    why = why or "asked for"
                if why:
                    stale.append((hour, why))
        return stale

    def _stage(self, hours: list[tuple[stage.Hour, str]], symbols: dict[str, Symbol]) -> None:
        sql = stage.fingerprint(self.models)
        results = self.workers.map(
            lambda con, item: stage.stage(con, self.models, item[0], sql), hours
        )
        for (hour, _), note in zip(hours, results, strict=True):
            if isinstance(note, click.ClickException):
                self.report.failed.append(note.message)
                continue
            symbols[hour.symbol].staged[hour.place(self.base)] = note
            self.report.lines += note["lines"]
            self.report.rejects += note["rejects"]

    def _plan(self, symbols: list[Symbol], until_us: int) -> list[SymbolPlan]:
        force, may_lose = self.choice.force, self.choice.from_raw
        plans = self.workers.map(
            lambda con, symbol: Planner(con, self.models, symbol, until_us, force, may_lose).plan(), symbols
        )
        good = []
        for symbol, plan in zip(symbols, plans, strict=True):
            if isinstance(plan, click.ClickException):
                self.report.failed.append(plan.message)
                continue
            good.append(plan)
            self.report.failed += [
                f"{symbol.name} {day}: {count} trades that were published are in no file any more, so the bars and the "
                f"tape of {symbol.name} stay as they are; put the raw or tick files back, or accept the loss with "
                f"`lake build --from-raw --symbols {symbol.name}`"
                for day, count in sorted(plan.lost.items())
            ]
        return good

    def _publish(self, units: list[Unit], until_us: int) -> None:
        units = [unit for unit in units if self.choice.wants(unit, self.relations)]
        self.report.units += units
        if self.dry_run:
            return
        may_lose = self.choice.from_raw
        results = self.workers.map(
            lambda con, unit: execute(con, self.models, unit, until_us, may_lose), units
        )
        for result in results:
            if isinstance(result, click.ClickException):
                self.report.failed.append(result.message)
            else:
                self.report.rows += result


def _days(hours: list[tuple[stage.Hour, str]]) -> list[stage.Hour]:
    """One hour of each symbol and day."""
    return list({(hour.symbol, hour.day): hour for hour, _ in hours}.values())


def _after_staging(hour: stage.Hour, models: Models) -> Unit:
    """What a dry run can say of a day whose raw is not staged yet."""
    names = ", ".join(sorted(model.name for model in models.stored() if "{symbol}" in model.file))
    return Unit(names, hour.exchange, hour.symbol, hour.day, models.lake.base, "once its raw is staged")
