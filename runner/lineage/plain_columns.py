"""What sqlglot cannot know of a query, written out as plain columns: which ones a function that
reads raw lines gives, the fields of structs that steps hand on, the places in a union by name.
"""

import json

from sqlglot import exp

# The table that stands for raw lines; no relation can have this name.
RAW = "raw keys"


def function(one: exp.Func) -> str:
    """The name of a function, in small letters."""
    return (one.name if isinstance(one, exp.Anonymous) else one.sql_name()).lower()


def name_raw_keys(tree: exp.Expression) -> list[str]:
    """Let read_json be a table with the keys of the raw lines, and from_json a struct of them."""
    found = []
    for call in list(tree.find_all(exp.Func)):
        struct = call.find(exp.Struct)
        if function(call) == "read_json" and struct:
            call.replace(exp.to_identifier(RAW, quoted=True))
            found += _fields(struct)
        elif function(call) == "from_json":
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


def name_fields(tree: exp.Expression) -> None:
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


def line_up(tree: exp.Expression) -> None:
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


def name_unnested(tree: exp.Expression, known: set[str]) -> None:
    """Name the columns that an unnest of structs gives: its readers alone tell them."""
    named = known | {one.alias for one in tree.find_all(exp.Alias)}
    unknown = {one.name for one in tree.find_all(exp.Column)} - named
    for unnest in list(tree.find_all(exp.Explode, exp.Unnest)):
        select = unnest.parent
        if isinstance(unnest.this, exp.Struct):
            fields = _fields(unnest.this)
        else:
            is_recursive = isinstance(unnest, exp.Explode) and bool(unnest.expressions)
            fields = {name: unnest.this.copy() for name in sorted(unknown) if is_recursive}
        if not fields or not isinstance(select, exp.Select):
            continue
        unnest.pop()
        for name, value in fields.items():
            select.append("expressions", exp.alias_(value, name, quoted=True))
