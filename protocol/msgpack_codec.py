"""The codec of `socket.io-msgpack-parser`: one MessagePack map a packet, in binary frames."""

from typing import Any

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
    EventArray,
    Packet,
    RequestT,
    Unreadable,
    invalid_argument,
    websocket_frame,
)
from protocol.plain_values import convert, unpack
from protocol.pushes import Push


class MsgpackCodec:
    """Binary frames with one MessagePack map a packet. In our own packets, `data` is the last key."""

    name: CodecName = "msgpack"

    class _Envelope(msgspec.Struct):
        type: int
        nsp: str = "/"
        data: msgspec.Raw = msgspec.Raw()
        id: int | None = None

    # The bytes of {type: ACK, nsp: "/", id: …, data: [ … ]} that never change.
    _ACK_TO_ID = b"\x84\xa4type" + bytes((ACK,)) + b"\xa3nsp\xa1/\xa2id"
    _ACK_TO_ANSWER = b"\xa4data\x91"

    _UNDEFINED = b"\xd4\x00\x00"  # JavaScript's, as the official parser encodes it
    _ABSENT = (b"", b"\xc0", _UNDEFINED)  # missing, nil, undefined

    def __init__(self) -> None:
        self._decode_envelope = msgspec.msgpack.Decoder(self._Envelope).decode
        self._decode_event = msgspec.msgpack.Decoder(EventArray).decode
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
        event = self._decode_event(data)
        packet.name = event.name
        packet.surplus_arguments = bool(bytes(event.surplus))
        if bytes(event.argument) not in self._ABSENT:
            packet.argument = event.argument

    def decode_argument(self, argument: Any, into: type[RequestT]) -> RequestT:
        if argument is None:
            return convert({}, into)
        decoder = self._decoders.get(into)
        if decoder is None:
            decoder = self._decoders[into] = msgspec.msgpack.Decoder(into)
        try:
            result: RequestT = decoder.decode(argument)
        except msgspec.ValidationError as error:
            if "got `ext`" in str(error) or self._UNDEFINED in bytes(argument):
                return convert(unpack(bytes(argument)), into)
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
        # No `data: nil`: the JavaScript parser takes it for a parse error, and its client then reconnects endlessly.
        return self._frame({"type": DISCONNECT, "nsp": "/"})

    def push(self, push: Push) -> bytes:
        return self._frame({"type": EVENT, "nsp": "/", "data": (push.event, push)})

    def push_before_offset(self, push: Push) -> bytes:
        # An array of three without its last item: that string, the offset, ends the array, the map and the frame.
        event = self._encode({"type": EVENT, "nsp": "/", "data": (push.event, push, "")})[:-1]
        return websocket_frame(0x82, event + bytes((0xA0 | OFFSET_LENGTH,)), OFFSET_LENGTH)

    def add_offset(self, frame: bytes, offset: bytes) -> bytes:
        return frame + offset

    def ack(self, call_id: int, answer: Any) -> bytes:
        encode = self._encode
        return websocket_frame(0x82, self._ACK_TO_ID + encode(call_id) + self._ACK_TO_ANSWER + encode(answer))

    def _frame(self, packet: dict[str, Any]) -> bytes:
        return websocket_frame(0x82, self._encode(packet))
