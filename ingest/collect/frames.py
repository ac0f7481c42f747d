"""The WebSocket of a connection, with a short way for what nearly all of it is: whole text frames.

https://www.rfc-editor.org/rfc/rfc6455#section-5.2
"""

from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

# First byte of a text message in one frame, uncompressed.
WHOLE_TEXT = 0x81
# Second byte: a length of two bytes follows; one of eight does, or the frame is masked.
LENGTH_OF_2, LONGER = 126, 127


class Socket(ClientConnection):
    """A connection that hands over whole messages at once, text apart from binary.

    recv() would cost a quarter of the messages/s that one core can take (measured), and with
    decode=False it does not tell binary from text; with decoding, bad UTF-8 ends the connection.
    The library's own reading of frames would cost a third more: it gets what is no plain text.
    """

    on_text: Callable[[bytes], None] | None = None
    on_binary: Callable[[bytes], None] | None = None
    _answer = b""  # of the handshake, as far as it has come
    _rest: bytes | None = None  # the beginning of a frame; None during the handshake
    _is_plain = True  # until a frame comes that only the library can judge

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network."""
        if self._rest is None:
            data = self._shake_hands(data)
        if self._rest is None or not self._is_plain:
            super().data_received(data)
        else:
            data = self._rest + data
            self._rest = data[self._take_frames(data) :]

    def process_event(self, event: object) -> None:
        """Hand a whole message over; the rest (fragments, the handshake) goes the usual way."""
        if self.on_text and isinstance(event, Frame) and event.fin:
            if event.opcode is Opcode.TEXT:
                self.on_text(bytes(event.data))
                return
            if event.opcode is Opcode.BINARY:
                self.on_binary(bytes(event.data))
                return
        super().process_event(event)

    def _shake_hands(self, data: bytes) -> bytes:
        """Give the library its part of the bytes; what comes after the handshake."""
        before = len(self._answer)
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return data
        self._rest, self._answer = b"", b""
        super().data_received(data[: end + 4 - before])
        # A refusal may have a body, which is the library's too.
        self._is_plain = self.protocol.state is State.OPEN
        return data[end + 4 - before :]

    def _take_frames(self, data: bytes) -> int:
        """Hand over every whole frame at the beginning; how many bytes they were."""
        at, size, on_text = 0, len(data), self.on_text
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == LENGTH_OF_2:
                if size - at < 4:
                    break
                length, start = (data[at + 2] << 8) | data[at + 3], at + 4
            elif length >= LONGER:
                # Rare, and perhaps too long to be kept: from here on the library does it all.
                self._is_plain = False
                super().data_received(data[at:])
                return size
            end = start + length
            if end > size:
                break
            if data[at] == WHOLE_TEXT and on_text:
                on_text(data[start:end])
            else:
                super().data_received(data[at:end])
            at = end
        return at
