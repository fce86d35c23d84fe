"""Reads on a streaming replica: clients see what they would see on the primary."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from storage.cancellation import end
from storage.fair_queue import FairQueue
from storage.metrics import READS
from storage.replica import Replica
from tests.cluster import Cluster
from tests.faults import soon
from tests.patience import WAIT_S
from tests.postgres_replica import PostgresReplica
from tests.store_link import link_to

SOME = 20


@pytest.fixture(scope="module")
async def replica(cluster: Cluster, tmp_path_factory):
    """Nodes x and y read from the replica."""
    running = PostgresReplica(cluster.servers, tmp_path_factory.mktemp("replica"))
    await running.start()
    for name in ("x", "y"):
        await cluster.add_node(name, postgres_replica_url=running.url)
    yield running
    await cluster.leave()
    for name in ("x", "y"):
        await cluster.remove_node(name)
    running.erase()


def reads(where: str) -> float:
    """How many reads of both nodes ran there."""
    return READS.labels(where)._value.get()


async def until(condition: Callable[[], bool], *people) -> None:
    """Let these users read until the condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            for each in people:
                assert (await each.call("user.me"))["id"] == each.id


async def until_used(*people) -> None:
    """Wait until the reads of each of these users are on the replica."""
    for each in people:
        before = reads("replica")
        await until(lambda before=before: reads("replica") > before, each)


async def test_reads_on_the_replica_see_what_any_device_has_written(cluster: Cluster, person, replica):
    alice = await person("alice", node="x")
    laptop = await cluster.again(alice, node="y")
    await until_used(alice, laptop)
    before = reads("replica")
    async with asyncio.timeout(WAIT_S):
        while reads("replica") < before + SOME:
            post = await alice.call("post.create", text="one more")
            assert (await laptop.call("post.get", post_id=post["id"]))["text"] == "one more"


async def test_what_is_not_replayed_yet_is_read_from_the_primary(cluster: Cluster, person, replica):
    """Own writes on any device, what a push told, and what a block has closed."""
    alice, bob = await person("alice", node="x"), await person("bob", node="y")
    laptop = await cluster.again(alice, node="y")
    await bob.call("graph.follow", user_id=alice.id)
    await until_used(alice, bob, laptop)
    await replica.pause_replay()
    before = reads("replica")
    post = await alice.call("post.create", text="new")
    assert (await laptop.call("post.get", post_id=post["id"]))["text"] == "new"
    await bob.expect("feed.added", post_id=post["id"])
    page = await bob.call("feed.get", mode="latest")
    assert page["items"][0]["post"]["id"] == post["id"]
    await alice.call("graph.block", user_id=bob.id)
    assert (await bob.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    assert reads("replica") == before
    await replica.resume_replay()
    await until_used(alice, bob, laptop)


async def test_a_feed_is_rebuilt_from_the_primary(cluster: Cluster, person, replica):
    """The rebuild must see posts that were committed since its call began."""
    before = reads("needed")
    async with asyncio.timeout(WAIT_S):
        while reads("needed") == before:
            alice = await person("alice", node="x")  # whose feed nobody has read
            await until_used(alice)
            assert (await alice.call("feed.get", mode="latest"))["items"] == []


async def test_a_read_that_the_replica_cancels_is_repeated_on_the_primary(cluster: Cluster, person, replica):
    """The replica cancels reads that hold up the replay of an exclusive lock."""
    alice = await person("alice", node="x")
    table, owner = cluster.unique("locked"), await cluster.owner()
    await owner.execute(f"CREATE TABLE {table} (); GRANT SELECT ON {table} TO daira_app")
    runs: list[bool] = []

    async def body(tx) -> None:
        runs.append(tx.is_of_replica)
        await tx.execute(f"SELECT FROM {table}")
        if tx.is_of_replica:
            await owner.execute(f"TRUNCATE {table}")
            await tx.execute("SELECT pg_sleep($1)", WAIT_S)

    while runs[-2:] != [True, False]:
        await until_used(alice)
        async with asyncio.timeout(WAIT_S):
            await cluster.node("x").parts.services.database.read(int(alice.id), body)
    await owner.execute(f"DROP TABLE {table}")
    await owner.close()


async def test_reads_go_on_while_the_replica_hangs_or_is_away(cluster: Cluster, person, replica):
    alice = await person("alice", node="x")
    await until_used(alice)
    before = reads("down")
    replica.hang(hangs=True)
    # The first of these may already run on the replica when it hangs, and begins again.
    await until(lambda: reads("down") > before, alice)
    replica.hang(hangs=False)
    await until_used(alice)
    replica.kill()
    before = reads("down")
    await until(lambda: reads("down") > before, alice)
    await replica.run()
    await until_used(alice)


async def test_reads_that_run_on_the_replica_go_on_while_the_primary_is_late(cluster: Cluster, replica):
    async with link_to(cluster.servers.postgres_port) as link:
        late = msgspec.structs.replace(cluster.servers, postgres_port=link.port).postgres_url("daira_app")
        following = Replica(late, replica.url, 1, largest=2, name="late", queue=FairQueue(2))
        task = asyncio.create_task(following.follow())

        async def is_current() -> bool:
            return await following.is_current()

        try:
            assert await soon(is_current, True)
            assert following.database is not None
            async with following.database.transaction() as tx:
                link.freeze()
                assert await soon(is_current, False) is False
                assert await tx.fetchval("SELECT 1") == 1
                await link.open()
                assert await soon(is_current, True)
                assert await tx.fetchval("SELECT 1") == 1
        finally:
            await end(task)
