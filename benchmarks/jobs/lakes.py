"""Making lakes to measure on, by the product itself."""

from pathlib import Path

import lake
from benchmarks import lakes
from runner.lock import hold


def one_day(folder: str, lines: int, symbols: list[str], minutes: int) -> dict:
    """The raw lines of one day."""
    lakes.one_day(Path(folder), lines, tuple(symbols), minutes)
    return {}


def history(folder: str, days: int) -> dict:
    """A lake of 19 symbols over some days: the old ones as sealing leaves them, the last open."""
    place = Path(folder)
    lakes.history_raw(place, days)
    with collecting(place):
        lake.cli.main(["build", "--config", folder], standalone_mode=False)
        lakes.as_sealed(place, days)
        lake.cli.main(["build", "--config", folder], standalone_mode=False)
    return {"files": sum(1 for _ in (place / "data").glob("*/**/*.parquet"))}


def collecting(folder: Path):
    """As if a collector were running: a build does not end its session."""
    return hold(folder / "data" / "collector.lock", "collecting into this lake")
