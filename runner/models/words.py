"""What the columns of relations mean: the comments beside them in the SQL, which `lake describe`,
docs/data-dictionary.md and lake.db show.

    qty, -- [base asset] how much changed hands
    -- [quote asset] best bid at the end of the bar; NULL: no quote, or the stream was off
    if(is_quoted, bid, null)::double as bid,

A column without a comment has the words of sql/columns.txt, else those of the same column in what
the SQL reads. `NULL: …` alone says when it is NULL; the rest is then taken from there.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runner.models.fingerprint import LEXER, normalised
from runner.models.models import Models
from runner.models.sql_files import read

SHARED = "sql/columns.txt"
COMMENT = re.compile(r"(?:\[([^\]]+)\] ?)?(.*?)(?:(?:^|; )NULL: (.*))?")
READ = re.compile(r"\b(?:from|join) (\w+)")
DEEPER = {"(": 1, "[": 1, "{": 1, "case": 1, ")": -1, "]": -1, "}": -1, "end": -1}


@dataclass(frozen=True)
class Words:
    """A column's unit and meaning, and when it is NULL; each may be empty, `null` where it never
    is.
    """

    unit: str = ""
    meaning: str = ""
    null: str = ""

    def __str__(self) -> str:
        unit = f"[{self.unit}] " if self.unit else ""
        return f"{unit}{self.meaning}{f'; NULL: {self.null}' if self.null else ''}"


def of(models: Models, relation: str) -> dict[str, Words]:
    """Column → its words, for each column of a relation of lake.db that can be made; a column that
    nothing is said of has empty ones.
    """
    known = models.known
    if relation not in known.words:
        columns = [name for name, _ in known.columns[relation]]
        found = {column: _resolved(models, relation, column) for column in columns}
        known.words[relation] = {name: (it.unit, it.meaning, it.null) for name, it in found.items()}
    return {name: Words(*told) for name, told in known.words[relation].items()}


def _resolved(models: Models, relation: str, column: str) -> Words:
    own = parsed(dict(beside(models.render(relation))).get(column, ""))
    if own.meaning:
        return own
    below = parsed(_shared(tuple(models.roots)).get(column, ""))
    for source in () if below.meaning else _public_reads(models, relation):
        below = _resolved(models, source, column)
        if below.meaning:
            break
    null = "" if own.null == "never" else own.null or below.null
    return replace(below, unit=own.unit or below.unit, null=null)


def parsed(comment: str) -> Words:
    """A comment's parts.

    >>> parsed("[base asset] how much; NULL: dark")
    Words(unit='base asset', meaning='how much', null='dark')
    """
    return Words(*(part or "" for part in COMMENT.fullmatch(comment).groups()))


def _public_reads(models: Models, relation: str) -> list[str]:
    """The relations of lake.db that a relation reads, in the order in which its SQL names them."""
    named = dict.fromkeys(READ.findall(normalised(models.render(relation))))
    reads = models.reads(relation)
    return [name for name in named if name in reads and models[name].is_public]


def beside(sql: str) -> Iterator[tuple[str, str]]:
    """Column and comment, for each column in the outermost select list that has one: above it on a
    line of its own, or behind it.

    >>> dict(beside("select\\n  a, -- an a\\n  -- the sum\\n  sum(b) as c\\nfrom t -- not c"))
    {'a': 'an a', 'c': 'the sum'}
    """
    depth, is_listed, is_new_line = 0, False, True
    column = before = above = ""
    for match in LEXER.finditer(f"{sql}\nfrom"):
        token, word = match[0], match[0].lower()
        if match.lastgroup == "skip":
            if is_listed and depth == 0 and token.startswith("--"):
                comment = token[2:].strip()
                if not is_new_line:
                    yield column or before, comment
                elif not column:
                    above = f"{above} {comment}".strip()
            is_new_line = is_new_line or "\n" in token
            continue
        is_end = word == "from" and column != "distinct"
        if depth == 0 and is_listed and (token == "," or is_end):
            if above:
                yield column, above
            before, column, above, is_listed = column, "", "", not is_end
        elif depth == 0 and word == "select":
            is_listed, column, before = True, "", ""
        depth += DEEPER.get(word, 0)
        if is_listed and depth == 0 and match.lastgroup in ("word", "name") and word != "select":
            column = token.strip('"')
        is_new_line = False


@functools.cache
def _shared(roots: tuple[Path, ...]) -> dict[str, str]:
    """What sql/columns.txt says, a lake's own before the shipped one."""
    found = {}
    for path in (root / SHARED for root in reversed(roots)):
        if path.exists():
            found |= dict(re.findall(r"^(\w+): *(.+?) *$", read(path), re.MULTILINE))
    return found
