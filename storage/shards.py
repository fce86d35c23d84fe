"""Redis as the realtime paths see it: shards, each a hash tag, and a link to the server that holds each.

A script touches one shard. One server is one shard, so that one clock orders everything.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from storage.cancellation import end
from storage.redis import Redis, RedisError
from storage.redis_link import LinkScript, Part, RedisLink

OnMessage = Callable[[bytes, bytes], None]


class Shards:
    """`on_message` takes what comes on subscribed channels; `on_up` runs before others may use a link that is back."""

    def __init__(self, redis: Redis, scripts: Sequence[LinkScript]) -> None:
        self.amount = 1
        self.on_message: OnMessage | None = None
        self.on_up: Callable[[], Awaitable[None]] | None = None
        self._prefix = redis.prefix
        self._link = RedisLink(redis.connect_link, scripts, self._message)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once the link is up."""
        self._task = asyncio.create_task(self._link.keep_up(self._up))
        await self._link.is_up.wait()

    async def stop(self) -> None:
        if self._task is not None:
            await end(self._task)

    async def _up(self) -> None:
        if self.on_up is not None:
            await self.on_up()

    def _message(self, channel: bytes, message: bytes) -> None:
        if self.on_message is not None:
            self.on_message(channel, message)

    @property
    def are_up(self) -> bool:
        return self._link.is_up.is_set()

    def of(self, name: str) -> int:
        return zlib.crc32(name.encode()) % self.amount

    def key(self, shard: int, *parts: str | int) -> str:
        return f"{self._prefix}:{{{shard}}}:{':'.join(map(str, parts))}"

    def run(
        self, shard: int, script: LinkScript, keys: Sequence[str], arguments: Sequence[Part]
    ) -> "asyncio.Future[Any]":
        """Raises RedisError."""
        return self._link.run(script, keys, arguments)

    def call(self, shard: int, *parts: Part) -> "asyncio.Future[Any]":
        """A command on keys of that shard. Raises RedisError."""
        return self._link.call(*parts)

    def send(self, shard: int, *parts: Part) -> None:
        """The same where nobody waits for the answer, and nothing is lost where Redis is away."""
        try:
            self.call(shard, *parts).add_done_callback(_look_away)
        except RedisError:
            return

    # ------------------------------------------------------------------------------------------ channels

    publish_command = "PUBLISH"

    def publish(self, shard: int, channel: str, message: bytes) -> "asyncio.Future[Any]":
        """Raises RedisError."""
        return self._link.call(self.publish_command, channel, message)

    def subscribe(self, shard: int, channel: str) -> "asyncio.Future[Any]":
        """Raises RedisError."""
        return self._link.listen("SUBSCRIBE", channel)

    def unsubscribe(self, shard: int, channel: str) -> None:
        """Where the link is down, the next one begins with what is listened to then."""
        try:
            self._link.listen("UNSUBSCRIBE", channel).add_done_callback(_look_away)
        except RedisError:
            return


def _look_away(answer: "asyncio.Future[Any]") -> None:
    if not answer.cancelled():
        answer.exception()
