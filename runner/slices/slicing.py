"""Taking a slice: rows of a stretch of time, in one file, with what is proven of them.

The SQL is in sql/slices. Rows are sorted and written a run of days at a time, then copied into one
file in that order, so that memory does not grow with the slice.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import duckdb
from rich.console import Console
from rich.progress import track

from runner import catalog
from runner.build.build import did_you_mean
from runner.build.derived import stored_inputs
from runner.build.inventory import exchanges, published_days
from runner.build.inventory import symbols as symbols_of
from runner.build.publish import move, scan, sql_text
from runner.config import Lake
from runner.files import sha256
from runner.models.models import Models
from runner.moments import WIDTHS_US, day_of, iso
from runner.next_step import to_rows
from runner.slices import manifest
from runner.slices.query import Query
from runner.slices.request import SOURCES, Request

# With more threads a wide machine would need more memory; the bytes do not depend on them. See
# runner/engine.py for the statistics.
SETTINGS = """
set threads = 2;
set memory_limit = '500MB';
set preserve_insertion_order = true;
set disabled_optimizers = 'statistics_propagation';
"""
GAPS_NAMED = 10
# A slice that a build changed while it was read is taken again.
ATTEMPTS = 3


def take(lake: Lake, request: Request) -> dict:
    """Write a slice and its manifest; returns the manifest. ClickException for a refusal."""
    try:
        with (
            TemporaryDirectory(prefix=".slice-", dir=request.out.parent) as scratch,
            catalog.connect(lake) as con,
        ):
            return _Slicer(con, Models(lake), request, Path(scratch)).take()
    except OSError as error:
        why = error.strerror or error
        raise click.ClickException(f"{request.out} cannot be written: {why}") from error
    except duckdb.IOException as error:
        raise click.ClickException(str(error)) from error


class _Slicer:
    """A connection at work on one slice; `scratch` is a folder beside the slice to be."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, models: Models, request: Request, scratch: Path
    ):
        self.con, self.models, self.request, self.scratch = con, models, request, scratch
        self.source, self.query = SOURCES[request.source], Query(con, models, request)
        con.execute(SETTINGS)
        con.execute(f"set temp_directory = '{sql_text(scratch / 'spill')}'")

    def take(self) -> dict:
        self._refuse_missing_relation()
        symbols = self._asked()
        for _ in range(ATTEMPTS):
            files = self._files()
            try:
                taken = self._attempt(symbols)
            except (duckdb.IOException, duckdb.InvalidInputException):
                if files == self._files():
                    raise
                continue  # DuckDB opens a file twice: it was replaced in between
            damaged = self._damaged(files)
            if files == self._files():
                if damaged:
                    raise click.ClickException(
                        f"{damaged} is damaged: its sha256 is not the one that was sealed; "
                        "move the file away and run `lake build`, then `lake check --deep`"
                    )
                for name in (self.request.out, manifest.path_of(self.request.out)):
                    move(self.scratch / name.name, name)
                return taken
        raise click.ClickException(
            f"the lake changed while the slice was taken, {ATTEMPTS} times: a build is at work on "
            f"the days of {self.request}; try again after it, or choose days that are over"
        )

    def _refuse_missing_relation(self) -> None:
        relation = self.request.relation
        found = self.con.execute("select view_name from duckdb_views() where not internal")
        names = {name for (name,) in found.fetchall()}
        if relation in names and relation in self.models.models:
            return
        if relation in self.models.models:
            raise click.ClickException(f"{relation} is not built yet: run `lake build` first")
        other = [tf for tf in WIDTHS_US if f"{self.request.source}_{tf}" in names]
        if other:
            raise click.ClickException(
                f"there are no {self.request.source} of {self.request.tf}: choose --tf "
                + " or ".join(other)
            )
        raise click.ClickException(
            f"no {self.request.source} yet: this lake has no relation {relation}; take "
            "--source bars, which are made of the trades themselves"
        )

    def _asked(self) -> list[str]:
        """The symbols to slice; the temporary table `asked` holds them with their exchange."""
        pairs = self._known()
        known = sorted({symbol for _, symbol in pairs})
        for name in self.request.symbols:
            if name not in known:
                lacks = to_rows(self.models, self._sources())
                hint = f"; {lacks}" if lacks else did_you_mean(name, known)
                raise click.ClickException(
                    f"--symbols: there are no {self.request.source} of {name!r} in this lake{hint}"
                )
        symbols = sorted(set(self.request.symbols or known))
        self.con.execute("create temp table asked (exchange varchar, symbol varchar)")
        for pair in pairs:
            if pair[1] in symbols:
                self.con.execute("insert into asked values ($1, $2)", pair)
        return symbols

    def _known(self) -> list[tuple[str, str]]:
        """Exchange and symbol of all that the source has; no file is opened for it."""
        if self.source.stored is None:
            return self.query.rows("symbols")
        base, model = self.models.lake.base, self.models[self.source.stored]
        pairs = [(name, one) for name in exchanges(base) for one in symbols_of(base, name)]
        return [pair for pair in pairs if published_days(base, model, *pair)]

    def _attempt(self, symbols: list[str]) -> dict:
        """Write the slice and its manifest into the scratch folder."""
        request = self.request
        self.query.choose(symbols, request.start_us, request.end_us)
        chunks = self.query.rows("chunks")
        if not chunks:
            self._refuse_empty(symbols)
        gaps = [gap for name in self.source.gaps for gap in self.query.dicts(name)]
        if gaps and not request.allow_dark:
            raise click.ClickException(_told_gaps(request, gaps))
        days = self.query.dicts("days") if "dark" in self.source.gaps else []
        path = self.scratch / request.out.name
        rows, columns = self._write(chunks, path)
        claims = {
            "source": request.source,
            "tf": request.tf,
            "relation": request.relation,
            "symbols": symbols,
            "start": iso(request.start_us),
            "end": iso(request.end_us),
            "rows": rows,
            "columns": columns,
            "gaps": [_told_gap(gap) for gap in gaps],
            "days": days,
            "sql": manifest.fingerprints(
                self.con, self.models, request.relation, self._paths(self._sources())
            ),
        }
        return manifest.write(path, claims)

    def _write(self, chunks: list[tuple], path: Path) -> tuple[int, dict[str, str]]:
        """Write the rows, chunk by chunk, in order; returns their number and the columns' types."""
        parts = []
        for exchange, symbol, from_us, to_us in _shown(chunks):
            self.query.choose([symbol], from_us, to_us, exchange)
            parts.append(self.scratch / f"{len(parts):06}.part")
            self.query.copy_chosen(parts[-1])
        form = path.suffix.removeprefix(".").lower()
        rows = self.query.copy(scan(parts), path, form)
        described = self.con.execute(f"describe from {scan(parts)}").fetchall()
        return rows, {row[0]: row[1] for row in described}

    def _refuse_empty(self, symbols: list[str]) -> None:
        first_us, last_us = self.query.rows("span")[0] if symbols else (None, None)
        lacks = to_rows(self.models, self._sources())
        there = f"what there is goes from {iso(first_us)} to {iso(last_us)}" if first_us else ""
        raise click.ClickException(
            f"nothing to slice: no {self.request.relation} of {', '.join(symbols) or 'any symbol'} "
            f"from {self.request}; {there or lacks or 'there are none'}"
        )

    def _sources(self) -> set[str]:
        """The stored relations that the rows come from."""
        relation = self.request.relation
        if self.models[relation].file:
            return {relation}
        return stored_inputs(self.models, relation)

    def _files(self) -> dict[Path, tuple[int, int]]:
        """Size and time of change of the files that the slice and its proof are made of."""
        paths = self._paths({*self._sources(), *self.source.proof})
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}

    def _damaged(self, files: Iterable[Path]) -> Path | None:
        """A file of the slice whose bytes are not those that were sealed; Parquet itself tells of
        no flipped bit.
        """
        base = self.models.lake.base
        for name, digest in self.query.rows("sealed"):
            if base / name in files and sha256(base / name) != digest:
                return base / name
        return None

    def _paths(self, relations: set[str]) -> list[Path]:
        """The files of stored relations that may hold something of the slice."""
        first, last = day_of(self.request.start_us), day_of(self.request.end_us)
        of = self.con.execute("from asked").fetchall()
        found = [
            published_days(
                self.models.lake.base, self.models[name], *one, interval=self.request.tf or ""
            )
            for name in sorted(relations)
            for one in of
        ]
        return [path for days in found for day, path in days.items() if first <= day <= last]


def _told_gap(gap: dict) -> dict[str, str]:
    """A gap as the manifest tells it."""
    told = {"exchange": gap["exchange"], "symbol": gap["symbol"], "state": gap["state"]}
    return {**told, "start": iso(gap["from_us"]), "end": iso(gap["to_us"])}


def _shown(chunks: list[tuple]) -> Iterable[tuple]:
    """The chunks as they are worked off; on a terminal a bar on stderr counts them."""
    hidden = sys.stderr is None or not sys.stderr.isatty()
    console = Console(stderr=True)
    return track(chunks, "slice", console=console, transient=True, disable=hidden)


def _told_gaps(request: Request, gaps: list[dict]) -> str:
    """The refusal of a slice that is not known to be whole."""
    named = [
        f"{gap['symbol']} {gap['state']} {iso(gap['from_us'])} to {iso(gap['to_us'])}"
        for gap in gaps[:GAPS_NAMED]
    ]
    more = f" and {len(gaps) - GAPS_NAMED:,} more" if len(gaps) > GAPS_NAMED else ""
    stretches = "1 stretch is" if len(gaps) == 1 else f"{len(gaps):,} stretches are"
    return (
        f"{stretches} not known to be whole in {request}: {', '.join(named)}{more}; leave "
        "them out with --start, --end or --symbols, or accept them with --allow-dark"
    )
