"""Stored relations that are made of raw answers: what is stale, and how a file of them is made.

A unit is one day of what the relation's path names. Its inputs are the files of answers that hold
rows of that day, each with how many and a hash. Where such a file is gone, its entry stays, and the
published file itself is a source (`kept` in SQL).
"""

from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import click
import duckdb

from runner.build.answers import Answers
from runner.build.metadata import Metadata, Published
from runner.build.publish import scan, sql_text, target
from runner.build.stage import run, unit_values
from runner.build.unit import Unit, why_stale
from runner.models.models import Models
from runner.models.sql_files import Model

REJECTS = "_answers"  # in the place of a symbol in `rejects`


def readers(models: Models) -> dict[str, str]:
    """Stored relation → the model of raw answers that it is made of."""
    found = {}
    for model in models.stored():
        raw = [name for name in models.chain(model.name) if models[name].raw]
        stored = sorted(
            read
            for name in models.chain(model.name)
            for read in models.reads(name)
            if models[read].file
        )
        if raw and (stored or len(raw) > 1):
            raise click.ClickException(
                f"{model.path}: reads {', '.join(raw + stored)}; a stored relation is made of one "
                "model of raw answers alone, so make it a view (sql/views/, no `-- file:`)"
            )
        if raw:
            found[model.name] = raw[0]
    return found


def plan(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    model: Model,
    staged: dict[Answers, dict],
    force: bool,
) -> list[Unit]:
    """The stale days of a relation; `staged`: the notes of all files of answers it is made of."""
    days: dict[tuple, dict[Answers, dict]] = defaultdict(dict)
    for answers, note in staged.items():
        interval = answers.interval if "{interval}" in model.file else ""
        for row in note["days"]:
            days[row["exchange"], answers.symbol, interval, row["day"]][answers] = row
    paths = {of: target(models.lake.base, model, *of[:2], of[3], of[2]) for of in days}
    cache = Metadata(models.lake.base / "work" / "metadata" / f"{model.name}.msgpack")
    found = cache.read(con, [path for path in paths.values() if path.is_file()])
    cache.save()
    units = [
        _unit(models, model, of, rows, paths[of], found.get(paths[of]), force)
        for of, rows in sorted(days.items())
    ]
    return [unit for unit in units if unit]


def _unit(
    models: Models,
    model: Model,
    of: tuple[str, str, str, str],
    rows: dict[Answers, dict],
    path: Path,
    found: Published | None,
    force: bool,
) -> Unit | None:
    """The unit of a day, None when its file is not stale."""
    exchange, symbol, interval, day = of
    sql = models.fingerprint(model.name)
    hand = {answers.key(model.file): [row["rows"], row["hash"]] for answers, row in rows.items()}
    inputs, is_short = with_gone(found, sql, hand)
    why = why_stale(found, sql, inputs) or ("asked for" if force else None)
    if not why:
        return None
    until_us = max(row["until_us"] for row in rows.values())
    context: dict = {"answers": [name for name in models.chain(model.name) if models[name].raw][0]}
    if is_short:
        context["kept_until_us"] = found.note["until_us"]
        until_us = max(until_us, found.note["until_us"])
    sources = tuple(answers.place / "rows.parquet" for answers in rows)
    note = {"until_us": until_us}
    return Unit(
        model.name,
        exchange,
        symbol,
        day,
        path,
        why,
        sources,
        inputs=inputs,
        note=note,
        context=context,
        interval=interval,
    )


def with_gone(
    found: Published | None, sql: dict[str, str], hand: dict[str, list]
) -> tuple[dict[str, list], bool]:
    """The inputs at hand, with those that a published file was made of and that are gone, wholly or
    in part; and whether there are such.
    """
    known = found.inputs if found else {}
    gone = {
        key: entry
        for key, entry in known.items()
        if key not in hand or (found.sql == sql and hand[key][0] < entry[0])
    }
    return hand | gone, bool(gone)


def reject_units(
    con: duckdb.DuckDBPyConnection, models: Models, staged: dict[Answers, dict]
) -> list[Unit]:
    """The days of fetching with unreadable answers, or that had some, one unit an exchange."""
    days: dict[tuple[str, str], dict[Answers, dict]] = defaultdict(dict)
    for answers, note in staged.items():
        days[answers.exchange, answers.day][answers] = note
    model, units = models["rejects"], []
    cache = Metadata(models.lake.base / "work" / "metadata" / f"{model.name}.{REJECTS}.msgpack")
    sql = models.fingerprint(model.name)
    for (exchange, day), files in sorted(days.items()):
        path = target(models.lake.base, model, exchange, REJECTS, day)
        found = cache.read(con, [path]).get(path) if path.is_file() else None
        held = {answers: note for answers, note in files.items() if note["rejects"]}
        hand = {
            answers.file.as_posix(): [note["rejects"], note["rejects_hash"]]
            for answers, note in held.items()
        }
        known = {answers.file.as_posix() for answers in files}
        gone = {
            key: entry for key, entry in (found.inputs if found else {}).items() if key not in known
        }
        inputs = hand | gone
        why = why_stale(found, sql, inputs) if inputs or found else None
        if why:
            sources = tuple(answers.place / "rejects.parquet" for answers in held)
            sources += (path,) if gone else ()
            units.append(Unit("rejects", exchange, REJECTS, day, path, why, sources, inputs=inputs))
    cache.save()
    return units


def make(con: duckdb.DuckDBPyConnection, models: Models, unit: Unit) -> None:
    """Make `published` the rows of a unit."""
    raw = unit.context["answers"]
    con.execute(
        f"create or replace temp view {raw} as select * from {scan(list(unit.sources))} "
        f"where exchange = '{sql_text(unit.exchange)}' and day = date '{unit.day}'"
    )
    values = unit_values(unit.exchange, unit.symbol, unit.day) | {
        "ticker": sql_text(unit.symbol),
        "interval": sql_text(unit.interval),
    }
    if "kept_until_us" in unit.context:
        values |= {"kept": scan([unit.path]), "kept_until_us": unit.context["kept_until_us"]}
    made = set(models.chain(raw))
    chain = {name: models.reads(name) - made for name in models.chain(unit.relation)}
    for name in TopologicalSorter(chain).static_order():
        if name in chain and name not in made:
            run(con, models, name, values, kind="view")
    con.execute(f"create or replace temp table published as from {unit.relation}")
    if "kept_until_us" in unit.context:
        _refuse_loss(con, models[unit.relation], unit)


def _refuse_loss(con: duckdb.DuckDBPyConnection, model: Model, unit: Unit) -> None:
    """Stop before a row disappears whose raw is gone."""
    keys = ", ".join(model.grain)
    query = f"select count(*) from {scan([unit.path])} anti join published using ({keys})"
    if missing := con.execute(query).fetchone()[0]:
        raise click.ClickException(
            f"{unit}: {missing} published rows are in no raw answer any more, so the file stays as "
            f"it is; put the answers back, or let {model.path} read {{{{ kept }}}}"
        )
