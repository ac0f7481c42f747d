"""Templates as models are written in them: each text is compiled once a process, as that takes
longer than most queries on a small lake.
"""

import functools
import re
from pathlib import Path
from types import CodeType

import jinja2


class _Compiled(jinja2.BytecodeCache):
    """The compiled files that templates import, by name and text."""

    def __init__(self) -> None:
        self.codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        bucket.code = self.codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self.codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


def environment(roots: list[Path]) -> jinja2.Environment:
    """Where templates find what they import: in the first of these folders that has it."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(roots),
        undefined=jinja2.StrictUndefined,
        bytecode_cache=_COMPILED,
    )
    made.filters["structure"] = _structure
    return made


def template(text: str, within: jinja2.Environment) -> jinja2.Template:
    """A template by its text; jinja2.TemplateError where it is none."""
    return jinja2.Template.from_code(within, _code(text), within.make_globals(None))


@functools.cache
def _code(text: str) -> CodeType:
    return environment([]).compile(text)


def _structure(columns: str) -> str:
    """The columns of a raw line as the JSON structure that from_json takes."""
    return "'" + re.sub(r"(\w+): '([^']+)'", r'"\1": "\2"', columns) + "'"
