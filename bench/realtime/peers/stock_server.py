"""Unmodified python-socketio on aiohttp and uvloop, with a minimal application.

Environment: PORT, REDIS_URL, TOKEN_KEY. It compresses for clients that offer permessage-deflate, as it does by default.
"""

import os
from datetime import UTC, datetime
from typing import Any

import jwt
import socketio
import uvloop
from aiohttp import web

manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"])
server = socketio.AsyncServer(
    async_mode="aiohttp", serializer="msgpack", client_manager=manager, transports=["websocket"]
)


@server.event  # type: ignore[untyped-decorator]
async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
    try:
        claims = jwt.decode(auth["token"], os.environ["TOKEN_KEY"], algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise socketio.exceptions.ConnectionRefusedError("UNAUTHENTICATED") from None
    await server.enter_room(sid, f"user:{claims['sub']}")


@server.on("system.ping")  # type: ignore[untyped-decorator]
async def ping(sid: str, argument: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "data": {"server_time": datetime.now(UTC).isoformat()}}


@server.event  # type: ignore[untyped-decorator]
async def join(sid: str, argument: dict[str, Any]) -> dict[str, Any]:
    await server.enter_room(sid, argument["room"])
    return {"ok": True, "data": {}}


def main() -> None:
    app = web.Application()
    server.attach(app)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        print=None,
        access_log=None,
        loop=uvloop.new_event_loop(),
        backlog=4096,
        shutdown_timeout=0.1,
    )


if __name__ == "__main__":
    main()
