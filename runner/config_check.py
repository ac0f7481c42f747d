"""All problems of a configuration at once, each with its place, its key and what was expected."""

import difflib
from collections.abc import Iterator
from typing import Annotated, Literal, get_args, get_origin

import msgspec

from runner.settings import Config
from runner.yaml_lines import Mark, Problem


def problems(tree: object, marks: dict[str, Mark], elsewhere: Mark) -> list[Problem]:
    """What is wrong with the merged settings, a problem a value.

    `marks`: where the values stand; `elsewhere`: the place of those without a mark.
    """
    found = list(_check(Config, tree, "", marks)) or list(_together(tree))
    placed = [(_mark(marks, key) or elsewhere, key, why) for key, why in found]
    return [Problem(mark.file, mark.line, key, why) for mark, key, why in placed]


def _mark(marks: dict[str, Mark], key: str) -> Mark | None:
    """Where a key stands, or the nearest key above it that a file holds."""
    while key and key not in marks:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return marks[key] if key else None


def _check(kind: object, value: object, key: str, marks: dict[str, Mark]) -> Iterator:
    """(key, what is wrong) for a value and all below it."""
    bare, meta = get_args(kind) if get_origin(kind) is Annotated else (kind, None)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        yield from _check_section(bare, value, key, marks)
    elif get_origin(bare) is tuple:
        yield from _check_list(bare, meta, value, key, marks)
    elif why := _why_not(kind, bare, meta, value, marks[key].text if key in marks else None):
        yield key, why


def _check_section(kind: type, section: object, key: str, marks: dict[str, Mark]) -> Iterator:
    if not isinstance(section, dict):
        yield key, f"expected keys of its own below it, got {shown(section)}"
        return
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for name in section:
        if name not in fields:
            yield _below(key, name), f"unknown key{_did_you_mean(name, key, list(fields))}"
    for name, inner in fields.items():
        if name in section:
            yield from _check(inner, section[name], _below(key, name), marks)
        else:
            yield _below(key, name), "missing"


def _check_list(kind: object, meta: msgspec.Meta, values: object, key: str, marks) -> Iterator:
    expected = f"expected {meta.description}"
    if not isinstance(values, list | tuple):
        yield key, f"{expected}, got {shown(values)}"
        return
    if meta.min_length and not values:
        yield key, f"{expected}, got an empty list"
    for place, value in enumerate(values):
        yield from _check(get_args(kind)[0], value, f"{key}[{place}]", marks)
    if why := meta.extra["check"](values):
        yield key, f"{expected}, {why}"


def _why_not(kind: object, bare: object, meta, value: object, text: str | None) -> str | None:
    """Why a plain value is refused, None when it is not."""
    expected = f"expected {meta.description}, got {shown(value)}"
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeEncodeError):  # "\ud800" is no text
        return expected + _way_out(bare, value, text)
    reason = meta.extra["check"](value) if meta.extra else None
    return f"expected {reason}, got {shown(value)}" if reason else None


def _way_out(bare: object, value: object, text: str | None) -> str:
    """What to do about a value that YAML reads in a way that its writer did not mean."""
    choices = [one for one in _choices(bare) if isinstance(one, str)]
    if isinstance(value, str) and choices:
        close = {one.lower(): one for one in choices}
        match = difflib.get_close_matches(value.lower(), close, 1)
        return f": did you mean {close[match[0]]}?" if match else ""
    if bare is str and text and not isinstance(value, str):
        return f' (YAML reads {text} as something else than text): quote it, "{text}"'
    if bare in (int, float) and isinstance(value, str) and value.strip():
        numeric = value.strip().removeprefix("-").replace(".", "", 1).isdecimal()
        return ": take the quotes off" if numeric else ""
    return ""


def _choices(kind: object) -> list:
    """The values of a Literal, also within a union."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [choice for part in get_args(kind) for choice in _choices(part)]


def shown(value: object) -> str:
    """A value as a message shows it.

    >>> shown("ten"), shown(None), shown(True), shown(["a"]), shown({})
    ('"ten"', 'nothing (null)', 'true', 'a list', 'a section')
    """
    if isinstance(value, list | tuple | dict):
        return "a section" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return "nothing (null)" if value is None else str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _did_you_mean(name: str, key: str, siblings: list[str]) -> str:
    """The key that was meant: one of the same section by its spelling, else one of another."""
    if close := difflib.get_close_matches(name.lower(), siblings, 1):
        return f": did you mean {_below(key, close[0])}?"
    sections = msgspec.structs.fields(Config)
    everywhere = [
        (inner.name, f"{section.name}.{inner.name}")
        for section in sections
        if isinstance(section.type, type)
        for inner in msgspec.structs.fields(section.type)
    ]
    close = difflib.get_close_matches(name.lower(), {inner for inner, _ in everywhere}, 1)
    meant = [full for inner, full in everywhere if inner in close]
    return f": did you mean {' or '.join(meant)}?" if meant else f", not of {', '.join(siblings)}"


def _together(tree: dict) -> Iterator:
    """What no key can say by itself."""
    first, most = (tree["collector"][k] for k in ("reconnect_backoff", "max_reconnect_backoff"))
    if first > most:
        at_most = f"collector.max_reconnect_backoff ({most:g})"
        yield "collector.reconnect_backoff", f"expected at most {at_most}, got {first:g}"
