"""Commands to a Redis that does not answer are refused at once."""

import asyncio

import pytest

from storage.breaker import ProbedBreaker
from storage.redis import REDIS_UNAVAILABLE, Redis
from tests.cluster import Cluster
from tests.faults import soon
from tests.store_link import link_to


@pytest.mark.parametrize("fault", ["frozen", "closed"])
async def test_commands_are_refused_at_once_until_redis_answers(idle_cluster: Cluster, fault):
    servers = idle_cluster.servers
    async with link_to(servers.redis_port) as link:
        url = servers.redis_url.replace(f":{servers.redis_port}/", f":{link.port}/")
        redis = Redis(url, idle_cluster.unique("test"))
        key = redis.key("number")
        await redis.commands.set(key, 1, ex=60)
        if fault == "frozen":
            link.freeze()
        else:
            await link.close()
        under_way = asyncio.gather(*(redis.commands.get(key) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(error, REDIS_UNAVAILABLE) for error in await under_way)
        assert await _opens(redis.breaker, redis, key)
        for work in (redis.commands.get(key), redis.commands.pipeline().get(key).execute()):
            with pytest.raises(REDIS_UNAVAILABLE, match="Redis does not answer"):
                await work
        await link.open()
        assert await soon(lambda: _is_open(redis.breaker), False) is False
        assert await redis.commands.get(key) == b"1"
        await redis.close()


async def _opens(breaker: ProbedBreaker, redis: Redis, key: str) -> bool:
    while not breaker.is_open:
        with pytest.raises(REDIS_UNAVAILABLE):
            await redis.commands.get(key)
    return True


async def _is_open(breaker: ProbedBreaker) -> bool:
    return breaker.is_open
