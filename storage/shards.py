"""Redis for the realtime paths: shards, which are hash tags, and a link to each server.

A script uses keys of one shard. A single server has one shard, so that one clock orders everything. A cluster has 64
shards; their owners are looked up again when a server is lost or redirects us.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from storage.cancellation import end
from storage.metrics import BREAKER_OPEN
from storage.redis import RedisError
from storage.redis_link import LinkDown, LinkScript, Part, RedisLink
from storage.redis_servers import Address, RedisServers

LOOK_AGAIN_S = 0.3
PING_TIMEOUT_S = 1.0

OnMessage = Callable[[bytes, bytes], None]
OnUp = Callable[[Sequence[int]], Awaitable[None]]

log = structlog.get_logger()


class PartlyDown(RedisError):
    """Some servers of a cluster do not answer: calls that need their shards fail, and all others work."""


class Shards:
    def __init__(
        self, servers: RedisServers, prefix: str, scripts: Sequence[LinkScript], dependency: str = "redis"
    ) -> None:
        """dependency: its name in metrics."""
        self.amount = servers.shards
        self._on_message: OnMessage | None = None
        self._on_up: OnUp | None = None
        self._servers = servers
        self._prefix = prefix
        self._dependency = dependency
        self._scripts = scripts
        self._owners: list[Address] = []  # by shard
        self._links: dict[Address, RedisLink] = {}
        self._tasks: dict[Address, asyncio.Task[None]] = {}
        self._watching: asyncio.Task[None] | None = None
        sharded = "S" if servers.is_cluster else ""  # sharded pub/sub: only the servers of a slot get its messages
        self.publish_command, self._subscribe, self._unsubscribe = (
            f"{sharded}{command}" for command in ("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE")
        )

    async def start(self) -> None:
        """Connect, and return once all links are up."""
        while not self._owners:
            await self._find_owners()
            await asyncio.sleep(0 if self._owners else LOOK_AGAIN_S)
        self._watching = asyncio.create_task(self._watch())
        while not self.are_up:
            with suppress(TimeoutError):  # look again: the set of links may have changed
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await asyncio.gather(*(link.is_up.wait() for link in self._links.values()))

    def listen(self, on_message: OnMessage, on_up: OnUp) -> None:
        """Give `on_message` the Redis channel and body of each message, until `stop_listening`.

        `on_up` runs for the shards of a link that is back, before others may use it.
        """
        self._on_message, self._on_up = on_message, on_up

    def stop_listening(self) -> None:
        self._on_message = self._on_up = None

    async def stop(self) -> None:
        await end(*([self._watching] if self._watching else []), *self._tasks.values())

    @property
    def owners(self) -> list[Address]:
        """The server of each shard, as far as this process knows."""
        return self._owners

    @property
    def are_up(self) -> bool:
        return all(link.is_up.is_set() for link in self._links.values())

    @property
    def is_any_up(self) -> bool:
        return any(link.is_up.is_set() for link in self._links.values())

    def is_up(self, shards: Iterable[int]) -> bool:
        """Whether the links of all these shards are up."""
        return all(
            (link := self._links.get(self._owners[shard])) is not None and link.is_up.is_set() for shard in shards
        )

    def of(self, name: str) -> int:
        return zlib.crc32(name.encode()) % self.amount

    def key(self, shard: int, *parts: str | int) -> str:
        return f"{self._prefix}:{{{shard}}}:{':'.join(map(str, parts))}"

    @property
    def by_link(self) -> list[list[int]]:
        """The shards, grouped by server."""
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
        """Send a command on keys of the shard. Raises RedisError."""
        return self._link(shard).call(*parts)

    def ask(self, shard: int, *parts: Part) -> "asyncio.Future[Any]":
        """As `call`, for an answer that is awaited later, or never: RedisError is in the future alone."""
        try:
            answer = self.call(shard, *parts)
        except RedisError as error:
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(error)
        answer.add_done_callback(_look_away)
        return answer

    def send(self, shard: int, *parts: Part) -> None:
        """Send a command whose answer nobody needs. While Redis is down, it is dropped."""
        try:
            self.call(shard, *parts).add_done_callback(_look_away)
        except RedisError:
            return

    async def info(self, shard: int, section: str) -> dict[str, str]:
        """What the shard's server says about itself. Raises RedisError."""
        lines = (await self.call(shard, "INFO", section)).decode().splitlines()
        return {name: value for name, _, value in (line.partition(":") for line in lines)}

    async def memory_ratio(self) -> float:
        """The part of its memory that the fullest server uses, 0 to 1. Without a limit, of the machine's memory."""
        infos = await asyncio.gather(*(self.info(shards[0], "memory") for shards in self.by_link))
        return max(int(each["used_memory"]) / int(_limit(each)) for each in infos)

    async def ping(self) -> None:
        """Raises RedisError if no server answers within a second, PartlyDown if only some do."""
        answers = [self.ask(shards[0], "PING") for shards in self.by_link]
        answered, _ = await asyncio.wait(answers, timeout=PING_TIMEOUT_S)
        up = sum(answer.exception() is None for answer in answered)
        if up < len(answers):
            raise (PartlyDown if up else LinkDown)(f"{up} of {len(answers)} servers answer")

    async def has_data(self) -> bool:
        """Whether a key on any server has the prefix. Raises RedisError."""
        for shards in self.by_link:
            cursor, keys = b"", list[bytes]()
            while cursor != b"0" and not keys:
                cursor, keys = await self.call(
                    shards[0], "SCAN", cursor or b"0", "MATCH", f"{self._prefix}:*", "COUNT", 1_000
                )
            if keys:
                return True
        return False

    def publish(self, shard: int, channel: str, message: bytes) -> "asyncio.Future[Any]":
        """Raises RedisError."""
        return self._link(shard).call(self.publish_command, channel, message)

    def subscribe(self, shard: int, channel: str) -> "asyncio.Future[Any]":
        """Raises RedisError."""
        return self._link(shard).listen(self._subscribe, channel)

    def unsubscribe(self, shard: int, channel: str) -> None:
        """Nothing to do while the link is down: the next one subscribes again."""
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
        """Look up the owners of shards endlessly, while a link is down or a server could be replaced unnoticed."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            BREAKER_OPEN.labels(self._dependency).set(not self.are_up)
            if self._servers.may_be_replaced or (self._servers.is_cluster and not self.are_up):
                try:
                    await self._find_owners()
                except Exception:
                    log.exception("the owners of the shards could not be read")

    async def _find_owners(self) -> None:
        try:
            before, self._owners = self._owners, await self._servers.find_owners()
        except RedisError as error:
            log.warning("the owners of the shards could not be looked up", error=str(error))
            return
        known = set(self._links)
        for address in set(self._owners) - known:
            link = RedisLink(partial(self._servers.connect, address), self._scripts, self._message, self._dependency)
            self._links[address] = link
            self._tasks[address] = asyncio.create_task(link.keep_up(partial(self._up, address)))
        for address in {owner for old, owner in zip(before, self._owners, strict=False) if old != owner} & known:
            self._links[address].reopen()  # it has gained shards
        for address in self._links.keys() - set(self._owners):
            del self._links[address]
            await end(self._tasks.pop(address))

    async def _up(self, address: Address) -> None:
        shards = [shard for shard, owner in enumerate(self._owners) if owner == address]
        if self._on_up is not None and shards:
            await self._on_up(shards)

    def _message(self, channel: bytes, message: bytes) -> None:
        if self._on_message is not None:
            self._on_message(channel, message)


def _limit(memory: dict[str, str]) -> str:
    return memory["maxmemory"] if memory["maxmemory"] != "0" else memory["total_system_memory"]


def _look_away(answer: "asyncio.Future[Any]") -> None:
    if not answer.cancelled():
        answer.exception()
