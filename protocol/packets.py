"""Both codecs share this: packets, the interface of a codec, and finished WebSocket frames."""

import re
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from protocol import errors
from protocol.pushes import Push

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
MAX_ATTACHMENTS = 16
MAX_PAYLOAD = 1024 * 1024
OFFSET_LENGTH = 20  # fixed, so that a frame can be encoded before its offset is known

CodecName = Literal["msgpack", "json"]
RequestT = TypeVar("RequestT")


class Unreadable(Exception):
    """The frame is no Socket.IO packet. The connection is closed."""


class Packet(msgspec.Struct):
    """One packet from a client.

    `argument` is the undecoded first argument of an EVENT or the payload of a CONNECT: None if absent, `Raw`
    if the codec can decode it in one pass, else plain Python values. `missing_attachments` counts the binary frames of
    the packet that have not come yet. `size` is the length of its frames, in bytes or characters.
    """

    type: int
    namespace: str = "/"
    id: int | None = None
    name: str = ""
    argument: Any = None
    surplus_arguments: bool = False
    missing_attachments: int = 0
    size: int = 0


class EventArray(msgspec.Struct, array_like=True):
    """The array of an EVENT. Only its first two items are decoded, however many there are."""

    name: str
    argument: msgspec.Raw = msgspec.Raw()
    surplus: msgspec.Raw = msgspec.Raw()


class Codec(Protocol):
    """The interface of a codec, as connections use it. Encoders return finished WebSocket frames."""

    name: CodecName

    def decode(self, data: Any) -> Packet: ...

    def decode_argument(self, argument: Any, into: type[RequestT]) -> RequestT: ...

    def connect(self, sid: str, pid: str | None = None, namespace: str = "/") -> bytes: ...

    def connect_error(self, message: str, data: dict[str, str] | None, namespace: str = "/") -> bytes: ...

    def disconnect(self) -> bytes: ...

    def push(self, push: Push) -> bytes: ...

    def push_before_offset(self, push: Push) -> bytes:
        """The frame of a recoverable push without its offset, which is known only when it is published."""

    def add_offset(self, frame: bytes, offset: bytes) -> bytes: ...

    def ack(self, call_id: int, answer: Any) -> bytes: ...


class Ok(msgspec.Struct, frozen=True):
    data: Any
    ok: bool = True


class Failed(msgspec.Struct, frozen=True):
    error: errors.ErrorBody
    ok: bool = False


def add_attachment(packet: Packet, data: bytes) -> bool:
    """Add one binary frame to a BINARY_EVENT or BINARY_ACK. Returns True once the packet is complete.

    No request has a binary field, so only the size of the frame is kept. The argument holds objects as placeholders for
    attachments; decoding refuses them and names the field.
    """
    packet.size += len(data)
    if packet.size > MAX_PAYLOAD:
        raise Unreadable("attachments above the bound of a payload")
    packet.missing_attachments -= 1
    return not packet.missing_attachments


def frame_payloads(frames: bytes) -> list[bytes | str]:
    """The Engine.IO messages in consecutive finished frames, as polling clients get them."""
    payloads: list[bytes | str] = []
    at = 0
    while at < len(frames):
        first, length = frames[at], frames[at + 1]
        start = at + 2
        if length > 125:
            start += 2 if length == 126 else 8
            length = int.from_bytes(frames[at + 2 : start], "big")
        at = start + length
        payloads.append(frames[start:at] if first == 0x82 else frames[start + 1 : at].decode())
    return payloads


def invalid_argument(error: msgspec.ValidationError) -> errors.CallError:
    """INVALID_ARGUMENT with the field and the reason of msgspec's message."""
    reason, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    named = re.search(r"(?:required|unknown) field `([^`]*)`", reason)
    if named:
        field = f"{field}.{named[1]}" if field else named[1]
    return errors.invalid(field[:100] or "$", reason[:200])


def websocket_frame(first_byte: int, payload: bytes, more: int = 0) -> bytes:
    """One final, unmasked frame (RFC 6455, 5.2); `more` bytes of its payload follow later."""
    length = len(payload) + more
    if length < 126:
        return bytes((first_byte, length)) + payload
    if length < 65_536:
        return bytes((first_byte, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first_byte, 127)) + length.to_bytes(8, "big") + payload
