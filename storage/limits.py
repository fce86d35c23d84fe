"""Rate limits per user, account, session, device and address, counted in Redis over sliding windows."""

import asyncio
import ipaddress
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from limits import RateLimitItem, parse

from protocol import errors
from storage.redis_link import LinkScript
from storage.shards import Shards

UNLIMITED = 2**53
LEAST_WAIT_MS = 100

HIT = LinkScript(Path(__file__).parent / "lua" / "hit_limit.lua")
SCRIPTS = (HIT,)


class Limits:
    """table: name → "N/period", e.g. {"post": "10/hour"}, with every name that is counted.

    count_loopback: whether addresses of this machine count. On a laptop, all clients have one.
    """

    def __init__(self, shards: Shards, table: Mapping[str, str], *, count_loopback: bool) -> None:
        self._items: dict[str, RateLimitItem] = {name: parse(rate) for name, rate in table.items()}
        self._count_loopback = count_loopback
        self._shards = shards

    async def hit(self, name: str, key: str | int, cost: int = 1) -> None:
        """Count `cost`. Raises RESOURCE_EXHAUSTED with the time to wait; RedisError."""
        item = self._items[name]
        is_counted, _, wait_ms = await self._count(name, key, cost, item.amount)
        if not is_counted:
            message = f"no more than {item.amount} {name.replace('_', ' ')} per {_period(item)}"
            raise errors.exhausted(message, max(wait_ms, LEAST_WAIT_MS))

    async def hit_beyond(self, name: str, key: str) -> int:
        """Count one, even beyond the limit. Returns by how many it is exceeded; 0 or less if not. Raises RedisError."""
        _, hits, _ = await self._count(name, key, 1, UNLIMITED)
        return hits - self._items[name].amount

    async def give_back(self, name: str, key: str) -> None:
        """Take back one count. Raises RedisError."""
        await self._count(name, key, -1, UNLIMITED)

    async def hit_address(self, name: str, address: str) -> None:
        """`hit` for a network address, unless it is exempt."""
        if self.counts_address(address):
            await self.hit(name, address_key(address))

    def counts_address(self, address: str) -> bool:
        return self._count_loopback or not is_loopback(address)

    def _count(self, name: str, key: str | int, cost: int, most: int) -> "asyncio.Future[tuple[int, int, int]]":
        """Returns whether the cost was counted, the hits with it, and the milliseconds to wait."""
        item = self._items[name]
        counted = item.key_for(name, str(key))
        shard = self._shards.of(counted)
        arguments = (int(time.time() * 1_000), item.get_expiry() * 1_000, most, cost)
        return self._shards.run(shard, HIT, (self._shards.key(shard, "limit", counted),), arguments)


@lru_cache(maxsize=10_000)
def address_key(address: str) -> str:
    """The key that an address counts under: an IPv4 address itself, an IPv6 address by its /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return address


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _period(item: RateLimitItem) -> str:
    unit = item.GRANULARITY.name
    return unit if item.multiples == 1 else f"{item.multiples} {unit}s"
