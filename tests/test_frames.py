"""The short way for whole text frames takes what the library would, however the bytes are cut."""

import asyncio
from random import Random

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.utils import accept_key

from ingest.collect.frames import Socket

TEXT, BINARY, PING, CLOSE = 0x81, 0x82, 0x89, 0x88
LAST_MORE, FIRST_TEXT = 0x80, 0x01


def frame(first: int, payload: bytes = b"") -> bytes:
    """An unmasked frame of a server."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


async def heard(pieces, status: str = "101 Switching Protocols") -> tuple[list, list[bytes]]:
    """(what the socket handed over, what the server was sent) when it sends these pieces."""
    messages, answers = [], []

    served = asyncio.Event()

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
        answer = f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        answer += f"Content-Length: 4\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
        for piece in pieces(answer.encode()):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)  # or the pieces travel as one
        if status.startswith("101"):
            answers.append(await reader.readuntil(b"\x88"))
        writer.close()
        await writer.wait_closed()
        served.set()

    def make(*arguments, **options) -> Socket:
        socket = Socket(*arguments, **options)
        socket.on_text = messages.append
        socket.on_binary = lambda payload: messages.append(("binary", payload))
        return socket

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        options = {"create_connection": make, "compression": None, "proxy": None}
        try:
            async with connect(f"ws://127.0.0.1:{port}", **options) as socket:
                while True:
                    messages.append(await socket.recv(decode=False))
        except ConnectionClosed as closed:
            messages.append(("closed", closed.rcvd.code))
        finally:
            await served.wait()
    return messages, answers


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_long", [False, True])
def test_messages_are_the_same_however_the_bytes_are_cut(seed, is_long):
    random = Random(seed)
    long = b"l" * 70_000
    sent = [
        frame(TEXT, b"one") + frame(PING) + frame(TEXT, b"x" * 125) + frame(TEXT, b"y" * 126),
        frame(FIRST_TEXT, b"in ") + frame(PING, b"p") + frame(LAST_MORE, b"two"),
        frame(BINARY, b"\x00\xff") + frame(TEXT, b"") + frame(TEXT, b"z" * 65_535),
        *([frame(TEXT, long)] if is_long else []),
        frame(TEXT, "größer".encode()) + frame(CLOSE),
    ]

    def pieces(answer: bytes):
        data = answer.replace(b"Content-Length: 4\r\n", b"") + b"".join(sent)
        most = random.choice((1, 3, 4000)) if not is_long else 4000
        small, rest = data[:1200], data[1200:]
        for part, step in ((small, most), (rest, 9000)):
            yield from (part[at : at + step] for at in range(0, len(part), step))

    messages, (answers,) = asyncio.run(heard(pieces))
    expected = [b"one", b"x" * 125, b"y" * 126, b"in two", ("binary", b"\x00\xff"), b""]
    expected += [b"z" * 65_535, *([long] if is_long else []), "größer".encode(), ("closed", 1005)]
    # What comes in pieces is put together elsewhere, and handed over a moment later.
    assert sorted(messages, key=repr) == sorted(expected, key=repr)
    assert answers.count(b"\x8a") >= 1  # a pong


def test_a_refusal_with_a_body_is_the_library_s():
    def pieces(answer: bytes):
        return [answer, b"\x81\x02", b"no"]

    with pytest.raises(InvalidStatus, match="429") as refused:
        asyncio.run(heard(pieces, "429 Too Many Requests"))
    assert refused.value.response.body == b"\x81\x02no"
