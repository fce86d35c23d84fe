"""Sidecars that processes announce, and that `daira top` looks up."""

import asyncio

import pytest

from storage.sidecars import EXPIRE_AFTER_S, Sidecars
from tests.faults import soon


@pytest.fixture
def sidecars(any_shards) -> Sidecars:
    return Sidecars(any_shards)


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
    await sidecars._call("ZADD", sidecars._key, await sidecars._now() - EXPIRE_AFTER_S - 1, "http://dead:1")
    assert await sidecars.known() == []
    await sidecars._announce("http://alive:1")
    assert await sidecars._call("ZCARD", sidecars._key) == 1
