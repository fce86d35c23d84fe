"""Parse a client's WebSocket frames as strictly as RFC 6455 requires of a server.

States: between frames → within a frame → between frames …; independently, inside a fragmented message or not. The
reader buffers nothing between frames. Nearly all frames arrive whole and are parsed without copying the chunk.
"""

from struct import Struct
from typing import Protocol

from aiohttp import WSCloseCode
from aiohttp._websocket.helpers import websocket_mask

FINAL, MASKED = 0x80, 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_WHOLE = (FINAL | TEXT, FINAL | BINARY)
_FIRST_CONTROL = FINAL | CLOSE
_LONGEST_CONTROL = 125  # bytes; a longer length is in an extended length field
_LENGTH = Struct("!Q").unpack_from
# These exclude reserved bits, unknown opcodes and fragmented control frames.
_FIRST_BYTES = frozenset(
    (CONTINUATION, TEXT, BINARY, *(FINAL | opcode for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)))
)
# RFC 6455, 7.4, and IANA's registry; 1004 to 1006 and 1015 must not appear in a frame.
_CLOSE_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))


class Listener(Protocol):
    """Receives the parsed messages. None of these methods may raise."""

    def hold_writes(self) -> None:
        """More frames of the same read follow: writes may be held back until `release_writes`."""

    def release_writes(self) -> None: ...

    def text_received(self, text: str) -> None: ...

    def bytes_received(self, data: bytes) -> None: ...

    def part_received(self) -> None:
        """A fragment that does not end its message has arrived."""

    def ping_received(self, payload: bytes) -> None: ...

    def pong_received(self) -> None: ...

    def close_received(self) -> None: ...

    def broken(self, code: WSCloseCode) -> None:
        """The client has broken the protocol: close with `code`. The reader reports nothing more."""


class _Refused(Exception):
    def __init__(self, code: WSCloseCode) -> None:
        self.code = code


class FrameReader:
    """Parses the chunks given to `feed`, which may split frames anywhere. While paused it stops between two frames."""

    __slots__ = ("_begun", "_holds", "_listener", "_message", "_needed", "_opcode", "is_over", "is_paused", "largest")

    def __init__(self, listener: Listener, largest: int) -> None:
        self.is_over = False  # further chunks are ignored
        self.is_paused = False
        self._listener = listener
        self._holds = False  # the listener holds its writes
        self.largest = largest  # bytes of a message
        self._begun: bytearray | None = None  # an incomplete frame
        self._needed = 0  # bytes of it that the next parsing step needs
        self._opcode = 0  # of the fragmented message
        self._message: bytearray | None = None  # its fragments so far

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
            if self.is_paused:
                self._needed = 0

    def _read(self, data: bytes) -> int:
        """Parse all complete frames. Returns the offset of the first unread one. Raises _Refused."""
        at, end = 0, len(data)
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
        """Raise _Refused if such a frame may not follow the earlier ones, or makes the message too large."""
        if first >= _FIRST_CONTROL:
            return
        is_continuation = first in (CONTINUATION, FINAL | CONTINUATION)
        if is_continuation is (self._message is None):
            raise _Refused(WSCloseCode.PROTOCOL_ERROR)
        if len(self._message or b"") + length > self.largest:
            raise _Refused(WSCloseCode.MESSAGE_TOO_BIG)

    def _take(self, first: int, payload: bytearray) -> None:
        """Handle a control frame or a fragment."""
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
    if int.from_bytes(payload[:2], "big") not in _CLOSE_CODES:  # a code of one byte is never among them
        raise _Refused(WSCloseCode.PROTOCOL_ERROR)
    payload[2:].decode()
