"""Drives the Python client, synchronous and asynchronous, for the tests. ../README.md has the line protocol.

`variant` is "sync" or "async".
"""

import asyncio
import base64
import contextlib
import json
import os
import sys
import threading
from typing import Any

import socketio

ANSWER_WITHIN_S = 60.0

loop = asyncio.new_event_loop()
clients: dict[str, "Client"] = {}
writing = threading.Lock()


def tell(client: str, what: str, **fields: Any) -> None:
    with writing:
        sys.stdout.write(json.dumps({"client": client, "is": what, **fields}) + "\n")
        sys.stdout.flush()


def revive(value: Any) -> Any:
    """Replace {"$bytes": base64} by binary."""
    if isinstance(value, list):
        return [revive(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    return {key: revive(item) for key, item in value.items()}


class Client:
    """The common part of both clients: listeners, which both call as plain functions."""

    def __init__(self, name: str, command: dict[str, Any], kind: Any) -> None:
        options = command["options"]
        delay_s = options.get("reconnectionDelay", 1_000) / 1_000
        self.name = name
        self.socket = kind(
            serializer="msgpack" if command["codec"] == "msgpack" else "default",
            reconnection_delay=delay_s, reconnection_delay_max=delay_s, randomization_factor=0, handle_sigint=False,
        )  # fmt: skip
        self.target = {"url": command["url"], "auth": options.get("auth"), "transports": options["transports"]}
        self.socket.on("connect", lambda: tell(name, "connect", sid=self.socket.get_sid(), recovered=False))
        self.socket.on("connect_error", lambda data=None: self.tell_refusal(data))
        self.socket.on("disconnect", lambda reason: tell(name, "disconnect", reason=reason))
        self.socket.on("*", lambda event, push, *_: tell(name, "push", event=event, push=push))

    def tell_refusal(self, error: Any) -> None:
        known = isinstance(error, dict)
        tell(
            self.name, "connect_error", message=error["message"] if known else str(error),
            data=error.get("data") if known else None,
        )  # fmt: skip


class SyncClient(Client):
    def __init__(self, name: str, command: dict[str, Any]) -> None:
        super().__init__(name, command, socketio.Client)

    def spawn(self, work: Any, *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def connect(self) -> None:
        with contextlib.suppress(socketio.exceptions.ConnectionError):  # the listener reports it
            self.socket.connect(**self.target)

    def call(self, number: int, method: str, arguments: list[Any]) -> None:
        answer = self.socket.call(method, tuple(arguments), timeout=ANSWER_WITHIN_S)
        tell(self.name, "answer", call=number, answer=answer)

    def close(self) -> None:
        self.socket.disconnect()


class AsyncClient(Client):
    def __init__(self, name: str, command: dict[str, Any]) -> None:
        super().__init__(name, command, socketio.AsyncClient)

    def spawn(self, work: Any, *arguments: Any) -> None:
        asyncio.run_coroutine_threadsafe(work(*arguments), loop)

    async def connect(self) -> None:
        with contextlib.suppress(socketio.exceptions.ConnectionError):  # the listener reports it
            await self.socket.connect(**self.target)

    async def call(self, number: int, method: str, arguments: list[Any]) -> None:
        answer = await self.socket.call(method, tuple(arguments), timeout=ANSWER_WITHIN_S)
        tell(self.name, "answer", call=number, answer=answer)

    async def close(self) -> None:
        await self.socket.disconnect()


def main() -> None:
    threading.Thread(target=loop.run_forever, daemon=True).start()
    kinds = {"sync": SyncClient, "async": AsyncClient}
    for line in sys.stdin:
        command = json.loads(line)
        name = command["client"]
        if command["do"] == "connect":
            clients[name] = kinds[command["options"]["variant"]](name, command)
            clients[name].spawn(clients[name].connect)
        elif command["do"] == "call":
            client = clients[name]
            client.spawn(client.call, command["call"], command["method"], revive(command["args"]))
        else:
            clients[name].spawn(clients[name].close)
    os._exit(0)  # without waiting for threads of clients that try to reconnect


if __name__ == "__main__":
    main()
