"""Sidecars that processes announce, and that `daira top` looks up."""

import asyncio

import pytest

from storage.redis import Redis
from storage.sidecars import EXPIRE_AFTER_S, Sidecars
from tests.cluster import Cluster
from tests.faults import soon


@pytest.fixture
async def sidecars(idle_cluster: Cluster):
    redis = Redis(idle_cluster.servers.redis_url, idle_cluster.unique("sidecars"))
    yield Sidecars(redis)
    await redis.close()


async def test_a_sidecar_is_known_until_its_process_stops(sidecars):
    announcing = [
        asyncio.create_task(sidecars.keep_announcing(host, port))
        for host, port in (("10.0.0.7", 8001), ("::1", 8002), ("0.0.0.0", 8003))
    ]
    urls = ["http://10.0.0.7:8001", "http://127.0.0.1:8003", "http://[::1]:8002"]
    assert await soon(sidecars.known, urls) == urls
    for task in announcing:
        task.cancel()
    await asyncio.wait(announcing)
    assert await sidecars.known() == []


async def test_a_process_that_died_is_forgotten(sidecars):
    now, _ = await sidecars._redis.commands.time()
    await sidecars._redis.commands.zadd(sidecars._key, {"http://dead:1": now - EXPIRE_AFTER_S - 1})
    assert await sidecars.known() == []
    await sidecars._announce("http://alive:1")
    assert await sidecars._redis.commands.zcard(sidecars._key) == 1
