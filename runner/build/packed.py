"""The raw parts of a day in one file: a zstd frame a part, and an index in a frame that is skipped.

`zstd -d`, DuckDB and pyarrow read such a file as the parts' lines, one part after the other. The
index at the end says which part each frame is, so that any of them comes back byte for byte.
"""

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from runner.files import sha256
from runner.paths import PART

# zstd decoders skip a frame with this number; 8 bytes at its end say where the index begins.
SKIPPED = 0x184D2A5E
END = struct.Struct("<I4s")
MARK = b"LAKE"
LEVEL = 6
CHUNK_BYTES = 2**20


class Part(msgspec.Struct, frozen=True):
    """A raw part in a packed file: its name, bytes and lines as it was, and where its frame is."""

    name: str
    size: int
    lines: int
    sha256: str
    offset: int = 0
    length: int = 0


class Index(msgspec.Struct, frozen=True):
    """The parts in the order of their frames, and the days that their ticks lie in."""

    parts: list[Part]
    days: list[str]


def read_index(path: Path) -> Index:
    """The index of a packed file; ClickException where it has none."""
    try:
        with path.open("rb") as file:
            end = file.seek(-END.size, os.SEEK_END)
            length, mark = END.unpack(file.read(END.size))
            file.seek(end - length)
            index = msgspec.json.decode(file.read(length), type=Index)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise click.ClickException(f"{path} is no packed raw of this lake: {error}") from error
    if mark != MARK:
        raise click.ClickException(f"{path} is no packed raw of this lake: it has no index")
    return index


def known_parts(path: Path) -> dict[str, Part]:
    """The parts of a packed file by name; none where the file is not there."""
    return {part.name: part for part in read_index(path).parts} if path.exists() else {}


def holds(known: dict[str, Part], loose: Path) -> bool:
    """Whether one of the packed parts, whatever its name, is the same as a loose one."""
    size = loose.stat().st_size
    same = {part.sha256 for part in known.values() if part.size == size}
    return bool(same) and sha256(loose) in same


def pack(target: Path, old: Path | None, loose: list[Path], days: list[str]) -> Index:
    """Write a packed file of the parts of an old one and of loose ones; returns its index.

    `days`: those that the ticks in the loose parts lie in. Parts stand in the order of receipt,
    repairs last. A loose part whose name is taken gets the next one that is free.
    """
    before = read_index(old) if old else Index([], [])
    known = {part.name: part for part in before.parts}
    sources: dict[str, Part | Path] = dict(known)
    for path in loose:
        if not holds(known, path):
            sources[free_name(path.name, set(sources))] = path
    parts = []
    with target.open("wb") as file:
        for name in sorted(sources, key=_moment):
            source = sources[name]
            if isinstance(source, Part):
                parts.append(_copied(file, old, source))
            else:
                parts.append(_compressed(file, name, source.read_bytes()))
        index = Index(parts, sorted({*before.days, *days}))
        _write_index(file, index)
    return index


def _copied(file: BinaryIO, old: Path, part: Part) -> Part:
    placed = msgspec.structs.replace(part, offset=file.tell())
    _write_part(file, _frame(old, part), content(old, part))
    return placed


def _compressed(file: BinaryIO, name: str, content: bytes) -> Part:
    import pyarrow as pa

    lines = content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
    sha256 = hashlib.sha256(content).hexdigest()
    frame = pa.Codec("zstd", compression_level=LEVEL).compress(content, asbytes=True)
    part = Part(name, len(content), lines, sha256, file.tell(), len(frame))
    _write_part(file, frame, content)
    return part


def _write_part(file: BinaryIO, frame: bytes, content: bytes) -> None:
    """Write a part's frame; where its last line is not ended, a frame that ends it: the next part
    begins on a line of its own.
    """
    import pyarrow as pa

    file.write(frame)
    if content[-1:] not in (b"", b"\n"):
        file.write(pa.Codec("zstd").compress(b"\n", asbytes=True))


def _write_index(file: BinaryIO, index: Index) -> None:
    text = msgspec.json.encode(index)
    file.write(struct.pack("<II", SKIPPED, len(text) + END.size))
    file.write(text + END.pack(len(text), MARK))
    file.flush()
    os.fsync(file.fileno())


def content(path: Path, part: Part) -> bytes:
    """A part as it was; ClickException where its bytes are not those that were packed."""
    import pyarrow as pa

    try:
        frame = _frame(path, part)
        found = pa.Codec("zstd").decompress(frame, part.size, asbytes=True) if part.size else b""
    except (OSError, pa.ArrowException) as error:
        raise click.ClickException(f"{path}: {part.name} in it is damaged ({error})") from error
    if hashlib.sha256(found).hexdigest() != part.sha256:
        raise click.ClickException(f"{path}: {part.name} in it is damaged (its sha256 differs)")
    return found


def _frame(path: Path, part: Part) -> bytes:
    with path.open("rb") as file:
        file.seek(part.offset)
        return file.read(part.length)


def pack_of(folder: Path) -> Path:
    """Where the raw of a day's folder is packed.

    >>> pack_of(Path("raw/binance/SOLUSDT/2025-10-20")).name
    '2025-10-20.jsonl.zst'
    """
    return folder.with_name(f"{folder.name}.jsonl.zst")


def unpack(path: Path, names: Iterable[str], folder: Path) -> list[Path]:
    """Write some parts of a packed file into a folder, each as it was; returns their paths."""
    parts = known_parts(path)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content(path, parts[name]))
    return [folder / name for name in names]


def count_lines(path: Path) -> int:
    """Lines of the file as any zstd reader sees them; ClickException where it is damaged."""
    import pyarrow as pa

    count, last = 0, b"\n"
    try:
        with pa.input_stream(str(path), compression="zstd") as stream:
            for chunk in _chunks(stream):
                count, last = count + chunk.count(b"\n"), chunk[-1:]
    except (OSError, pa.ArrowException) as error:
        raise click.ClickException(f"{path} is damaged ({error})") from error
    return count + (last != b"\n")


def _chunks(stream) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def free_name(name: str, taken: set[str]) -> str:
    """The name itself, or the next of its kind that is not taken.

    >>> free_name("part_001.jsonl", {"part_001.jsonl", "part_001_2.jsonl"})
    'part_001_3.jsonl'
    >>> free_name("repair_13_5.jsonl", {"repair_13_5.jsonl"})
    'repair_13_5_2.jsonl'
    """
    match = PART.match(name)
    stem = f"part_{match[1]}" if match else name.removesuffix(".jsonl")
    number = 2
    free = name
    while free in taken:
        free, number = f"{stem}_{number}.jsonl", number + 1
    return free


def _moment(name: str) -> tuple[bool, int, int, str]:
    match = PART.match(name)
    return (match is None, int(match[1]) if match else 0, int(match[2] or 1) if match else 0, name)
