"""Raw answers of REST sources: which files there are, and the rows that they were read into.

A staging model with `-- raw:` in its header is run once for each file of answers. Its rows lie in
the workshop, in work/answers/{model}/{folder of the file below raw/}/{name of the file}/:
rows.parquet, perhaps rejects.parquet, and note.json, written last.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.build import inventory, notes
from runner.build.inventory import folders
from runner.models.fingerprint import why_changed
from runner.models.sql_files import Model
from runner.paths import decode, is_day, is_encoded

FILE = re.compile(r"^answers(?:_\d+)?\.jsonl$")
# What every model of raw answers must have: where a row stands, when it was fetched, what is wrong.
COLUMNS = {
    "exchange": "VARCHAR",
    "day": "DATE",
    "line": "BIGINT",
    "position": "BIGINT",
    "fetched_us": "BIGINT",
    "text": "VARCHAR",
    "flaw": "VARCHAR",
}


@dataclass(frozen=True)
class Answers:
    """One file of raw answers of a model. `names`: what its path says of it, such as symbol and
    interval; `file`: its path below raw/; `size` in bytes, None where it is gone, when `place`, its
    folder in the workshop, stands for it.
    """

    model: str
    names: tuple[tuple[str, str], ...]
    raw: Path
    file: Path
    place: Path
    size: int | None

    def __str__(self) -> str:
        return f"raw/{self.file.as_posix()}"

    @property
    def symbol(self) -> str:
        """The symbol or ticker."""
        return dict(self.names).get("symbol") or dict(self.names).get("ticker") or ""

    @property
    def interval(self) -> str:
        return dict(self.names).get("interval", "")

    @property
    def exchange(self) -> str:
        """The folder of raw/ in which it lies."""
        return self.file.parts[0]

    @property
    def day(self) -> str:
        """The UTC day on which the file was fetched."""
        return self.file.parent.name

    def key(self, known: str) -> str:
        """What tells the file from others of the same unit, whose path pattern is `known`."""
        names = [value for name, value in self.names if f"{{{name}}}" not in known]
        return "/".join([*names, f"{self.day}{self.file.stem.removeprefix('answers')}"])

    def note(self) -> dict | None:
        """What the workshop says of it; None where it is not staged, or not wholly."""
        note = notes.read(self.place / "note.json")
        is_whole = note and all(
            (self.place / name).is_file() and (self.place / name).stat().st_size == size
            for name, size in note["sizes"].items()
        )
        return note if is_whole else None

    def why_stale(self, note: dict | None, sql: dict[str, str]) -> str | None:
        """Why it must be read; None when it need not be, or its raw is gone."""
        if self.size is None:
            return None
        if note is None:
            return "not staged yet"
        return why_changed(note["sql"], sql) or (
            None if note["bytes"] == self.size else "it has grown"
        )


def found(base: Path, model: Model) -> list[Answers]:
    """All files of raw answers of a model, also those that only the workshop still knows."""
    listed: dict[Path, Answers] = {}
    shop = base / "work" / "answers" / model.name
    for root in (base / "raw", shop):
        for folder, names in _folders(root, model.raw.split("/"), {}):
            for day in folders(folder):
                if is_day(day.name):
                    for path in sorted(day.iterdir()):
                        _add(listed, base, shop, model, path.relative_to(root), names)
    return list(listed.values())


def unread(base: Path, models: Iterable[Model]) -> list[Path]:
    """What lies in raw/ and is read neither as market data nor as answers of a model."""
    strange = list(inventory.ignored(base))
    files = {one.raw for model in models if strange and model.raw for one in found(base, model)}
    known = files | {folder for file in files for folder in file.parents}
    return [path for path in strange if path not in known]


def _add(
    listed: dict[Path, Answers], base: Path, shop: Path, model: Model, path: Path, names: dict
) -> None:
    raw = base / "raw" / path
    if FILE.match(path.name) and path not in listed:
        size = raw.stat().st_size if raw.is_file() else None
        place = shop / path
        if size is not None or (place / "note.json").is_file():
            listed[path] = Answers(model.name, tuple(names.items()), raw, path, place, size)


def _folders(root: Path, steps: list[str], names: dict[str, str]) -> Iterator[tuple[Path, dict]]:
    """The folders that a pattern's steps name, with what stands for each of its names."""
    if not steps:
        yield root, names
        return
    pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(steps[0])))
    if pattern.groups == 0:
        yield from _folders(root / steps[0], steps[1:], names)
        return
    for folder in folders(root):
        match = pattern.fullmatch(folder.name)
        if match and is_encoded(folder.name) and not folder.name.startswith("_"):
            own = {name: decode(value) for name, value in match.groupdict().items()}
            yield from _folders(folder, steps[1:], names | own)
