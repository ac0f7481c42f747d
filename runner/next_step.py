"""What a lake lacks, and which command comes next: one sentence, None where it lacks nothing."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import Lake

if TYPE_CHECKING:
    from runner.models.models import Models

# Names with _ in front are the lake's own: sessions, answers, files without rows.
RECORDED = ("[!_]*/[!_]*/*/part_*", "[!_]*/[!_]*/*.jsonl.zst")
DAYS = "[!_]*/year=*/month=*/day=*/*.parquet"
READ = re.compile(r"\b(?:from|join|pivot)\s+(\w+)")
MISSING = re.compile(r"Table with name (\w+) does not exist")
RECORD = "nothing is recorded in this lake yet: `lake collect` records, until Ctrl+C"
BUILD = "what is recorded is not built yet: run `lake build`"
QUIET = "no trade is recorded yet, so there are no bars: let `lake collect` go on"


def is_recorded(lake: Lake) -> bool:
    """Whether there is raw market data; open parts count."""
    return any(_any(lake.base / "raw", pattern) for pattern in RECORDED)


def to_bars(lake: Lake) -> str | None:
    """What it lacks to have bars."""
    if _any(lake.base / "parquet", f"*/{DAYS}"):
        return None
    if not is_recorded(lake):
        return RECORD
    is_built = _any(lake.base / "ticks", f"*/covers/{DAYS}")
    return QUIET if is_built and not _any(lake.base / "tape", f"*/{DAYS}") else BUILD


def to_rows(models: "Models", names: set[str]) -> str | None:
    """What it lacks for relations to have rows: the first stored one below them without a file."""
    for name in sorted(names):
        if lacks := _to_stored(models, name):
            return lacks
    return None


def for_query(models: "Models", query: str) -> str | None:
    """What it lacks for a query to have rows, by the relations and macros that it names."""
    from runner.build.derived import stored_inputs

    words = set(READ.findall(query.lower()))
    for name in words & set(models.macros):
        words |= set(READ.findall(models.macros[name].read_text(encoding="utf-8").lower()))
    named = {name for name in words & set(models.models) if models[name].is_public}
    stored = {name for name in named if models[name].file}
    return to_rows(models, stored.union(*(stored_inputs(models, name) for name in named - stored)))


def for_missing(lake: Lake, message: str) -> str | None:
    """What to do where a query fails since lake.db lacks what an SQL file of the lake's own makes.

    `message`: DuckDB's.
    """
    from runner.models.sql_files import model

    missing = MISSING.search(message)
    paths = (lake.folder / "sql").glob(f"*/{missing[1].lower()}.sql") if missing else ()
    if not any(model(path).is_public for path in paths):
        return None
    return f"{missing[1]} is not made yet, though its SQL file is there: run `lake build`"


def _to_stored(models: "Models", name: str) -> str | None:
    from runner.build.publish import steps

    base, (folder, leaf) = models.lake.base, steps(models[name])
    place = re.sub(r"\{\w+\}", "[!_]*", f"{folder}/year=*/month=*/day=*/{leaf}.parquet")
    if _any(base, place):
        return None
    answers = [models[read] for read in models.chain(name) if models[read].raw]
    for one in answers:
        if _any(base / "raw", re.sub(r"\{\w+\}", "[!_]*", f"{one.raw}/*/answers*.jsonl")):
            return BUILD
        fetch = one.keys.get("fetch", "the command that you wrote for them")
        return f"{name} has no rows yet: {fetch} fetches them"
    if lacks := to_bars(models.lake):
        return lacks
    is_sealing = models[name].layer == "compact"
    return "no day is sealed yet: `lake compact` does that once it is over" if is_sealing else None


def _any(folder: Path, pattern: str) -> bool:
    return any(True for _ in folder.glob(pattern))
