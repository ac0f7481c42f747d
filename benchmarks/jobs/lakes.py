"""Making lakes to measure on, by the product itself."""

from pathlib import Path

import lake
from benchmarks import lakes
from benchmarks.market import SYMBOLS
from runner.lock import hold


def one_day(folder: str, lines: int, symbols: list[str], minutes: int) -> dict:
    """The raw lines of one day."""
    lakes.one_day(Path(folder), lines, tuple(symbols), minutes)
    return {}


def history(folder: str, days: int, symbols: int) -> dict:
    """A lake over some days: the old ones sealed, the last open."""
    place, names = Path(folder), SYMBOLS[:symbols]
    lakes.history_raw(place, days, names)
    with collecting(place):
        lake.cli.main(["compact", "--config", folder], standalone_mode=False)
        lakes.copied(place, days, names)
        lake.cli.main(["build", "--config", folder], standalone_mode=False)
    return {}


def collecting(folder: Path):
    """As if a collector were running: a build does not end its session."""
    return hold(folder / "data" / "collector.lock", "collecting into this lake")
