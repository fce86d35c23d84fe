"""The two codecs of a port. The first frame of a connection selects one.

Both decode frames to `Packet`s and encode structs to finished WebSocket frames. A push is encoded once per codec, for
any number of recipients. Protocol: https://socket.io/docs/v4/socket-io-protocol/
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
