"""What is known of the SQL files as they are now, so that the next command need not find it out.

Disposable: without it, or after any change of SQL, macros, configuration or program, a command
takes half a second longer.
"""

from pathlib import Path

import msgspec

from runner import unchanged
from runner.config import Lake


class Remembered(msgspec.Struct):
    """`tables`: hash of one SQL text → the tables it names, true for ever. The rest by a model's
    name, of the program that it was found with; `columns`: name and type of each in one `duckdb`.
    """

    program: str = ""
    tables: dict[str, list[str]] = {}
    reads: dict[str, list[str]] = {}
    fingerprints: dict[str, dict[str, str]] = {}
    columns: dict[str, list[tuple[str, str]]] = {}
    duckdb: str = ""


def recall(lake: Lake) -> Remembered:
    """What the last command kept, or nothing but `program`."""
    program = unchanged.program(lake)
    try:
        kept = msgspec.json.decode(_path(lake).read_bytes(), type=Remembered)
    except (FileNotFoundError, msgspec.DecodeError):
        kept = Remembered()
    return kept if kept.program == program else Remembered(program, kept.tables)


def keep(lake: Lake, found: Remembered) -> None:
    """Write it down, where it differs from what is there."""
    text = msgspec.json.encode(found)
    path = _path(lake)
    if not path.exists() or path.read_bytes() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def _path(lake: Lake) -> Path:
    return lake.base / "work" / "models.json"
