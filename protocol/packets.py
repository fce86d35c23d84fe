"""What the two codecs have in common: packets, what they must be able to do, and finished WebSocket frames."""

import re
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from protocol import errors
from protocol.pushes import Push

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
MAX_ATTACHMENTS = 16
_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_PAYLOAD = 1024 * 1024
OFFSET_LENGTH = 20  # of a fixed width, so that a frame can be encoded before its offset is known

CodecName = Literal["msgpack", "json"]
RequestT = TypeVar("RequestT")


class Unreadable(Exception):
    """A frame that is no Socket.IO packet; its connection is closed."""


class Packet(msgspec.Struct):
    """One packet from a client.

    `argument` is the undecoded first argument of an EVENT or the payload of a CONNECT: None where it was absent,
    `Raw` where the codec's decoder can still read it in one pass, else plain Python values. A packet whose
    `missing_attachments` is not 0 waits for that many binary frames. `size`: bytes, or characters, that it came in.
    """

    type: int
    namespace: str = "/"
    id: int | None = None
    name: str = ""
    argument: Any = None
    surplus_arguments: bool = False
    missing_attachments: int = 0
    attachments: list[bytes] = []
    size: int = 0


class Codec(Protocol):
    """What a connection needs of its codec. Encoders answer finished WebSocket frames."""

    name: CodecName

    def decode(self, data: Any) -> Packet: ...

    def decode_argument(self, argument: Any, into: type[RequestT]) -> RequestT: ...

    def connect(self, sid: str, pid: str | None = None, namespace: str = "/") -> bytes: ...

    def connect_error(self, message: str, data: dict[str, str] | None, namespace: str = "/") -> bytes: ...

    def disconnect(self) -> bytes: ...

    def push(self, push: Push) -> bytes: ...

    def push_before_offset(self, push: Push) -> bytes:
        """All of a recoverable push's frame but the offset, which is known when it is published."""

    def add_offset(self, frame: bytes, offset: bytes) -> bytes: ...

    def ack(self, call_id: int, answer: Any) -> bytes: ...


class Ok(msgspec.Struct, frozen=True):
    data: Any
    ok: bool = True


class Failed(msgspec.Struct, frozen=True):
    error: errors.ErrorBody
    ok: bool = False


def add_attachment(packet: Packet, data: bytes) -> bool:
    """Take one binary frame of a BINARY_EVENT; True once the packet is whole."""
    packet.attachments.append(data)
    packet.size += len(data)
    if sum(map(len, packet.attachments)) > MAX_PAYLOAD:
        raise Unreadable("attachments above the bound of a payload")
    packet.missing_attachments -= 1
    if packet.missing_attachments:
        return False
    argument = packet.argument
    if isinstance(argument, msgspec.Raw):
        try:
            argument = msgspec.json.decode(argument)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(str(error)) from None
    try:
        packet.argument = _fill_placeholders(argument, packet.attachments)
    except RecursionError as error:
        raise Unreadable(str(error)) from None
    packet.type = EVENT
    return True


def frame_payload(frame: bytes) -> bytes | str:
    """The Engine.IO message inside one of our frames: what a polling client is given instead."""
    length = frame[1]
    start = 2 if length < 126 else 4 if length == 126 else 10
    return frame[start:] if frame[0] == 0x82 else frame[start + 1 :].decode()


def invalid_argument(error: msgspec.ValidationError) -> errors.CallError:
    """msgspec's message, with the field's path taken out of it."""
    reason, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    named = re.search(r"(?:required|unknown) field `([^`]*)`", reason)
    if named:
        field = f"{field}.{named[1]}" if field else named[1]
    return errors.invalid(field[:100] or "$", reason[:200])


def convert(value: Any, into: type[RequestT]) -> RequestT:
    """Plain values into a request. Raises INVALID_ARGUMENT naming the field."""
    try:
        _refuse_surrogates(value, "")
        return msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        raise invalid_argument(error) from None
    except (RecursionError, TypeError) as error:
        raise errors.invalid("$", str(error)) from None


def _refuse_surrogates(value: Any, path: str) -> None:
    """msgspec would break on them; Python's own JSON parser lets them through."""
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise errors.invalid(path or "$", "contains a lone surrogate")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_surrogates(key, path)
            _refuse_surrogates(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_surrogates(item, f"{path}[{index}]")


def websocket_frame(first_byte: int, payload: bytes, more: int = 0) -> bytes:
    """One final, unmasked frame (RFC 6455, 5.2); `more` bytes of its payload follow later."""
    length = len(payload) + more
    if length < 126:
        return bytes((first_byte, length)) + payload
    if length < 65_536:
        return bytes((first_byte, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first_byte, 127)) + length.to_bytes(8, "big") + payload


def _fill_placeholders(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, dict):
        if value.get("_placeholder") is True:
            index = value.get("num")
            if not isinstance(index, int) or not 0 <= index < len(attachments):
                raise Unreadable("a placeholder without its attachment")
            return attachments[index]
        return {key: _fill_placeholders(item, attachments) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_placeholders(item, attachments) for item in value]
    return value
