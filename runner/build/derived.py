"""Stored relations that a lake adds: any SQL file with a `-- file:` header, a file a symbol and
day.

Such a model reads other stored relations, directly or through models without a file; its unit is
one symbol and day,
its inputs are the files of that day.
"""

from graphlib import TopologicalSorter
from pathlib import Path

import click
import duckdb

from runner.build import answer_units
from runner.build.inventory import published_days
from runner.build.metadata import Metadata, Published
from runner.build.plan import OF_SYMBOL
from runner.build.publish import scan, target
from runner.build.stage import run, unit_values
from runner.build.unit import Unit, why_stale
from runner.models.models import Models
from runner.models.sql_files import Model
from runner.paths import encode


def models_in_order(models: Models) -> list[Model]:
    """The stored models beyond the shipped ones, each after those that it reads."""
    names = {model.name for model in models.stored()} - {*OF_SYMBOL, "sessions"}
    names -= answer_units.readers(models).keys()
    inputs = {name: stored_inputs(models, name) for name in names}
    for name, reads in inputs.items():
        _refuse_other_files(models, models[name], reads)
    order = TopologicalSorter(inputs).static_order()
    return [models[name] for name in order if name in names]


def _refuse_other_files(models: Models, model: Model, reads: set[str]) -> None:
    """A unit is a symbol and day: relations with files of anything else have none for it."""
    for read in sorted(reads):
        if "{interval}" in models[read].file or "{ticker}" in models[read].file:
            raise click.ClickException(
                f"{model.path}: is stored by symbol and day, and {read} is not; make it a view: "
                "leave out `-- file:` and put it into sql/views/"
            )


def stored_inputs(models: Models, name: str) -> set[str]:
    """The stored relations that a model's chain reads."""
    reads = set().union(*(models.reads(model) for model in models.chain(name)))
    return {read for read in reads if models[read].file and read != name}


def plan(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    model: Model,
    exchange: str,
    symbol: str,
    force: bool,
) -> list[Unit]:
    """The stale days of a model and symbol."""
    base = models.lake.base
    inputs = sorted(stored_inputs(models, model.name))
    cache = Metadata(
        base / "work" / "metadata" / encode(exchange) / f"{encode(symbol)}.{model.name}.msgpack"
    )
    files = {
        name: _published(con, models, cache, name, exchange, symbol)
        for name in (*inputs, model.name)
    }
    cache.save()
    days = sorted(set().union(*(files[name] for name in inputs)))
    units = [_unit(models, model, (exchange, symbol), day, inputs, files, force) for day in days]
    return [unit for unit in units if unit]


def _unit(
    models: Models,
    model: Model,
    of: tuple[str, str],
    day: str,
    inputs: list[str],
    files: dict[str, dict[str, tuple[Path, Published]]],
    force: bool,
) -> Unit | None:
    """The unit of a day, None when its file is not stale."""
    hashes = {name: files[name][day][1].hash for name in inputs if day in files[name]}
    _, found = files[model.name].get(day, (None, None))
    why = why_stale(found, models.fingerprint(model.name), hashes)
    if not why and not force:
        return None
    path = target(models.lake.base, model, *of, day)
    sources = {name: files[name][day][0] if day in files[name] else None for name in inputs}
    context = {"sources": sources}
    return Unit(model.name, *of, day, path, why or "asked for", inputs=hashes, context=context)


def make(con: duckdb.DuckDBPyConnection, models: Models, unit: Unit) -> None:
    """Make `published` the rows of a unit."""
    for name, path in unit.context["sources"].items():
        source = scan([path]) if path else f"no_{name}"
        con.execute(f"create or replace temp view {name} as from {source}")
    chain = {name: models.reads(name) for name in models.chain(unit.relation)}
    for name in TopologicalSorter(chain).static_order():
        if name in chain:
            run(con, models, name, unit_values(unit.exchange, unit.symbol, unit.day), kind="view")
    con.execute(f"create or replace temp view published as from {unit.relation}")


def _published(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    cache: Metadata,
    name: str,
    exchange: str,
    symbol: str,
) -> dict[str, tuple[Path, Published]]:
    model = models[name]
    days = published_days(
        models.lake.base, model, exchange, symbol if "{symbol}" in model.file else None
    )
    return cache.of_days(con, days)
