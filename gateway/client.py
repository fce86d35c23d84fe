"""The command line's own client: an ordinary Socket.IO client against a running node."""

import asyncio
from collections.abc import Callable
from typing import Any

import socketio

from storage.cancellation import end

CONNECT_TIMEOUT_S = 5


class CannotConnect(Exception):
    """No node answers there, or it refused the token."""


async def call(url: str, token: str | None, method: str, argument: Any) -> Any:
    """The acknowledgement of one call. Raises CannotConnect."""
    client = await _connect(url, token)
    try:
        return await client.call(method, argument, timeout=15)
    finally:
        await client.disconnect()


async def watch(url: str, token: str, show: Callable[[str, Any], None], stop: asyncio.Event) -> None:
    """Show each push as it comes, until `stop`; reconnects by itself. Raises CannotConnect."""

    def shown(event: str, push: Any, *_: str) -> None:
        show(event, push)

    client = await _connect(url, token, shown)
    ended = asyncio.create_task(client.wait())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    # Not disconnect, which leaves a client that is reconnecting to go on trying; and before the tasks are cancelled,
    # for `wait` takes the client's reading along.
    await client.shutdown()
    await end(ended, stopped)


async def _connect(url: str, token: str | None, on_push: Callable[..., None] | None = None) -> Any:
    client = socketio.AsyncClient(serializer="msgpack")
    if on_push is not None:
        client.on("*", on_push)
    try:
        await client.connect(
            url,
            auth={"token": token} if token else None,
            transports=["websocket"],
            wait_timeout=CONNECT_TIMEOUT_S,
        )
    except socketio.exceptions.ConnectionError as error:
        await client.shutdown()
        raise CannotConnect(f"{url}: {error}") from None
    return client
