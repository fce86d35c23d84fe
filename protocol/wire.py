"""The two codecs of one port: `socket.io-msgpack-parser` in binary frames, Socket.IO's default parser in text.

Both turn frames into the same `Packet`s and structs into finished WebSocket frames: a push is encoded once per
codec, whatever the number of its recipients. Protocol: https://socket.io/docs/v4/socket-io-protocol/
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeVar

import msgpack
import msgspec

from protocol import errors
from protocol.pushes import Push

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
MAX_ATTACHMENTS = 16
MAX_PAYLOAD = 1024 * 1024

CodecName = Literal["msgpack", "json"]
RequestT = TypeVar("RequestT")


class Unreadable(Exception):
    """A frame that is no Socket.IO packet; its connection is closed."""


class Packet(msgspec.Struct):
    """One packet from a client.

    `argument` is the undecoded first argument of an EVENT or the payload of a CONNECT: None where it was absent,
    `Raw` where the codec's decoder can still read it in one pass, else plain Python values. A packet whose
    `missing_attachments` is not 0 waits for that many binary frames.
    """

    type: int
    namespace: str = "/"
    id: int | None = None
    name: str = ""
    argument: Any = None
    surplus_arguments: bool = False
    missing_attachments: int = 0
    attachments: list[bytes] = []


class Codec(Protocol):
    """What a connection needs of its codec. Encoders answer finished WebSocket frames."""

    name: CodecName

    def decode(self, data: Any) -> Packet: ...

    def decode_argument(self, argument: Any, into: type[RequestT]) -> RequestT: ...

    def connect(self, sid: str, namespace: str = "/") -> bytes: ...

    def connect_error(self, message: str, data: dict[str, str] | None, namespace: str = "/") -> bytes: ...

    def disconnect(self) -> bytes: ...

    def push(self, push: Push) -> bytes: ...

    def ack(self, call_id: int, answer: Any) -> bytes: ...


class Ok(msgspec.Struct, frozen=True):
    data: Any
    ok: bool = True


class Failed(msgspec.Struct, frozen=True):
    error: errors.ErrorBody
    ok: bool = False


class MsgpackCodec:
    """Binary frames: one MessagePack map a packet, `data` standing last in ours."""

    name: CodecName = "msgpack"

    class _Envelope(msgspec.Struct):
        type: int
        nsp: str = "/"
        data: msgspec.Raw = msgspec.Raw()
        id: int | None = None

    _UNDEFINED = (b"", b"\xc0", b"\xd4\x00\x00")  # absent, nil, JavaScript's `undefined`

    def __init__(self) -> None:
        self._decode_envelope = msgspec.msgpack.Decoder(self._Envelope).decode
        self._decode_event = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
        self._decode_name = msgspec.msgpack.Decoder(str).decode
        self._decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}
        self._encode = msgspec.msgpack.Encoder().encode

    def decode(self, data: Any) -> Packet:
        if not isinstance(data, bytes):
            raise Unreadable("a text frame on a MessagePack connection")
        try:
            envelope = self._decode_envelope(data)
            packet = Packet(envelope.type, envelope.nsp, envelope.id)
            if packet.type == EVENT:
                name, *arguments = self._decode_event(envelope.data)
                packet.name = self._decode_name(name)
                packet.surplus_arguments = len(arguments) > 1
                if arguments and bytes(arguments[0]) not in self._UNDEFINED:
                    packet.argument = arguments[0]
            elif packet.type == CONNECT and bytes(envelope.data) not in self._UNDEFINED:
                packet.argument = envelope.data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise Unreadable(str(error)) from None
        return packet

    def decode_argument(self, argument: Any, into: type[RequestT]) -> RequestT:
        if argument is None:
            return _convert({}, into)
        decoder = self._decoders.get(into)
        if decoder is None:
            decoder = self._decoders[into] = msgspec.msgpack.Decoder(into)
        try:
            result: RequestT = decoder.decode(argument)
        except msgspec.ValidationError as error:
            if "got `ext`" in str(error):
                return _convert(_plain(argument), into)
            raise invalid_argument(error) from None
        except UnicodeDecodeError:
            raise errors.invalid("$", "contains text that is not UTF-8") from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise errors.invalid("$", str(error)) from None
        return result

    def connect(self, sid: str, namespace: str = "/") -> bytes:
        return self._frame({"type": CONNECT, "nsp": namespace, "data": {"sid": sid}})

    def connect_error(self, message: str, data: dict[str, str] | None, namespace: str = "/") -> bytes:
        body: dict[str, Any] = {"message": message}
        if data is not None:
            body["data"] = data
        return self._frame({"type": CONNECT_ERROR, "nsp": namespace, "data": body})

    def disconnect(self) -> bytes:
        # The JavaScript parser takes `data: nil` for a parse error and reconnects for ever: the key stays out.
        return self._frame({"type": DISCONNECT, "nsp": "/"})

    def push(self, push: Push) -> bytes:
        return self._frame({"type": EVENT, "nsp": "/", "data": (push.event, push)})

    def ack(self, call_id: int, answer: Any) -> bytes:
        return self._frame({"type": ACK, "nsp": "/", "id": call_id, "data": (answer,)})

    def _frame(self, packet: dict[str, Any]) -> bytes:
        return _websocket_frame(0x82, self._encode(packet))


class JsonCodec:
    """Text frames: a type digit, namespace, id, and a JSON value; binary values follow as frames of their own."""

    name: CodecName = "json"

    _HEAD = re.compile(r"([0-6])(?:(\d{1,3})-)?(?:(/[^,]{0,200}),)?(\d{1,15})?")

    def __init__(self) -> None:
        self._decode_event = msgspec.json.Decoder(list[msgspec.Raw]).decode
        self._decode_name = msgspec.json.Decoder(str).decode
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
        self._encode = msgspec.json.Encoder().encode

    def decode(self, data: Any) -> Packet:
        if not isinstance(data, str):
            raise Unreadable("an unexpected binary frame")
        head = self._HEAD.match(data)
        if head is None:
            raise Unreadable("no packet type")
        kind, attachments, namespace, call_id = head.groups()
        packet = Packet(int(kind), namespace or "/", int(call_id) if call_id else None)
        body = data[head.end() :]
        try:
            if packet.type in (EVENT, BINARY_EVENT):
                self._read_event(packet, body)
            elif packet.type == CONNECT and body and body != "null":
                packet.argument = msgspec.Raw(body.encode())
        except (ValueError, RecursionError) as error:
            raise Unreadable(str(error)) from None
        if packet.type == BINARY_EVENT:
            packet.missing_attachments = int(attachments or 0)
            if not 0 < packet.missing_attachments <= MAX_ATTACHMENTS:
                raise Unreadable(f"{attachments} attachments")
            packet.attachments = []
        return packet

    def _read_event(self, packet: Packet, body: str) -> None:
        try:
            name, *arguments = self._decode_event(body)
            packet.name = self._decode_name(name)
        except msgspec.DecodeError:
            # msgspec takes lone surrogates for broken JSON. Python's parser lets them through, so that the call can
            # be told which of its fields has one.
            name, *arguments = json.loads(body)
            if not isinstance(name, str):
                raise ValueError("the event has no name") from None
            packet.name = name
        packet.surplus_arguments = len(arguments) > 1
        if arguments and not _is_json_null(arguments[0]):
            packet.argument = arguments[0]

    def decode_argument(self, argument: Any, into: type[RequestT]) -> RequestT:
        if not isinstance(argument, msgspec.Raw):
            return _convert({} if argument is None else argument, into)
        decoder = self._decoders.get(into)
        if decoder is None:
            decoder = self._decoders[into] = msgspec.json.Decoder(into)
        try:
            result: RequestT = decoder.decode(argument)
        except msgspec.ValidationError as error:
            raise invalid_argument(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise errors.invalid("$", str(error)) from None
        return result

    def connect(self, sid: str, namespace: str = "/") -> bytes:
        return self._frame(f"40{_prefix(namespace)}", {"sid": sid})

    def connect_error(self, message: str, data: dict[str, str] | None, namespace: str = "/") -> bytes:
        body: dict[str, Any] = {"message": message}
        if data is not None:
            body["data"] = data
        return self._frame(f"44{_prefix(namespace)}", body)

    def disconnect(self) -> bytes:
        return _websocket_frame(0x81, b"41")

    def push(self, push: Push) -> bytes:
        return self._frame("42", (push.event, push))

    def ack(self, call_id: int, answer: Any) -> bytes:
        return self._frame(f"43{call_id}", (answer,))

    def _frame(self, head: str, body: Any) -> bytes:
        return _websocket_frame(0x81, head.encode() + self._encode(body))


MSGPACK = MsgpackCodec()
JSON = JsonCodec()


def add_attachment(packet: Packet, data: bytes) -> bool:
    """Take one binary frame of a BINARY_EVENT; True once the packet is whole."""
    packet.attachments.append(data)
    packet.missing_attachments -= 1
    if packet.missing_attachments:
        return False
    argument = packet.argument
    if isinstance(argument, msgspec.Raw):
        try:
            argument = msgspec.json.decode(argument)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(str(error)) from None
    packet.argument = _fill_placeholders(argument, packet.attachments)
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
    return errors.invalid(field[:100] or "$", reason)


def _convert(value: Any, into: type[RequestT]) -> RequestT:
    try:
        return msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        raise invalid_argument(error) from None


def _plain(argument: Any) -> Any:
    """Plain values of a MessagePack argument, with the official parser's extension types resolved."""
    try:
        value = msgpack.unpackb(bytes(argument), ext_hook=_extension, strict_map_key=False)
    except (ValueError, RecursionError) as error:
        raise errors.invalid("$", str(error)) from None
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    return value


def _extension(code: int, data: bytes) -> Any:
    if code == 0 and len(data) == 1:
        return None  # undefined
    if code == 0 and len(data) == 8:  # Date
        milliseconds = int.from_bytes(data, "big", signed=True)
        try:
            return datetime.fromtimestamp(milliseconds / 1_000, UTC)
        except (OverflowError, OSError) as error:
            raise ValueError(f"a date out of range: {error}") from None
    return msgpack.ExtType(code, data)


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


def _is_json_null(argument: Any) -> bool:
    return argument is None or (isinstance(argument, msgspec.Raw) and bytes(argument) == b"null")


def _prefix(namespace: str) -> str:
    return "" if namespace == "/" else f"{namespace},"


def _websocket_frame(first_byte: int, payload: bytes) -> bytes:
    """One final, unmasked frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((first_byte, length)) + payload
    if length < 65_536:
        return bytes((first_byte, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first_byte, 127)) + length.to_bytes(8, "big") + payload
