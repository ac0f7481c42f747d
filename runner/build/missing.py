"""Which trade ids a lake lacks: ranges to ask the exchange for, and what large holes would cost.

The SQL is in sql/repair; it reads the holes that the plan of a build computes.
"""

from dataclasses import dataclass, field

import click
import msgspec

from runner import catalog, engine
from runner.asking import ask
from runner.build import notes
from runner.build.build import EVERYTHING
from runner.build.exchange import ExchangeBuild
from runner.build.execute import prepare
from runner.build.inventory import Symbol
from runner.build.plan import Planner
from runner.build.report import Report
from runner.build.stage import run, unit_values
from runner.build.workers import Workers
from runner.config import Lake
from runner.lock import hold
from runner.models.models import Models

WAIT_S = 60


class Range(msgspec.Struct, frozen=True):
    """Missing ids of one hole, first to last. `before_id`, `after_id`: the known trades around the
    hole; it lies between `from_us` and `to_us`. `is_large`: not fetched without being asked for.
    """

    symbol: str
    first_id: int
    last_id: int
    before_id: int
    after_id: int
    from_us: int
    to_us: int
    is_large: bool = False

    @property
    def ids(self) -> int:
        return self.last_id - self.first_id + 1


class LargeHole(msgspec.Struct, frozen=True):
    """A hole above repair.max_ids_per_hole, with its cost at the exchange's budget."""

    symbol: str
    first_id: int
    last_id: int
    ids: int
    from_text: str
    to_text: str
    requests: int
    weight: int
    minutes: int


@dataclass
class Missing:
    """What is missing; `failed`: symbols of which it could not be said, a sentence each."""

    ranges: list[Range] = field(default_factory=list)
    large: list[LargeHole] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def count(lake: Lake, exchange: str) -> dict[str, int]:
    """How many ids are missing by symbol, as the published certificates say."""
    with catalog.connect(lake) as con:
        models = Models(lake)
        rows = ask(con, models, models["holed_symbols"].path)
    return {symbol: missing for name, symbol, missing in rows if name == exchange}


def find(lake: Lake, exchange: str, symbols: frozenset[str] = frozenset()) -> Missing:
    """The missing ids of a built lake, of all symbols or these."""
    names = {name for name in count(lake, exchange) if not symbols or name in symbols}
    found = Missing()
    if not names:
        return found
    with hold(lake.base / "build.lock", "looking for missing trades", wait_s=WAIT_S):
        models = Models(lake)
        with engine.connect(models) as con, Workers(models, threads=2) as workers:
            broken = prepare(con, models)
            building = ExchangeBuild(
                exchange, models, EVERYTHING, con, workers, broken, dry_run=True, report=Report()
            )
            chosen = [symbol for symbol in building.known() if symbol.name in names]
            (until_us,) = con.execute("select complete_until_us from lake_clock").fetchone()

            def one(con, symbol: Symbol) -> Missing:
                return _of_symbol(con, models, symbol, until_us)

            for result in workers.map(one, chosen, "Looking for missing trades"):
                if isinstance(result, click.ClickException):
                    found.failed.append(result.message)
                else:
                    found.ranges += result.ranges
                    found.large += result.large
    return found


def _of_symbol(con, models: Models, symbol: Symbol, until_us: int) -> Missing:
    Planner(con, models, symbol, until_us, is_whole=True).plan()
    unit = unit_values(*symbol.of, "1970-01-01")
    for name in ("missing_ids", "large_holes"):
        run(con, models, name, unit)
    ranges = notes.rows_of(con, "(from missing_ids order by first_id)")
    large = notes.rows_of(con, "(from large_holes order by first_id)")
    return Missing(
        msgspec.convert(ranges, list[Range]),
        msgspec.convert(large, list[LargeHole]),
    )
