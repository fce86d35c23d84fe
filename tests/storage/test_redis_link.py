"""The link to Redis: waiting commands fail when it ends."""

import asyncio
from functools import partial

import pytest
from redis.asyncio import Connection
from redis.exceptions import ResponseError

from storage.cancellation import end
from storage.redis import REDIS_UNAVAILABLE
from storage.redis_link import LinkDown, RedisLink
from storage.redis_servers import ANYWHERE, Address, RedisServers, servers_of
from storage.shards import Shards
from tests.cluster import Cluster
from tests.patience import WAIT_S


async def test_waiting_commands_fail_when_the_link_is_closed(cluster: Cluster):
    servers = servers_of(cluster.servers.redis_url)
    link = RedisLink(partial(servers.connect, ANYWHERE), (), lambda channel, message: None, "redis")
    task = asyncio.create_task(link.keep_up(partial(asyncio.sleep, 0)))
    await link.is_up.wait()
    assert await link.call("ECHO", "here") == b"here"
    answer = link.call("BLPOP", "nothing-comes-here", 0)
    await end(task)
    with pytest.raises(LinkDown):
        await asyncio.wait_for(answer, 1)
    with pytest.raises(LinkDown):
        link.call("PING")


async def test_a_silent_server_is_disconnected_however_many_commands_wait(cluster: Cluster):
    servers = servers_of(cluster.servers.redis_url)
    link = RedisLink(partial(servers.connect, ANYWHERE), (), lambda channel, message: None, "redis")
    link.most_unanswered, link.ping_every_s, link.answer_timeout_s = 5, 0.1, 0.4
    task = asyncio.create_task(link.keep_up(partial(asyncio.sleep, 0)))
    await link.is_up.wait()
    answer = link.call("BLPOP", "nothing-comes-here", 0)
    for _ in range(4):
        link.call("ECHO", "behind it")
    with pytest.raises(LinkDown):
        await asyncio.wait_for(answer, 5)
    await end(task)


@pytest.mark.parametrize("code", ["OOM", "MISCONF", "NOREPLICAS", "ASK", "TRYAGAIN", "BUSY"])
async def test_a_server_that_cannot_do_it_now_counts_as_unavailable(shards: Shards, code: str):
    with pytest.raises(REDIS_UNAVAILABLE, match=code):
        await shards.call(0, "EVAL", f"return redis.error_reply('{code} try later')", 0)
    with pytest.raises(ResponseError):
        await shards.call(0, "EVAL", f"return redis.error_reply('{code}GROUP exists')", 0)
    assert await shards.call(0, "ECHO", "the link stays") == b"the link stays"


class Replaced:
    """A dead master that is replaced after the first request for its address."""

    shards, is_cluster, may_be_replaced = 1, False, True

    def __init__(self, real: RedisServers) -> None:
        self._real = real
        self._asked = 0

    async def find_owners(self) -> list[Address]:
        self._asked += 1
        return [("dead", 1)] if self._asked == 1 else [("living", 2)]

    async def connect(self, address: Address) -> Connection:
        if address[0] == "dead":
            raise LinkDown("it is dead")
        return await self._real.connect(ANYWHERE)


async def test_a_process_can_start_while_a_master_is_replaced(cluster: Cluster):
    shards = Shards(Replaced(servers_of(cluster.servers.redis_url)), "moving", ())
    async with asyncio.timeout(WAIT_S):
        await shards.start()
    assert shards.are_up
    await shards.stop()
