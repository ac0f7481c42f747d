"""Where the columns of a lake come from: through all SQL files down to the keys of raw lines.

The plan knows ticks by notes (`noted_…`), which models made when the rows were at hand; so a column
of a note goes on in the model whose note it is.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import click

from runner.build import notes, sessions
from runner.lineage.plain_columns import RAW
from runner.lineage.sql import ROWS, Made, Source, columns_made
from runner.models.models import Models
from runner.models.sql_files import Model, read
from runner.seal import archive

# Key of a note → the model whose rows it holds, where that bears another name.
NOTED = {
    "trade_hours": "staged_trade_hours",
    "pieces": "cover_pieces",
    "absent": "lines",
    "trades": "staged_trades",
    "quotes": "staged_quotes",
}
# What a relation was as it was published before: where its raw is gone, that stays.
KEPT = {"noted_covers": "covers", "noted_certificates": "tape_days", "noted_sessions": "sessions"}
# What a macro that returns rows stands for.
TABLE_MACRO = re.compile(r"\)\s+as\s+table\s+(.+)", re.IGNORECASE | re.DOTALL)
# Models that read raw themselves → which raw; of all others it is the lines of a symbol.
PLACES = {"session_lines": "_sessions ", "answer_lines": "_rest "}
# What the runner fills into the templates of a unit → where it has it from.
FILLED = {
    "exchange": "the folder of the exchange",
    "symbol": "the folder of the symbol",
    "ticker": "the folder of the ticker",
    "interval": "the folder of the interval",
    "day": "the day of the file",
}


@dataclass(frozen=True)
class End:
    """Where lineage ends. `kind`: raw, file, constant, kept (what was published before), or
    unknown, which no column of a public relation may come to.
    """

    kind: str
    text: str


@dataclass(eq=False)
class Step:
    """A column of a relation, its SQL file, the macros in it, what its value is made of, what only
    decides which value that is, and `rows`: what decides which rows there are. Of rows, `values`
    are the columns in the conditions, and `deciding` the rows of all that the relation reads.
    """

    relation: str
    column: str
    model: Model
    macros: list[str]
    values: list["Step | End"] = field(default_factory=list)
    deciding: list["Step | End"] = field(default_factory=list)
    rows: "Step | None" = None

    @property
    def name(self) -> str:
        return f"rows of {self.relation}" if self.is_rows else f"{self.relation}.{self.column}"

    @property
    def is_rows(self) -> bool:
        """Whether it is no column, but what decides which rows there are."""
        return self.column == ROWS


class Lineage:
    """The lineage of a lake's columns; each SQL file is looked at once."""

    def __init__(self, models: Models):
        self.models = models
        texts = {name: read(path) for name, path in models.macros.items()}
        queries = {name: TABLE_MACRO.search(text) for name, text in texts.items()}
        self.tables = {name: found[1] for name, found in queries.items() if found}
        self.made: dict[str, dict[str, Made]] = {}
        self.steps: dict[tuple[str, str], Step] = {}

    def columns(self, relation: str) -> list[str]:
        """The columns of a model, in their order."""
        return [column for column in self._made(relation) if column != ROWS]

    def step(self, relation: str, column: str) -> Step:
        """A column with all that it is made of, as far as the raw; a circle ends where it closes.

        ClickException for a file whose SQL cannot be followed.
        """
        key = (relation, column)
        if key not in self.steps:
            made, model = self._made(relation)[column], self.models[relation]
            macros = sorted(made.functions & set(self.models.macros))
            self.steps[key] = step = Step(relation, column, model, macros)
            step.values = self._parts(model, made.values)
            step.deciding = self._parts(model, made.deciding)
            if column != ROWS:
                step.rows = self.step(relation, ROWS)
        return self.steps[key]

    def _made(self, name: str) -> dict[str, Made]:
        if name not in self.made:
            model = self.models[name]
            sql = self.models.render(name, **{one: f"{{{one}}}" for one in FILLED})
            used = [macro for macro in self.tables if re.search(rf"\b{macro}\s*\(", sql)]
            texts = [sql, *(self.tables[macro] for macro in used)]
            reads = {one for text in texts for one in self.models.tables(model.path, text)}
            schema = {one: self._columns_of(one) for one in reads}
            try:
                self.made[name] = columns_made(sql, schema, self.tables)
            except click.ClickException as error:
                raise click.ClickException(f"{model.path}: {error.message}") from error
        return self.made[name]

    def _columns_of(self, relation: str) -> list[str]:
        """The columns of a relation that SQL reads: a model's, or what Python fills."""
        relation = notes.EXACT.get(relation, relation)
        if relation in self.models.models:
            return self.columns(relation)
        if relation in notes.TABLES:
            return [*notes.TABLES[relation][1], "part"]
        if relation == "noted_sessions":
            return list(sessions.NOTED)
        if relation in archive.TABLES:
            return list(archive.TABLES[relation])
        model = self._noted(relation)
        return self.columns(model) if model else []

    def _noted(self, relation: str) -> str | None:
        """The model whose note a relation of the plan is."""
        relation = notes.EXACT.get(relation, relation)
        if not relation.startswith("noted_"):
            return None
        key = notes.TABLES[relation][0] if relation in notes.TABLES else relation[len("noted_") :]
        name = NOTED.get(key, key)
        return name if name in self.models.models else None

    def _parts(self, model: Model, sources: Iterable[Source]) -> list[Step | End]:
        found = [part for source in sources for part in self._part(model, source)]
        return list({_key(part): part for part in found}.values())

    def _part(self, model: Model, source: Source) -> list[Step | End]:
        """Where a source of a model's column goes on."""
        relation, column = source.relation, source.column
        if column == ROWS and relation not in self.models.models:
            noted = None if relation in KEPT else self._noted(relation)
            return [self.step(noted, ROWS)] if noted else []
        if not relation:
            return [End("constant", FILLED.get(column.strip("'{}"), column))]
        if relation == RAW:
            return [End("raw", f"raw {PLACES.get(model.name, '')}{column}")]
        if relation.startswith("read_"):
            return [End("file", f"{column or 'lines'} of the raw file")]
        if relation in archive.TABLES:
            return [End("file", f"{column or 'number'} of the sealed file")]
        if relation in KEPT:
            return [End("kept", f"{KEPT[relation]} as published before")]
        if column == "part":  # which of them a note is of
            return [End("file", "number of the hour part")]
        relation = relation if relation in self.models.models else self._noted(relation)
        if relation is None:
            return [End("unknown", f"not known: {source.relation}.{column}")]
        # a count of rows is one of what makes a row: the grain
        grain = [name for name in self.models[relation].grain if name not in FILLED]
        names = [column] if column else grain
        if not names:
            return [End("file", f"number of {relation}")]
        known = self._made(relation)
        return [
            self.step(relation, name)
            if name in known
            else End("unknown", f"not known: {relation}.{name}")
            for name in names
        ]


def _key(part: Step | End) -> tuple[str, str]:
    return (part.relation, part.column) if isinstance(part, Step) else (part.kind, part.text)


def made_of(step: Step) -> list[Step | End]:
    """All parts of a column: of its value, and what decides it."""
    return step.values + step.deciding


def all_of(step: Step) -> list[Step | End]:
    """The same, and what decides which rows there are."""
    return made_of(step) + ([step.rows] if step.rows else [])


def followed(step: Step) -> list[Step | End]:
    """The parts that tell where a column comes from: those of its value; where that is one of some
    constants (a state, a verdict), also what decides which: a condition, or which rows there are.
    """
    is_plain = all(isinstance(part, End) and part.kind == "constant" for part in step.values)
    if not is_plain or step.is_rows:
        return step.values
    if len(step.values) > 1 and not step.deciding:
        return all_of(step)
    return [part for part in made_of(step) if isinstance(part, End) or not part.is_rows]


def ends(step: Step, parts: Callable[[Step], list[Step | End]] = made_of) -> set[End]:
    """All that a column comes from in the end."""
    seen, queue, found = set(), [step], set()
    while queue:
        one = queue.pop()
        if isinstance(one, End):
            found.add(one)
        elif one.name not in seen:
            seen.add(one.name)
            queue += parts(one)
    return found
