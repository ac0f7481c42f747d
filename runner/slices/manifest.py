"""The manifest beside a slice: what it holds, its proof, its SQL, and the hash to know it by."""

import hashlib
import importlib.metadata
import json
from pathlib import Path

import duckdb

from runner.build import metadata
from runner.files import sha256
from runner.models.models import Models


def path_of(file: Path) -> Path:
    """Where the manifest of a slice lies.

    >>> path_of(Path("sol.parquet")).name
    'sol.parquet.manifest.json'
    """
    return file.with_name(f"{file.name}.manifest.json")


def write(file: Path, claims: dict) -> dict:
    """Write the manifest of a finished file beside it; returns it. The same slice of the same data
    has the same manifest: it holds neither time nor place.
    """
    whole = {
        **claims,
        "bytes": file.stat().st_size,
        "sha256": sha256(file),
        "versions": {
            "market-lake": importlib.metadata.version("market-lake"),
            "duckdb": duckdb.__version__,
        },
    }
    whole["manifest_sha256"] = _digest(whole)
    path_of(file).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8", newline="\n")
    return whole


def read(file: Path) -> dict:
    """The manifest of a slice, if the slice is what it says; else ValueError with the reason."""
    path = path_of(file)
    if not path.is_file():
        raise ValueError(f"there is no manifest {path.name} beside it")
    try:
        whole = json.loads(path.read_bytes())
        told = {key: value for key, value in whole.items() if key != "manifest_sha256"}
        is_ours = whole["manifest_sha256"] == _digest(told)
        size, digest = whole["bytes"], whole["sha256"]
    except (ValueError, AttributeError, TypeError, KeyError):
        raise ValueError(f"{path.name} is no manifest of a slice") from None
    if not is_ours:
        raise ValueError(f"{path.name} was changed after it was written")
    if file.stat().st_size != size:
        raise ValueError(f"it has {file.stat().st_size:,} bytes, its manifest says {size:,}")
    if sha256(file) != digest:
        raise ValueError("its sha256 is not that of its manifest: the content was changed")
    return whole


def fingerprints(
    con: duckdb.DuckDBPyConnection, models: Models, relation: str, files: list[Path]
) -> dict[str, list[str]]:
    """SQL file → its hashes: of what the published files were made with, as they say themselves,
    and of a view over them.
    """
    view = {} if models[relation].file else models.fingerprint(relation)
    published = metadata.read(con, files)
    found: dict[str, set[str]] = {}
    for sql in (view, *(one.sql for one in published.values())):
        for name, digest in sql.items():
            found.setdefault(name, set()).add(digest)
    return {name: sorted(digests) for name, digests in sorted(found.items())}


def _digest(claims: dict) -> str:
    text = json.dumps(claims, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
