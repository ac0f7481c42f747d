"""SQL as a fingerprint sees it: comments, spaces and the case of words do not count."""

import functools
import re

LEXER = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*")|(?P<word>\w+)|(?P<sign>.)""",
    re.DOTALL,
)


def why_changed(old: dict[str, str], new: dict[str, str]) -> str | None:
    """Which files made one fingerprint differ from another, None when they are equal."""
    names = sorted(name for name in old | new if old.get(name) != new.get(name))
    if not names:
        return None
    return f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''} changed"


@functools.cache  # templates and macros are asked for again and again
def normalised(sql: str) -> str:
    """SQL as a fingerprint sees it: without comments, spaces and the case of words.

    >>> normalised("SELECT  a, 'It''s' -- why\\n from T") == normalised("select a,'It''s' from t")
    True
    """
    tokens = []
    for match in LEXER.finditer(sql):
        if match.lastgroup != "skip":
            tokens.append(match[0] if match.lastgroup in ("text", "name") else match[0].lower())
    return " ".join(tokens)
