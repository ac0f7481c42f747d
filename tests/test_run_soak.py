"""Days of a market through `lake run`, 144 times as fast: nothing grows, is late or gets lost.

--rounds: hours of the market, six of them in 150 s.
"""

import os
import re
import signal
import time
from contextlib import suppress
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


# Connections break three times in a row at the beginning; the fourth lives as long as it may.
CLUSTER = [f"drop=at:{at_s}s" for at_s in (300, 900, 1500)]
PLANNED = '"detail":"rolled over"'
OVERLAPS = """
    select old.conn, (epoch_us(old.ended_at) - epoch_us(new.connected_at)) / 1e6 as overlap_s,
        (epoch_us(old.ended_at) - epoch_us(old.connected_at)) / 3.6e9 as hours
    from sessions as old
    asof join sessions as new on old.ended_at >= new.connected_at
    where old.ended_by = 'rolled over' order by old.conn
"""


@pytest.mark.soak
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_two_connections_that_live_a_day_are_replaced_before_they_are_cut(
    campaign, tmp_path, start
):
    """A machine that is too busy stalls connections, whose day then begins anew: up to --rounds
    hours are played.
    """
    told = campaign("lake run, connections of 24 hours at 144×", 60)
    hours, watched = told.rounds, Watched()
    exchange = runs.market(SPEED, start=BEGIN, busy=0.05, faults=CLUSTER)
    with runs.beside(exchange):
        folder = runs.lake_of(tmp_path / "lake", exchange)
        process = start(folder)
        runs.until(process, lambda: runs.is_receiving(folder, process))
        end = time.monotonic() + hours * 3600 / SPEED
        while time.monotonic() < end and _planned(folder) < 2:
            assert process.poll() is None, process.communicate()[0]
            watched.look(folder, process)
            time.sleep(1.0)
        runs.stopped(process, folder, signal.SIGTERM)
        beat = runs.beat(folder)
        repaired = lakes.run(folder, "repair")
    assert repaired.exit_code == 0, repaired.output
    lakes.bring(folder)
    _tell(told, watched, beat, folder)
    planned = lakes.ask(folder, OVERLAPS)
    for number, (_, overlap_s, age_hours) in enumerate(planned, 1):
        told.saw(f"change {number}: ms of the market on both connections", round(overlap_s * 1000))
        told.saw(f"change {number}: minutes that the old one lived", round(age_hours * 60))
    whole = [one for one in planned if 23 <= one[2] < 24 and one[1] > 0]
    assert len(whole) >= 2, planned
    assert lakes.ask(folder, "select sum(missing) from tape") == [(0,)]
    assert watched.oldest_s <= OLDEST_S and beat["collector"]["restarts"] == 0
    for name in watched.sizes:
        assert watched.growth(name) < GROWTH


def _planned(folder: Path) -> int:
    """How many connections were replaced because of their age."""
    parts = (folder / "data/raw/binance/_sessions").rglob("part_*")
    return sum(part.read_text("utf-8").count(PLANNED) for part in parts)


# Of the exchange: about every 96 minutes a connection breaks; a twentieth of the spot's REST
# answers is none, now and then one bans us; Yahoo is away for 150 requests from the tenth hour on.
TROUBLE = [
    "drop=random:5760s",
    "rest=share:5%,path:historicalTrades,kind:503",
    "rest=share:5%,path:historicalTrades,kind:truncated",
    "rest=at:30000s,path:historicalTrades,kind:418,retry:60s",
    "rest=at:36000s,path:chart,kind:503,count:150",
]


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the job to kill in /proc")
def test_two_days_in_which_everything_goes_wrong_end_whole_and_sealed(campaign, tmp_path, start):
    told = campaign("lake run, two days of trouble at 144×", 48)
    hours, watched, killed = told.rounds, Watched(), 0
    exchange = runs.market(SPEED, start=BEGIN, busy=0.05, faults=TROUBLE, history_days=9)
    with runs.beside(exchange):
        macro = f'{{tickers: ["SPY", "EURUSD=X"], url: "{exchange.rest_url}"}}'
        derivatives = "{schedule_minutes: 60}"
        folder = runs.lake_of(
            tmp_path / "lake", exchange, macro_minute=macro, derivatives=derivatives
        )
        process = start(folder)
        runs.until(process, lambda: runs.is_receiving(folder, process))
        began = time.monotonic()
        while (passed_s := time.monotonic() - began) < hours * 3600 / SPEED:
            assert process.poll() is None, process.communicate()[0]
            watched.look(folder, process)
            killed += bool(passed_s > 60 * (killed + 1) and killed < 3 and _kill_a_build(folder))
            time.sleep(1.0)
        output = runs.stopped(process, folder, signal.SIGTERM)
        beat = runs.beat(folder)
        repaired = lakes.run(folder, "repair")
        requests = len(exchange.requests)
    assert repaired.exit_code == 0, repaired.output
    lakes.bring(folder)
    _tell(told, watched, beat, folder)
    told.saw("builds killed", killed)
    told.saw("REST requests", requests)
    logs = "".join(path.read_text("utf-8") for path in (folder / "data/logs").glob("*.log"))
    assert "Traceback" not in logs + output
    assert lakes.ask(folder, "select sum(missing), count(*) from tape")[0][0] == 0
    sealed = lakes.ask(folder, "select distinct day::varchar from archive order by 1")
    days = lakes.ask(folder, "select distinct day::varchar from tape order by 1")
    assert sealed == days[:-1]
    for name in watched.sizes:
        assert watched.growth(name) < GROWTH
    assert watched.oldest_s <= OLDEST_S and beat["collector"]["restarts"] == 0
    checked = lakes.run(folder, "check")
    told.saw(f"lake check: {checked.output.strip().splitlines()[-1]}")
    assert "FAIL  " not in re.sub(r"FAIL  freshness.*", "", checked.output), checked.output


def _kill_a_build(folder: Path) -> bool:
    """kill -9 of the lake's build, if one runs."""
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes().decode().split("\0")
            if "--supervised" in words and "build" in words and f"{folder / 'config.yml'}" in words:
                os.kill(int(place.name), signal.SIGKILL)
                return True
    return False


def _tell(told, watched: Watched, beat: dict, folder: Path) -> None:
    """The figures of a run, and whether outages are those that were made."""
    for state, seconds in watched.states.items():
        told.saw(f"seconds {state}", seconds)
    for name in ("transformer", "repair", "compact", "validation", "macro_minute", "derivatives"):
        told.saw(f"runs of {name}", beat[name]["runs"])
    told.saw("oldest heartbeat, ms", round(watched.oldest_s * 1000))
    for name in watched.sizes:
        told.saw(f"growth of {name}, KiB", round(watched.growth(name) / 1024))
    ended = "select coalesce(ended_by, 'open'), count(*) from sessions group by all"
    for why, count in lakes.ask(folder, ended):
        told.saw(f"connections ended: {re.sub('[0-9]+', 'n', why)[:60]}", count)
    options = ("--start", "2025-10-20", "--end", "2025-10-24")
    verdict = lakes.run(folder, "validate", *options).output
    assert "FAIL" not in verdict, verdict
    told.saw(f"verdict {re.findall('^ *(PASS|INVESTIGATE).*', verdict, re.MULTILINE)[-1]}")
    for line in re.findall(r"R11 .*", verdict):
        told.saw(line)
    total = "select count(*), sum(count), sum(repaired), sum(missing) from tape"
    days, trades, repairs, missing = lakes.ask(folder, total)[0]
    told.saw("symbol-days", days)
    told.saw("trades", trades)
    told.saw("trades repaired", repairs)
    told.saw("trades missing", missing)
