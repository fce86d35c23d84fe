"""Rate limits per person, account, session, device and address, counted in Redis over sliding windows."""

import ipaddress
import time
from collections.abc import Mapping
from typing import Any

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from protocol import errors
from storage.redis import Redis, RedisConnectionError, RedisError

# So long nobody waits for a Redis that has just kept somebody waiting in vain.
AWAY_S = 1.0


class Limits:
    """table: name → "N/period", e.g. {"post": "10/hour"}; every name that is counted must stand in it.

    count_loopback: whether addresses of this machine count too; on a laptop everybody comes from there.
    """

    def __init__(self, redis: Redis, table: Mapping[str, str], *, count_loopback: bool) -> None:
        self._items: dict[str, RateLimitItem] = {name: parse(rate) for name, rate in table.items()}
        self._count_loopback = count_loopback
        self._away_until = 0.0
        options: Any = {"connection_pool": redis.pool}
        storage = RedisStorage(
            "async+redis://localhost:6379",  # not connected to: the pool is
            implementation="redispy",
            key_prefix=redis.key("limit"),
            **options,
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    async def hit(self, name: str, key: str | int) -> None:
        """Count one. Raises RESOURCE_EXHAUSTED with the time to wait; RedisError."""
        item = self._items[name]
        if time.monotonic() < self._away_until:
            raise RedisConnectionError("Redis did not answer a moment ago")
        try:
            if await self._limiter.hit(item, name, str(key)):
                return
        except RedisError:
            self._away_until = time.monotonic() + AWAY_S
            raise
        stats = await self._limiter.get_window_stats(item, name, str(key))
        wait_ms = max(int((stats.reset_time - time.time()) * 1_000), 100)
        raise errors.exhausted(f"no more than {item.amount} {name.replace('_', ' ')} per {_period(item)}", wait_ms)

    async def hit_address(self, name: str, address: str) -> None:
        """The same, by network address; IPv6 counts by its /64."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            await self.hit(name, address)
            return
        if parsed.is_loopback and not self._count_loopback:
            return
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
            address = str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
        await self.hit(name, address)


def _period(item: RateLimitItem) -> str:
    unit = item.GRANULARITY.name
    return unit if item.multiples == 1 else f"{item.multiples} {unit}s"
