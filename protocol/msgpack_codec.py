"""The codec of `socket.io-msgpack-parser`: one MessagePack map a packet, in binary frames."""

from datetime import UTC, datetime
from typing import Any

import msgpack
import msgspec

from protocol import errors
from protocol.packets import (
    ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    OFFSET_LENGTH,
    CodecName,
    Packet,
    RequestT,
    Unreadable,
    convert,
    invalid_argument,
    websocket_frame,
)
from protocol.pushes import Push

_UNDEFINED = object()


class MsgpackCodec:
    """Binary frames: one MessagePack map a packet, `data` standing last in ours."""

    name: CodecName = "msgpack"

    class _Envelope(msgspec.Struct):
        type: int
        nsp: str = "/"
        data: msgspec.Raw = msgspec.Raw()
        id: int | None = None

    # {type: ACK, nsp: "/", id: …, data: [ … ]} around what differs.
    _ACK_TO_ID = b"\x84\xa4type" + bytes((ACK,)) + b"\xa3nsp\xa1/\xa2id"
    _ACK_TO_ANSWER = b"\xa4data\x91"

    _ABSENT = (b"", b"\xc0", b"\xd4\x00\x00")  # not there, nil, JavaScript's `undefined`

    def __init__(self) -> None:
        self._decode_envelope = msgspec.msgpack.Decoder(self._Envelope).decode
        self._decode_event = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode
        self._decode_any_event = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
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
                self._read_event(packet, envelope.data)
            elif packet.type == CONNECT and bytes(envelope.data) not in self._ABSENT:
                packet.argument = envelope.data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise Unreadable(str(error)) from None
        return packet

    def _read_event(self, packet: Packet, data: msgspec.Raw) -> None:
        try:
            packet.name, argument = self._decode_event(data)
        except msgspec.ValidationError:  # not a name and one argument, as nearly all are
            name, *arguments = self._decode_any_event(data)
            packet.name = self._decode_name(name)
            packet.surplus_arguments = len(arguments) > 1
            if not arguments:
                return
            argument = arguments[0]
        if bytes(argument) not in self._ABSENT:
            packet.argument = argument

    def decode_argument(self, argument: Any, into: type[RequestT]) -> RequestT:
        if argument is None:
            return convert({}, into)
        decoder = self._decoders.get(into)
        if decoder is None:
            decoder = self._decoders[into] = msgspec.msgpack.Decoder(into)
        try:
            result: RequestT = decoder.decode(argument)
        except msgspec.ValidationError as error:
            if "got `ext`" in str(error):
                return convert(_plain(argument), into)
            raise invalid_argument(error) from None
        except UnicodeDecodeError:
            raise errors.invalid("$", "contains text that is not UTF-8") from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise errors.invalid("$", str(error)) from None
        return result

    def connect(self, sid: str, pid: str | None = None, namespace: str = "/") -> bytes:
        data = {"sid": sid} if pid is None else {"sid": sid, "pid": pid}
        return self._frame({"type": CONNECT, "nsp": namespace, "data": data})

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

    def push_before_offset(self, push: Push) -> bytes:
        # An array of three whose last item, a string, stays out: it is the end of the array, map and frame.
        event = self._encode({"type": EVENT, "nsp": "/", "data": (push.event, push, "")})[:-1]
        return websocket_frame(0x82, event + bytes((0xA0 | OFFSET_LENGTH,)), OFFSET_LENGTH)

    def add_offset(self, frame: bytes, offset: bytes) -> bytes:
        return frame + offset

    def ack(self, call_id: int, answer: Any) -> bytes:
        encode = self._encode
        return websocket_frame(0x82, self._ACK_TO_ID + encode(call_id) + self._ACK_TO_ANSWER + encode(answer))

    def _frame(self, packet: dict[str, Any]) -> bytes:
        return websocket_frame(0x82, self._encode(packet))


def _plain(argument: Any) -> Any:
    """Plain values of a MessagePack argument, with the official parser's extension types resolved.

    What is undefined is left out of a map and null in an array, as JSON.stringify has it.
    """
    try:
        return msgpack.unpackb(
            bytes(argument), ext_hook=_extension, object_hook=_defined, list_hook=_nulls, strict_map_key=False
        )
    except (ValueError, RecursionError, TypeError) as error:  # TypeError: a map whose key is a map
        raise errors.invalid("$", str(error)) from None


def _defined(items: dict[Any, Any]) -> dict[Any, Any]:
    return {key: item for key, item in items.items() if item is not _UNDEFINED}


def _nulls(items: list[Any]) -> list[Any]:
    return [None if item is _UNDEFINED else item for item in items]


def _extension(code: int, data: bytes) -> Any:
    if code == 0 and len(data) == 1:
        return _UNDEFINED
    if code == 0 and len(data) == 8:  # Date
        milliseconds = int.from_bytes(data, "big", signed=True)
        try:
            return datetime.fromtimestamp(milliseconds / 1_000, UTC)
        except (OverflowError, OSError) as error:
            raise ValueError(f"a date out of range: {error}") from None
    return msgpack.ExtType(code, data)
