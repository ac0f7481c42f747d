"""From raw lines to published files, against DuckDB's bare parse and against other engines that
make the bars alone.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import lakes
from benchmarks.market import SYMBOLS
from benchmarks.measure import Measured, medians, run
from benchmarks.table import Table

RIVALS = ("polars", "pandas", "chdb")
# Times as fast as it: what the build is to be, though it does much more than the others.
AIMS = {"DuckDB, bare parse": 0.5, "polars": 3, "pandas": 10, "chdb": 1}


@dataclass(frozen=True)
class Size:
    """How much is measured: raw lines in all, and the minutes that they lie in."""

    symbols: tuple[tuple[str, ...], ...]
    lines: int
    minutes: int
    threads: tuple[int, ...]
    times: int


FULL = Size((SYMBOLS[:1], SYMBOLS), 3_000_000, 1_440, threads=(1, 2), times=3)
QUICK = Size((SYMBOLS[:2],), 5_000, 20, threads=(2,), times=1)


def measure(folder: Path, quick: bool) -> list[Table]:
    """A table for one symbol, and one for 19 symbols that share the lines."""
    size = QUICK if quick else FULL
    return [_table(folder, symbols, size) for symbols in size.symbols]


def _table(folder: Path, symbols: tuple[str, ...], size: Size) -> Table:
    place = folder / f"raw_{len(symbols)}_{size.lines}"
    if not place.exists():
        amount = {"lines": size.lines, "minutes": size.minutes}
        run("lakes.one_day", folder=str(place), symbols=symbols, **amount)
    raw = str(place / "data" / "raw" / "binance")
    found = {number: _engines(folder, place, raw, number, size.times) for number in size.threads}
    count = found[2]["DuckDB, bare parse"].result["lines"]
    parts = sum(1 for _ in Path(raw).glob("[!_]*/*/*.jsonl"))
    table = Table(
        f"From raw lines: {len(symbols)} symbol{'s' * (len(symbols) > 1)}",
        f"{count:,} lines in {parts:,} parts, warm files, median of {size.times}. `lake build` "
        "stages, checks, deduplicates and publishes trades, quotes, covers, certificates and "
        "bars; the others make the 1-second OHLCV bars alone, or only parse. Seconds of work, "
        "start-up apart; CPU, memory and speed with 2 threads.",
        (
            "",
            *(f"{number} thread{'s' * (number > 1)}, s" for number in size.threads),
            *("CPU s", "peak MB", "speed of the build against it", "aim", "same bars"),
        ),
    )
    same = _checks(folder, place)
    for name in found[2]:
        table.rows.append(_row(name, {n: found[n][name] for n in found}, found[2], same))
    table.notes.append("Aim for memory: 1,024 MB.")
    return table


def _engines(folder: Path, place: Path, raw: str, threads: int, times: int) -> dict[str, Measured]:
    """Each engine's median, their runs taken in turn, so that all meet the same noise."""
    jobs = {
        "DuckDB, bare parse": lambda: run("duckdb_parse.parse", raw=raw, threads=threads),
        "lake build": lambda: _built(place, threads),
    }
    for rival in RIVALS:
        jobs[rival] = partial(_rival, rival, raw, threads, folder)
    return medians(times, jobs)


def _row(
    name: str, own: dict[int, Measured], all_with_two: dict[str, Measured], same: dict[str, str]
) -> tuple[str, ...]:
    two = own[2]
    if two.missing:
        return (name, *(f"{two.missing} is not installed" for _ in own), *(["-"] * 5))
    speed = two.work_s / all_with_two["lake build"].work_s
    is_build = name == "lake build"
    return (
        name,
        *(f"{one.work_s:.2f}" for one in own.values()),
        f"{two.cpu_s:.2f}",
        f"{two.peak_mb:,.0f}" if two.peak_mb else "-",
        "" if is_build else f"{speed:.2f}",
        "" if is_build else f"{AIMS[name]}",
        same.get(name, ""),
    )


def _built(place: Path, threads: int) -> Measured:
    lakes.unbuild(place)
    preload = str(place / "modules.json")
    command = ["build", "--threads", str(threads), "--config", str(place)]
    return run("commands.command", arguments=command, preload=preload)


def _rival(name: str, raw: str, threads: int, folder: Path) -> Measured:
    environment = {"POLARS_MAX_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    into = str(folder / f"{name}.parquet")
    return run(f"{name}_bars.bars", environment, raw=raw, threads=threads, into=into)


def _checks(folder: Path, place: Path) -> dict[str, str]:
    """Whether each engine's bars are those of the lake that was built last."""
    found = {}
    for rival in RIVALS:
        bars = folder / f"{rival}.parquet"
        if bars.exists():
            told = run("compare.bars", folder=str(place), bars=str(bars)).result
            bars.unlink()
            differing = told["differing"]
            found[rival] = f"{differing:,} of {told['seconds']:,} differ" if differing else "yes"
    return found
