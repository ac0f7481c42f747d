"""`lake collect` as a process: stopped, killed, twice on a lake, on a full disk, on a terminal."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from wire import SECOND_US, Wire, events, ids, lake, quote, trade

from ingest.collect.meter import Meter, latency_line
from ingest.collect.recover import recover
from ingest.collect.table import HEADINGS, row

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX")
COLLECT = [sys.executable, "-c", "from ingest.collect.command import collect; collect()"]
# The limit on a file's size stands for a full disk; it is lifted when the test says so.
ON_A_FULL_DISK = """
import resource, signal, sys
from ingest.collect.command import collect
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
signal.signal(signal.SIGUSR1, lambda *_: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
collect()
"""


def against(folder: Path, act: Callable, command: list[str] = COLLECT):
    """What `act(process, sent)` returns, run beside a collector process that is fed for ever.

    `sent`: the trade ids that have gone out.
    """
    sent: list[int] = []

    async def script(socket, number):
        while True:
            sent.append(len(sent) + 1)
            await socket.send(trade(sent[-1]))
            await socket.send(quote(sent[-1]))
            await asyncio.sleep(0.001)

    async def main():
        lake(folder)
        async with Wire(script) as exchange:
            process = await started(folder, exchange, command)
            try:
                return await asyncio.wait_for(act(process, sent), 25)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    return asyncio.run(main())


async def started(folder: Path, exchange: Wire, command: list[str] = COLLECT):
    address = ["--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url]
    return await asyncio.create_subprocess_exec(
        *command,
        *address,
        *("--config", str(folder)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parent.parent,
    )


async def written(folder: Path, least: int) -> None:
    """Wait until so many trades lie on the disk."""
    while len(on_disk(folder)) < least:
        await asyncio.sleep(0.02)


def on_disk(folder: Path) -> list[int]:
    """Trade ids of whole lines, in open parts too: what was acknowledged."""
    parts = sorted((folder / "data/raw/binance/SOLUSDT").glob("*/part_*"))
    texts = [text for part in parts for text in part.read_bytes().split(b"\n")[:-1]]
    return [line["trade_id"] for line in map(json.loads, texts) if line["stream"] == "trade"]


@POSIX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_in_order(tmp_path, number):
    folder = tmp_path / "lake"

    async def act(process, sent):
        await written(folder, 300)
        received = len(sent)
        process.send_signal(number)
        output, _ = await asyncio.wait_for(process.communicate(), 10)
        return received, process.returncode, output.decode()

    received, code, output = against(folder, act)
    here = lake(folder)
    assert code == 0, output
    assert f"{signal.Signals(number).name}: " in output and "messages (live)" in output
    assert not list((here.base / "raw").rglob("*.open"))
    assert ids(here) == list(range(1, len(ids(here)) + 1)) and len(ids(here)) >= received - 50
    assert [line["event"] for line in events(here)][-2:] == ["disconnected", "stop"]
    assert recover(here).parts == 0


@POSIX
def test_kill_9_loses_nothing_that_was_on_the_disk(tmp_path):
    folder = tmp_path / "lake"

    async def act(process, sent):
        await written(folder, 300)
        process.kill()
        await process.wait()

    against(folder, act)
    acknowledged = on_disk(folder)
    here = lake(folder)
    assert list((here.base / "raw/binance/_sessions").rglob("*.open"))
    done = recover(here)
    assert done.parts >= 2 and done.ends == 2
    assert ids(here) == acknowledged == list(range(1, len(acknowledged) + 1))
    end, stop = events(here)[-2:]
    newest_us = max(line["ts_recv"] for line in json_lines(here))
    assert (end["event"], end["ts_recv"], stop["event"]) == ("disconnected", newest_us, "stop")


def json_lines(here) -> list[dict]:
    parts = (here.base / "raw/binance/SOLUSDT").glob("*/*.jsonl")
    return [json.loads(text) for part in parts for text in part.read_text().splitlines()]


@POSIX
def test_lines_reach_the_disk_within_a_quarter_of_a_second_and_more(tmp_path):
    folder = tmp_path / "lake"

    async def act(process, sent):
        await written(folder, 50)
        late = []
        for _ in range(3):
            newest = sent[-1]
            await asyncio.sleep(0.6)  # 0.25 s, and a slow machine
            late.append(newest - on_disk(folder)[-1])
        return late

    assert max(against(folder, act)) <= 0


def test_a_second_collector_says_who_holds_the_lake(tmp_path):
    folder = tmp_path / "lake"

    async def act(process, sent):
        await written(folder, 1)
        second = await asyncio.create_subprocess_exec(
            *COLLECT,
            *("--config", str(folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parent.parent,
        )
        output, _ = await second.communicate()
        return process.pid, second.returncode, output.decode()

    pid, code, output = against(folder, act)
    assert code == 1
    assert f"already collecting into this lake (process {pid} since" in output
    assert "Traceback" not in output


@POSIX
def test_a_full_disk_costs_no_line_and_no_connection(tmp_path):
    folder = tmp_path / "lake"

    async def act(process, sent):
        await written(folder, 20)
        while not sent or sent[-1] < 600:
            await asyncio.sleep(0.02)
        held = len(on_disk(folder))
        process.send_signal(signal.SIGUSR1)
        await written(folder, 700)
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
        return held, process.returncode, output.decode()

    held, code, output = against(folder, act, [sys.executable, "-c", ON_A_FULL_DISK])
    assert held < 100 and code == 0, output
    assert output.count("the disk refuses raw lines") == 1
    assert "the disk takes raw lines again" in output
    here = lake(folder)
    assert ids(here) == list(range(1, len(ids(here)) + 1))
    assert len(events(here, "connected")) == 1 and not events(here, "dropped")


@POSIX
def test_a_run_stopped_on_a_full_disk_ends_in_time_and_says_what_it_lost(tmp_path):
    folder = tmp_path / "lake"

    async def act(process, sent):
        await written(folder, 20)
        while sent[-1] < 400:
            await asyncio.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(process.communicate(), 10)
        return process.returncode, output.decode()

    code, output = against(folder, act, [sys.executable, "-c", ON_A_FULL_DISK])
    assert code == 1 and "raw lines were lost: the disk did not take them" in output
    here = lake(folder)
    found = ids(here)
    assert found == list(range(1, len(found) + 1)) and 20 <= len(found) < 400
    assert not list((here.base / "raw/binance/SOLUSDT").rglob("*.open"))


@POSIX
def test_a_terminal_shows_a_live_table_and_a_pipe_does_not(tmp_path):
    import pty

    folder = tmp_path / "lake"
    shown = []

    async def act(process, sent):
        await written(folder, 1)
        await asyncio.sleep(1.2)
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
        return output.decode()

    assert "messages/s" not in against(folder, act)

    async def main():
        async with Wire(forever) as exchange:
            ours, theirs = pty.openpty()
            asyncio.get_running_loop().add_reader(ours, lambda: shown.append(os.read(ours, 65536)))
            options = ["--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url]
            process = await asyncio.create_subprocess_exec(
                *COLLECT,
                *options,
                *("--config", str(folder), "--duration", "1.5"),
                stdout=theirs,
                stderr=theirs,
                cwd=Path(__file__).parent.parent,
                env={**os.environ, "COLUMNS": "150", "TERM": "xterm"},
            )
            os.close(theirs)
            while b"187.21" not in b"".join(shown) and process.returncode is None:
                await asyncio.sleep(0.05)
            await process.wait()
            asyncio.get_running_loop().remove_reader(ours)
            os.close(ours)

    async def forever(socket, number):
        while True:
            await socket.send(trade(1))
            await socket.send(quote(1))
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 20))
    text = b"".join(shown).decode(errors="replace")
    assert "messages/s" in text and "187.21 " in text and "SOLUSDT" in text


def test_latency_and_spread_are_shown_with_the_clocks_brought_together():
    meter = Meter()
    for late_ms in range(1, 101):
        meter.latencies.append(late_ms * 1000 - 5 * SECOND_US)
    meter.price, meter.bid, meter.ask = "187.21000000", "187.20000000", "187.21500000"
    cells = dict(zip(HEADINGS, row("SOLUSDT", meter, 1234.5, 5 * SECOND_US, 3), strict=True))
    assert cells == {
        "symbol": "SOLUSDT",
        "messages/s": "1,234",
        "p50 ms": "50",
        "p95 ms": "95",
        "last price": "187.21",
        "spread": "0.015",
        "reconnects": "3",
    }
    line = latency_line({"SOLUSDT": meter, "SUIUSDT": Meter()}, 5 * SECOND_US)
    assert line == "latency p50/p95 in ms: SOLUSDT 50/95"
    assert latency_line({"SOLUSDT": meter}, None) is None


def test_the_command_says_what_it_takes_and_refuses_the_rest(tmp_path):
    def run(*options: str) -> tuple[int, str]:
        lake(tmp_path / "lake")
        where = ["--config", str(tmp_path / "lake")]
        done = subprocess.run(
            [*COLLECT, *where, *options],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent.parent,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    code, text = run("--help")
    assert code == 0 and "--duration" in text and "lake collect --symbols SOLUSDT" in text
    assert run("--duration", "0")[0] == run("--symbols", "A B")[0] == run("--symbols", "")[0] == 2
    code, text = run("--ws-url", "http://127.0.0.1:1")
    assert code == 2 and "--ws-url" in text
