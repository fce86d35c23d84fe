"""A WebSocket's transport for clients that accept only text (`b64=1`, the official client's `forceBase64`)."""

import asyncio
from base64 import b64encode
from typing import Any

from protocol.packets import frame_payloads, websocket_frame

BINARY = 0x82


class TextTransport:
    """Writes binary messages as text frames `b<base64>`, and passes everything else through."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, frames: bytes) -> None:
        """Write finished WebSocket frames, which are all binary or all text."""
        if frames[0] == BINARY:
            payloads = [payload for payload in frame_payloads(frames) if isinstance(payload, bytes)]
            frames = b"".join(websocket_frame(0x81, b"b" + b64encode(payload)) for payload in payloads)
        self._transport.write(frames)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
