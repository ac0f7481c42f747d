"""Building one exchange: stage its new raw, plan its symbols, publish what is stale."""

import click
import duckdb

from runner.build import derived, inventory, notes, raw_hours, sessions, stage
from runner.build.build import Choice, selected
from runner.build.execute import execute
from runner.build.inventory import Symbol
from runner.build.plan import OF_SYMBOL, Planner, SymbolPlan
from runner.build.raw_hours import Hour
from runner.build.report import Perhaps, Report
from runner.build.unit import Unit
from runner.build.workers import Workers
from runner.models.models import Models
from runner.models.sql_files import Model
from runner.moments import day_number
from runner.seal import archive


class ExchangeBuild:
    """One build of one exchange."""

    def __init__(
        self,
        exchange: str,
        models: Models,
        choice: Choice,
        con: duckdb.DuckDBPyConnection,
        workers: Workers,
        broken: dict[str, str],
        dry_run: bool,
        report: Report,
    ):
        self.models, self.choice, self.con, self.workers = models, choice, con, workers
        self.exchange, self.broken, self.dry_run, self.report = exchange, broken, dry_run, report
        self.base = models.lake.base
        self.relations = selected(models, choice.select)
        self.standing: set[tuple[str, str]] = set()  # sealed days (symbol, day) that stay a source

    def build(self) -> None:
        """Stage, plan and publish."""
        exchange, found = self.exchange, self.known()
        symbols = [symbol for symbol in found if self.choice.wants_symbol(symbol.name)]
        hours = self.stale_hours(symbols)
        if not self.dry_run:
            self._stage(hours, {symbol.name: symbol for symbol in symbols})
            self._share(found)
        self.report.staged += hours
        until_us = self.con.execute("select complete_until_us from lake_clock").fetchone()[0]
        self._publish(sessions.units(self.con, self.models, exchange), until_us)
        plans = self._plan(symbols, until_us)
        units = [unit for plan in plans for unit in plan.units]
        # bars that read a published day file wait until this build has replaced it
        waiting = [unit for unit in units if unit.reads_published(self.base / "work")]
        self._publish([unit for unit in units if unit not in waiting], until_us)
        self._publish(waiting, until_us)
        for model in derived.models_in_order(self.models):
            self._publish(
                self._derived(model, symbols),
                until_us,
            )
        if self.dry_run:
            self._foresee(hours)

    def known(self) -> list[Symbol]:
        """The exchange's symbols; all workers are told of their connections."""
        found = [
            inventory.look(self.base, self.exchange, name, self._reads_packed)
            for name in inventory.symbols(self.base, self.exchange)
        ]
        sessions.load(self.con, self.models, self.exchange)
        self._share(found)
        return found

    def _reads_packed(self, day: str) -> bool:
        """Whether the packed raw of a day is read: from raw, with the days around that asked for,
        as a trade may be received on another day.
        """
        near = self.choice.day is None or abs(day_number(day) - day_number(self.choice.day)) <= 1
        return self.choice.from_raw and near

    def _derived(self, model: Model, symbols: list[Symbol]) -> list[Unit]:
        """The stale units of a stored relation that the lake adds."""
        plans = self.workers.map(
            lambda con, symbol: derived.plan(
                con, self.models, model, *symbol.of, self.choice.force
            ),
            symbols,
            "Planning",
        )
        return [unit for units in self.report.good(plans) for unit in units]

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
        self.workers.share(self.con, "sessions", "connections")
        stored = {model.name for model in self.models.stored()}
        self.workers.share_empty(self.con, *sorted(stored - self.broken.keys()))

    def stale_hours(self, symbols: list[Symbol]) -> list[tuple[Hour, str]]:
        """The hours of receipt that must be staged, and why."""
        offsets = dict(self.con.execute("select conn, offset_us from connections").fetchall())
        stalled = self.con.execute(
            "select conn, [(stall.symbol, epoch_us(stall.stalled_at)) for stall in stalls] "
            "from sessions"
        ).fetchall()
        sql = stage.fingerprint(self.models)
        stale = []
        for symbol in symbols:
            stalls = {
                conn: [moment for name, moment in moments if name in (None, symbol.name)]
                for conn, moments in stalled
            }
            for hour in symbol.hours:
                note = symbol.staged.get(hour.place(self.base))
                why = raw_hours.why_stale(hour, note, sql, offsets, stalls)
                if self.choice.from_raw and self.choice.day in (None, hour.day):
                    why = why or "asked for"
                    if gone := raw_hours.gone(hour, note):
                        self.report.failed.append(
                            f"{hour}: {gone} raw parts that it was staged from are gone, so it is "
                            "not read anew; put them back, or leave out --from-raw"
                        )
                        continue
                if why:
                    stale.append((hour, why))
        return stale

    def _stage(self, hours: list[tuple[Hour, str]], symbols: dict[str, Symbol]) -> None:
        sql = stage.fingerprint(self.models)

        def old(hour: Hour) -> dict | None:
            note = symbols[hour.symbol].staged.get(hour.place(self.base))
            return None if self.choice.from_raw or raw_hours.gone(hour, note) else note

        results = self.workers.map(
            lambda con, hour: (hour, stage.stage(con, self.models, hour, sql, old(hour))),
            [hour for hour, _ in hours],
            "Staging hours of raw",
        )
        for hour, note in self.report.good(results):
            symbols[hour.symbol].staged[hour.place(self.base)] = note
            self.report.lines += note["lines"]
            self.report.rejects += note["rejects"]

    def _plan(self, symbols: list[Symbol], until_us: int) -> list[SymbolPlan]:
        force, may_lose = self.choice.force, self.choice.from_raw
        results = self.workers.map(
            lambda con, symbol: Planner(con, self.models, symbol, until_us, force, may_lose).plan(),
            symbols,
            "Planning",
        )
        plans = self.report.good(results)
        self.standing = {(plan.symbol, day) for plan in plans for day in plan.standing}
        self.report.failed += [
            f"{plan.symbol} {day}: {count} that were published are in no file any more, so the "
            f"bars and the tape of {plan.symbol} stay as they are; put the raw or tick files back, "
            f"or accept the loss with `lake build --from-raw --symbols {plan.symbol}`"
            for plan in plans
            for day, count in sorted(plan.lost.items())
        ]
        if self.choice.from_raw:
            self.report.failed += [
                f"{plan.symbol} {day}: not all of the raw that this sealed day was made from is "
                "there, so it is not read anew; put it back, or leave out --from-raw"
                for plan in plans
                for day in plan.standing
                if self.choice.day in (None, day)
            ]
        return plans

    def _foresee(self, hours: list[tuple[Hour, str]]) -> None:
        """Say of which files a dry run cannot know whether they change: those made of raw that is
        not staged yet, and what reads those that this build would publish.
        """
        found = [
            Perhaps(name, hour.symbol, hour.day, "its raw lines are read")
            for hour in {(hour.symbol, hour.day): hour for hour, _ in hours}.values()
            for name in sorted({*OF_SYMBOL} - {"archive"})
        ]
        for model in derived.models_in_order(self.models):
            reads = derived.stored_inputs(self.models, model.name)
            found += [
                Perhaps(model.name, one.symbol, one.day, f"{one.relation} is built")
                for one in [*self.report.units, *found]
                if one.relation in reads and one.symbol
            ]
        known = {(unit.relation, unit.symbol, unit.day) for unit in self.report.units}
        for one in found:
            of = one.relation, one.symbol, one.day
            if of not in known and self.choice.wants(one, self.relations):
                known.add(of)
                self.report.perhaps.append(one)

    def _read_anew(self, units: list[Unit]) -> set[tuple[str, str]]:
        """The symbols and days whose ticks are read from raw, so that no published file of them is
        a source any more.
        """
        ticks = [unit for unit in units if unit.relation in ("trades", "quotes")]
        days = {(unit.symbol, unit.day) for unit in ticks if self.choice.from_raw}
        return days - self.standing

    def _publish(self, units: list[Unit], until_us: int) -> None:
        units = [unit for unit in units if self.choice.wants(unit, self.relations)]
        broken = sorted({unit.relation for unit in units} & set(self.broken))
        self.report.good([click.ClickException(self.broken[name]) for name in broken])
        units = [unit for unit in units if unit.relation not in self.broken]
        if self.dry_run:
            self.report.units += units
            return
        may_lose = self.choice.from_raw
        archive.reopen(self.con, self.models, units, self._read_anew(units))
        # the longest first, so that no worker is left with one at the end
        units = sorted(units, key=lambda unit: -sum(path.stat().st_size for path in unit.sources))
        results = self.workers.map(
            lambda con, unit: (unit, execute(con, self.models, unit, until_us, may_lose)),
            units,
            "Publishing files",
        )
        for unit, rows in self.report.good(results):
            self.report.units.append(unit)
            self.report.rows += rows
