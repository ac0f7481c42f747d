"""A client of the replay for its tests: real sockets, every message kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from replay.server import Exchange


@dataclass
class Heard:
    """What one connection was sent until its end, and how it ended."""

    texts: list[str] = field(default_factory=list)
    code: int | None = None
    reason: str = ""

    @property
    def messages(self) -> list[dict]:
        return [json.loads(text) for text in self.texts]

    def of(self, stream: str) -> list[dict]:
        return [message for message in self.messages if message.get("stream") == stream]

    def trade_ids(self, symbol: str) -> list[int]:
        return [message["data"]["t"] for message in self.of(f"{symbol.lower()}@trade")]


def streams(symbols: Iterable[str], *kinds: str) -> list[str]:
    kinds = kinds or ("trade", "bookTicker", "kline_1s")
    return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in kinds]


@asynccontextmanager
async def client(
    exchange: Exchange, names: Iterable[str] = (), unit: str = "MICROSECOND", **options
) -> AsyncIterator[ClientConnection]:
    """A connection in combined mode, subscribed to `names` by its address."""
    address = f"{exchange.ws_url}?streams={'/'.join(names)}&timeUnit={unit}"
    # A client that leaves early has frames unread, and would wait for its close frame behind them.
    options = {"proxy": None, "compression": None, "close_timeout": 0.2, **options}
    async with connect(address, **options) as socket:
        yield socket


async def listen(socket: ClientConnection, heard: Heard | None = None) -> Heard:
    """Everything from here to the end of the connection."""
    heard = heard or Heard()
    try:
        while True:
            heard.texts.append(await socket.recv())
    except ConnectionClosed:
        heard.code, heard.reason = socket.close_code, socket.close_reason or ""
    return heard


async def hear_all(exchange: Exchange, names: Iterable[str], **options) -> Heard:
    """One connection from its subscription to its end."""
    async with client(exchange, names, **options) as socket:
        return await listen(socket)


async def ask(socket: ClientConnection, method: str, params=None, request_id=1) -> dict:
    """The answer to a control message; what is sent before it is passed over."""
    request = {"method": method, "id": request_id}
    await socket.send(json.dumps(request if params is None else {**request, "params": params}))
    async with asyncio.timeout(10):
        while True:
            message = json.loads(await socket.recv())
            if "result" in message or "error" in message:
                return message


@dataclass
class Got:
    """An answer by REST."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


async def get(exchange: Exchange, path: str, headers: dict | None = None, **query) -> Got:
    """One request on a connection of its own, times in µs unless `headers` say otherwise."""
    headers = {"X-MBX-TIME-UNIT": "MICROSECOND"} if headers is None else headers
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(exchange.rest_url + path, params=query) as response,
    ):
        return Got(response.status, response.headers, await response.read())
