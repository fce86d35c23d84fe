"""Redis as the realtime paths see it: shards, each a hash tag, and a link to the server that holds each.

A script touches one shard. A single server is one shard, so that one clock orders everything; a cluster has 64, and
whoever owns them is found out anew when a server is lost or sends us away.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from storage.cancellation import end
from storage.redis import RedisError
from storage.redis_link import LinkDown, LinkScript, Part, RedisLink
from storage.redis_servers import Address, RedisServers

LOOK_AGAIN_S = 0.3

OnMessage = Callable[[bytes, bytes], None]

log = structlog.get_logger()


class Shards:
    """`on_message` takes what comes on subscribed channels; `on_up` runs before others may use a link that is back."""

    def __init__(self, servers: RedisServers, prefix: str, scripts: Sequence[LinkScript]) -> None:
        self.amount = servers.shards
        self.on_message: OnMessage | None = None
        self.on_up: Callable[[Sequence[int]], Awaitable[None]] | None = None
        self._servers = servers
        self._prefix = prefix
        self._scripts = scripts
        self._owners: list[Address] = []  # by shard
        self._links: dict[Address, RedisLink] = {}
        self._tasks: dict[Address, asyncio.Task[None]] = {}
        self._watching: asyncio.Task[None] | None = None
        sharded = "S" if servers.is_cluster else ""  # sharded pub/sub: a message goes to the servers of its slot alone
        self.publish_command, self._subscribe, self._unsubscribe = (
            f"{sharded}{command}" for command in ("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE")
        )

    async def start(self) -> None:
        """Returns once all links are up."""
        while not self._owners:
            await self._find_owners()
            await asyncio.sleep(0 if self._owners else LOOK_AGAIN_S)
        self._watching = asyncio.create_task(self._watch())
        while not self.are_up:
            with suppress(TimeoutError):  # which links there are may have changed
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await asyncio.gather(*(link.is_up.wait() for link in self._links.values()))

    async def stop(self) -> None:
        await end(*([self._watching] if self._watching else []), *self._tasks.values())

    @property
    def are_up(self) -> bool:
        return all(link.is_up.is_set() for link in self._links.values())

    def is_up(self, shards: Iterable[int]) -> bool:
        """All their links are."""
        return all(
            (link := self._links.get(self._owners[shard])) is not None and link.is_up.is_set() for shard in shards
        )

    def of(self, name: str) -> int:
        return zlib.crc32(name.encode()) % self.amount

    def key(self, shard: int, *parts: str | int) -> str:
        return f"{self._prefix}:{{{shard}}}:{':'.join(map(str, parts))}"

    @property
    def by_link(self) -> list[list[int]]:
        """Shards that share a server."""
        groups: dict[Address, list[int]] = {}
        for shard, owner in enumerate(self._owners):
            groups.setdefault(owner, []).append(shard)
        return list(groups.values())

    # ------------------------------------------------------------------------------------------ commands

    def run(
        self, shard: int, script: LinkScript, keys: Sequence[str], arguments: Sequence[Part]
    ) -> "asyncio.Future[Any]":
        """Raises RedisError."""
        return self._link(shard).run(script, keys, arguments)

    def call(self, shard: int, *parts: Part) -> "asyncio.Future[Any]":
        """A command on keys of that shard. Raises RedisError."""
        return self._link(shard).call(*parts)

    def send(self, shard: int, *parts: Part) -> None:
        """The same where nobody waits for the answer, and nothing is lost where Redis is away."""
        try:
            self.call(shard, *parts).add_done_callback(_look_away)
        except RedisError:
            return

    def publish(self, shard: int, channel: str, message: bytes) -> "asyncio.Future[Any]":
        """Raises RedisError."""
        return self._link(shard).call(self.publish_command, channel, message)

    def subscribe(self, shard: int, channel: str) -> "asyncio.Future[Any]":
        """Raises RedisError."""
        return self._link(shard).listen(self._subscribe, channel)

    def unsubscribe(self, shard: int, channel: str) -> None:
        """Where the link is down, the next one begins with what is listened to then."""
        try:
            self._link(shard).listen(self._unsubscribe, channel).add_done_callback(_look_away)
        except RedisError:
            return

    def _link(self, shard: int) -> RedisLink:
        try:
            return self._links[self._owners[shard]]
        except LookupError:
            raise LinkDown("no server is known for that shard") from None

    # ------------------------------------------------------------------------------------------ who owns what

    async def _watch(self) -> None:
        """For ever: while a link is down, ask who owns its shards now; also before, where nothing else would tell."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            if self._servers.may_be_replaced or (self._servers.is_cluster and not self.are_up):
                try:
                    await self._find_owners()
                except Exception:
                    log.exception("who owns the shards was not understood")

    async def _find_owners(self) -> None:
        try:
            before, self._owners = self._owners, await self._servers.find_owners()
        except RedisError as error:
            log.warning("nobody tells who owns the shards", error=str(error))
            return
        known = set(self._links)
        for address in set(self._owners) - known:
            link = RedisLink(partial(self._servers.connect, address), self._scripts, self._message)
            self._links[address] = link
            self._tasks[address] = asyncio.create_task(link.keep_up(partial(self._up, address)))
        for address in {owner for old, owner in zip(before, self._owners, strict=False) if old != owner} & known:
            self._links[address].reopen()  # it has gained shards
        for address in self._links.keys() - set(self._owners):
            del self._links[address]
            await end(self._tasks.pop(address))

    async def _up(self, address: Address) -> None:
        shards = [shard for shard, owner in enumerate(self._owners) if owner == address]
        if self.on_up is not None and shards:
            await self.on_up(shards)

    def _message(self, channel: bytes, message: bytes) -> None:
        if self.on_message is not None:
            self.on_message(channel, message)


def _look_away(answer: "asyncio.Future[Any]") -> None:
    if not answer.cancelled():
        answer.exception()
