"""What the columns of one SQL file are made of: columns of the relations that it reads, keys of raw
lines, constants.

sqlglot's lineage does the walking. It knows columns only; so what decides which rows there are is
made a column of each step, too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer import build_scope
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from runner.lineage.plain_columns import (
    RAW,
    function,
    line_up,
    name_fields,
    name_raw_keys,
    name_unnested,
)

UNKNOWN = "?"
# The column that stands for which rows there are; no column of a relation can have this name.
ROWS = "which rows"


@dataclass(frozen=True, order=True)
class Source:
    """What a column is made of: a column of a relation; a constant, where `relation` is empty;
    how many rows a relation has, where `column` is empty; or which, where it is ROWS.
    """

    relation: str
    column: str


NULL = {Source("", "NULL")}
# What stands in a value in the place of what only decides.
DROPPED = exp.var("dropped")
# Clauses around the expression that counts.
PLAIN = (exp.Where, exp.Having, exp.Qualify, exp.Alias)


@dataclass(frozen=True)
class Made:
    """A column: the sources of its value, those that only decide which value it takes (conditions,
    orders), and the functions in between.
    """

    values: tuple[Source, ...]
    deciding: tuple[Source, ...]
    functions: frozenset[str]


def columns_made(sql: str, schema: dict[str, list[str]], macros: dict[str, str]) -> dict[str, Made]:
    """Name → what it is made of, for each column of a query; `schema`: the columns of what it
    reads; `macros`: the queries of table macros. ROWS is one more: what decides which rows there
    are. ClickException where sqlglot cannot follow.
    """
    tree = parse_one(sql, dialect="duckdb")
    for table in list(tree.find_all(exp.Table)):
        if (name := _relation(table)) in macros:
            query = parse_one(macros[name], dialect="duckdb")
            table.replace(query.subquery(table.alias or name))
    if not isinstance(tree, exp.Query) or tree.find(exp.Columns, exp.Pivot) or _has_patterns(tree):
        raise click.ClickException(
            "its columns cannot be followed: they come from its rows, or from a pattern of names"
        )
    try:
        every = _sources(tree.copy(), schema, with_rows=True)
        _drop_deciding(tree)
        values = _sources(tree, schema)
    except (SqlglotError, ValueError, RecursionError) as error:
        raise click.ClickException(f"its columns cannot be followed: {error}") from error
    _refuse_unnamed(every)
    made = {ROWS: _rows(*every.pop(ROWS))}
    for name, (sources, functions) in every.items():
        kept = values[name][0]
        made[name] = Made(tuple(sorted(kept)), tuple(sorted(sources - kept)), functions)
    return made


def _has_patterns(tree: exp.Expression) -> bool:
    """Whether a query picks its columns by a pattern: `* like 'p%'`."""
    return any(one.find(exp.Star) for one in tree.find_all(exp.Like, exp.ILike, exp.SimilarTo))


def _refuse_unnamed(names: Iterable[str]) -> None:
    """Stop where the engine's name of a column is not known."""
    if "*" in names:
        raise click.ClickException("its columns cannot be followed: `*` of what is no relation")
    if any(name.startswith("_col_") for name in names):
        raise click.ClickException("its columns cannot be followed: name each: `sum(qty) as qty`")


def _sources(
    tree: exp.Expression, schema: dict[str, list[str]], with_rows: bool = False
) -> dict[str, tuple[set[Source], frozenset[str]]]:
    """Column → its sources and functions, ROWS too where asked for; changes the tree."""
    keys = name_raw_keys(tree)
    named = {name: columns for name, columns in {**schema, RAW: keys}.items() if columns}
    name_fields(tree)
    name_unnested(tree, {column for columns in named.values() for column in columns})
    queries = {cte.alias: cte.this for cte in tree.find_all(exp.CTE)}
    read = MappingSchema(
        {name: dict.fromkeys(columns, "") for name, columns in named.items()}, dialect="duckdb"
    )
    options = {"validate_qualify_columns": False, "identify": False}
    tree = qualify(tree, dialect="duckdb", schema=read, **options)
    line_up(tree)
    names = tree.named_selects
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"more than one is called {', '.join(twice)}")
    if with_rows:  # of a query within a condition first
        for select in reversed(list(tree.find_all(exp.Select))):
            _name_rows(select)
    scope = build_scope(tree)
    written = {key.lower(): key for key in keys}  # sqlglot makes all names lower-case
    quick = {"scope": scope, "copy": False, "trim_selects": False}
    nodes = {
        name: lineage(name, tree, read, dialect="duckdb", **quick) for name in tree.named_selects
    }
    return {name: _made(node, queries, written) for name, node in nodes.items()}


def _name_rows(select: exp.Select) -> None:
    """Let what decides which rows a query has be its last column, and part of what asks whether an
    outer join found one.
    """
    joins = select.args.get("joins") or []
    group = select.args.get("group") or exp.Group()
    parts = [join.args.get("on") for join in joins] + group.expressions
    parts += [select.args.get(name) for name in ("where", "having", "qualify")]
    if group.args.get("all"):
        parts += [one for one in select.selects if not one.find(exp.AggFunc)]
    if select.args.get("distinct"):
        parts += select.selects
    if select.args.get("limit") and select.args.get("order"):
        parts.append(select.args["order"])
    parts += [one for one in select.selects if one.find(exp.Explode, exp.Unnest)]
    read = [one.this for one in [select.args.get("from_"), *joins] if one]
    plain = [part.this if isinstance(part, PLAIN) else part for part in parts if part]
    plain += [_rows_of(one.alias_or_name) for one in read if one.name != RAW]
    for join in joins:
        _name_found(select, join)
    rows = exp.Array(expressions=[part.copy() for part in plain]) if plain else exp.null()
    select.append("expressions", exp.alias_(rows, ROWS, quoted=True))


def _name_found(select: exp.Select, join: exp.Join) -> None:
    """Let what asks whether an outer join found a row be made of what decides that."""
    name, on = join.alias_or_name, join.args.get("on")
    asking = [one for each in select.selects for one in each.find_all(exp.Is, exp.Coalesce)]
    for one in asking if join.side else ():
        if any(column.table == name for column in one.find_all(exp.Column)):
            parts = [one.copy(), _rows_of(name), *([on.copy()] if on else [])]
            one.replace(exp.Array(expressions=parts))


def _rows_of(name: str) -> exp.Column:
    return exp.column(ROWS, table=name, quoted=True)


def _rows(sources: set[Source], functions: frozenset[str]) -> Made:
    """What decides which rows there are: the conditions, and the rows of all that is read."""
    read = {source for source in sources if source.column == ROWS}
    conditions = {source for source in sources - read if source.relation}
    return Made(tuple(sorted(conditions)), tuple(sorted(read)), functions)


def _drop_deciding(tree: exp.Expression) -> None:
    """Leave of a query only what becomes part of a value: no condition, order or partition."""
    for one in list(tree.find_all(exp.If)):
        one.set("this", DROPPED.copy())
    for one in list(tree.find_all(exp.Case)):
        one.set("this", None)
    for one in list(tree.find_all(exp.ArgMax, exp.ArgMin)):
        one.set("expression", DROPPED.copy())
    for one in list(tree.find_all(exp.Filter, exp.Window)):
        one.replace(one.this)
    for one in list(tree.find_all(exp.Order)):
        if not isinstance(one.parent, exp.Query):
            one.replace(one.this)


def _made(
    node: Node, queries: dict[str, exp.Expression], keys: dict[str, str]
) -> tuple[set[Source], frozenset[str]]:
    found, functions = set(), set()
    for step in node.walk():
        if isinstance(step.expression, exp.Table):
            relation = _relation(step.expression)
            column = step.name.rpartition(".")[2].strip('"')
            found.add(Source(relation, keys[column] if relation == RAW else column))
            continue
        functions |= {function(one) for one in step.expression.find_all(exp.Func)}
        if not step.downstream:
            found.update(_without_columns(step, queries))
    return found - NULL or found, frozenset(functions)


def _without_columns(step: Node, queries: dict[str, exp.Expression]) -> Iterator[Source]:
    """The sources of an expression that names no column of a relation."""
    counts = [one for one in step.expression.find_all(exp.Count) if _counts_rows(one)]
    for relation in _tables(step.source, queries) if counts else ():
        yield Source(relation, "")
    own = step.expression.unalias()
    values = step.source if isinstance(step.source, exp.Values) else own
    literals = list(values.find_all(exp.Literal, exp.Boolean, exp.Null))
    if isinstance(own, exp.Placeholder):  # how sqlglot marks what it does not find
        yield Source(UNKNOWN, step.name)
    elif isinstance(own, (exp.Column, exp.TableColumn)) and not literals:  # a row as a whole
        yield Source(UNKNOWN, own.sql("duckdb"))
    elif not counts:
        own = own.this if isinstance(own, exp.Window) else own
        for one in literals or [own]:
            yield Source("", one.sql("duckdb", normalize_functions="lower"))


def _counts_rows(count: exp.Count) -> bool:
    return count.this is None or count.find(exp.Star) is not None


def _tables(query: exp.Expression, queries: dict[str, exp.Expression]) -> set[str]:
    """The relations that a query reads, also by the steps before it."""
    found = set()
    for table in query.find_all(exp.Table):
        others = {name: one for name, one in queries.items() if name != table.name}
        step = queries.get(table.name)
        found |= _tables(step, others) if step else {_relation(table)}
    return found


def _relation(table: exp.Table) -> str:
    """A table's name, or that of the function that is read in its place."""
    return function(table.this) if isinstance(table.this, exp.Func) else table.name
