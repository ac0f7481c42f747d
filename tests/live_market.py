"""A live exchange on loopback that knows what it sent, for faults of the machine under a collector.

Unlike a replay it does not wait for the client, and time is the machine's own.
"""

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import wire
from loguru import logger
from websockets.exceptions import ConnectionClosed

SECOND_US = 1_000_000


class LiveMarket:
    """Sends a trade and two quotes of SOLUSDT a step, as often as asked, to every connection.

    Its clock runs evenly, whatever the machine's is set to. `trades`, `quotes`: {id: when in µs}
    that went out; `connections`: how many there were. Set `over` to end it.
    """

    def __init__(self, pause_s: float = 0.002, batch: int = 1) -> None:
        self.pause_s, self.batch = pause_s, batch
        self.trades: dict[int, int] = {}
        self.quotes: dict[int, int] = {}
        self.connections = 0
        self.over = asyncio.Event()
        self._base_us = time.time_ns() // 1000 - time.monotonic_ns() // 1000
        self.sockets: list = []
        self._begun = asyncio.Event()

    def now_us(self) -> int:
        """The exchange's time."""
        return self._base_us + time.monotonic_ns() // 1000

    async def script(self, socket, number: int) -> None:
        """A connection that has subscribed gets all from here on."""
        self.sockets.append(socket)
        self.connections += 1
        self._begun.set()
        await socket.wait_closed()
        self.sockets.remove(socket)

    async def play(self) -> None:
        """Send until over; then every connection is told that the recording has ended."""
        await self._begun.wait()
        second = 0
        while not self.over.is_set():
            texts = [text for _ in range(self.batch) for text in self._step()]
            if self.now_us() // SECOND_US > second:
                second = self.now_us() // SECOND_US
                texts.append(wire.kline())
            for socket in list(self.sockets):
                with suppress(ConnectionClosed):
                    for text in texts:
                        await socket.send(text)
            await asyncio.sleep(self.pause_s)
        for socket in list(self.sockets):
            await socket.close(4000)

    def _step(self) -> Iterator[str]:
        """One trade with the quotes before and after it. A quote's bid tells its second."""
        number, now_us = len(self.trades) + 1, self.now_us()
        bid = f"{now_us // SECOND_US % 100_000}.00000000"
        for update_id in (2 * number, 2 * number + 1):
            self.quotes[update_id] = now_us
            yield wire.quote(update_id, b=bid, a="200000.00000000")
        self.trades[number] = now_us
        yield wire.trade(number, E=now_us, T=now_us)

    async def sent(self, more: int) -> None:
        """Wait until so many more trades have gone out."""
        least = len(self.trades) + more
        while len(self.trades) < least:
            await asyncio.sleep(0.01)


def run(here, act: Callable, market: LiveMarket | None = None, **options):
    """(summary, market) of a collector's run beside `act(market)`, which breaks something."""

    async def main():
        own = market or LiveMarket()
        async with wire.Wire(own.script) as exchange, asyncio.TaskGroup() as group:
            exchange.now_us = own.now_us
            group.create_task(own.play())
            group.create_task(acted(own))
            collecting = wire.collect(here, exchange, within_s=60, **options)
            return await group.create_task(collecting), own

    async def acted(own: LiveMarket) -> None:
        try:
            await act(own)
        finally:
            own.over.set()

    return asyncio.run(main())


@contextmanager
def log_lines(least: str = "INFO") -> Iterator[list[str]]:
    """The messages that are logged meanwhile."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level=least)
    try:
        yield lines
    finally:
        logger.remove(sink)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[bool]:
    """A file system of its own in memory at `folder`; whether it could be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def held(here, stream: str = "trade") -> set[int]:
    """Ids in the raw lines, sealed or not."""
    key = "trade_id" if stream == "trade" else "update_id"
    parts = (here.base / "raw/binance/SOLUSDT").glob("*/part_*")
    texts = [text for part in parts for text in part.read_bytes().split(b"\n")[:-1]]
    return {line[key] for line in map(json.loads, texts) if line["stream"] == stream}
