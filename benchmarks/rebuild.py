"""Building a lake once more: nothing new, one more minute, another formula; in lakes of 1, 7 and 90
days of 19 symbols.
"""

from pathlib import Path

from benchmarks import lakes
from benchmarks.jobs.lakes import collecting
from benchmarks.measure import Measured, median, run
from benchmarks.table import Table

DAYS, QUICK_DAYS = (1, 7, 90), (1, 2)
VWAP = """
create or replace macro vwap(volume_quote, volume_base) as
    {edit} + sum(volume_quote) / nullif(sum(volume_base), 0)
"""


def measure(folder: Path, quick: bool) -> list[Table]:
    """A row for each kind of build and length of the lake."""
    table = Table(
        "Building once more",
        "19 symbols; old days as sealing leaves them (published files, no raw), the last day open "
        "at half past twelve. Seconds of work in the process by the wall clock and by CPU; "
        "start-up (Python and imports) apart.",
        ("lake", "build", "work s", "CPU s", "start-up s", "peak MB", "against 1 day"),
    )
    days = QUICK_DAYS if quick else DAYS
    found = {number: _builds(make(folder, number), number, quick) for number in days}
    for kind in found[days[0]]:
        first = found[days[0]][kind]
        for number in days:
            one = found[number][kind]
            table.rows.append(
                (
                    f"{number} day{'s' * (number > 1)}",
                    kind,
                    f"{one.work_s:.2f}",
                    f"{one.cpu_s:.2f}",
                    f"{one.startup_s:.2f}",
                    f"{one.peak_mb:,.0f}" if one.peak_mb else "-",
                    f"{one.work_s / first.work_s:.2f}",
                )
            )
    table.notes.append(
        "Aims: nothing new in 0.3 s; nothing new and one more minute within 1.10 of one day; "
        "1,024 MB. An edited formula makes every bar anew, so its work grows with the days."
    )
    return [table]


def make(folder: Path, days: int) -> Path:
    """The lake of some days; one that an earlier run left is taken as it is."""
    place = folder / f"days_{days}"
    if not (place / "made").exists():
        run("lakes.history", folder=str(place), days=days)
        (place / "made").touch()
    return place


def _builds(place: Path, days: int, quick: bool) -> dict[str, Measured]:
    times = 1 if quick else 3
    raw = place / "data" / "raw" / "binance"
    there = len(list((raw / lakes.SYMBOLS[0]).glob(f"*/part_{'?' * 3}.jsonl")))
    number = there - lakes.OPEN_HOURS - lakes.OPEN_MINUTES
    texts = iter(enumerate(lakes.minutes(days, number + times + 1)[number:], number))

    def one_more_minute() -> Measured:
        lakes.add_minute(place, days, *next(texts))
        return _build(place, "minute")

    with collecting(place):
        one_more_minute()  # what an earlier run left is built, and modules are noted
        _build(place, "nothing")
        return {
            "nothing new": median(times, lambda: _build(place, "nothing")),
            "one more minute": median(times, one_more_minute),
            "vwap edited": _edited(place, days),
        }


def _edited(place: Path, days: int) -> Measured:
    """Another formula in the lake's own macros/, built; then the shipped one again, built."""
    own = place / "macros" / "vwap.sql"
    own.parent.mkdir(exist_ok=True)
    own.write_text(VWAP.format(edit=0), encoding="utf-8")
    found = _build(place, "minute")
    own.unlink()
    if days == 1:
        _build(place, "minute")
    return found


def _build(place: Path, modules: str) -> Measured:
    command = ["build", "--config", str(place)]
    preload = str(place / f"modules_{modules}.json")
    return run("commands.command", arguments=command, preload=preload)
