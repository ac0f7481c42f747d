"""The SQL files of a lake, and what their first comment says.

A model is one file of sql/<layer>/, its name the relation's name. The first comment block holds one
sentence (what one row is) and keys: `grain`, `file`, and for rules those of
runner/validation/rules.py.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import click

from runner.paths import is_encoded

RESERVED = {"raw", "work", "logs", "reports", "{exchange}", "{symbol}", "{ticker}"}
# What may stand for whom in a path; `{interval}` ends a name: klines_{interval}.
NAMES = {"{exchange}", "{symbol}", "{ticker}", "{day}"}
KEYS = {"grain", "file", "raw", "severity", "breaks", "checks", "absent", "fails_from", "fetch"}


@dataclass(frozen=True)
class Model:
    """One SQL file: the relation's name, its layer (folder), its header and its template."""

    name: str
    layer: str
    path: Path
    text: str
    sentence: str
    keys: dict[str, str] = field(hash=False)

    @property
    def grain(self) -> list[str]:
        """The columns that make a row unique, in the order in which published files are sorted."""
        return [
            column.strip() for column in self.keys.get("grain", "").split(",") if column.strip()
        ]

    @property
    def file(self) -> str | None:
        """The path pattern of the published files, None for a relation that is not stored."""
        return self.keys.get("file")

    @property
    def raw(self) -> str | None:
        """The path pattern of the folders of raw answers that it reads, None for all others."""
        return self.keys.get("raw")

    @property
    def is_view(self) -> bool:
        return self.layer == "views"

    @property
    def is_public(self) -> bool:
        """Whether it is a relation of lake.db."""
        return self.is_view or self.file is not None

    @property
    def is_rule(self) -> bool:
        """Whether it is asked by `lake validate`: never built, and no view of the catalog."""
        return self.layer == "rules"

    @property
    def is_check(self) -> bool:
        """Whether it is asked by `lake check`: never built, and no view of the catalog."""
        return self.layer == "checks"


def files(roots: list[Path], folder: str, pattern: str) -> list[Path]:
    """The files of the folder in all roots; the first root's file of a path stands for all."""
    found: dict[str, Path] = {}
    for root in roots:
        _refuse_misplaced(root, folder, pattern)
        for path in sorted((root / folder).glob(pattern)):
            found.setdefault(path.relative_to(root).as_posix(), path)
    names: dict[str, Path] = {}
    for path in found.values():
        if path.stem in names:
            raise click.ClickException(
                f"{path}: a relation of this name exists already in {names[path.stem]}; "
                "rename one of them"
            )
        names[path.stem] = path
    return [found[key] for key in sorted(found)]


def _refuse_misplaced(root: Path, folder: str, pattern: str) -> None:
    """Stop at an SQL file that would be left out without a word; hidden folders may hold any."""
    place = root / folder
    for path in sorted(set(place.rglob("*")) - set(place.glob(pattern))):
        parts = path.relative_to(place).parts
        if (
            path.suffix.lower() == ".sql"
            and path.is_file()
            and not any(part.startswith(".") for part in parts)
        ):
            wanted = f"{folder}/{pattern}".replace("*", "<layer>", pattern.count("/"))
            raise click.ClickException(
                f"{path}: not read there; move it to {wanted.replace('*', '<name>')}"
            )


def read(path: Path) -> str:
    """The text of a file, with or without a byte order mark; ClickException with the line of what
    is no UTF-8."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise click.ClickException(
            f"{path}, line {line}: not UTF-8 text (byte 0x{content[error.start]:02x}); save it as "
            "UTF-8"
        ) from None


def model(path: Path) -> Model:
    text = read(path)
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", path.stem):
        raise click.ClickException(
            f"{path}: a file name is a relation name: lower-case letters, digits and _ only"
        )
    return Model(path.stem, path.parent.name, path, text, *header(path, text))


def header(path: Path, text: str) -> tuple[str, dict[str, str]]:
    """The first comment block: one sentence, then `key: value` lines and free text."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line[2:].strip())
    if not lines or not lines[0]:
        raise click.ClickException(
            f"{path}, line 1: the file must begin with a comment that says what one row is"
        )
    keys = {}
    for number, line in enumerate(lines[1:], start=2):
        match = re.match(r"^([a-z_]+):\s*(\S.*)$", line)
        if match and match[1] not in KEYS:
            raise click.ClickException(
                f"{path}, line {number}: unknown header key {match[1]!r}; "
                f"known are {', '.join(sorted(KEYS))}"
            )
        if match:
            keys[match[1]] = match[2].strip()
        flaw = _flaw if match and match[1] == "file" else _raw_flaw
        if match and match[1] in ("file", "raw") and (why := flaw(path.stem, keys)):
            raise click.ClickException(f"{path}, line {number}: {why}")
    return lines[0], keys


def _flaw(name: str, keys: dict[str, str]) -> str | None:
    """What is wrong with the place of a stored relation's files."""
    pattern = keys["file"]
    parts = pattern.split("/")
    wanted = {"{exchange}", "{day}"} | ({"{symbol}"} if name != "sessions" else set())
    leaf = parts.pop() if re.fullmatch(r"[a-z]+_\{interval\}", parts[-1]) else ""
    found = sorted(part for part in parts if "{" in part or "}" in part)
    is_of_ticker = found == ["{day}", "{ticker}"] and not leaf
    if not (is_of_ticker or found == sorted(wanted)) or parts[-1] != "{day}":
        return (
            f"`-- file: {pattern}` must name each of {', '.join(sorted(wanted))} once, as a folder "
            "of its own, {day} last: mine/{exchange}/{symbol}/{day}"
        )
    plain = [part for part in parts if part not in NAMES]
    if not all(re.fullmatch(r"[\w-]+", part) and is_encoded(part) for part in plain):
        return f"`-- file: {pattern}` must be made of letters, digits, - and _, and / between them"
    top = parts[0].lower()
    if top in RESERVED or (top == "parquet" and name != "bars_1s"):
        return f"`-- file: {pattern}` must be a path of its own below the data folder"
    if "grain" not in keys:
        return "a stored relation needs `-- grain:` above `-- file:`; its files are sorted by it"
    return None


def _raw_flaw(name: str, keys: dict[str, str]) -> str | None:
    """What is wrong with the place of the raw answers that a model reads."""
    step = r"[\w-]+|\{symbol\}|\{ticker\}|[a-z]+_\{interval\}"
    pattern = keys["raw"]
    names = re.findall(r"\{(\w+)\}", pattern)
    is_path = all(re.fullmatch(step, part) for part in pattern.split("/"))
    if not is_path or len(names) != len(set(names)) or {"symbol", "ticker"} <= set(names):
        return (
            f"`-- raw: {pattern}` must be folders below raw/ of letters, digits, - and _, with "
            "{symbol} or {ticker}, as in binance/_rest/klines_{interval}/{symbol}"
        )
    if not {"symbol", "ticker"} & set(names):
        return f"`-- raw: {pattern}` must name {{symbol}} or {{ticker}}, whose answers they are"
    return "a model of raw answers is not stored; leave out `-- file:`" if "file" in keys else None
