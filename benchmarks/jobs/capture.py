"""Receiving a replayed market: by the collector, and by loops that only count."""

import asyncio

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from ingest import binance
from ingest.collect import collector
from ingest.collect.link import Socket
from runner.config import load


def collect(folder: str, ws_url: str, rest_url: str) -> dict:
    """The collector with everything on, to its end; messages are trades and quotes."""
    done = collector.collect(load(folder), ws_url=ws_url, rest_url=rest_url)
    assert not (done.dropped or done.lost or done.rejected), done
    return {"messages": done.messages}


def receive(ws_url: str, symbols: list[str], whole: bool) -> dict:
    """Count the frames of the same streams. `whole`: through websockets' recv(), as its
    documentation does; else as the collector's connection hands them over.
    """
    return {"frames": asyncio.run(_received(ws_url, symbols, whole))}


async def _received(ws_url: str, symbols: list[str], whole: bool) -> int:
    count = 0

    def one(payload: bytes) -> None:
        nonlocal count
        count += 1

    made = {} if whole else {"create_connection": Socket}
    url = binance.url(ws_url)
    async with connect(url, proxy=None, compression=None, max_size=None, **made) as socket:
        if not whole:
            socket.on_text = socket.on_binary = one
        for _, request in binance.subscriptions(symbols):
            await socket.send(request)
        try:
            while True:
                one(await socket.recv(decode=False))
        except ConnectionClosed:
            return count
