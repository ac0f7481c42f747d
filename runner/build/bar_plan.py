"""Which hours of bars are stale: a day's file keeps the hours whose digest has not changed."""

from typing import TYPE_CHECKING

import duckdb

from runner.build import notes
from runner.build.ticks import HOURS
from runner.build.unit import Unit
from runner.moments import day_text
from runner.paths import HOUR_US

if TYPE_CHECKING:
    from runner.build.plan import Planner


def bar_units(plan: "Planner") -> list[Unit]:
    """The stale days of bars of a planned symbol."""
    days: dict[str, dict[str, str]] = {}
    query = "select day_number, hour, digest from bar_hours order by hour"
    for number, hour, digest in plan.con.execute(query).fetchall():
        days.setdefault(day_text(number), {})[str(hour)] = digest
    found = [(day, digests, plan.why("bars_1s", day, digests)) for day, digests in days.items()]
    return [_unit(plan, day, digests, why) for day, digests, why in found if why]


def _unit(plan: "Planner", day: str, digests: dict[str, str], why: str) -> Unit:
    """The bars of a day: from the first hour that changed to the last; the file's others stay."""
    _, old = plan.published["bars_1s"].get(day, (None, None))
    is_usable = old and not plan.force and old.sql == plan.models.fingerprint("bars_1s")
    kept = old.inputs if is_usable and set(old.inputs) <= set(digests) else {}
    changed = [int(hour) for hour, digest in digests.items() if kept.get(hour) != digest]
    hours = tuple(range(min(changed), max(changed) + 1))
    if kept:
        why = f"hours changed: {len(changed)} of {len(digests)}"
    context = {
        "sources": {stream: plan.ticks.of_hours(stream, list(hours)) for stream in HOURS},
        "has_copies": {stream: plan.ticks.has_copies(stream, list(hours)) for stream in HOURS},
        "is_sealed": plan.ticks.is_sealed(list(hours)),
        **_context(plan.con, hours),
    }
    note = {"quotes": plan.quotes_in(digests)}
    return plan.unit("bars_1s", day, why, hours=hours, inputs=digests, note=note, context=context)


def _context(con: duckdb.DuckDBPyConnection, hours: tuple[int, ...]) -> dict[str, notes.Table]:
    """What the plan says of some hours, and of the cover that a carried quote lies in."""
    first, end = hours[0], hours[-1] + 1
    quoted = con.execute(
        "select min(quote_us) from bar_hours where hour between $first and $last",
        {"first": first, "last": hours[-1]},
    ).fetchone()[0]
    since_us = min(first * HOUR_US, quoted or first * HOUR_US)
    parts = {
        "bar_hours": f"hour >= {first} and hour < {end}",
        "holes": f"to_second >= {first * 3600} and from_second < {end * 3600}",
        "merged_covers": f"end_us >= {since_us} and start_us < {end * HOUR_US}",
    }
    return {name: notes.table(con, f"(from {name} where {where})") for name, where in parts.items()}
