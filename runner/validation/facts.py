"""What checks are told of a lake beside its relations: files, sizes, hashes, room, the clock.

Python lists, measures and hashes; what that means is said by the files of sql/checks.
"""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import click
import duckdb

from runner.build import inventory, notes, packed
from runner.files import sha256
from runner.lock import is_held
from runner.models.models import Models
from runner.moments import DAY_US, WIDTHS_US, day_number
from runner.paths import PART, encode, is_day
from runner.seal import archive
from runner.validation.look import Look
from runner.validation.orphans import look_through

ALL_DAYS = {"from_day": "0001-01-01", "until_day": "9999-12-31", "is_wanted": "true"}
ALL_TIMES = {"tf": "1s", "from_us": 0, "to_us": 2**62}
TABLES = {
    "wanted_symbols": {"exchange": "VARCHAR", "symbol": "VARCHAR"},
    "wanted_tickers": {"ticker": "VARCHAR"},
    "wall": {"now_us": "BIGINT"},
    "disk": {"free_bytes": "BIGINT", "lake_bytes": "BIGINT"},
    "raw_newest": {"us": "BIGINT"},
    "orphans": {"file": "VARCHAR"},
    "sealed_now": {"file": "VARCHAR", "path": "VARCHAR", "bytes": "BIGINT", "sha256": "VARCHAR"},
    "sums": {"file": "VARCHAR", "sha256": "VARCHAR"},
    "packs": {"file": "VARCHAR", "flaw": "VARCHAR"},
}


class Facts(Look):
    """A connection to a lake with all that the checks read."""

    def __init__(self, models: Models, is_deep: bool):
        super().__init__(models)
        self.lake, self.base, self.is_deep = models.lake, models.lake.base, is_deep
        self.values |= ALL_DAYS | ALL_TIMES | {"is_deep": is_deep}
        self.stamps = self._stamps()
        self.make("spans_of_bars", "spans")
        self.make("checked_bars", kind="view")
        self.make("asked_files")
        self.read_files()
        self.con.execute("create temp table noted_rows (file varchar, rows bigint)")
        files = [Path(file) for (file,) in self._rows("select file from asked_files")]
        self.load("noted_rows", files)
        self.make("bar_days")
        self.make("newest_bars")
        [(newest,)] = self.con.execute("select max(last_day)::varchar from spans").fetchall()
        self.values["day"] = newest or "1970-01-01"
        self._settings()
        self._on_disk()
        self._archive()

    def _rows(self, sql: str) -> list[tuple]:
        """The rows of a query; none where a file that it reads is broken: the checks say so."""
        try:
            return self.con.execute(sql).fetchall()
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            return []

    def are_outdated(self) -> bool:
        """Whether a build runs, or has replaced files since this look at them began."""
        return bool(is_held(self.base / "build.lock")) or self.stamps != self._stamps()

    def _stamps(self) -> dict[str, tuple[int, int] | None]:
        """Time of change and size of every published file; None of one that is gone."""
        files = [Path(file) for (file,) in self._rows("select file from all_files")]
        return {str(path): _stamp(path) for path in files}

    def _put(self, table: str, rows: Iterable[tuple]) -> None:
        """Make a table of facts."""
        types = TABLES[table]
        notes.load(self.con, table, [dict(zip(types, row, strict=True)) for row in rows], types)

    def _settings(self) -> None:
        config = self.lake.config
        symbols = [(one.name, symbol) for one in config.exchanges for symbol in one.symbols]
        self._put("wanted_symbols", symbols)
        self._put("wanted_tickers", [(ticker,) for ticker in config.macro_minute.tickers])
        self._put("wall", [(time.time_ns() // 1000,)])

    def _on_disk(self) -> None:
        """Room, orphans, and when the newest raw part was begun."""
        published = {Path(file) for (file,) in self._rows("select file from all_files")}
        orphans, size = look_through(self.models, published)
        self._put("disk", [(shutil.disk_usage(self.base).free, size)])
        self._put("orphans", [(_text(path),) for path in orphans])
        moments = [
            moment
            for exchange in inventory.exchanges(self.base)
            for folder in inventory.folders(self.base / "raw" / encode(exchange))
            if (moment := _begun_us(folder))
        ]
        self._put("raw_newest", [(max(moments),)] if moments else [])

    def _archive(self) -> None:
        """What sealed files and packed raw are now."""
        self.make("sealed_files")
        self._put("sealed_now", [self._sealed(*row) for row in self._rows("from sealed_files")])
        self._put("sums", self._sums())
        raw = sorted((self.base / "raw").glob("*/*/*.jsonl.zst"))
        self._put("packs", [(_text(path), self._flaw(path)) for path in raw])

    def _sealed(self, file: str, is_recent: bool) -> tuple:
        path = self.base / file
        if not path.is_file():
            return file, path.as_posix(), None, None
        digest = sha256(path) if is_recent or self.is_deep else None
        return file, path.as_posix(), path.stat().st_size, digest

    def _sums(self) -> Iterable[tuple[str, str]]:
        """The lines of all SHA256SUMS, their paths as the archive has them."""
        for name in archive.RELATIONS:
            place = self.models[name].file.partition("/{symbol}")[0].format(exchange="*")
            for sums in sorted(self.base.glob(f"{place}/*/{archive.SUMS}")):
                for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
                    digest, _, file = line.partition("  ")
                    yield (sums.parent / file).relative_to(self.base).as_posix(), digest

    def _flaw(self, path: Path) -> str | None:
        """What is wrong with packed raw, None for nothing; --deep reads every part of it."""
        try:
            for part in packed.read_index(path).parts:
                if self.is_deep:
                    packed.content(path, part)
        except click.ClickException as error:
            return error.message
        return None


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _text(path: Path) -> str:
    """A path as text, also where its name is none."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _begun_us(folder: Path) -> int | None:
    """When the newest loose raw part of a symbol was begun, by its name; None without any."""
    days = [day for day in inventory.folders(folder) if is_day(day.name)]
    found = [
        day_number(day.name) * DAY_US + (int(match[1]) - 1) * WIDTHS_US["1m"]
        for day in days[-1:]
        for path in day.iterdir()
        if (match := PART.match(path.name.removesuffix(".open")))
    ]
    return max(found, default=None)
