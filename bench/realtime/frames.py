"""The WebSocket and Socket.IO frames that the load generator needs: all peers get the same bytes."""

import base64
import secrets
import zlib
from typing import Any

import msgpack

CONNECT, EVENT, ACK, CONNECT_ERROR = 0, 2, 3, 4
TEXT, BINARY, CLOSE = 1, 2, 8

_MASK = bytes.fromhex("5ac3961f")  # any mask but zero, which some servers skip


def upgrade(port: int, deflate: bool) -> bytes:
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    lines = [
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    if deflate:
        lines.append("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    return "\r\n".join([*lines, "", ""]).encode()


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a finished client frame."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    mask = int.from_bytes((_MASK * (size // 4 + 1))[:size], "big")
    hidden = (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")
    return bytes([0x80 | opcode]) + length + _MASK + hidden


def connect(auth: dict[str, Any]) -> bytes:
    return masked(BINARY, msgpack.packb({"type": CONNECT, "nsp": "/", "data": auth}))


def call(number: int, method: str, argument: dict[str, Any]) -> bytes:
    packet = {"type": EVENT, "nsp": "/", "id": number, "data": [method, argument]}
    return masked(BINARY, msgpack.packb(packet))


def event(name: str, argument: dict[str, Any]) -> bytes:
    """Return a finished server frame with a payload of at least 126 bytes."""
    payload: bytes = msgpack.packb({"type": EVENT, "nsp": "/", "data": [name, argument]})
    return bytes([0x80 | BINARY, 126]) + len(payload).to_bytes(2, "big") + payload


PONG = masked(TEXT, b"3")


class Inflater:
    """One connection's permessage-deflate, with context takeover."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-15)

    def inflate(self, payload: bytes) -> bytes:
        return self._stream.decompress(payload + b"\x00\x00\xff\xff")


def unpack(payload: bytes) -> dict[str, Any]:
    packet: dict[str, Any] = msgpack.unpackb(payload, strict_map_key=False)
    return packet
