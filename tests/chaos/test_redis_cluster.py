"""The realtime paths on a Redis Cluster that loses a master under load."""

import asyncio
import itertools

import pytest
import socketio

from channels.recovery import OTHER_SHARDS_MARGIN_US
from domain.post_channels import POST
from protocol.posts import PostDeleted
from storage.redis import RedisError
from storage.shards import PartlyDown
from tests.cluster import Cluster
from tests.faults import cut
from tests.patience import WAIT_S
from tests.redis_cluster import RedisCluster

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

ROOMS = 12
PEOPLE = 12


@pytest.fixture
async def sharded(cluster: Cluster, tmp_path):
    """Two nodes whose realtime Redis is a cluster of three masters and three replicas."""
    redis = RedisCluster(tmp_path)
    await redis.start()
    await cluster.add_node("x", realtime_redis_url=redis.url)
    await cluster.add_node("y", realtime_redis_url=redis.url)
    yield redis
    await cluster.leave()
    for name in ("x", "y"):
        await cluster.remove_node(name)
    await redis.stop()


async def people_in_rooms(cluster: Cluster, person):
    alice = await person("alice", node="x")
    posts = [(await alice.call("post.create", text=f"room {number}"))["id"] for number in range(ROOMS)]
    readers = [await person(f"reader{number}", node="xy"[number % 2]) for number in range(PEOPLE)]
    for reader in readers:
        for post_id in posts:
            await reader.call("post.watch", post_id=post_id)
    return posts, readers


async def test_pushes_reach_channels_and_users_on_all_shards(cluster: Cluster, person, sharded):
    posts, readers = await people_in_rooms(cluster, person)
    broadcaster = cluster.node("x").parts.services.broadcaster
    for post_id in posts:
        await broadcaster.publish(POST.channel(int(post_id)), PostDeleted(id=f"to:{post_id}", post_id=post_id))
    await broadcaster.publish_to_users([int(each.id) for each in readers], PostDeleted(id="to:people", post_id="1"))
    for reader in readers:
        for post_id in posts:
            await reader.expect("post.deleted", id=f"to:{post_id}")
        await reader.expect("post.deleted", id="to:people")


@pytest.mark.javascript
async def test_a_client_is_recovered_on_another_node(cluster: Cluster, person, sharded):
    # Until then a shard may be younger than the clocks' difference, and cannot prove that it is complete.
    await asyncio.sleep(OTHER_SHARDS_MARGIN_US / 1_000_000)
    alice = await person("alice", node="x")
    posts = [(await alice.call("post.create", text=f"room {number}"))["id"] for number in range(ROOMS)]
    reader = cluster.new_client(cluster.unique("reader"), "js-msgpack")
    [token] = await cluster.tokens([reader.name])
    await cluster.connect(reader, node="x", codec="msgpack", token=token, reconnectionDelay=50)
    await reader.happened("connect")
    for post_id in posts:
        await reader.call("post.watch", post_id=post_id)
    await reader.do("hold")
    await reader.happened("disconnect")
    broadcaster = cluster.node("y").parts.services.broadcaster
    for post_id in posts:
        await broadcaster.publish(POST.channel(int(post_id)), PostDeleted(id=f"missed:{post_id}", post_id=post_id))
    await reader.do("resume", url=cluster.url("y"))
    assert (await reader.happened("connect"))["recovered"] is True
    for post_id in posts:
        await reader.expect("post.deleted", id=f"missed:{post_id}")


async def test_sessions_are_rechecked_while_one_server_is_away(cluster: Cluster, person, sharded):
    """Otherwise a gap on another server could not be closed."""
    await people_in_rooms(cluster, person)
    node = cluster.node("y")
    async with cut(node):
        assert await node.parts.catching_up.recheck()


async def test_users_of_other_servers_come_in_while_one_server_is_away(cluster: Cluster, sharded):
    """A user who needs the lost one is refused, and may try again."""
    node = cluster.node("y")
    shards = node._stores.shards
    names = [cluster.unique("visitor") for _ in range(PEOPLE)]
    visitors = list(zip(names, await cluster.tokens(names), strict=True))
    entered = 0
    async with cut(node):
        with pytest.raises(PartlyDown, match="2 of 3"):
            await shards.ping()
        for name, token in visitors:
            visitor = cluster.new_client(name, "python-msgpack")
            try:
                await cluster.connect(visitor, node="y", codec="msgpack", token=token)
            except socketio.exceptions.ConnectionError:
                continue
            entered += 1
            assert (await visitor.call("user.me"))["id"] == visitor.id
            assert shards.is_up([node._stores.redis_keys.shard_of_user(int(visitor.id))])
    assert 0 < entered < PEOPLE
    await shards.ping()


async def test_a_gap_repeats_nothing_that_was_heard_before(cluster: Cluster, person, sharded):
    """Also to a user whose push a worker sends again."""
    await asyncio.sleep(OTHER_SHARDS_MARGIN_US / 1_000_000)
    posts, readers = await people_in_rooms(cluster, person)
    broadcaster = cluster.node("x").parts.services.broadcaster
    user_ids = [int(each.id) for each in readers]
    published: set[str] = set()

    async def publish(number: int) -> None:
        for post_id in posts:
            push = PostDeleted(id=f"{number} to {post_id}", post_id=post_id)
            await broadcaster.publish(POST.channel(int(post_id)), push)
            published.add(push.id)
        for _ in range(2):
            await broadcaster.publish_to_users(user_ids, PostDeleted(id=f"{number} to users", post_id="1"))
        published.add(f"{number} to users")

    for number in range(4):
        await publish(number)
        async with asyncio.timeout(WAIT_S):
            while any(heard_of(reader) != published for reader in readers):
                await asyncio.sleep(0.01)
        if number == 3:
            break
        for link in cluster.node("y")._stores.shards._links.values():
            link.reopen()
        published.add(f"{number} in the gap")
        await broadcaster.publish_to_users(user_ids, PostDeleted(id=f"{number} in the gap", post_id="1"))
    for reader in readers:
        assert len(reader.heard("post.deleted")) == len(published)
        assert not reader.heard("session.ready")


def heard_of(reader) -> set[str]:
    return {push["id"] for push in reader.heard("post.deleted")}


async def test_pushes_continue_after_a_lost_master(cluster: Cluster, person, sharded):
    posts, readers = await people_in_rooms(cluster, person)
    broadcaster = cluster.node("x").parts.services.broadcaster
    published: dict[str, list[str]] = {post_id: [] for post_id in posts}
    refused = 0
    numbers = itertools.count(1)

    async def publish_to_all() -> bool:
        """Publish to every room; return whether all could be reached."""
        nonlocal refused
        number, whole = next(numbers), True
        for post_id in posts:
            push = PostDeleted(id=f"{post_id}:{number}", post_id=str(number))
            try:
                await broadcaster.publish(POST.channel(int(post_id)), push)
            except RedisError:
                refused += 1
                whole = False
            else:
                published[post_id].append(push.id)
        return whole

    for _ in range(5):
        assert await publish_to_all()
    victim = sharded.ports[0]
    sharded.kill(victim)
    async with asyncio.timeout(30):
        while await publish_to_all():
            await asyncio.sleep(0.01)
        # Calls that need the lost shards are refused at once, and sockets stay.
        codes = [await reader.answer("post.watch", {"post_id": posts[0]}) for reader in readers]
        assert {answer["error"]["code"] for answer in codes if not answer["ok"]} <= {"UNAVAILABLE"}
        assert (await readers[0].call("user.me"))["id"] == readers[0].id
        while not await publish_to_all():
            await asyncio.sleep(0.05)
        # The other node may find the new master later: publish until every reader gets pushes of every room again.
        before = {post_id: len(ids) for post_id, ids in published.items()}
        while any(
            heard_of(reader).isdisjoint(ids[before[post_id] :])
            for reader in readers
            for post_id, ids in published.items()
        ):
            assert await publish_to_all()
            await asyncio.sleep(0.05)
    for _ in range(3):
        assert await publish_to_all()
    lost = 0
    for reader in readers:
        last = {post_id: ids[-1] for post_id, ids in published.items()}
        for push_id in last.values():
            await reader.expect("post.deleted", id=push_id)
        got = heard_of(reader) | set(last.values())
        missing = {push_id for ids in published.values() for push_id in ids} - got
        told = [ready for ready in reader.heard("session.ready") if not ready["recovered"]]
        assert not missing or told, f"{reader.name} missed {missing} and was not told"
        lost += len(missing)
        ids = [push["id"] for push in reader.heard("post.deleted")]
        assert len(ids) == len(set(ids))
        assert not [entry for entry in reader.log if entry["is"] == "disconnect"]
    print(f"\n{sum(map(len, published.values()))} published, {refused} refused, {lost} not delivered, readers told")
