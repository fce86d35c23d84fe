"""Long polling: packets wait here for the client's next GET, and a POST's body is taken apart."""

import asyncio
import base64
from collections.abc import Iterator

from aiohttp import web
from engineio import packet

SEPARATOR = "\x1e"


class Unreadable(Exception):
    """A payload that is none; its socket is closed."""


class Mailbox:
    """What a polling client has yet to fetch, and the GET that waits for it."""

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

    def put(self, kind: int, data: str | bytes | None = None) -> None:
        self._packets.append(packet.Packet(kind, data))
        self.bytes_waiting += len(data or "")
        self._wake()

    def close(self) -> None:
        """What waits can still be fetched."""
        self._closed = True
        self._wake()

    async def take(self, timeout_s: float) -> list[packet.Packet]:
        """All that waits; what comes first within the timeout; or nothing. One GET at a time."""
        if not self._packets and not self._closed:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._waiting
            except TimeoutError:
                return []
            finally:
                self._waiting = None
        return self.take_now()

    def take_now(self) -> list[packet.Packet]:
        taken, self._packets, self.bytes_waiting = self._packets, [], 0
        return taken

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


async def read_packets(request: web.Request, timeout_s: float, most: int) -> Iterator[str | bytes]:
    """The packets in a POST's body: text with its type digit, or a message's bytes.

    Raises Unreadable, also for more packets than `most`: a body of nothing but separators is a million of them.
    """
    try:
        async with asyncio.timeout(timeout_s):
            body = (await request.read()).decode()
        if body.count(SEPARATOR) >= most:
            raise Unreadable("too many packets in one payload")
        return iter([_decode(part) for part in body.split(SEPARATOR)])
    except (ValueError, TimeoutError, ConnectionError, web.HTTPRequestEntityTooLarge) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _decode(part: str) -> str | bytes:
    return base64.b64decode(part[1:], validate=True) if part[:1] == "b" else part
