"""`lake collect` repairs by itself what a lost connection cost, and is never disturbed by it."""

import asyncio
import os
import re
import signal
import time

import lakes
import pytest
import wire
from loguru import logger

from ingest.collect.clock import Clock
from ingest.collect.collector import plan
from ingest.repair.due import DueRepairs
from replay.market import Market
from replay.server import Exchange
from runner.config import load
from runner.lock import is_held

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
SYMBOL = "SOLUSDT"


def collected(folder, exchange, act=None):
    """Run `lake collect` as a process beside an exchange; (exit code, output, log)."""
    wire.lake(folder, backoff_s=5, write_interval_sec=10)
    with lakes.knowing(folder):
        return asyncio.run(_collected(folder, exchange, act))


async def _collected(folder, exchange, act):
    async with exchange:
        process = lakes.process(
            *("collect", "--symbols", ",".join(exchange.source.symbols)),
            *("--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url),
            *("--config", str(folder)),
            cwd=lakes.ROOT,
        )
        if act:
            await act(process)
        output, errors = await asyncio.to_thread(process.communicate)
        return process.returncode, output, errors


def test_a_lost_connection_is_repaired_while_the_recording_goes_on(tmp_path):
    source = Market([SYMBOL], 3, duration_s=240, busy=0.3)
    exchange = Exchange(source, 12.0, ["drop=at:20s"], stay=True)
    code, output, log = collected(tmp_path / "lake", exchange)
    assert code == 0 and "1 reconnects" in output, log
    (count,) = re.findall(
        rf"lake repair: {SYMBOL}: ([\d,]+) ids were missing, \1 fetched, 0 left", log
    )
    connected = wire.events(load(tmp_path / "lake"), "connected")
    rows = [row for row in wire.rows(load(tmp_path / "lake")) if row.get("source") == "rest"]
    assert len(rows) == int(count.replace(",", ""))
    # on the recording's own clock, before it ended
    assert connected[1]["conn"] < rows[0]["ts_recv"] < source.start_us + 230 * wire.SECOND_US
    assert '{"facts"' not in log
    lakes.bring(tmp_path / "lake")
    assert lakes.ask(tmp_path / "lake", "select missing, verdict from tape") == [(0, "complete")]


def test_what_is_due_at_the_end_of_a_recording_is_repaired_before_the_collector_ends(tmp_path):
    source = Market([SYMBOL], 3, duration_s=120, busy=0.3)
    exchange = Exchange(source, 20.0, ["drop=at:100s"], stay=True)
    code, output, log = collected(tmp_path / "lake", exchange)
    assert code == 0 and "1 reconnects" in output, log
    assert re.search(r"ids were missing, [\d,]+ fetched, 0 left", log), log
    lakes.bring(tmp_path / "lake")
    assert lakes.ask(tmp_path / "lake", "select missing, verdict from tape") == [(0, "complete")]


@POSIX
def test_a_signal_ends_collector_and_repair_within_seconds(tmp_path):
    source = Market([SYMBOL], 3, duration_s=3600, busy=0.3)
    fault = "rest=calls:1,kind:silent,path:historicalTrades"
    exchange = Exchange(source, 8.0, ["drop=at:20s", fault], stay=True)
    seconds = []

    async def act(process):
        while not any(one.path == "/api/v3/exchangeInfo" for one in exchange.requests):
            await asyncio.sleep(0.05)
        # the repair asks for the time once more, and then waits for trades that never come
        while sum(one.path == "/api/v3/time" for one in exchange.requests) < 4:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        await asyncio.to_thread(process.wait)
        seconds.append(time.monotonic() - started)

    code, output, log = collected(tmp_path / "lake", exchange, act)
    assert code == 0 and "SIGTERM: " in output, log
    assert seconds[0] < 10
    assert is_held(tmp_path / "lake/data/repair.lock") is None
    assert not any(row.get("source") == "rest" for row in wire.rows(load(tmp_path / "lake")))


@pytest.mark.soak
def test_many_reconnects_are_one_repair_after_another_with_pauses(tmp_path, monkeypatch):
    # a program of the same name where the collector was started is not ours
    (tmp_path / "lake.py").write_text("print('nothing is missing, says another lake.py')")
    monkeypatch.chdir(tmp_path)
    here = wire.lake(tmp_path / "lake", write_interval_sec=1)
    lakes.put(tmp_path / "lake", SYMBOL, [lakes.trade(SYMBOL, n, lakes.NOON + n) for n in (1, 2)])
    said: list[float] = []
    told: list[str] = []

    def note(line) -> None:
        said.append(time.monotonic())
        told.append(line.record["message"])

    sink = logger.add(
        note,
        filter=lambda record: "lake repair: nothing is missing" in record["message"],
    )

    async def main():
        clock = Clock()
        clock.follow(1_760_972_100_000_000, "600")
        clock.start()
        own = plan(here, [SYMBOL], rest_url="http://127.0.0.1:1")
        async with DueRepairs(here, own, clock) as repairs:
            while len(said) < 2:
                repairs.due(1)
                await asyncio.sleep(0.05)
            await repairs.finish()

    try:
        asyncio.run(main())
    finally:
        logger.remove(sink)
    assert len(said) <= 3 and said[1] - said[0] > 5
    assert set(told) == {"lake repair: nothing is missing"}
