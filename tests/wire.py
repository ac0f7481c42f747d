"""An exchange at the wire's end for tests of the collector: it says exactly what a test wants.

For whatever keeps the protocol there is replay/; this one breaks it.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import lakes
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ingest.collect import collector
from runner.config import Lake, load

SECOND_US = 1_000_000


class Wire:
    """`script(socket, number)` runs after each connection's subscriptions, number counts from 1.

    `reply`: what to answer a request, None = nothing; `replay`: the value of X-Lake-Replay;
    `now_us`: the exchange's clock, `ahead_us` is added; `known`: the symbols that exist.
    """

    def __init__(self, script: Callable[[ServerConnection, int], Awaitable[None]]) -> None:
        self.script = script
        self.reply: Callable[[dict], str | None] = lambda request: json.dumps(
            {"result": None, "id": request["id"]}
        )
        self.replay: str | None = None
        self.now_us: Callable[[], int] = lambda: time.time_ns() // 1000
        self.ahead_us = 0
        self.known = ("BTCUSDT", "SOLUSDT", "SUIUSDT")
        self.requests: list[tuple[float, str]] = []
        self.paths: list[str] = []
        self.connects: list[float] = []

    async def __aenter__(self) -> "Wire":
        self._server = await serve(self._serve, "127.0.0.1", 0, close_timeout=0.2, max_size=None)
        port = self._server.sockets[0].getsockname()[1]
        self.ws_url = f"ws://127.0.0.1:{port}"
        app = web.Application()
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get("/api/v3/exchangeInfo", self._info)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.rest_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        await self._runner.cleanup()

    async def _serve(self, socket: ServerConnection) -> None:
        self.connects.append(time.monotonic())
        number = len(self.connects)
        self.paths.append(socket.request.path)
        with suppress(ConnectionClosed):
            await self._converse(socket, number)

    async def _converse(self, socket: ServerConnection, number: int) -> None:
        async for text in socket:
            self.requests.append((time.monotonic(), text))
            request = json.loads(text)
            reply = self.reply(request)
            if reply is None:
                continue
            await socket.send(reply)
            if "error" not in reply and "code" not in reply:
                await self.script(socket, number)

    async def _time(self, request: web.Request) -> web.Response:
        said = {"X-Lake-Replay": self.replay} if self.replay else {}
        now_us = self.now_us() + self.ahead_us
        if self.replay:
            now_us = int(self.replay.rpartition("=")[2]) + self.ahead_us
        return web.json_response({"serverTime": now_us}, headers=said)

    async def _info(self, request: web.Request) -> web.Response:
        asked = json.loads(request.query.get("symbols", json.dumps(self.known)))
        if unknown := [symbol for symbol in asked if symbol not in self.known]:
            body = {"code": -1121, "msg": "Invalid symbol.", "of": unknown}
            return web.json_response(body, status=400)
        found = [{"symbol": symbol, "status": "TRADING"} for symbol in asked]
        return web.json_response({"symbols": found})


def trade(number: int, symbol: str = "SOLUSDT", **other: object) -> str:
    """A trade as it comes over the wire; `other` replaces or adds keys."""
    now_us = time.time_ns() // 1000
    event = {"e": "trade", "E": now_us, "s": symbol, "t": number, "p": "187.21000000"}
    event |= {"q": "0.50000000", "T": now_us - 7, "m": True, "M": True} | other
    return frame(f"{symbol.lower()}@trade", event)


def quote(number: int, symbol: str = "SOLUSDT", **other: object) -> str:
    """A best quote as it comes over the wire."""
    event = {"u": number, "s": symbol, "b": "187.20000000", "B": "3.00000000"}
    event |= {"a": "187.21000000", "A": "9.10000000"} | other
    return frame(f"{symbol.lower()}@bookTicker", event)


def kline(count: int = 0, last_id: int = -1, symbol: str = "SOLUSDT") -> str:
    """A second's kline that counts trades up to last_id."""
    now_us = time.time_ns() // 1000
    bar = {"t": now_us, "i": "1s", "f": last_id - count + 1, "L": last_id, "n": count, "x": True}
    event = {"e": "kline", "E": now_us, "s": symbol, "k": bar}
    return frame(f"{symbol.lower()}@kline_1s", event)


def frame(stream: str, event: dict) -> str:
    return json.dumps({"stream": stream, "data": event}, separators=(",", ":"))


def lake(folder: Path, backoff_s: float = 0.05, write_interval_sec: int = 60) -> Lake:
    """A lake that collects SOLUSDT and does not wait long."""
    path = lakes.make(folder) if not (folder / "config.yml").exists() else folder
    (path / "config.yml").write_text(
        "general: {base_path: data}\n"
        "exchanges: [{name: binance, symbols: [SOLUSDT]}]\n"
        f"collector: {{reconnect_backoff: {backoff_s}, max_reconnect_backoff: {backoff_s * 8},"
        f" write_interval_sec: {write_interval_sec}}}\n"
    )
    return load(path)


async def collect(
    lake: Lake, wire, seconds: float | None = None, within_s: float = 30, **options
) -> collector.Summary:
    """Run the collector at this exchange, in this loop, for a while or to the end."""
    symbols = options.pop("symbols", None)
    plan = collector.plan(lake, symbols, seconds, options.pop("ws_url", wire.ws_url), wire.rest_url)
    return await asyncio.wait_for(collector.run(lake, plan, **options), within_s)


def rows(lake: Lake, folder: str = "binance/SOLUSDT") -> list[dict]:
    """The raw lines of a folder under raw/, sealed parts only, in order of parts."""
    parts = sorted((lake.base / "raw" / folder).glob("*/*.jsonl"))
    # Not splitlines(): a string may hold what Unicode calls a line separator.
    texts = [line for part in parts for line in part.read_text("utf-8").split("\n")[:-1]]
    return [json.loads(text) for text in texts]


def events(lake: Lake, *names: str) -> list[dict]:
    """The lines of the session log, these events only."""
    found = rows(lake, "binance/_sessions")
    return [line for line in found if not names or line["event"] in names]


def ids(lake: Lake, stream: str = "trade", symbol: str = "SOLUSDT") -> list[int]:
    """The trade ids (update ids) that were collected."""
    key = "trade_id" if stream == "trade" else "update_id"
    lines = rows(lake, f"binance/{symbol}")
    return [line[key] for line in lines if line["stream"] == stream]
