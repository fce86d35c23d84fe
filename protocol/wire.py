"""The two codecs of one port, which a connection chooses by the first frame it sends.

Both turn frames into the same `Packet`s and structs into finished WebSocket frames: a push is encoded once per
codec, whatever the number of its recipients. Protocol: https://socket.io/docs/v4/socket-io-protocol/
"""

from protocol.json_codec import JsonCodec
from protocol.msgpack_codec import MsgpackCodec
from protocol.packets import (
    ACK,
    BINARY_ACK,
    BINARY_EVENT,
    CONNECT,
    DISCONNECT,
    EVENT,
    MAX_PAYLOAD,
    OFFSET_LENGTH,
    Codec,
    Failed,
    Ok,
    Packet,
    Unreadable,
    add_attachment,
    frame_payloads,
    invalid_argument,
)

__all__ = [
    "ACK",
    "BINARY_ACK",
    "BINARY_EVENT",
    "CONNECT",
    "DISCONNECT",
    "EVENT",
    "JSON",
    "MAX_PAYLOAD",
    "MSGPACK",
    "OFFSET_LENGTH",
    "Codec",
    "Failed",
    "Ok",
    "Packet",
    "Unreadable",
    "add_attachment",
    "frame_payloads",
    "invalid_argument",
]

MSGPACK = MsgpackCodec()
JSON = JsonCodec()
