"""Feeds, ids and limits on a Redis Cluster that loses a master, and with it the last writes."""

import asyncio

import pytest

from gateway.stores import SCRIPTS
from protocol.errors import CallError
from storage import snowflakes
from storage.feeds import Feeds
from storage.limits import Limits
from storage.redis import RedisError
from storage.redis_servers import servers_of
from storage.shards import Shards
from storage.snowflakes import MintingStopped, Snowflakes
from tests.redis_cluster import MASTERS, RedisCluster

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

READERS = range(100, 160)  # on all servers
PROCESSES = 8
FEW = PROCESSES + 4  # node numbers: whoever loses a lease, loses it to another process
FIRST, SECOND = 1 << 22, 2 << 22
FAILOVER_S = 60


@pytest.fixture
async def redis(tmp_path):
    running = RedisCluster(tmp_path)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def new_shards(redis):
    made: list[Shards] = []

    def new() -> Shards:
        made.append(Shards(servers_of(redis.url), "test", SCRIPTS))
        return made[-1]

    yield new
    for each in made:
        await each.stop()


def lost_shard(redis: RedisCluster, shards: Shards) -> int:
    """A shard of the master that tests kill."""
    return next(shard for shard, (_, port) in enumerate(shards._owners) if port == redis.ports[0])


async def test_feeds_of_a_replica_that_lacks_posts_are_rebuilt(redis, new_shards):
    shards = new_shards()
    feeds = Feeds(shards)
    await shards.start()
    for user_id in READERS:
        await feeds.begin_rebuild(user_id)
        await feeds.finish_rebuild(user_id, [FIRST])
    lost = {user_id for user_id in READERS if shards._owners[shards.of(str(user_id))][1] == redis.ports[0]}
    assert 0 < len(lost) < len(READERS)
    await feeds.begin_rebuild(min(lost))

    # Cut the replica off, so that it lacks what is written from now on.
    master, replica = redis.ports[0], redis.ports[MASTERS]
    redis.stop_for_now(replica)
    await redis.ask(master, "client", "kill", "type", "replica")
    await feeds.insert(list(READERS), SECOND)
    redis.kill(master)
    redis.go_on(replica)

    async def read(user_id: int) -> list[int] | None:
        while True:
            try:
                return await feeds.read(user_id)
            except RedisError:
                await asyncio.sleep(0.1)

    async with asyncio.timeout(FAILOVER_S):
        for user_id in READERS:
            assert await read(user_id) == (None if user_id in lost else [SECOND, FIRST])
    # A rebuild that began before may lack the post as well.
    await feeds.finish_rebuild(min(lost), [FIRST])
    for user_id in lost:
        assert await read(user_id) is None
        await feeds.begin_rebuild(user_id)
        await feeds.finish_rebuild(user_id, [FIRST, SECOND])
        assert await read(user_id) == [SECOND, FIRST]


async def test_a_node_number_is_not_used_before_a_replica_has_its_lease(redis, new_shards):
    shards = new_shards()
    await shards.start()
    ids = Snowflakes(shards)
    shard = lost_shard(redis, shards)
    node = next(number for number in range(snowflakes.NODES) if shards.of(str(number)) == shard)
    redis.stop_for_now(redis.ports[MASTERS])
    with pytest.raises(RedisError, match="no replica"):
        await ids._take(node)
    with pytest.raises(MintingStopped):
        ids.mint()
    redis.go_on(redis.ports[MASTERS])
    assert await ids._take(node)


async def test_ids_stay_unique_and_limits_recover_after_a_lost_master(redis, new_shards, monkeypatch):
    monkeypatch.setattr(snowflakes, "NODES", FEW)
    monkeypatch.setattr(snowflakes, "RENEW_EVERY_S", 0.5)
    minted: list[int] = []
    stopped = 0
    processes: list[Snowflakes] = []
    tasks: list[asyncio.Task[None]] = []

    async def begin() -> Snowflakes:
        shards = new_shards()
        await shards.start()
        ids = Snowflakes(shards)
        while True:
            try:
                await ids.lease()
            except (RedisError, MintingStopped):
                await asyncio.sleep(0.1)
            else:
                processes.append(ids)
                tasks.extend((asyncio.create_task(ids.keep_lease()), asyncio.create_task(mint(ids))))
                return ids

    async def mint(ids: Snowflakes) -> None:
        nonlocal stopped
        while True:
            try:
                minted.extend(ids.mint() for _ in range(3))
            except MintingStopped:
                stopped += 1
            await asyncio.sleep(0.001)

    shards = new_shards()
    await shards.start()
    limits = Limits(shards, {"note": "2/hour"}, count_loopback=True)

    async def refused(key: str) -> bool:
        try:
            await limits.hit("note", key)
        except CallError:
            return True
        return False

    keys = [f"user {number}" for number in range(30)]
    for key in keys:
        assert not await refused(key)
    for _ in range(PROCESSES):
        await begin()
    redis.kill(redis.ports[0])
    later = [asyncio.create_task(begin()) for _ in range(FEW - PROCESSES)]  # they take every number that is free
    async with asyncio.timeout(FAILOVER_S):
        lost = 0
        for key in keys:
            while True:
                try:
                    assert not await refused(key)
                    break
                except RedisError:  # at once, as when one server is away
                    lost += 1
                    await asyncio.sleep(0.05)
            assert await refused(key)
        assert lost
        await asyncio.gather(*later)
        before = {ids.node: len(minted) for ids in processes}
        assert len(before) == FEW
        while not all(ids.is_leased for ids in processes):
            await asyncio.sleep(0.1)
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert len(minted) == len(set(minted)), f"duplicates among {len(minted)} ids"
    print(f"\n{len(minted)} ids by {len(processes)} processes, {stopped} times none could be minted")
