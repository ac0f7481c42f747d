"""What published files say of themselves: fingerprint, inputs, row count, logical hash, notes."""

from pathlib import Path

import duckdb
import msgspec
from loguru import logger

from runner.build.publish import file_list
from runner.files import write_whole


class Published(msgspec.Struct, frozen=True):
    """The metadata of a published file; it holds only what follows from raw lines and SQL."""

    sql: dict[str, str]
    inputs: dict
    rows: int
    hash: str
    note: dict


class Cached(msgspec.Struct):
    """Metadata as read from a file of this size (bytes) and time of change."""

    size: int
    mtime_ns: int
    published: Published


class Metadata:
    """Reads the metadata of one symbol's files; a disposable cache saves opening files that have
    not changed.
    """

    def __init__(self, cache: Path):
        self.path = cache
        self.known: dict[str, Cached] = _load(cache)
        self.seen: dict[str, Cached] = {}

    def read(self, con: duckdb.DuckDBPyConnection, paths: list[Path]) -> dict[Path, Published]:
        """The metadata of files; one that is not ours or not readable is left out, so rebuilt."""
        found, unread = {}, {}
        for path in paths:
            stat = path.stat()
            cached = self.known.get(path.as_posix())
            if cached and (cached.size, cached.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                found[path] = self.seen[path.as_posix()] = cached
            else:
                unread[path] = stat
        for path, published in read(con, list(unread)).items():
            found[path] = Cached(unread[path].st_size, unread[path].st_mtime_ns, published)
            self.seen[path.as_posix()] = found[path]
        return {path: cached.published for path, cached in found.items()}

    def of_days(
        self, con: duckdb.DuckDBPyConnection, days: dict[str, Path]
    ) -> dict[str, tuple[Path, Published]]:
        """The path and metadata of a relation's files by day; what read() leaves out is missing."""
        found = self.read(con, list(days.values()))
        return {day: (path, found[path]) for day, path in days.items() if path in found}

    def save(self) -> None:
        """Write the cache, if it changed."""
        if self.seen != self.known:
            write_whole(self.path, msgspec.msgpack.encode(self.seen))


def read(con: duckdb.DuckDBPyConnection, paths: list[Path]) -> dict[Path, Published]:
    """The metadata of files in one go, or one by one where one of them is broken; one that is not
    ours or not readable is left out.
    """
    if not paths:
        return {}
    query = (
        f"select file_name, decode(key), decode(value) from parquet_kv_metadata({file_list(paths)})"
    )
    try:
        rows = con.execute(query).fetchall()
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if len(paths) > 1:
            return {path: one for single in paths for path, one in read(con, [single]).items()}
        logger.warning(
            "{} cannot be read, so it is made anew if its inputs are there ({})", paths[0], error
        )
        return {}
    pairs: dict[Path, dict[str, str]] = {}
    for name, key, value in rows:
        pairs.setdefault(Path(name), {})[key] = value
    return {path: _published(values) for path, values in pairs.items() if "lake.sql" in values}


def _load(cache: Path) -> dict[str, Cached]:
    try:
        return msgspec.msgpack.decode(cache.read_bytes(), type=dict[str, Cached])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _published(values: dict[str, str]) -> Published:
    decode = msgspec.json.decode
    return Published(
        sql=decode(values["lake.sql"]),
        inputs=decode(values["lake.inputs"]),
        rows=int(values["lake.rows"]),
        hash=values["lake.hash"],
        note=decode(values["lake.note"]),
    )
