"""The link to Redis: who waits on it is told when it ends."""

import asyncio
from functools import partial

import pytest

from storage.cancellation import end
from storage.redis_link import LinkDown, RedisLink
from storage.redis_servers import ANYWHERE, servers_of
from tests.cluster import Cluster


async def test_who_waits_for_an_answer_is_told_when_the_link_is_ended(cluster: Cluster):
    servers = servers_of(cluster.servers.redis_url)
    link = RedisLink(partial(servers.connect, ANYWHERE), (), lambda channel, message: None)
    task = asyncio.create_task(link.keep_up(partial(asyncio.sleep, 0)))
    await link.is_up.wait()
    assert await link.call("ECHO", "here") == b"here"
    answer = link.call("BLPOP", "nothing-comes-here", 0)
    await end(task)
    with pytest.raises(LinkDown):
        await asyncio.wait_for(answer, 1)
    with pytest.raises(LinkDown):
        link.call("PING")
