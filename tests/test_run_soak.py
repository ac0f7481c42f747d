"""Days of a market through `lake run`, 144 times as fast: nothing grows, is late or gets lost.

--rounds: hours of the market, six of them in 150 s.
"""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import lakes
import pytest
import runs

SPEED = 144.0
# Real seconds: a heartbeat's period is 60 s of the market, or this much where that is more.
OLDEST_S = 5.0
# Bytes by which a process may have grown between the first and the last third of a run.
GROWTH = 20 * 2**20
BEGIN = datetime(2025, 10, 20, 22, tzinfo=UTC)


@pytest.fixture
def start():
    with runs.starting() as function:
        yield function


class Watched:
    """What was seen of a run, once a second."""

    def __init__(self) -> None:
        self.sizes: dict[str, list[int]] = {"lake run": [], "collector": []}
        self.oldest_s = 0.0
        self.states: dict[str, int] = {}

    def look(self, folder: Path, process) -> dict:
        """Take note of the heartbeat, and of the memory of the two processes that go on."""
        beat = runs.beat(folder)
        written = folder / "data/logs/health/heartbeat.json"
        if beat.get("pid") == process.pid:
            self.oldest_s = max(self.oldest_s, time.time() - written.stat().st_mtime)
            self.states[beat["status"]] = self.states.get(beat["status"], 0) + 1
            for name, pid in (("lake run", process.pid), ("collector", beat["collector"]["pid"])):
                if pid and (size := _resident(pid)):
                    self.sizes[name].append(size)
        return beat

    def growth(self, name: str) -> float:
        """Bytes between the first third and the last."""
        sizes = self.sizes[name]
        third = len(sizes) // 3
        return median(sizes[-third:]) - median(sizes[:third])


def _resident(pid: int) -> int:
    """Bytes of a process in memory; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.soak
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_days_of_a_market_go_through_without_growth_or_delay(campaign, tmp_path, start):
    told = campaign("lake run, hours of a market at 144×", 48)
    hours, watched = told.rounds, Watched()
    exchange = runs.market(SPEED, start=BEGIN, busy=0.05, faults=["drop=at:5400s"])
    with runs.beside(exchange):
        folder = runs.lake_of(tmp_path / "lake", exchange)
        process = start(folder)
        runs.until(process, lambda: runs.is_receiving(folder, process))
        end = time.monotonic() + hours * 3600 / SPEED
        while time.monotonic() < end:
            assert process.poll() is None, process.communicate()[0]
            watched.look(folder, process)
            time.sleep(1.0)
        runs.stopped(process, folder, signal.SIGTERM)
        delivered = {symbol: set(ids) for symbol, ids in exchange.delivered.items()}
    beat = runs.beat(folder)
    lakes.bring(folder)
    found = lakes.ask(folder, "select symbol, trade_id from trades")
    kept = {symbol: {number for name, number in found if name == symbol} for symbol in delivered}
    for state, seconds in watched.states.items():
        told.saw(f"seconds {state}", seconds)
    for name in ("transformer", "repair", "compact", "validation", "figures"):
        told.saw(f"runs of {name}", beat[name]["runs"])
    told.saw("trades delivered and kept", sum(map(len, kept.values())))
    told.saw("oldest heartbeat, ms", round(watched.oldest_s * 1000))
    for name in watched.sizes:
        told.saw(f"growth of {name}, KiB", round(watched.growth(name) / 1024))
        assert watched.growth(name) < GROWTH
    assert watched.oldest_s <= OLDEST_S and beat["collector"]["restarts"] == 0
    assert all(delivered[symbol] <= kept[symbol] for symbol in delivered)
    assert (
        beat["compact"]["runs"] >= (hours - 3) // 24 and beat["transformer"]["last_error"] is None
    )
