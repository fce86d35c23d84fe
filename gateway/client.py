"""The command line's own client: an ordinary Socket.IO client of a running node."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import socketio

from storage.cancellation import end

CONNECT_TIMEOUT_S = 5


class CannotConnect(Exception):
    """No node answers, or the node refused the token. The message says what to do."""


async def call(url: str, token: str | None, method: str, argument: Any) -> Any:
    """Make one call and return its acknowledgement. Raises CannotConnect."""
    async with connected(url, token) as client:
        return await client.call(method, argument, timeout=15)


async def watch(url: str, token: str, show: Callable[[str, Any], None], stop: asyncio.Event) -> None:
    """Show each push as it arrives, until `stop` is set. The client reconnects by itself. Raises CannotConnect."""

    def shown(event: str, push: Any, *_: str) -> None:
        show(event, push)

    async with connected(url, token, shown) as client:
        ended = asyncio.create_task(client.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        # Before `wait` is cancelled, because that also cancels the task that reads from the socket.
        await client.shutdown()
        await end(ended, stopped)


@asynccontextmanager
async def connected(
    url: str, token: str | None, on_push: Callable[..., None] | None = None
) -> AsyncIterator[socketio.AsyncClient]:
    """A client until the block ends. Raises CannotConnect."""
    refusals: list[Any] = []
    # The HTTP session is ours, because the library does not close its own when it cannot connect.
    async with aiohttp.ClientSession() as http:
        client = socketio.AsyncClient(serializer="msgpack", http_session=http)
        client.on("connect_error", refusals.append)
        if on_push is not None:
            client.on("*", on_push)
        try:
            try:
                await client.connect(
                    url,
                    auth={"token": token} if token else None,
                    transports=["websocket"],
                    wait_timeout=CONNECT_TIMEOUT_S,
                )
            except socketio.exceptions.ConnectionError:
                raise CannotConnect(_why(url, refusals)) from None
            yield client
        finally:
            # `disconnect` does not stop a reconnecting client.
            await client.shutdown()


def _why(url: str, refusals: list[Any]) -> str:
    match refusals:
        case [{"message": message}]:
            return f"the node at {url} refused the connection: {message}"
    return f"no node answers at {url}: start one with `daira up`, or name another with --url"
