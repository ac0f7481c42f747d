"""What is known of the SQL files as they are now, so that the next command need not find it out.

Disposable: without it, or after any change of SQL, macros, configuration or program, a command
takes half a second longer.
"""

import contextlib
from pathlib import Path

import msgspec

from runner.build import unchanged
from runner.config import Lake
from runner.files import write_whole


class Remembered(msgspec.Struct):
    """`tables`: hash of one SQL text → the tables it names, true for ever. The rest by a model's
    name, of the program that it was found with; `columns`: name and type of each in one `duckdb`;
    `words`: unit, meaning and when it is NULL of each.
    """

    program: str = ""
    tables: dict[str, list[str]] = {}
    reads: dict[str, list[str]] = {}
    fingerprints: dict[str, dict[str, str]] = {}
    columns: dict[str, list[tuple[str, str]]] = {}
    words: dict[str, dict[str, tuple[str, str, str]]] = {}
    duckdb: str = ""


def recall(lake: Lake) -> Remembered:
    """What the last command kept, or nothing but `program`."""
    program = unchanged.program(lake)
    try:
        kept = msgspec.json.decode(_path(lake).read_bytes(), type=Remembered)
    except (OSError, msgspec.DecodeError):
        kept = Remembered()
    return kept if kept.program == program else Remembered(program, kept.tables)


def keep(lake: Lake, found: Remembered) -> None:
    """Write it down, where it differs from what is there and the folder may be written."""
    text = msgspec.json.encode(found)
    path = _path(lake)
    with contextlib.suppress(OSError):
        if not path.exists() or path.read_bytes() != text:
            write_whole(path, text)


def _path(lake: Lake) -> Path:
    return lake.base / "work" / "models.json"
