"""A client's WebSocket frames, taken apart as strictly as RFC 6455 asks of a server.

States: between frames → within one → between frames …; beside it, within a message of several frames or not. Between
frames nothing is kept, and a frame that comes whole is read where it lies: so do nearly all.
"""

from struct import Struct
from typing import Protocol

from aiohttp import WSCloseCode
from aiohttp._websocket.helpers import websocket_mask

FINAL, MASKED = 0x80, 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_WHOLE = (FINAL | TEXT, FINAL | BINARY)
_FIRST_CONTROL = FINAL | CLOSE
_LONGEST_CONTROL = 125  # bytes; longer lengths are written behind the head
_LENGTH = Struct("!Q").unpack_from
# Reserved bits, unknown opcodes and control frames in parts are in none of these.
_FIRST_BYTES = frozenset(
    (CONTINUATION, TEXT, BINARY, *(FINAL | opcode for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)))
)
# RFC 6455, 7.4, and IANA's registry of them; 1004 to 1006 and 1015 are never sent.
_CLOSE_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))


class Listener(Protocol):
    """None of these may raise."""

    def hold_writes(self) -> None:
        """More frames of the same read follow: what is written meanwhile may wait for `release_writes`."""

    def release_writes(self) -> None: ...

    def text_received(self, text: str) -> None: ...

    def bytes_received(self, data: bytes) -> None: ...

    def part_received(self) -> None:
        """A frame of a message that goes on."""

    def ping_received(self, payload: bytes) -> None: ...

    def pong_received(self) -> None: ...

    def close_received(self) -> None: ...

    def broken(self, code: WSCloseCode) -> None:
        """The client has sent what it must not: close with that code. Nothing more comes from here."""


class _Refused(Exception):
    def __init__(self, code: WSCloseCode) -> None:
        self.code = code


class FrameReader:
    """`feed` it what the network brings, however it is cut. It stops between two frames while it is paused."""

    __slots__ = ("_begun", "_holds", "_listener", "_message", "_needed", "_opcode", "is_over", "is_paused", "largest")

    def __init__(self, listener: Listener, largest: int) -> None:
        self.is_over = False  # what comes still is not looked at
        self.is_paused = False
        self._listener = listener
        self._holds = False  # the listener holds its writes
        self.largest = largest  # message, in bytes
        self._begun: bytearray | None = None  # a frame, up to where it has come
        self._needed = 0  # bytes of it, before it is looked at again
        self._opcode = 0  # of the message that goes on
        self._message: bytearray | None = None

    def feed(self, data: bytes) -> None:
        if self.is_over:
            return
        if self._begun is not None:
            self._begun += data
            if self.is_paused or len(self._begun) < self._needed:
                return
            data, self._begun = bytes(self._begun), None
        try:
            read = self._read(data)
        except (_Refused, UnicodeDecodeError) as error:
            self.is_over = True
            self._listener.broken(error.code if isinstance(error, _Refused) else WSCloseCode.INVALID_TEXT)
            return
        finally:
            if self._holds:
                self._holds = False
                self._listener.release_writes()
        if read < len(data) and not self.is_over:
            self._begun = bytearray(data[read:])

    def _read(self, data: bytes) -> int:
        """Reads all frames that are there in full. Returns where the first one begins that is left."""
        at, end = 0, len(data)
        self._needed = 0
        while not self.is_over and not self.is_paused:
            if end - at < 2:
                self._needed = 2
                break
            first, length = data[at], data[at + 1] - MASKED
            if length < 0 or first not in _FIRST_BYTES:
                raise _Refused(WSCloseCode.PROTOCOL_ERROR)
            payload_at = at + 6
            if length > _LONGEST_CONTROL:
                if first >= _FIRST_CONTROL:
                    raise _Refused(WSCloseCode.PROTOCOL_ERROR)
                payload_at = at + (8 if length == 126 else 14)
                self._needed = payload_at - at
                if end - at < self._needed:
                    break
                length = data[at + 2] << 8 | data[at + 3] if length == 126 else _LENGTH(data, at + 2)[0]
                if length > self.largest:
                    raise _Refused(WSCloseCode.MESSAGE_TOO_BIG)
            is_whole = first in _WHOLE and self._message is None
            if not is_whole:
                self._check_place(first, length)
            if end - payload_at < length:
                self._needed = payload_at + length - at
                break
            payload = bytearray(data[payload_at : payload_at + length])
            websocket_mask(data[payload_at - 4 : payload_at], payload)
            at = payload_at + length
            if at < end and not self._holds:
                self._holds = True
                self._listener.hold_writes()
            if not is_whole:
                self._take(first, payload)
            elif first == FINAL | TEXT:
                self._listener.text_received(payload.decode())
            else:
                self._listener.bytes_received(bytes(payload))
        return at

    def _check_place(self, first: int, length: int) -> None:
        """Whether such a frame may come now."""
        if first >= _FIRST_CONTROL:
            return
        is_continuation = first in (CONTINUATION, FINAL | CONTINUATION)
        if is_continuation is (self._message is None):
            raise _Refused(WSCloseCode.PROTOCOL_ERROR)
        if len(self._message or b"") + length > self.largest:
            raise _Refused(WSCloseCode.MESSAGE_TOO_BIG)

    def _take(self, first: int, payload: bytearray) -> None:
        """A control frame, or a part of a message."""
        listener = self._listener
        if first == FINAL | PING:
            listener.ping_received(bytes(payload))
        elif first == FINAL | PONG:
            listener.pong_received()
        elif first == FINAL | CLOSE:
            _check_close(payload)
            self.is_over = True
            listener.close_received()
        elif self._message is None:
            self._opcode, self._message = first, payload
            listener.part_received()
        else:
            self._message += payload
            if not first & FINAL:
                listener.part_received()
                return
            message, self._message = self._message, None
            if self._opcode == TEXT:
                listener.text_received(message.decode())
            else:
                listener.bytes_received(bytes(message))


def _check_close(payload: bytearray) -> None:
    if not payload:
        return
    if int.from_bytes(payload[:2], "big") not in _CLOSE_CODES:  # nor is what one byte can say
        raise _Refused(WSCloseCode.PROTOCOL_ERROR)
    payload[2:].decode()
