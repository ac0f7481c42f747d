"""What the columns of one SQL file are made of: columns of the relations that it reads, keys of raw
lines, constants.

sqlglot's lineage does the walking. Before it, the few things that it cannot know are written out:
which columns a function that reads raw lines gives, and the fields of structs that steps hand on.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import click
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer import build_scope
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

# The table that stands for raw lines; no relation can have this name.
RAW = "raw keys"
UNKNOWN = "?"


@dataclass(frozen=True, order=True)
class Source:
    """What a column is made of: a column of a relation; a constant, where `relation` is empty; or
    how many rows a relation has, where `column` is empty.
    """

    relation: str
    column: str


NULL = {Source("", "NULL")}


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
    reads; `macros`: the queries of table macros. ClickException where sqlglot cannot follow.
    """
    tree = parse_one(sql, dialect="duckdb")
    for table in list(tree.find_all(exp.Table)):
        if (name := _relation(table)) in macros:
            query = parse_one(macros[name], dialect="duckdb")
            table.replace(query.subquery(table.alias or name))
    if not isinstance(tree, exp.Query) or tree.find(exp.Columns):
        raise click.ClickException(
            "its columns cannot be followed: they come from its rows, or from a pattern of names"
        )
    try:
        every = _sources(tree.copy(), schema)
        _drop_deciding(tree)
        values = _sources(tree, schema)
    except (SqlglotError, ValueError, RecursionError) as error:
        raise click.ClickException(f"its columns cannot be followed: {error}") from error
    made = {}
    for name, (sources, functions) in every.items():
        kept = values[name][0]
        made[name] = Made(tuple(sorted(kept)), tuple(sorted(sources - kept)), functions)
    return made


def _sources(
    tree: exp.Expression, schema: dict[str, list[str]]
) -> dict[str, tuple[set[Source], frozenset[str]]]:
    """Column → its sources and functions; changes the tree."""
    keys = _name_raw_keys(tree)
    named = {name: columns for name, columns in {**schema, RAW: keys}.items() if columns}
    _name_fields(tree)
    _name_unnested(tree, {column for columns in named.values() for column in columns})
    queries = {cte.alias: cte.this for cte in tree.find_all(exp.CTE)}
    read = MappingSchema(
        {name: dict.fromkeys(columns, "") for name, columns in named.items()}, dialect="duckdb"
    )
    options = {"validate_qualify_columns": False, "identify": False}
    tree = qualify(tree, dialect="duckdb", schema=read, **options)
    _line_up(tree)
    scope = build_scope(tree)
    written = {key.lower(): key for key in keys}  # sqlglot makes all names lower-case
    quick = {"scope": scope, "copy": False, "trim_selects": False}
    nodes = {
        name: lineage(name, tree, read, dialect="duckdb", **quick) for name in tree.named_selects
    }
    return {name: _made(node, queries, written) for name, node in nodes.items()}


def _drop_deciding(tree: exp.Expression) -> None:
    """Leave of a query only what becomes part of a value: no condition, order or partition."""
    for one in list(tree.find_all(exp.If)):
        one.set("this", exp.true())
    for one in list(tree.find_all(exp.Case)):
        one.set("this", None)
    for one in list(tree.find_all(exp.ArgMax, exp.ArgMin)):
        one.set("expression", exp.Literal.number(0))
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
        functions |= {_function(one) for one in step.expression.find_all(exp.Func)}
        if not step.downstream:
            found.update(_without_columns(step, queries))
    return found - NULL or found, frozenset(functions)


def _without_columns(step: Node, queries: dict[str, exp.Expression]) -> Iterator[Source]:
    """The sources of an expression that names no column."""
    counts = [count for count in step.expression.find_all(exp.Count) if count.find(exp.Star)]
    for relation in _tables(step.source, queries) if counts else ():
        yield Source(relation, "")
    if isinstance(step.expression, exp.Placeholder):  # how sqlglot marks what it does not find
        yield Source(UNKNOWN, step.name)
    elif not counts:
        literals = list(step.expression.find_all(exp.Literal, exp.Null))
        for one in literals or [step.expression.unalias()]:
            yield Source("", one.sql("duckdb"))


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
    return _function(table.this) if isinstance(table.this, exp.Func) else table.name


def _function(one: exp.Func) -> str:
    return (one.name if isinstance(one, exp.Anonymous) else one.sql_name()).lower()


def _name_raw_keys(tree: exp.Expression) -> list[str]:
    """Let read_json be a table with the keys of the raw lines, and from_json a struct of them."""
    found = []
    for call in list(tree.find_all(exp.Func)):
        struct = call.find(exp.Struct)
        if _function(call) == "read_json" and struct:
            call.replace(exp.to_identifier(RAW, quoted=True))
            found += _fields(struct)
        elif _function(call) == "from_json":
            text = list(call.iter_expressions())[-1].name
            if text.lstrip().startswith("{"):
                fields = {key: _raw_key(key) for key in json.loads(text)}
                call.replace(_struct(fields))
                found += fields
    return found


def _raw_key(key: str) -> exp.Expression:
    return exp.select(exp.column(key, quoted=True)).from_(exp.table_(RAW, quoted=True)).subquery()


def _struct(fields: dict[str, exp.Expression]) -> exp.Struct:
    pairs = [exp.PropertyEQ(this=exp.to_identifier(k), expression=v) for k, v in fields.items()]
    return exp.Struct(expressions=pairs)


def _fields(struct: exp.Struct) -> dict[str, exp.Expression]:
    pairs = [one for one in struct.expressions if isinstance(one, exp.PropertyEQ)]
    return {pair.this.name: pair.expression for pair in pairs}


def _name_fields(tree: exp.Expression) -> None:
    """Let each field of a struct be a column of its own, so that it keeps to its own sources."""
    for dot in list(tree.find_all(exp.Dot)):
        if picked := _picked(dot.this, dot.expression.name):
            dot.replace(picked)
    names: dict[str, list[str]] = {}
    for select in tree.find_all(exp.Select):
        if select is tree or select.find_ancestor(exp.SetOperation):
            continue
        for one in list(select.expressions):
            struct = one.find(exp.Struct) if isinstance(one, exp.Alias) else None
            for field in _fields(struct) if struct else ():
                names.setdefault(one.alias, []).append(field)
                column = exp.alias_(_picked(one.this, field), _field(one.alias, field))
                select.append("expressions", column)
    for dot in list(tree.find_all(exp.Dot)):
        for column in dot.this.find_all(exp.Column):
            if dot.expression.name in names.get(column.name, ()):
                column.set("this", _field(column.name, dot.expression.name))
                dot.replace(dot.this)
                break
    for column in list(tree.find_all(exp.Column)):
        *before, struct, field = ["", "", *(part.name for part in column.parts)][-3:]
        if field in names.get(struct, ()):
            is_output = isinstance(column.parent, exp.Select)
            picked = exp.column(_field(struct, field), table=before[0] or None)
            column.replace(exp.alias_(picked, field) if is_output else picked)


def _field(struct: str, field: str) -> exp.Identifier:
    return exp.to_identifier(f"{struct}.{field}", quoted=True)


def _line_up(tree: exp.Expression) -> None:
    """Give the queries of a union by name the same columns in the same places."""
    for union in list(tree.find_all(exp.SetOperation)):
        if union.args.get("by_name"):
            sides = (union.this, union.expression)
            names = dict.fromkeys(name for side in sides for name in side.named_selects)
            for side in sides:
                there = {one.alias_or_name: one for one in side.selects}
                lined = [there.get(name, exp.alias_(exp.null(), name)) for name in names]
                side.set("expressions", lined)


def _picked(value: exp.Expression, field: str) -> exp.Expression | None:
    """An expression that holds a struct, with a field in the struct's place."""
    copy = value.copy()
    struct = copy.find(exp.Struct)
    if struct is None or field not in _fields(struct):
        return None
    if struct is copy:
        return _fields(struct)[field]
    struct.replace(_fields(struct)[field])
    return copy


def _name_unnested(tree: exp.Expression, known: set[str]) -> None:
    """Name the columns that an unnest of structs gives: its readers alone tell them."""
    named = known | {one.alias for one in tree.find_all(exp.Alias)}
    unknown = {one.name for one in tree.find_all(exp.Column)} - named
    for unnest in list(tree.find_all(exp.Explode, exp.Unnest)):
        select, is_recursive = unnest.parent, bool(unnest.expressions)
        if isinstance(unnest.this, exp.Struct):
            fields = _fields(unnest.this)
        else:
            fields = {name: unnest.this.copy() for name in sorted(unknown) if is_recursive}
        if not fields or not isinstance(select, exp.Select):
            continue
        unnest.pop()
        for name, value in fields.items():
            select.append("expressions", exp.alias_(value, name, quoted=True))
