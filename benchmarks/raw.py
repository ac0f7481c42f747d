"""From raw lines to published files, against DuckDB's bare parse and against other engines that
make the bars alone.
"""

from pathlib import Path

from benchmarks import lakes
from benchmarks.market import SYMBOLS
from benchmarks.measure import Measured, median, run
from benchmarks.table import Table

# Raw lines, minutes that they lie in, repetitions.
FULL, QUICK = (3_000_000, 1_440, 3), (20_000, 60, 1)
RIVALS = ("polars", "pandas", "chdb")
AIMS = {"DuckDB, bare parse": "1/2", "polars": "3", "pandas": "10", "chdb": "1"}


def measure(folder: Path, quick: bool) -> list[Table]:
    """One symbol, and 19 symbols that share the lines; with 1 and 2 threads."""
    return [_table(folder, symbols, quick) for symbols in (SYMBOLS[:1], SYMBOLS)]


def _table(folder: Path, symbols: tuple[str, ...], quick: bool) -> Table:
    lines, minutes, times = QUICK if quick else FULL
    place = folder / f"raw_{len(symbols)}_{lines}"
    if not place.exists():
        size = {"lines": lines, "minutes": minutes}
        run("lakes.one_day", folder=str(place), symbols=symbols, **size)
    raw = str(place / "data" / "raw" / "binance")
    parts = sum(1 for _ in Path(raw).glob("[!_]*/*/*.jsonl"))
    found = {
        threads: {
            "DuckDB, bare parse": median(
                times, lambda threads=threads: run("duckdb_parse.parse", raw=raw, threads=threads)
            ),
            "lake build": median(times, lambda threads=threads: _built(place, threads)),
            **{rival: _rival(rival, raw, threads, folder, times) for rival in RIVALS},
        }
        for threads in (1, 2)
    }
    count = found[1]["DuckDB, bare parse"].result["lines"]
    table = Table(
        f"From raw lines: {len(symbols)} symbol{'s' * (len(symbols) > 1)}",
        f"{count:,} lines in {parts:,} parts of one day, warm files, "
        + (f"median of {times}. " if times > 1 else "one run. ")
        + "`lake build` stages, checks, deduplicates and publishes trades, quotes, covers, "
        "certificates and bars; the engines make the 1-second OHLCV bars alone. Seconds of work, "
        "start-up apart.",
        ("", "1 thread", "2 threads", "CPU s", "peak MB", "build takes, times", "aim", "same bars"),
    )
    _rows(table, found, _checks(folder, place))
    return table


def _rows(table: Table, found: dict[int, dict[str, Measured]], same: dict[str, str]) -> None:
    build = found[2]["lake build"]
    for name, two in found[2].items():
        if two.missing:
            table.rows.append((name, f"{two.missing} is not installed", *"------"))
            continue
        own = name == "lake build"
        bare = name.startswith("DuckDB")
        ratio = build.work_s / two.work_s if bare else two.work_s / build.work_s
        told = "" if own else f"{ratio:.2f} of it" if bare else f"1/{ratio:.1f} of it"
        aim = "" if own else "≤ 2.00" if bare else f"≤ 1/{AIMS[name]}"
        table.rows.append(
            (
                name,
                f"{found[1][name].work_s:.2f} s",
                f"{two.work_s:.2f} s",
                f"{two.cpu_s:.2f}",
                f"{two.peak_mb:,.0f}" if two.peak_mb else "-",
                told,
                aim,
                same.get(name, ""),
            )
        )
    table.notes.append("CPU, memory and ratios: with 2 threads. Aim for memory: 1,024 MB.")


def _built(place: Path, threads: int) -> Measured:
    lakes.unbuild(place)
    preload = str(place / "modules.json")
    command = ["build", "--threads", str(threads), "--config", str(place)]
    return run("commands.command", arguments=command, preload=preload)


def _rival(name: str, raw: str, threads: int, folder: Path, times: int) -> Measured:
    environment = {"POLARS_MAX_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    into = str(folder / f"{name}.parquet")
    job = f"{name}_bars.bars"
    return median(times, lambda: run(job, environment, raw=raw, threads=threads, into=into))


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
