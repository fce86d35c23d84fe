"""HTTP for the gateway and the sidecar: a client that stalls holds a connection for 10 s at most.

aiohttp has no timeout for the headers of a connection's first request, nor for a client that does not read its answer.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from engine.metrics import CUT_OFF, UNREADABLE

KEPT_ALIVE_S = 10.0
PATIENCE_S = 8.0
LOOK_EVERY_S = 1.0
LINGERING_S = 1.0  # for the rest of a body that the handler did not read


@asynccontextmanager
async def serve_http(app: web.Application, *listeners: socket.socket) -> AsyncIterator[web.AppRunner]:
    """Serve until the context ends. Request bodies are not decompressed."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=1.0, handle_signals=False, handler_cancellation=True,
        keepalive_timeout=KEPT_ALIVE_S, lingering_time=LINGERING_S, auto_decompress=False, logger=_log,
    )  # fmt: skip
    await runner.setup()
    for listener in listeners:
        await web.SockSite(runner, listener, backlog=4096).start()
    guard = asyncio.create_task(_cut_off_the_stuck(runner))
    try:
        yield runner
    finally:
        guard.cancel()
        await runner.cleanup()


async def _cut_off_the_stuck(runner: web.AppRunner) -> None:
    """Close, forever, connections whose client has stalled for PATIENCE_S. WebSockets are no longer among them."""
    assert runner.server is not None
    waits: dict[Any, tuple[object, float]] = {}  # connection → what it waits for, and since when
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        now = asyncio.get_running_loop().time()
        before, waits = waits, {}
        for connection in list(runner.server.connections):
            wait = _what_it_waits_for(connection)
            if wait is None:
                continue
            since = before[connection][1] if before.get(connection, (None, 0))[0] == wait else now
            if now - since > PATIENCE_S:
                CUT_OFF.inc()
                if connection.transport is not None:
                    connection.transport.abort()  # closing would wait for the client to read
            else:
                waits[connection] = wait, since


def _what_it_waits_for(connection: Any) -> object:
    """Return what the client must send or read next, or None if it owes nothing."""
    if connection.transport is None:
        return None
    if not connection._request_count:
        return "headers"
    request = connection._current_request
    if request is not None and not request.content.is_eof():
        return "body"
    return connection.transport.get_write_buffer_size() or None


class _WithoutClientsFaults(logging.Filter):
    """Counts invalid HTTP requests instead of logging them: their content may be a secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | ConnectionError):
            UNREADABLE.inc()
            return False
        return True


_log = logging.getLogger("daira.http")
_log.addFilter(_WithoutClientsFaults())
