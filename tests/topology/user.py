"""A user of the load, with the official client: reconnects, repeats writes and restores what it showed, as apps do."""

import asyncio
import random
from typing import Any

import aiohttp
import socketio

from tests.topology.ledger import AWAY, LOST, SILENT, Ledger, Outcome, Write

ANSWER_S = 12.0  # the server's deadline is 10 s: a call that is not answered by then has lost its connection
CONNECT_S = 5.0
RETRY_S = 0.5


class Refused(Exception):
    """A call was not acknowledged as done; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class User:
    """States: connected while `_client` is set; otherwise connecting, until `close`."""

    def __init__(self, name: str, token: str, url: str, ledger: Ledger, http: aiohttp.ClientSession) -> None:
        self.name = name
        self.id = ""
        self.present = True  # whether others must see the user online
        self.room_id: str | None = None  # the room that the user wants to be in
        self.watched: list[str] = []
        self._token = token
        self._url = url
        self._ledger = ledger
        self._http = http
        self._client: socketio.AsyncClient | None = None
        self._lost = asyncio.Event()
        self._up = asyncio.Event()
        self._ready = asyncio.Event()  # up, and has entered and watches again
        self._keeping: asyncio.Task[None] | None = None
        self._restoring: asyncio.Task[None] | None = None  # entering and watching again

    async def open(self) -> None:
        self.present = True
        self._keeping = asyncio.create_task(self._keep_connected())
        await self._up.wait()
        self.id = (await self.call("profile", "user.me"))["id"]

    async def close(self) -> None:
        self.present = False
        for task in (self._restoring, self._keeping):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    @property
    def is_connected(self) -> bool:
        return self._ready.is_set()

    async def call(self, kind: str, method: str, /, **argument: Any) -> Any:
        """Return the answer's data. Raises Refused; the ledger has either."""
        return await self._call(kind, method, argument, self._ready)

    async def write(self, kind: str, method: str, /, **argument: Any) -> Any:
        """Repeat the call until it is acknowledged, and return the answer's data."""
        return await self._write(kind, method, argument, self._ready)

    def acknowledged(self, kind: str, *key: str) -> None:
        self._ledger.writes.append(Write(kind, key, self.name, asyncio.get_running_loop().time()))

    async def _call(self, kind: str, method: str, argument: dict[str, Any], when: asyncio.Event) -> Any:
        began = asyncio.get_running_loop().time()
        code, data = await self._answer(method, argument, when)
        self._ledger.outcomes.append(Outcome(began, kind, code, asyncio.get_running_loop().time() - began, self.name))
        if code != "OK":
            raise Refused(code)
        return data

    async def _write(self, kind: str, method: str, argument: dict[str, Any], when: asyncio.Event) -> Any:
        while True:
            try:
                return await self._call(kind, method, argument, when)
            except Refused:
                await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.5))

    async def _answer(self, method: str, argument: dict[str, Any], when: asyncio.Event) -> tuple[str, Any]:
        if not when.is_set():
            try:
                async with asyncio.timeout(ANSWER_S):
                    await when.wait()
            except TimeoutError:
                return AWAY, None
        assert self._client is not None
        calling = asyncio.ensure_future(self._client.call(method, argument, timeout=ANSWER_S))
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({calling, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                return LOST, None
            answer = calling.result()
        except socketio.exceptions.TimeoutError:
            self._lost.set()  # an app does not wait for a ping that is missing
            return SILENT, None
        except socketio.exceptions.SocketIOError:
            return LOST, None
        finally:
            calling.cancel()
            lost.cancel()
        return ("OK", answer["data"]) if answer["ok"] else (answer["error"]["code"], None)

    # ------------------------------------------------------------------------------------------ connection

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client = socketio.AsyncClient(serializer="msgpack", reconnection=False, http_session=self._http)
            lost = self._lost = asyncio.Event()
            client.on("*", self._hear)

            async def lose(*_: Any, lost: asyncio.Event = lost) -> None:
                lost.set()

            client.on("disconnect", lose)
            try:
                if await self._connect(client):
                    self._client = client
                    self._up.set()
                    if self.id:
                        self._ledger.reconnects.append((loop.time(), self.name))
                        self._restoring = asyncio.create_task(self._restore())
                    else:
                        self._ready.set()
                    await lost.wait()
                else:
                    await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.5))
            finally:
                self._up.clear()
                self._ready.clear()
                if self._restoring is not None:
                    self._restoring.cancel()
                await _shut(client)

    async def _connect(self, client: socketio.AsyncClient) -> bool:
        try:
            async with asyncio.timeout(CONNECT_S):
                await client.connect(
                    self._url, auth={"token": self._token}, transports=["websocket"], wait_timeout=CONNECT_S
                )
        except (socketio.exceptions.SocketIOError, TimeoutError, aiohttp.ClientError):
            return False
        return True

    async def _hear(self, event: str, push: Any, *_: Any) -> None:
        loop = asyncio.get_running_loop()
        if event == "session.ready":
            if not push["recovered"] and self.id:
                self._ledger.told.append((loop.time(), self.name))
                self._restoring = asyncio.create_task(self._restore())
            return
        if event not in ("presence.changed", "room.reacted", "room.counts"):
            self._ledger.pushes[self.name][push["id"]] += 1
        heard = self._ledger.heard[self.name]
        match event:
            case "feed.added":
                thing: tuple[str, ...] = ("post", push["post_id"])
            case "chat.message":
                thing = ("chat", push["message"]["chat_id"], str(push["message"]["seq"]))
            case "room.message":
                thing = ("room", push["message"]["id"])
            case _:
                return
        heard.setdefault(thing, set()).add(push["id"])

    async def _restore(self) -> None:
        """Enter and watch again, as an app does on a new connection or when it is told to load anew."""
        if self.room_id is not None:
            await self._write("room", "room.join", {"room_id": self.room_id}, self._up)
        if self.watched:
            await self._write("presence", "presence.watch", {"user_ids": self.watched}, self._up)
        self._ready.set()


async def _shut(client: socketio.AsyncClient) -> None:
    try:
        async with asyncio.timeout(1):
            await client.shutdown()
    except (TimeoutError, socketio.exceptions.SocketIOError, aiohttp.ClientError):
        pass
