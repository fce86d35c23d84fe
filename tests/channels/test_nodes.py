"""Heartbeats of nodes, by the script alone: which nodes are dead."""

from channels.nodes import BEAT
from channels.redis_keys import RedisKeys
from storage.shards import Shards
from tests.channels.clocks import SHARD, server_time

DEAD_AFTER_S = 60  # long, so that a slow test changes nothing


async def beat(shards: Shards, node: str) -> list[object]:
    """Return 1 or None for whether the node was known and alive, and the dead nodes."""
    answer: list[object] = await shards.run(SHARD, BEAT, [RedisKeys(shards).nodes()], [node, DEAD_AFTER_S])
    return answer


async def be_silent(shards: Shards, node: str, seconds: float) -> None:
    last_beat = await server_time(shards) - seconds
    await shards.call(SHARD, "ZADD", RedisKeys(shards).nodes(), repr(last_beat), node)


async def test_a_node_is_known_from_its_first_heartbeat(shards: Shards):
    assert await beat(shards, "a") == [None, []]
    assert await beat(shards, "a") == [1, []]
    assert await beat(shards, "b") == [None, []]


async def test_a_heartbeat_is_noted_with_the_servers_time(shards: Shards):
    before = await server_time(shards)
    await beat(shards, "a")
    noted = float(await shards.call(SHARD, "ZSCORE", RedisKeys(shards).nodes(), "a"))
    assert before <= noted <= await server_time(shards)


async def test_a_node_that_was_silent_for_too_long_is_dead_to_others(shards: Shards):
    await be_silent(shards, "silent", DEAD_AFTER_S)
    await be_silent(shards, "slow", 1)
    assert await beat(shards, "a") == [None, [b"silent"]]


async def test_a_node_that_was_silent_for_too_long_learns_that_it_was_dead(shards: Shards):
    await be_silent(shards, "a", DEAD_AFTER_S + 1)
    assert await beat(shards, "a") == [None, []]
    assert await beat(shards, "a") == [1, []]
