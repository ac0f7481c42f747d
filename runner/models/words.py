"""What the columns of relations mean: the comments beside them in the SQL, which `lake describe`,
docs/data-dictionary.md and lake.db show.

    qty, -- [base asset] how much changed hands
    -- [quote asset] best bid at the end of the bar; NULL: no quote, or the stream was off
    if(is_quoted, bid, null)::double as bid,

A column without a comment has the words of sql/columns.txt, else those of the same column in what
the SQL reads. `NULL: …` alone says when it is NULL; the rest is then taken from there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

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
        found = _found(models, relation)
        known.words[relation] = {name: (it.unit, it.meaning, it.null) for name, it in found.items()}
    return {name: Words(*told) for name, told in known.words[relation].items()}


def _found(models: Models, relation: str) -> dict[str, Words]:
    sql = models.render(relation)
    own: dict[str, str] = {}
    for column, comment in beside(sql):
        own.setdefault(column, comment)  # the first query of a union names the columns
    others = [_shared(models), *(of(models, name) for name in _public_reads(models, relation, sql))]
    return {
        column: _together(parsed(own.get(column, "")), [one.get(column) for one in others])
        for column, _ in models.known.columns[relation]
    }


def _together(own: Words, others: list[Words | None]) -> Words:
    """A column's own words, with what they leave open from the first of the others."""
    if own.meaning:
        return own
    told = next((one for one in others if one and one.meaning), Words())
    null = "" if own.null == "never" else own.null or told.null
    return replace(told, unit=own.unit or told.unit, null=null)


def _public_reads(models: Models, relation: str, sql: str) -> list[str]:
    """The relations of lake.db that a relation reads, in the order in which its SQL names them."""
    reads = models.reads(relation) & models.known.columns.keys()
    named = dict.fromkeys(READ.findall(normalised(sql)))
    return [name for name in named if name in reads and models[name].is_public]


def _shared(models: Models) -> dict[str, Words]:
    """What sql/columns.txt says, the shipped one and the lake's own."""
    found = {}
    for path in (root / SHARED for root in reversed(models.roots)):
        if path.exists():
            found |= dict(re.findall(r"^(\w+): *(.+?) *$", read(path), re.MULTILINE))
    return {column: parsed(comment) for column, comment in found.items()}


def parsed(comment: str) -> Words:
    """A comment's parts.

    >>> parsed("[base asset] how much; NULL: dark")
    Words(unit='base asset', meaning='how much', null='dark')
    """
    return Words(*(part or "" for part in COMMENT.fullmatch(comment).groups()))


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
            column = token[1:-1].replace('""', '"') if match.lastgroup == "name" else token
        is_new_line = False
