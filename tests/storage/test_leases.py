"""Leases in Redis, by the scripts alone: one holder at a time, and only the holder renews or releases."""

import secrets

import pytest

from storage import snowflakes
from storage.redis import Redis
from tests.cluster import Cluster

LIFETIME_MS = 60_000


class Lease:
    def __init__(self, redis: Redis) -> None:
        self._renew = redis.script(snowflakes._LUA / "renew_lease.lua")
        self._release = redis.script(snowflakes._LUA / "release_lease.lua")
        self._redis = redis
        self.key = redis.key("lease")

    async def renew(self, holder: str) -> int:
        """Renew or take it; return 1 if the lease is the holder's now."""
        return int(await self._renew([self.key], [holder, LIFETIME_MS]))

    async def release(self, holder: str) -> int:
        return int(await self._release([self.key], [holder]))

    async def holder(self) -> bytes | None:
        found: bytes | None = await self._redis.commands.get(self.key)
        return found

    async def shorten(self) -> None:
        await self._redis.commands.pexpire(self.key, LIFETIME_MS // 2)

    async def is_fresh(self) -> bool:
        """Whether it lasts for a whole lifetime, not for half of one."""
        return LIFETIME_MS // 2 < await self._redis.commands.pttl(self.key) <= LIFETIME_MS


@pytest.fixture
async def lease(cluster: Cluster):
    own = Redis(cluster.servers.redis_url, f"leases-{secrets.token_hex(4)}")
    yield Lease(own)
    await own.close()


async def test_a_free_lease_is_taken_and_expires(lease: Lease):
    assert await lease.renew("one") == 1
    assert await lease.holder() == b"one"
    assert await lease.is_fresh()


async def test_the_holder_renews_the_lease(lease: Lease):
    await lease.renew("one")
    await lease.shorten()
    assert await lease.renew("one") == 1
    assert await lease.is_fresh()


async def test_others_do_not_get_a_lease_that_is_held(lease: Lease):
    await lease.renew("one")
    await lease.shorten()
    assert await lease.renew("another") == 0
    assert await lease.holder() == b"one"
    assert not await lease.is_fresh()


async def test_only_the_holder_releases_the_lease(lease: Lease):
    await lease.renew("one")
    assert await lease.release("another") == 0
    assert await lease.holder() == b"one"
    assert await lease.release("one") == 1
    assert await lease.holder() is None
    assert await lease.renew("another") == 1
