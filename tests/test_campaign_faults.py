"""`lake collect` keeps its promises under faults, of the exchange and of the machine.

Short by default; long: `pytest -n 0 -m soak -s tests/test_campaign_faults.py --rounds 200`.
"""

import asyncio
import errno
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random

import lakes
import live_market
import pytest
import trials
import wire
from campaign import Campaign
from live_market import SECOND_US, LiveMarket, held, log_lines, mounted
from loguru import logger
from trial_checks import Lake, agrees_with_the_oracle, check

from ingest.collect.buffer import Room

# One of each kind, for the short form.
FEW = (
    *("gap", "malformed: nan", "delay", "drop", "cut at the end of its life"),
    "stall of bookTicker alone",
)
KINDS = ("WebSocket", "REST")


@pytest.fixture
def quiet_log():
    """A storm of faults is a storm of log lines."""
    logger.disable("ingest")
    yield
    logger.enable("ingest")


def run_all(folder, chosen: list[trials.Trial], first_seed: int, run: Campaign) -> list[str]:
    """Collect the trials, several into a lake, build and check; what was found to be wrong."""
    findings = []
    for begin in range(0, len(chosen), trials.PER_LAKE):
        here, own = folder / f"lake_{begin}", chosen[begin : begin + trials.PER_LAKE]
        outcomes = [
            trials.collect(here, trial, first_seed + begin + number, number)
            for number, trial in enumerate(own)
        ]
        lakes.bring(here)
        lake = Lake(here)
        for outcome in outcomes:
            try:
                run.seen += check(lake, outcome)
            except AssertionError as error:
                findings.append(str(error))
            for fault in outcome.trial.faults or (outcome.trial.name,):
                run.saw(f"trials with {fault.partition('=')[0]}")
        assert lakes.dry(here) == []
        shutil.rmtree(here)
    run.saw("findings", len(findings))
    return findings


def test_each_kind_of_fault_costs_what_it_must_and_no_more(tmp_path, campaign, quiet_log):
    run = campaign("faults, a few alone and mixed", 2)
    few = [trial for trial in trials.alone() if trial.name in FEW]
    mixed = [trials.mixed(Random(seed)) for seed in run.seeds]
    assert run_all(tmp_path, few + mixed, run.first_seed, run) == []


@pytest.mark.soak
def test_every_fault_alone_many_times(tmp_path, campaign, quiet_log):
    run = campaign("each fault alone", 10)
    found = [run_all(tmp_path, trials.alone(), 1000 * seed, run) for seed in run.seeds]
    assert found == [[]] * run.rounds


@pytest.mark.soak
def test_faults_mixed_many_times(tmp_path, campaign, quiet_log):
    run = campaign("faults mixed", 200)
    mixed = [trials.mixed(Random(seed)) for seed in run.seeds]
    assert run_all(tmp_path, mixed, run.first_seed, run) == []


@pytest.mark.soak
def test_memory_and_handles_stay_flat_at_a_high_rate(tmp_path, campaign):
    run = campaign("minutes at a high rate", 3)
    wire.lake(tmp_path / "lake")
    faults = ("drop=every:10m", "malformed=every:7m", "duplicate=every:20s,count:300")
    options = [part for fault in faults for part in ("--fault", fault)]
    options += ["--symbols", "BTCUSDT,ETHUSDT,SOLUSDT", "--speed", "max", "--duration", "9000000"]
    with ended(lakes.process("replay", *options)) as exchange:
        shown = iter(exchange.stdout.readline, "")
        urls = [next(line for line in shown if kind in line).split()[1] for kind in KINDS]
        where = ["--config", str(tmp_path / "lake"), "--ws-url", urls[0], "--rest-url", urls[1]]
        symbols = ["--symbols", "BTCUSDT,ETHUSDT,SOLUSDT"]
        with ended(lakes.process("collect", *where, *symbols)) as collector:
            looks = [look(collector.pid) for _ in range(60 * run.rounds)]
            collector.terminate()
            said, log = collector.communicate(timeout=30)
    assert collector.returncode == 0, log[-2000:]
    rss, handles, cpu_s = zip(*looks, strict=True)
    third = len(looks) // 3
    run.saw("MiB resident, middle third at most", max(rss[third:-third]) >> 20)
    run.saw("MiB resident, last third at most", max(rss[-third:]) >> 20)
    run.saw("handles, middle third at most", max(handles[third:-third]))
    run.saw("handles, last third at most", max(handles[-third:]))
    messages = int(re.search(r"([\d,]+) messages", said)[1].replace(",", ""))
    run.saw("messages", messages)
    run.saw("messages a CPU second", round(messages / cpu_s[-1]))
    run.saw("reconnects", int(re.search(r"([\d,]+) reconnects", said)[1].replace(",", "")))
    assert max(rss[-third:]) < 1.1 * max(rss[third:-third]) + 8 * 2**20
    assert max(handles[-third:]) <= max(handles[third:-third]) + 8


@contextmanager
def ended(process):
    """A process that does not outlive the test."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def look(pid: int) -> tuple[int, int, float]:
    """Bytes resident, open handles and CPU seconds of a process, a second from now."""
    time.sleep(1)
    own = Path(f"/proc/{pid}")
    if not own.exists():
        pytest.skip("the system shows no /proc, or the collector has ended")
    pages = int((own / "statm").read_text().split()[1])
    spent = sum(map(int, (own / "stat").read_text().rpartition(")")[2].split()[11:13]))
    size, ticks = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    return pages * size, len(list((own / "fd").iterdir())), spent / ticks


@pytest.mark.parametrize(
    "steps_s",
    [(3, -66), pytest.param((-7200, 86_400), marks=pytest.mark.soak)],
    ids=["a little", "far"],
)
def test_a_clock_that_is_set_moves_no_trade_and_no_quote(tmp_path, monkeypatch, steps_s):
    here, real, ahead = wire.lake(tmp_path / "lake"), time.time_ns, [0]
    monkeypatch.setattr(time, "time_ns", lambda: real() + ahead[0])

    async def act(market):
        await market.sent(200)
        for step_s in steps_s:
            ahead[0] += step_s * 10**9
            before = market.connections
            while market.connections == before:
                await market.sent(50)
            await market.sent(300)

    with log_lines() as lines:
        summary, market = live_market.run(here, act)
    assert sum("clock was set by" in line for line in lines) == len(steps_s)
    assert not wire.events(here, "stalled") and summary.dropped == 0
    lakes.bring(tmp_path / "lake")
    lake = Lake(tmp_path / "lake")
    assert lake.trades["SOLUSDT"].keys() == market.trades.keys()
    check_live(lake, market)


def check_live(lake: Lake, market: LiveMarket) -> None:
    """Every second says what was: which trades it has, and a quote of its own time."""
    agrees_with_the_oracle(lake, "SOLUSDT")
    traded = [time_us // SECOND_US for time_us in market.trades.values()]
    for second, bar in lake.bars["SOLUSDT"].items():
        count = bar[6]
        if bar[-1] in ("traded", "quiet"):
            assert count == traded.count(second), f"{second} is {bar[-1]} with {count}"
        # A busy machine may hand a quote over late, but not by a second and more.
        shown = bar[8]
        assert shown is None or abs(shown - second % 100_000) <= 1, f"{second} shows {shown}"


@pytest.mark.soak
def test_a_slow_disk_costs_trades_only_and_counts_them(tmp_path, monkeypatch):
    here, write, sync = wire.lake(tmp_path / "lake"), os.write, os.fsync
    room = Room(trade_limit=60_000, quote_limit=30_000_000)

    def slow_write(descriptor, data):
        time.sleep(0.1)
        return write(descriptor, data[:50_000])

    def slow_sync(descriptor):
        time.sleep(0.3)
        sync(descriptor)

    async def act(market):
        await market.sent(200)
        with monkeypatch.context() as slow:
            slow.setattr("ingest.collect.part.os.write", slow_write)
            slow.setattr("ingest.collect.part.os.fsync", slow_sync)
            await market.sent(2500)

    summary, market = live_market.run(here, act, LiveMarket(0.001, 5), room=room)
    drops = wire.events(here, "dropped")
    kept = held(here)
    lost = market.trades.keys() - kept
    assert lost and {line["stream"] for line in drops} == {"trade"}
    assert sum(line["count"] for line in drops) == len(lost) == summary.dropped
    told = {n for line in drops for n in range(line["first_id"], line["last_id"] + 1)}
    assert lost <= told and held(here, "bookTicker") == market.quotes.keys()
    lakes.bring(tmp_path / "lake")
    lake = Lake(tmp_path / "lake")
    (certificate,) = lake.tape["SOLUSDT"].values()
    inner = [number for number in lost if min(kept) < number < max(kept)]
    assert certificate[3] == len(inner)
    told = lakes.ask(tmp_path / "lake", "select sum(dropped_messages) from sessions")
    assert told == [(len(lost),)]
    check_live(lake, market)


def test_a_full_disk_is_waited_for_and_nothing_is_lost(tmp_path):
    here = wire.lake(tmp_path / "lake", write_interval_sec=1)
    raw = here.base / "raw"

    async def act(market):
        await market.sent(200)
        fill(raw / "filler")
        await market.sent(600)
        (raw / "filler").unlink()
        while not held(here) >= set(list(market.trades)[:-200]):
            await market.sent(10)

    with mounted(raw, "-o", "size=2m") as is_mounted, log_lines() as lines:
        if not is_mounted:
            pytest.skip("no file system can be mounted here (it takes root)")
        summary, market = live_market.run(here, act)
        assert sum("the disk refuses raw lines" in line for line in lines) == 1, lines
        assert sum("the disk takes raw lines again" in line for line in lines) == 1
        assert (summary.lost, summary.dropped, summary.reconnects) == (0, 0, 0)
        assert wire.ids(here) == list(market.trades) and not list(raw.rglob("*.open"))
        assert set(wire.ids(here, "bookTicker")) == market.quotes.keys()
        lakes.bring(tmp_path / "lake")
        check_live(Lake(tmp_path / "lake"), market)


def fill(path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC


def test_without_file_handles_it_goes_on_and_seals_what_it_could_not(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    here = wire.lake(tmp_path / "lake", write_interval_sec=1)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def act(market):
        await market.sent(200)
        probe = os.open(here.base, os.O_RDONLY)
        os.close(probe)
        # No handle beyond those in use now can be had.
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe, before[1]))
        try:
            await market.sent(600)
            for socket in list(market.sockets):
                socket.transport.abort()
            await asyncio.sleep(0.5)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        await market.sent(300)

    with log_lines() as lines:
        summary, market = live_market.run(here, act)
    assert sum("the disk refuses raw lines" in line for line in lines) == 1, lines
    assert any("the disk takes raw lines again" in line for line in lines)
    assert summary.reconnects == 1 and (summary.lost, summary.dropped) == (0, 0)
    raw = here.base / "raw"
    assert not list(raw.rglob("*.open")) and (raw / "_open").read_bytes() == b""
    assert wire.ids(here) == sorted(held(here)) and len(held(here)) >= 1000
    lakes.bring(tmp_path / "lake")
    check_live(Lake(tmp_path / "lake"), market)


def test_a_folder_that_cannot_be_written_is_one_sentence_before_the_start(tmp_path):
    here = wire.lake(tmp_path / "lake")
    with mounted(here.base / "raw", "-o", "ro,size=1m") as is_mounted:
        if not is_mounted:
            pytest.skip("no file system can be mounted here (it takes root)")
        done = lakes.run(tmp_path / "lake", "collect", "--duration", "1")
    assert done.exit_code == 1
    (said,) = [line for line in done.output.splitlines() if line.startswith("Error")]
    assert "raw" in said and "cannot be written" in said and "Traceback" not in done.output


@pytest.mark.soak
def test_a_day_folder_that_turns_read_only_is_waited_for(tmp_path):
    here = wire.lake(tmp_path / "lake", write_interval_sec=1)
    locked = []

    async def act(market):
        await market.sent(100)
        (folder,) = (here.base / "raw/binance/SOLUSDT").glob("*/")
        locked.append(immutable(folder, True))
        try:
            await market.sent(600)
        finally:
            immutable(folder, False)
        while not held(here) >= set(list(market.trades)[:-200]):
            await market.sent(10)

    with log_lines() as lines:
        summary, market = live_market.run(here, act)
    if not locked[0]:
        pytest.skip("no folder can be made immutable here (it takes root and chattr)")
    assert sum("the disk refuses raw lines" in line for line in lines) == 1, lines
    assert (summary.lost, summary.dropped, summary.reconnects) == (0, 0, 0)
    assert wire.ids(here) == list(market.trades)
    assert not list((here.base / "raw").rglob("*.open"))


def immutable(folder, wanted: bool) -> bool:
    """Whether the folder could be made so that not even root can write in it (or back)."""
    try:
        command = ["chattr", "+i" if wanted else "-i", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
