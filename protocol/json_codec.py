"""The codec of Socket.IO's default parser: a type digit, namespace, id and JSON, in text frames."""

import json
import re
from typing import Any, TypeVar

import msgspec

from protocol import errors
from protocol.packets import (
    BINARY_ACK,
    BINARY_EVENT,
    CONNECT,
    EVENT,
    MAX_ATTACHMENTS,
    OFFSET_LENGTH,
    CodecName,
    EventArray,
    Packet,
    RequestT,
    Unreadable,
    invalid_argument,
    websocket_frame,
)
from protocol.plain_values import LARGEST, convert
from protocol.pushes import Push

PushT = TypeVar("PushT", bound=Push)


class JsonCodec:
    """Text frames: a type digit, namespace, id, and a JSON value. Binary values follow in frames of their own."""

    name: CodecName = "json"

    _ABSENT = (b"", b"null")
    _HEAD = re.compile(r"([0-6])(?:([0-9]{1,3})-)?(?:(/[^,]{0,200})(?:,|$))?([0-9]{1,15})?")

    def __init__(self) -> None:
        self._decode_event = msgspec.json.Decoder(EventArray).decode
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
        if packet.type in (BINARY_EVENT, BINARY_ACK):
            packet.missing_attachments = int(attachments or 0)
            if not 0 < packet.missing_attachments <= MAX_ATTACHMENTS:
                raise Unreadable(f"{attachments} attachments")
        return packet

    def _read_event(self, packet: Packet, body: str) -> None:
        try:
            event = self._decode_event(body)
        except msgspec.DecodeError:
            self._read_surrogates(packet, body)
            return
        packet.name = event.name
        packet.surplus_arguments = bool(bytes(event.surplus))
        if bytes(event.argument) not in self._ABSENT:
            packet.argument = event.argument

    def _read_surrogates(self, packet: Packet, body: str) -> None:
        """Read JSON with lone surrogates, which msgspec refuses as broken. Python's parser accepts them, so that the
        answer can name the field that contains one."""
        if len(body) > LARGEST:
            raise ValueError("broken JSON")
        event = json.loads(body)
        if not isinstance(event, list) or not event or not isinstance(event[0], str):
            raise ValueError("the event has no name") from None
        packet.name, *arguments = event
        packet.surplus_arguments = len(arguments) > 1
        packet.argument = arguments[0] if arguments else None

    def decode_argument(self, argument: Any, into: type[RequestT]) -> RequestT:
        if not isinstance(argument, msgspec.Raw):
            return convert({} if argument is None else argument, into)
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

    def connect(self, sid: str, pid: str | None = None, namespace: str = "/") -> bytes:
        return self._frame(f"40{_prefix(namespace)}", {"sid": sid} if pid is None else {"sid": sid, "pid": pid})

    def connect_error(self, message: str, data: dict[str, str] | None, namespace: str = "/") -> bytes:
        body: dict[str, Any] = {"message": message}
        if data is not None:
            body["data"] = data
        return self._frame(f"44{_prefix(namespace)}", body)

    def disconnect(self) -> bytes:
        return websocket_frame(0x81, b"41")

    def push(self, push: Push) -> bytes:
        return self._frame("42", (push.event, push))

    def push_before_offset(self, push: Push) -> bytes:
        event = b"42" + self._encode((push.event, push))[:-1] + b',"'
        return websocket_frame(0x81, event, OFFSET_LENGTH + 2)

    def read_push(self, frame: bytes, kind: type[PushT]) -> tuple[PushT, bytes]:
        """The push in a finished frame, and its offset."""
        header = {126: 4, 127: 10}.get(frame[1], 2)
        _, push, offset = msgspec.json.decode(frame[header + len(b"42") :], type=tuple[str, msgspec.Raw, str])
        return msgspec.json.decode(push, type=kind), offset.encode()

    def add_offset(self, frame: bytes, offset: bytes) -> bytes:
        return frame + offset + b'"]'

    def ack(self, call_id: int, answer: Any) -> bytes:
        return self._frame(f"43{call_id}", (answer,))

    def _frame(self, head: str, body: Any) -> bytes:
        return websocket_frame(0x81, head.encode() + self._encode(body))


def _prefix(namespace: str) -> str:
    return "" if namespace == "/" else f"{namespace},"
