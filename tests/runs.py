"""`lake run` in a process of its own, beside an exchange on loopback that a thread keeps."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import lakes

from replay.market import Market
from replay.server import Exchange
from runner.lock import is_held

# As after `lake run` in a shell: a process in the background would hand down an ignored Ctrl+C.
LAKE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "import lake; lake.cli(prog_name='lake')"
)
DOWN_S = 10.0
START = datetime(2025, 10, 20, 12, tzinfo=UTC)


@contextmanager
def beside(exchange) -> Iterator:
    """An exchange (an async context manager) that serves while the block runs."""
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with exchange:
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield exchange
    finally:
        over.set()
        thread.join()


def market(
    speed: float, start: datetime = START, faults=(), busy: float = 0.2, **knobs
) -> Exchange:
    """A replay of a calm market of two symbols that goes on for days; `knobs`: the exchange's."""
    source = Market(("SOLUSDT", "XRPUSDT"), 7, start, 30 * 86_400.0, busy=busy)
    return Exchange(source, speed=speed, faults=faults, **knobs)


def lake_of(folder: Path, exchange, **sections: str) -> Path:
    """A lake that collects two symbols from an exchange; `sections`: more of its config.yml."""
    addresses = f'rest_url: "{exchange.rest_url}", wss_url: "{exchange.ws_url}"'
    addresses += f', futures_url: "{exchange.rest_url}", archive_url: "{exchange.rest_url}"'
    own = {
        "exchanges": f"[{{name: binance, symbols: [SOLUSDT, XRPUSDT], {addresses}}}]",
        "macro_minute": "{tickers: []}",
        "derivatives": "{schedule_minutes: 0}",
        "collector": "{reconnect_backoff: 1}",
    } | sections
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{name}: {value}\n" for name, value in own.items())
    (folder / "config.yml").write_text(text, encoding="utf-8")
    with lakes.knowing(folder):
        return folder


@contextmanager
def starting() -> Iterator[Callable]:
    """A function that starts `lake run`; what still runs at the end is killed."""
    started: list[subprocess.Popen] = []

    def start(folder: Path, *options: str) -> subprocess.Popen:
        started.append(_process(folder, *options))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def _process(folder: Path, *options: str) -> subprocess.Popen:
    """`lake run` as a process whose output is one text."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", LAKE, "run", "--config", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(lakes.ROOT), "PYTHONUTF8": "1"},
        start_new_session=os.name != "nt",
    )


def until(process: subprocess.Popen, is_so: Callable[[], object], within_s: float = 180):
    """Wait until something is so, while `lake run` runs; returns what is so."""
    deadline = time.monotonic() + within_s
    while True:
        if found := is_so():
            return found
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def beat(folder: Path, base: str = "data") -> dict:
    """The heartbeat; nothing where there is none yet."""
    path = folder / base / "logs" / "health" / "heartbeat.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def collector_pid(folder: Path) -> int:
    """The process that collects."""
    path = folder / "data" / "logs" / "health" / "collector.json"
    return json.loads(path.read_text(encoding="utf-8"))["pid"]


def is_receiving(folder: Path, process: subprocess.Popen) -> bool:
    """Whether a run tells that its own collector receives."""
    found = beat(folder)
    return found.get("pid") == process.pid and found["collector"]["status"] == "running"


def stopped(process: subprocess.Popen, folder: Path, number: int, base: str = "data") -> str:
    """The output of a run that is told to stop, which must be down within 10 s, with all it has."""
    process.send_signal(number)
    try:
        output, _ = process.communicate(timeout=DOWN_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0 and "Traceback" not in output, output
    assert_down(folder / base)
    assert beat(folder, base)["status"] == "STOPPED"
    return output


def assert_down(base: Path) -> None:
    """Nobody holds anything, and every raw part is sealed."""
    for name in ("run", "collector", "build", "macro", "repair", "derivatives"):
        assert is_held(base / f"{name}.lock") is None, name
    assert not list((base / "raw").rglob("*.open"))


@contextmanager
def nobody() -> Iterator[str]:
    """The address of a server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
