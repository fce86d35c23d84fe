"""Users who do a little of everything, all the time, so that every panel has something to show."""

import asyncio
import itertools
import random
from typing import Any

import socketio

from tests.chaos.deployment import Client
from tests.chaos.test_media import Caller
from tests.monitoring.watched import Watched

AMOUNT = 8
CROWD = 24  # more, for faults that need many at once
PAUSE_S = 0.4
PATIENCE_S = 15
KINDS = ("like", "love", "laugh")
LOST = (TimeoutError, socketio.exceptions.SocketIOError)


class Users:
    """Each returns to another node when its own is gone, as apps do. Errors are what the alerts are about."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._tasks: list[asyncio.Task[None]] = []
        self.posts: list[str] = []

    async def start(self) -> None:
        self.tokens = await self._watched.tokens([f"user_{number}" for number in range(AMOUNT)])
        self.crowd = await self._watched.tokens([f"crowd_{number}" for number in range(CROWD)])
        host = await self._watched.client(self.tokens[0], 0)
        self.room = (await self.ask(host, "room.create", topic="alerts"))["id"]
        await self.ask(host, "room.start", room_id=self.room)
        self.ids = [(await self._me(token))["id"] for token in self.tokens]
        self.posts = [(await self.ask(host, "post.create", text=f"post {n}"))["id"] for n in range(10)]
        await host.disconnect()
        self._tasks = [asyncio.create_task(self._live(number)) for number in range(AMOUNT)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def ask(self, client: Client, method: str, **fields: Any) -> Any:
        """Repeat the call until it succeeds: all share a busy machine."""
        return await Caller(client).call(method, **fields)

    async def _me(self, token: str) -> Any:
        client = await self._watched.client(token, 0)
        me = await self.ask(client, "user.me")
        await client.disconnect()
        return me

    async def _live(self, number: int) -> None:
        for attempt in itertools.count(number):
            try:
                client = await self._watched.client(self.tokens[number], attempt)
                await self._act_until_lost(client, number)
            except LOST:
                continue

    async def _act_until_lost(self, client: Client, number: int) -> None:
        """Raises an error of LOST."""
        try:
            await client.call("room.join", {"room_id": self.room}, timeout=PATIENCE_S)
            for post_id in self.posts[:3]:
                await client.call("post.watch", {"post_id": post_id}, timeout=PATIENCE_S)
            followee = self.ids[number - 1]
            for step in itertools.count():
                post_id = random.choice(self.posts)
                method, fields = (
                    ("post.get", {"post_id": post_id}),
                    ("feed.get", {"mode": "latest"}),
                    ("reaction.set", {"target_type": "post", "target_id": post_id, "kind": random.choice(KINDS)}),
                    ("room.react", {"room_id": self.room, "emoji": random.choice("👏🔥")}),
                    ("graph.follow" if step % 2 else "graph.unfollow", {"user_id": followee}),
                    ("post.get", {"post_id": "1"}),
                    ("explore.get", {}),
                )[step % 7]
                await client.call(method, fields, timeout=PATIENCE_S)
                await asyncio.sleep(PAUSE_S)
        finally:
            await client.shutdown()
