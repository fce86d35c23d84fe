"""Snowflake ids: 41 bits of milliseconds since 2024-01-01, 10 of node, 12 of sequence.

The node number is leased in Redis. Minting stops when the lease was not renewed in time, by our own monotonic clock, so
that two processes never share a number. A replica that takes over may lack the last writes. So a number is used only
once a replica has it, and a lease lasts longer in Redis than here: one of the last renewals may be missing.
"""

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime

import structlog

from storage.leases import HOLD, RELEASE
from storage.redis import RedisError
from storage.redis_link import LinkScript
from storage.shards import Shards

EPOCH_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
NODES = 1023  # the last number is the database's: see `mint_id`
LEASE_S = 30.0
KEPT_S = 2 * LEASE_S  # in Redis
RENEW_EVERY_S = 10.0
RETRY_S = 0.2

CONFIRM_MS = 500

log = structlog.get_logger()


class MintingStopped(Exception):
    """There is no valid lease of a node number: Redis could not be reached for too long."""


class Snowflakes:
    """Mints ids that are unique over all processes with the same Redis prefix."""

    def __init__(self, shards: Shards) -> None:
        self.renew_every_s = RENEW_EVERY_S
        self._shards = shards
        self._holder = secrets.token_hex(8)
        self._node = -1
        self._valid_until = 0.0
        self._last_ms = 0
        self._sequence = 0

    @property
    def node(self) -> int:
        """This process's number, 0…1022; -1 before `lease`."""
        return self._node

    @property
    def is_leased(self) -> bool:
        """Whether the lease is certainly still valid."""
        return time.monotonic() < self._valid_until

    async def lease(self) -> None:
        """Lease a free number. Raises RedisError; MintingStopped if all that can be reached are taken."""
        for node in random.sample(range(NODES), NODES):
            if self._shards.is_up([self._shards.of(str(node))]) and await self._take(node):
                return
        raise MintingStopped("no node number is free, or no server of Redis is up")

    async def keep_lease(self) -> None:
        """Renew the lease endlessly. A number that another process has taken, or whose server is lost, is replaced."""
        is_renewed = True
        while True:
            await asyncio.sleep(self.renew_every_s if is_renewed else RETRY_S)
            try:
                if not await self._renew():
                    await self.lease()
                is_renewed = True
            except (RedisError, MintingStopped) as error:
                if is_renewed:
                    log.warning(
                        "the lease of the node number could not be renewed", error=f"{type(error).__name__}: {error}"
                    )
                is_renewed = False

    async def release(self) -> None:
        self._valid_until = 0.0
        shard, key = self._place(self._node)
        await self._shards.run(shard, RELEASE, (key,), (self._holder,))

    def mint(self) -> int:
        """A new id. Raises MintingStopped."""
        if not self.is_leased:
            raise MintingStopped("the lease on our node number has ended")
        now_ms = max(time.time_ns() // 1_000_000 - EPOCH_MS, self._last_ms)
        if now_ms == self._last_ms:
            self._sequence = (self._sequence + 1) & 0xFFF
            if self._sequence == 0:
                now_ms += 1  # use the next millisecond instead of waiting for it
        else:
            self._sequence = 0
        self._last_ms = now_ms
        return now_ms << 22 | self._node << 12 | self._sequence

    async def _renew(self) -> bool:
        """Whether the number is still ours, or may be: then it is tried again. Raises RedisError."""
        try:
            return await self._hold(self._node)
        except RedisError:
            if time.monotonic() < self._valid_until - LEASE_S / 2:
                raise
            return False

    async def _take(self, node: int) -> bool:
        """Lease a new number, and make sure that it outlives the server. Raises RedisError."""
        shard, _ = self._place(node)
        replicas = int((await self._shards.info(shard, "replication"))["connected_slaves"])
        asked = time.monotonic()
        # Sent together, so both go to the same server.
        held = self._shards.run(*self._holding(node))
        confirmed = self._shards.call(shard, "WAIT", 1, CONFIRM_MS) if replicas else None
        [is_ours] = await held
        if confirmed is not None and await confirmed == 0:
            raise RedisError("no replica has confirmed the lease of a node number")
        if is_ours:
            self._node, self._valid_until = node, asked + LEASE_S
        return bool(is_ours)

    async def _hold(self, node: int) -> bool:
        asked = time.monotonic()
        [is_ours] = await self._shards.run(*self._holding(node))
        if is_ours:
            self._valid_until = asked + LEASE_S
        return bool(is_ours)

    def _holding(self, node: int) -> "tuple[int, LinkScript, tuple[str], tuple[str, int, int]]":
        shard, key = self._place(node)
        return shard, HOLD, (key,), (self._holder, int(KEPT_S * 1_000), 1)

    def _place(self, node: int) -> tuple[int, str]:
        shard = self._shards.of(str(node))
        return shard, self._shards.key(shard, "snowflake-node", node)


def milliseconds(snowflake: int) -> int:
    """When it was minted, in ms since 2024-01-01. Feeds use it as the score, which a double holds exactly."""
    return snowflake >> 22


def minted_at(snowflake: int) -> datetime:
    return datetime.fromtimestamp(((snowflake >> 22) + EPOCH_MS) / 1_000, UTC)
