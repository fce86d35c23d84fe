"""Users on real clients: the official Python client, and official clients of other languages through `clients/`.

alice = await person("alice")
post = await alice.call("post.create", text="…")
await bob.expect("feed.added", post_id=post["id"])
"""

import asyncio
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import socketio

from tests.patience import WAIT_S

CLIENTS = Path(__file__).parent / "clients"
NODE = ("node", "driver.mjs")
HAS_JAVASCRIPT = shutil.which("node") is not None and (CLIENTS / "node_modules").is_dir()
NO_JAVASCRIPT = "Node.js or the official JavaScript clients are missing: install Node.js with npm, then `make test`"


class CallFailed(Exception):
    """A call was answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(json.dumps(error, ensure_ascii=False))
        self.error = error
        self.code: str = error["code"]
        self.message: str = error["message"]
        self.fields = [detail["field"] for detail in error.get("details", [])]


class Person:
    """One user's client, as tests use it; the subclasses are kinds of clients."""

    def __init__(self, name: str, user_id: str) -> None:
        self.name = name
        self.id = user_id
        self.token: str | None = None
        self.received: list[tuple[str, Any]] = []
        self.log: list[dict[str, Any]] = []  # connect, connect_error, disconnect, reconnect_attempt
        self._news = asyncio.Condition()

    async def call(self, method: str, **argument: Any) -> Any:
        """Return the answer's data. Raises CallFailed."""
        return await self.send(method, argument)

    async def send(self, method: str, *arguments: Any) -> Any:
        """Call with any arguments; return the answer's data. Raises CallFailed."""
        answer = await self.answer(method, *arguments)
        if not answer["ok"]:
            raise CallFailed(answer["error"])
        return answer["data"]

    async def own_feed(self, **arguments: Any) -> list[dict[str, Any]]:
        """The items of a page of the feed, without recommendations: posts of other tests may be recommended."""
        page = await self.call("feed.get", **{"limit": 100, **arguments})
        return [item for item in page["items"] if item["reason"] != "suggested"]

    async def refused(self, method: str, **argument: Any) -> CallFailed:
        """Return the error of a call that must fail."""
        try:
            data = await self.call(method, **argument)
        except CallFailed as failed:
            return failed
        raise AssertionError(f"{method} was not refused, but returned {data}")

    async def expect(self, event: str, **fields: Any) -> Any:
        """Wait for a push with these fields, remove it from `received`, and return it."""

        def find() -> int | None:
            return next(
                (
                    index
                    for index, (name, push) in enumerate(self.received)
                    if name == event and all(push.get(key) == value for key, value in fields.items())
                ),
                None,
            )

        index = await self._until(find, f"{event} {fields}; received {self.received}")
        return self.received.pop(index)[1]

    async def happened(self, what: str) -> dict[str, Any]:
        """Wait for a change of the connection, remove it from the log, and return it."""

        def find() -> int | None:
            return next((index for index, entry in enumerate(self.log) if entry["is"] == what), None)

        return self.log.pop(await self._until(find, f"{what}; happened {self.log}"))

    def heard(self, event: str) -> list[Any]:
        """Return all such pushes that were received and not taken by `expect`."""
        return [push for name, push in self.received if name == event]

    async def _until(self, find: Callable[[], int | None], what: str) -> int:
        async with self._news:
            try:
                async with asyncio.timeout(WAIT_S):
                    while (index := find()) is None:
                        await self._news.wait()
            except TimeoutError:
                raise AssertionError(f"{self.name} did not receive {what}") from None
        return index

    async def _note(self, event: str, push: Any) -> None:
        async with self._news:
            self.received.append((event, push))
            self._news.notify_all()

    async def _log(self, **entry: Any) -> None:
        async with self._news:
            self.log.append(entry)
            self._news.notify_all()

    async def answer(self, method: str, *arguments: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class PythonPerson(Person):
    """The official Python client."""

    async def connect(self, url: str, codec: str, auth: dict[str, Any] | None, **options: Any) -> None:
        """Connect. Raises socketio's ConnectionError; the data of CONNECT_ERROR is then in the log."""
        serializer = "msgpack" if codec == "msgpack" else "default"
        self.client = socketio.AsyncClient(serializer=serializer, reconnection=options.pop("reconnection", False))
        self.client.on("*", self._on_push)
        self.client.on("connect_error", self._on_refusal)
        self.client.on("disconnect", self._on_end)
        await self.client.connect(url, auth=auth, transports=["websocket"], wait_timeout=WAIT_S, **options)

    async def _on_refusal(self, data: Any) -> None:
        await self._log(**{"is": "connect_error", "data": data})

    async def _on_end(self, reason: str) -> None:
        await self._log(**{"is": "disconnect", "reason": reason})

    async def _on_push(self, event: str, push: Any, *_: str) -> None:
        await self._note(event, push)

    async def answer(self, method: str, *arguments: Any) -> Any:
        return await self.client.call(method, arguments, timeout=WAIT_S * 2)

    async def close(self) -> None:
        await self.client.disconnect()


class Driver:
    """A process with clients of another language. clients/README.md describes its line protocol."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._people: dict[str, DrivenPerson] = {}

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=CLIENTS,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        self._reading.cancel()

    def add(self, key: str, person: "DrivenPerson") -> None:
        self._people[key] = person

    async def tell(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            await self._people[message["client"]].hear(message)


class DrivenPerson(Person):
    """An official client in a driver process, with the client's own defaults (it reconnects) unless options differ."""

    _keys = itertools.count()

    def __init__(self, name: str, user_id: str, driver: Driver) -> None:
        super().__init__(name, user_id)
        self._driver = driver
        self._key = f"{name}-{next(self._keys)}"
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._call_ids = itertools.count()
        driver.add(self._key, self)

    async def connect(self, url: str, codec: str, auth: dict[str, Any] | None, **options: Any) -> None:
        options.setdefault("transports", ["websocket"])
        if auth is not None:
            options["auth"] = auth
        await self.do("connect", url=url, codec=codec, options=options)

    async def answer(self, method: str, *arguments: Any) -> Any:
        number = next(self._call_ids)
        future = self._calls[number] = asyncio.get_running_loop().create_future()
        await self.do("call", call=number, method=method, args=list(arguments))
        try:
            return await asyncio.wait_for(future, WAIT_S * 2)
        except TimeoutError:
            raise TimeoutError(f"{method} was not answered; happened {self.log}") from None

    async def do(self, what: str, **fields: Any) -> None:
        await self._driver.tell({"do": what, "client": self._key, **fields})

    async def hear(self, message: dict[str, Any]) -> None:
        del message["client"]
        match message["is"]:
            case "push":
                await self._note(message["event"], message["push"])
            case "answer":
                future = self._calls.pop(message["call"])
                if not future.done():
                    future.set_result(message["answer"])
            case _:
                await self._log(**message)

    async def close(self) -> None:
        await self.do("close")
