"""Long polling: queue packets for the client's next GET, and split a POST's body into packets."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web
from engineio import packet

if TYPE_CHECKING:
    from engine.socket import Bounds

SEPARATOR = "\x1e"
MOST_PACKETS_A_GET = 16  # python-engineio's client takes no more
BODY_WITHIN_S = 8.0


class UnreadablePayload(Exception):
    """The payload is invalid; the caller closes its socket."""


class Mailbox:
    """The packets that a polling client has not fetched yet, and the GET that waits for more."""

    def __init__(self) -> None:
        self._packets: list[packet.Packet] = []
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False
        self.bytes_waiting = 0

    @property
    def is_awaited(self) -> bool:
        return self._waiting is not None

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def is_drained(self) -> bool:
        """Whether it is closed and every packet has been fetched."""
        return self._closed and not self._packets

    def put(self, kind: int, data: str | bytes | None = None) -> None:
        self._packets.append(packet.Packet(kind, data))
        self.bytes_waiting += len(data or "")
        self._wake()

    def close(self) -> None:
        """End the waiting GET. Packets already queued can still be fetched."""
        self._closed = True
        self._wake()

    async def take(self, timeout_s: float) -> list[packet.Packet]:
        """Return up to MOST_PACKETS_A_GET packets, waiting for the first one; an empty list after the timeout.

        Only one GET may wait at a time.
        """
        if not self._packets and not self._closed:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._waiting
            except TimeoutError:
                return []
            finally:
                self._waiting = None
        taken, self._packets = self._packets[:MOST_PACKETS_A_GET], self._packets[MOST_PACKETS_A_GET:]
        self.bytes_waiting -= sum(len(each.data or "") for each in taken)
        return taken

    def take_all(self) -> list[packet.Packet]:
        taken, self._packets, self.bytes_waiting = self._packets, [], 0
        return taken

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


async def read_packets(request: web.Request, bounds: "Bounds") -> list[str]:
    """Return the packets in a POST's body: each is a type digit and text, or `b` and a message in base64.

    Raises UnreadablePayload, also for more packets than a second allows: a body of only separators has a million.
    """
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            body = (await _read_body(request, 2 * bounds.payload)).decode()
    except (ValueError, TimeoutError, ConnectionError) as error:
        raise UnreadablePayload(f"{type(error).__name__}: {error}") from None
    if body.count(SEPARATOR) >= bounds.packets_per_s:
        raise UnreadablePayload("too many packets in one payload")
    return body.split(SEPARATOR)


async def _read_body(request: web.Request, largest: int) -> bytes:
    """Return the body. Raises UnreadablePayload once it exceeds `largest`, whatever its Content-Length says."""
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > largest:
            raise UnreadablePayload(f"more than {largest} bytes in one payload")
    return bytes(body)
