"""Snowflake ids: 41 bits of milliseconds since 2024-01-01, 10 of node, 12 of sequence.

The node number is leased in Redis. Minting stops when the lease was not renewed in time, by our own monotonic clock, so
that two processes never share a number.
"""

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from storage.redis import Redis, RedisError

EPOCH_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
NODES = 1023  # the last number is the database's: see `mint_id`
LEASE_S = 30.0
RENEW_EVERY_S = 10.0
RETRY_S = 0.2

_LUA = Path(__file__).parent / "lua"

log = structlog.get_logger()


class MintingStopped(Exception):
    """There is no valid lease of a node number: Redis could not be reached for too long."""


class Snowflakes:
    """Mints ids that are unique over all processes with the same Redis prefix."""

    def __init__(self, redis: Redis) -> None:
        self.renew_every_s = RENEW_EVERY_S
        self._redis = redis
        self._hold = redis.script(_LUA / "hold_leases.lua")
        self._release = redis.script(_LUA / "release_lease.lua")
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
        """Lease a free number. Raises RedisError; MintingStopped if all are taken."""
        for node in random.sample(range(NODES), NODES):
            if await self._take(node):
                return
        raise MintingStopped(f"all {NODES} node numbers are leased")

    async def keep_lease(self) -> None:
        """Renew the lease endlessly. A number that another process has taken is replaced by a new one."""
        is_renewed = True
        while True:
            await asyncio.sleep(self.renew_every_s if is_renewed else RETRY_S)
            try:
                if not await self._take(self._node):
                    await self.lease()
                is_renewed = True
            except (RedisError, MintingStopped) as error:
                if is_renewed:
                    log.warning(
                        "the lease of the node number could not be renewed", error=f"{type(error).__name__}: {error}"
                    )
                is_renewed = False

    async def release(self) -> None:
        await self._release([self._key(self._node)], [self._holder])
        self._valid_until = 0.0

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

    async def _take(self, node: int) -> bool:
        asked = time.monotonic()
        [is_ours] = await self._hold([self._key(node)], [self._holder, int(LEASE_S * 1_000), 1])
        if not is_ours:
            return False
        self._node = node
        self._valid_until = asked + LEASE_S
        return True

    def _key(self, node: int) -> str:
        return self._redis.key("snowflake-node", node)


def milliseconds(snowflake: int) -> int:
    """When it was minted, in ms since 2024-01-01. Feeds use it as the score, which a double holds exactly."""
    return snowflake >> 22


def minted_at(snowflake: int) -> datetime:
    return datetime.fromtimestamp(((snowflake >> 22) + EPOCH_MS) / 1_000, UTC)
