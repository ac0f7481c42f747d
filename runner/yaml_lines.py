"""Reading a YAML file together with the line of every value, so that a problem has a place."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import click
import yaml

# Not the C loader: it is 2 ms faster here, and ends the process on deeply nested brackets.
Loader = yaml.SafeLoader


class Mark(NamedTuple):
    """Where a value stands (line from 1; 0 = not in a file) and how a plain value is written."""

    file: str
    line: int = 0
    text: str | None = None


class Problem(NamedTuple):
    """Something wrong at a place; problems sort by their place."""

    file: str
    line: int
    key: str
    why: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return printable(": ".join(part for part in (place, self.key, self.why) if part))


@dataclass
class Document:
    """A file's content: dicts, lists and scalars in `tree`, marks by dotted key, and problems."""

    shown: str
    tree: object = None
    marks: dict[str, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def printable(text: str) -> str:
    """The text on one line, with escapes for what no terminal shows.

    >>> printable("a\\tb")
    'a\\\\tb'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shown_name(file: Path) -> str:
    """The file as a message names it: relative when it lies in the working folder or below."""
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)


def read(file: Path) -> Document:
    """The document in a file; ClickException when it cannot be read as YAML at all."""
    document = Document(shown_name(file))
    text = _text(file, document.shown)
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is not None:
            document.tree = _Walk(loader, document).value(node, "")
    except yaml.YAMLError as error:
        line, why = _explain(error, text)
        problem = Problem(document.shown, line, "", f"not valid YAML: {why}")
        raise click.ClickException(str(problem)) from None
    except RecursionError:
        raise click.ClickException(f"{document.shown}: nested too deeply") from None
    return document


def _text(file: Path, shown: str) -> str:
    """The file's text, decoded as UTF-8 with or without a byte order mark."""
    try:
        content = file.read_bytes()
    except OSError as error:
        why = "it is a folder, not a file" if file.is_dir() else error.strerror
        raise click.ClickException(f"{shown} cannot be read: {why}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise click.ClickException(
            f"{shown}:{line}: not UTF-8 (byte 0x{content[error.start]:02x}): save it as UTF-8"
        ) from None


def _explain(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line (from 1) and reason of a syntax error, with the way out of the usual traps."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"the character {chr(error.character)!r} is not allowed"
    line = error.problem_mark.line + 1
    written = text.splitlines()[line - 1] if line <= len(text.splitlines()) else ""
    if re.match(r" *\t", written):
        return line, "a tab stands in the indentation: use spaces"
    if "unknown escape character" in error.problem:
        return line, f"{error.problem}: in \"…\" a backslash begins an escape; use '…' or /"
    if "expected a single document" in (error.context or ""):
        return line, "--- begins a second document: one file holds one"
    return line, error.problem


class _Walk:
    """From YAML nodes to plain values, noting marks and problems in the document."""

    def __init__(self, loader: Loader, document: Document):
        self.loader, self.document = loader, document
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, key: str) -> object:
        """The plain value of a node that stands at a dotted key."""
        text = node.value if isinstance(node, yaml.ScalarNode) else None
        self.document.marks[key] = Mark(self.document.shown, _line(node), text)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, key)
        if id(node) in self.seen:  # an alias: it may even hold itself
            self.problem(node, key, "*name in place of a list or section: write it out")
            return None
        self.seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, f"{key}[{place}]") for place, one in enumerate(node.value)]
        return self.mapping(node, key)

    def scalar(self, node: yaml.ScalarNode, key: str) -> object:
        try:
            return self.loader.construct_object(node)
        # !tag, a date such as 2025-13-45; !!timestamp x and !!bool x trip PyYAML itself
        except (yaml.constructor.ConstructorError, ValueError, AttributeError, KeyError):
            text = node.value[:40] if node.tag.startswith("tag:yaml.org") else node.tag
            self.problem(node, key, f'YAML cannot read {text or node.tag}: quote it, "…"')
            return node.value

    def mapping(self, node: yaml.MappingNode, key: str) -> dict[str, object]:
        """Names to values; a name counts as it is written (on stays "on", 1000 stays "1000")."""
        section: dict[str, object] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode) or not name.value:
                self.problem(name, key, "a key must be a plain name")
                continue
            inner = f"{key}.{name.value}" if key else name.value
            if name.value in section:
                first = self.document.marks[inner].line
                self.problem(name, inner, f"given twice, first in line {first}")
                continue
            section[name.value] = self.value(value, inner)
            # The place of a key is its own line, also when its value begins on a later one.
            self.document.marks[inner] = self.document.marks[inner]._replace(line=_line(name))
        return section

    def problem(self, node: yaml.Node, key: str, why: str) -> None:
        self.document.problems.append(Problem(self.document.shown, _line(node), key, why))


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
