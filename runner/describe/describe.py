"""What a lake's relations are: columns with types and words, grain, files, SQL; and its raw lines.

All of it is taken from the SQL files, so it holds for a lake's own relations too.
"""

import re
from dataclasses import dataclass

from runner.build.publish import steps
from runner.models import words
from runner.models.models import Models
from runner.models.sql_files import Model, read
from runner.models.words import Words

RAW_KEYS = "macros/raw_keys.jinja"
# Each kind of raw line: where it lies, or how it goes on.
KINDS = {
    "line": "what each line of a symbol begins with, in raw/binance/SOLUSDT/2025-10-20/ (heard: "
    "part_….jsonl, fetched by id: repair_….jsonl):",
    "trade": "a trade goes on with",
    "bookTicker": "a quote goes on with",
    "absent": "ids that the exchange itself lacks go on with",
    "session": "what happened to the collector's connections, in raw/binance/_sessions/:",
    "answer": "an answer of REST, the archive or Yahoo, in raw/binance/_rest/ and raw/yahoo/:",
}
MACRO = re.compile(r"create\s+or\s+replace\s+macro\s+(\w+\s*\([^)]*\))", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A column: its name, its type as DuckDB calls it, and its words."""

    name: str
    type: str
    words: Words


@dataclass(frozen=True)
class Relation:
    """A relation of lake.db. `files`: where they lie, None of a view; `reads`: relations of lake.db
    that its SQL names; `sql`: its file, from the lake's folder or the shipped one.
    """

    name: str
    sentence: str
    grain: list[str]
    files: str | None
    reads: list[str]
    sql: str
    is_own: bool
    columns: list[Column]


@dataclass(frozen=True)
class Macro:
    """A macro of lake.db: how it is called, its sentence, whether it returns rows."""

    name: str
    call: str
    sentence: str
    is_table: bool


def relations(models: Models) -> dict[str, Relation]:
    """Name → relation, in the order of their names; without those whose SQL cannot be made."""
    find_out(models)
    public = sorted(name for name, model in models.models.items() if model.is_public)
    return {name: _relation(models, name) for name in public if name in models.known.columns}


def find_out(models: Models) -> dict[str, str]:
    """Let the models know the columns of each relation; returns which cannot be made, and why."""
    import duckdb

    from runner import engine
    from runner.build.execute import prepare

    if models.known.duckdb == duckdb.__version__:
        return {}
    with engine.connect(models) as con:
        return prepare(con, models)


def _relation(models: Models, name: str) -> Relation:
    model, told = models[name], words.of(models, name)
    types = models.known.columns[name]
    return Relation(
        name,
        model.sentence,
        model.grain,
        _files(models, model) if model.file else None,
        sorted(read for read in models.reads(name) if models[read].is_public),
        f"sql/{model.layer}/{model.path.name}",
        models.is_own(model.path),
        [Column(column, _type(kind), told[column]) for column, kind in types],
    )


def _files(models: Models, model: Model) -> str:
    """Where the files lie, with {exchange}, {symbol}, {ticker} and {interval} in their place."""
    folder, leaf = steps(model)
    name = leaf.replace("{day}", "2025-10-20")
    return f"{shown(models, folder)}/year=2025/month=10/day=20/{name}.parquet"


def shown(models: Models, folder: str) -> str:
    """A folder below the data folder, as seen from the lake's own."""
    lake = models.lake
    path = lake.base / folder
    return (path.relative_to(lake.folder) if path.is_relative_to(lake.folder) else path).as_posix()


def _type(kind: str) -> str:
    """A type in the short words for it.

    >>> _type("STRUCT(a TIMESTAMP WITH TIME ZONE)[]")
    'STRUCT(a TIMESTAMPTZ)[]'
    """
    return kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")


def macros(models: Models) -> dict[str, Macro]:
    """Name → macro."""
    found = {}
    for name, path in sorted(models.macros.items()):
        text = read(path)
        first = text.splitlines()[0]
        sentence = first.removeprefix("--").strip() if first.startswith("--") else ""
        call = MACRO.search(text)[1]
        found[name] = Macro(name, call, sentence, bool(re.search(r"\)\s+as\s+table\s", text, re.I)))
    return found


def raw_keys(models: Models) -> dict[str, dict[str, Words]]:
    """Kind of raw line, as in KINDS → its keys in the order in which they are written, with their
    words; and `bodies`: relation → what the bodies of the answers hold that it is made of.
    """
    told = models.jinja.get_template(RAW_KEYS).module
    return {
        kind: {key: words.parsed(text) for key, text in getattr(told, kind).items()}
        for kind in (*KINDS, "bodies")
    }
