"""`lake compact`: days that are over are sealed: verified, hashed, their raw packed.

It builds first, so that nothing that lies on the disk is left out. Steps are ordered so that a kill
at any of them loses nothing, and the next run goes on where this one stopped.
"""

from dataclasses import dataclass, field, fields

import click

from runner import engine
from runner.build import inventory
from runner.build.build import EVERYTHING, Choice, build, refuse_unknown
from runner.build.exchange import ExchangeBuild
from runner.build.execute import prepare
from runner.build.inventory import Symbol
from runner.build.plan import Planner
from runner.build.report import Report
from runner.build.stage import run
from runner.build.workers import Workers
from runner.config import Lake
from runner.lock import hold
from runner.models.models import Models
from runner.seal import archive
from runner.seal.seal import Sealing, is_over
from runner.seal.sweep import Sweep

WAIT_S = 60


@dataclass
class Compacted:
    """What was done. `sealed`: a line a day; `waiting`: symbols for the next run; `parts` and
    `bytes` of raw packed; `hours` removed.
    """

    sealed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    parts: int = 0
    bytes: int = 0
    hours: int = 0

    def add(self, other: "Compacted") -> None:
        """Add what was done of one symbol."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def told(self) -> list[str]:
        """What a person wants to know of it, a line each."""
        lines = list(self.sealed)
        if self.waiting:
            names = ", ".join(self.waiting)
            lines.append(f"{names} has raw that came after it was built: run `lake compact` again")
        if self.parts:
            lines.append(f"packed {self.parts:,} raw parts, {self.bytes / 1e6:,.3f} MB")
        if self.hours:
            lines.append(f"removed {self.hours:,} hour parts from the workshop")
        if lines or self.failed:
            return lines
        return ["nothing to seal: every day that is over is sealed"]


def compact(lake: Lake, day: str | None = None, symbols: frozenset[str] = frozenset()) -> Compacted:
    """Seal the days that are over, or one of them; `failed` says what could not be.

    ClickException for a symbol that has nothing in this lake.
    """
    refuse_unknown(lake, symbols)
    built = build(lake)
    done = Compacted(failed=built.failed)
    with hold(lake.base / "build.lock", "compacting this lake", wait_s=WAIT_S):
        seal_symbols(lake, day, symbols, done)
    return done


def seal_symbols(lake: Lake, day: str | None, symbols: frozenset[str], done: Compacted) -> None:
    """Seal a lake that was built, and add to `done`; the caller holds the build's lock."""
    models = Models(lake)
    choice = Choice(symbols=symbols)
    with engine.connect(models) as con, Workers(models, threads=2) as workers:
        broken = prepare(con, models)
        if "archive" in broken:
            raise click.ClickException(broken["archive"])
        for name in inventory.exchanges(lake.base):
            exchange = ExchangeBuild(
                name, models, EVERYTHING, con, workers, broken, dry_run=True, report=Report()
            )
            found = exchange.known()
            run(con, models, "over", {})
            until_us, over_us = con.execute(
                "select complete_until_us, over_us from lake_clock, over"
            ).fetchone()
            over_us = over_us or 0
            chosen = [symbol for symbol in found if choice.wants_symbol(symbol.name)]
            # what comes today, every minute while a collector is at work, keeps no older day open
            stale = {
                hour.symbol
                for hour, _ in exchange.stale_hours(chosen)
                if is_over(hour.day, over_us)
            }

            def one(con, symbol: Symbol, until_us=until_us, over_us=over_us, stale=stale):
                if symbol.name in stale:
                    return Compacted(waiting=[symbol.name])
                return _seal(Planner(con, models, symbol, until_us, is_whole=True), over_us, day)

            for result in workers.map(one, chosen, "Sealing"):
                if isinstance(result, click.ClickException):
                    done.failed.append(result.message)
                else:
                    done.add(result)


def _seal(plan: Planner, over_us: int, day: str | None) -> Compacted:
    """Seal, pack and sweep one symbol; not where published ticks are lost, which the build told."""
    done = Compacted()
    planned = plan.plan()
    if planned.lost:
        return done
    sealing = Sealing(plan, {unit.day for unit in planned.units}, over_us)
    for one in sealing.days():
        try:
            if not sealing.note_sealed(one) and day in (None, one):
                done.sealed.append(sealing.seal(one))
        except click.ClickException as error:
            done.failed.append(error.message)
    archive.write_sums(plan.con, plan.models, plan.of)
    sweep = Sweep(sealing)
    sweep.run()
    done.parts, done.bytes, done.hours = sweep.parts, sweep.bytes, sweep.hours
    return done
