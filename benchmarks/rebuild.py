"""Building a lake once more: nothing new, one more minute, another formula; in lakes of 1, 7 and 90
days of 19 symbols.
"""

from dataclasses import dataclass
from pathlib import Path

from benchmarks import lakes
from benchmarks.jobs.lakes import collecting
from benchmarks.market import SYMBOLS
from benchmarks.measure import Measured, medians, run
from benchmarks.table import Table

VWAP = """
create or replace macro vwap(volume_quote, volume_base) as
    {edit} + sum(volume_quote) / nullif(sum(volume_base), 0)
"""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    days: tuple[int, ...]
    symbols: int
    times: int


FULL, QUICK = Size((1, 7, 90), symbols=19, times=3), Size((1, 2), symbols=2, times=1)


def measure(folder: Path, quick: bool) -> list[Table]:
    """A row for each kind of build and length of the lake."""
    size = QUICK if quick else FULL
    table = Table(
        "Building once more",
        f"{size.symbols} symbols; the old days sealed, the last day open at half past twelve. "
        "Seconds of work in the process by the wall clock and by CPU, median of "
        f"{size.times}; start-up (Python and imports) apart.",
        ("lake", "build", "work s", "CPU s", "start-up s", "peak MB", "against 1 day"),
    )
    found = {days: _builds(make(folder, days, size), days, size) for days in size.days}
    for kind, first in found[size.days[0]].items():
        table.rows += [_row(days, kind, found[days][kind], first) for days in size.days]
    table.notes.append(
        "Aims: nothing new in 0.3 s; nothing new and one more minute within 1.10 of one day; "
        "1,024 MB. An edited formula makes every bar anew, so its work grows with the days."
    )
    return [table]


def _row(days: int, kind: str, one: Measured, first: Measured) -> tuple[str, ...]:
    return (
        f"{days} day{'s' * (days > 1)}",
        kind,
        f"{one.work_s:.2f}",
        f"{one.cpu_s:.2f}",
        f"{one.startup_s:.2f}",
        f"{one.peak_mb:,.0f}" if one.peak_mb else "-",
        f"{one.work_s / first.work_s:.2f}",
    )


def make(folder: Path, days: int, size: Size) -> Path:
    """The lake of some days; one that an earlier run left is taken as it is."""
    place = folder / f"days_{days}_{size.symbols}"
    if not (place / "made").exists():
        run("lakes.history", folder=str(place), days=days, symbols=size.symbols)
        (place / "made").touch()
    return place


def _builds(place: Path, days: int, size: Size) -> dict[str, Measured]:
    parts = (place / "data" / "raw" / "binance" / SYMBOLS[0]).glob("*/part_*.jsonl")
    number = len(list(parts)) - lakes.OPEN_HOURS - lakes.OPEN_MINUTES
    texts = lakes.minutes(days, number + size.times + 1)[number:]
    following = iter(enumerate(texts, number))

    def one_more_minute() -> Measured:
        lakes.add_minute(place, days, SYMBOLS[: size.symbols], *next(following))
        return _build(place, "minute")

    with collecting(place):
        one_more_minute()  # what an earlier run left is built, and the modules are noted
        _build(place, "nothing")
        nothing = medians(size.times, {"nothing new": lambda: _build(place, "nothing")})
        minute = medians(size.times, {"one more minute": one_more_minute})
        return nothing | minute | {"vwap edited": _edited(place)}


def _edited(place: Path) -> Measured:
    """Another formula in the lake's own macros/, built; then the shipped one again."""
    own = place / "macros" / "vwap.sql"
    own.parent.mkdir(exist_ok=True)
    own.write_text(VWAP.format(edit=0), encoding="utf-8")
    found = _build(place, "minute")
    own.unlink()
    return found


def _build(place: Path, modules: str) -> Measured:
    command = ["build", "--config", str(place)]
    preload = str(place / f"modules_{modules}.json")
    return run("commands.command", arguments=command, preload=preload)
