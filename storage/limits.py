"""Rate limits per user, account, session, device and address, counted in Redis over sliding windows."""

import ipaddress
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import limits
from limits import RateLimitItem, parse
from limits.aio.storage import SlidingWindowCounterSupport, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from protocol import errors
from storage.redis import RedisError
from storage.redis_link import LinkScript
from storage.shards import Shards

UNLIMITED = 2**53

_SCRIPTS = Path(limits.__file__).parent / "resources" / "redis" / "lua_scripts"
ACQUIRE, LOOK = SCRIPTS = (
    LinkScript(_SCRIPTS / "acquire_sliding_window.lua"),
    LinkScript(_SCRIPTS / "sliding_window.lua"),
)


class _LinkStorage(Storage, SlidingWindowCounterSupport):
    """Runs the library's scripts over our links to Redis, at a tenth of the cost of the library's own storages."""

    STORAGE_SCHEME = None
    base_exceptions = RedisError

    def __init__(self, shards: Shards) -> None:
        super().__init__()
        self._shards = shards

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        shard, keys = self._windows(key)
        return bool(await self._shards.run(shard, ACQUIRE, keys, (limit, expiry, amount)))

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        shard, keys = self._windows(key)
        before, before_ms, now, now_ms = await self._shards.run(shard, LOOK, keys, (expiry,))
        return int(before or 0), max(before_ms, 0) / 1_000, int(now or 0), max(now_ms, 0) / 1_000

    async def _unused(self, *_: object, **__: object) -> Any:
        """Other strategies of the library need it; ours does not."""
        raise NotImplementedError

    incr = get = get_expiry = check = reset = clear = clear_sliding_window = _unused

    def _windows(self, key: str) -> tuple[int, tuple[str, str]]:
        shard = self._shards.of(key)
        return shard, (self._shards.key(shard, "limit", key, "before"), self._shards.key(shard, "limit", key, "now"))


class Limits:
    """table: name → "N/period", e.g. {"post": "10/hour"}, with every name that is counted.

    count_loopback: whether addresses of this machine count. On a laptop, all clients have one.
    """

    def __init__(self, shards: Shards, table: Mapping[str, str], *, count_loopback: bool) -> None:
        self._items: dict[str, RateLimitItem] = {name: parse(rate) for name, rate in table.items()}
        self._count_loopback = count_loopback
        self._storage = _LinkStorage(shards)
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    async def hit(self, name: str, key: str | int, cost: int = 1) -> None:
        """Count `cost`. Raises RESOURCE_EXHAUSTED with the time to wait; RedisError."""
        item = self._items[name]
        if await self._limiter.hit(item, name, str(key), cost=cost):
            return
        stats = await self._limiter.get_window_stats(item, name, str(key))
        wait_ms = max(int((stats.reset_time - time.time()) * 1_000), 100)
        raise errors.exhausted(f"no more than {item.amount} {name.replace('_', ' ')} per {_period(item)}", wait_ms)

    async def hit_beyond(self, name: str, key: str) -> int:
        """Count one, even beyond the limit. Returns by how many it is exceeded; 0 or less if not. Raises RedisError."""
        item = self._items[name]
        await self._add(item, name, key, 1)
        stats = await self._storage.get_sliding_window(item.key_for(name, key), item.get_expiry())
        before, before_s, now, _ = stats
        return int(before * before_s / item.get_expiry()) + now - item.amount

    async def give_back(self, name: str, key: str) -> None:
        """Take back one count. Raises RedisError."""
        await self._add(self._items[name], name, key, -1)

    async def hit_address(self, name: str, address: str) -> None:
        """`hit` for a network address, unless it is exempt."""
        if self.counts_address(address):
            await self.hit(name, address_key(address))

    def counts_address(self, address: str) -> bool:
        return self._count_loopback or not _is_loopback(address)

    async def _add(self, item: RateLimitItem, name: str, key: str, amount: int) -> None:
        await self._storage.acquire_sliding_window_entry(item.key_for(name, key), UNLIMITED, item.get_expiry(), amount)


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


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _period(item: RateLimitItem) -> str:
    unit = item.GRANULARITY.name
    return unit if item.multiples == 1 else f"{item.multiples} {unit}s"
