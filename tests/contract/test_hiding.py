"""In shared rooms, pushes caused by blocked or muted users do not reach the users who block or mute them."""

import asyncio
import datetime
import itertools

import pytest

from channels.broadcaster import Broadcaster
from channels.members import Hiding, Members
from channels.messages import HidingChanged
from domain.post_channels import POST
from gateway.channel_kinds import KINDS
from protocol.posts import PostDeleted
from stage.room_channel import LIVE_ROOM
from tests.cluster import Cluster

numbers = itertools.count(1)


class FakeTime:
    """Replaces the module `time`."""

    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        return self._now


async def act(cluster: Cluster, room: str, actor) -> str:
    """Publish a push by `actor` to a room that others are in; return its id."""
    push_id = f"act:{next(numbers)}:{room}"
    push = PostDeleted(id=push_id, post_id="1")
    await cluster.stores.broadcaster.publish(room, push, actor_id=int(actor.id))
    return push_id


@pytest.fixture
async def room(cluster: Cluster, person):
    """Return the room of Carol's post, which she watches, and a function that lets others watch it."""
    carol = await person("carol")
    post = await carol.call("post.create", text="all welcome")

    async def enter(*people):
        for each in people:
            await each.call("post.watch", post_id=post["id"])
        return POST.channel(int(post["id"]))

    return enter


@pytest.mark.parametrize("blocker", ["alice", "bob"])
async def test_a_block_hides_both_ways_and_on_all_nodes(cluster: Cluster, person, room, blocker):
    alice, bob, dina = await person("alice", node="a"), await person("bob", node="b"), await person("dina", node="b")
    where = await room(alice, bob, dina)
    one, other = (alice, bob) if blocker == "alice" else (bob, alice)
    await one.call("graph.block", user_id=other.id)
    await cluster.settle(alice, bob)
    hidden = await act(cluster, where, alice)
    await dina.expect("post.deleted", id=hidden)
    own = await act(cluster, where, dina)
    await bob.expect("post.deleted", id=own)
    assert bob.heard("post.deleted") == []
    back = await act(cluster, where, bob)
    await dina.expect("post.deleted", id=back)
    await cluster.settle(alice)
    assert back not in [each["id"] for each in alice.heard("post.deleted")]
    await one.call("graph.unblock", user_id=other.id)
    await cluster.settle(alice, bob)
    seen = await act(cluster, where, alice)
    await bob.expect("post.deleted", id=seen)


async def test_a_mute_hides_one_way_until_it_is_lifted(cluster: Cluster, person, room):
    alice, bob = await person("alice", node="a"), await person("bob", node="b")
    where = await room(alice, bob)
    await bob.call("graph.mute", user_id=alice.id)
    await cluster.settle(alice, bob)
    await act(cluster, where, alice)
    seen = await act(cluster, where, bob)
    await alice.expect("post.deleted", id=seen)
    await cluster.settle(bob)
    assert [each["id"] for each in bob.heard("post.deleted")] == [seen]
    await bob.call("graph.unmute", user_id=alice.id)
    await cluster.settle(bob)
    again = await act(cluster, where, alice)
    await bob.expect("post.deleted", id=again)


async def test_hidden_users_are_loaded_at_sign_in(cluster: Cluster, person, room):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.block", user_id=alice.id)
    device = await cluster.again(bob, node="b")
    where = await room(alice, device)
    await act(cluster, where, alice)
    await cluster.settle(device)
    assert device.heard("post.deleted") == []


async def test_edits_by_a_muted_author_do_not_reach_a_watched_post(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = await alice.call("post.create", text="first")
    await bob.call("post.watch", post_id=post["id"])
    await bob.call("graph.mute", user_id=alice.id, kind="posts")
    await cluster.settle(bob)
    await alice.call("post.edit", post_id=post["id"], version=post["version"], text="second")
    await cluster.settle(bob)
    assert bob.heard("post.edited") == []


@pytest.mark.parametrize("first", ["all", "posts"])
@pytest.mark.parametrize("learnt", ["as it happens", "by signing in"])
async def test_a_temporary_mute_ends_while_another_mute_stays(
    cluster: Cluster, person, room, monkeypatch, first, learnt
):
    alice, bob, dina = await person("alice"), await person("bob", node="b"), await person("dina", node="b")
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    mutes = [("all", soon.isoformat()), ("posts", None)]
    for kind, until in mutes if first == "all" else reversed(mutes):
        await bob.call("graph.mute", user_id=alice.id, kind=kind, until=until)
    if learnt == "by signing in":
        await bob.close()
        bob = await cluster.again(bob)
    await cluster.settle(bob)
    where = await room(bob, dina)
    hides_from = cluster.node_b.parts.members.hides_from
    assert hides_from(int(alice.id), LIVE_ROOM.channel(1)) == {int(bob.id)}
    monkeypatch.setattr("channels.members.time", FakeTime(soon.timestamp() + 1))
    act_of_alice = await act(cluster, where, alice)
    await dina.expect("post.deleted", id=act_of_alice)
    await cluster.settle(bob)
    assert bob.heard("post.deleted") == []
    assert hides_from(int(alice.id), LIVE_ROOM.channel(1)) == set()


async def test_a_mute_survives_a_block_and_unblock(cluster: Cluster, person, room):
    alice, bob = await person("alice"), await person("bob", node="b")
    await bob.call("graph.mute", user_id=alice.id, kind="posts")
    await bob.call("graph.block", user_id=alice.id)
    await bob.call("graph.unblock", user_id=alice.id)
    await cluster.settle(bob)
    where = await room(bob)
    await act(cluster, where, alice)
    await cluster.settle(bob)
    assert bob.heard("post.deleted") == []


async def test_an_older_read_is_not_applied_after_a_block(cluster: Cluster, person, monkeypatch):
    """A worker that handles a mute late must not undo the later block."""
    alice, bob = await person("alice"), await person("bob", node="b")
    reached, go_on = asyncio.Event(), asyncio.Event()
    told: list[float] = []
    tell = Broadcaster.change_hiding

    async def tell_late(broadcaster: Broadcaster, changed: HidingChanged) -> None:
        if not reached.is_set():
            reached.set()
            await go_on.wait()
        if changed.user_ids == [int(bob.id)]:
            told.append(changed.until)
        await tell(broadcaster, changed)

    monkeypatch.setattr(Broadcaster, "change_hiding", tell_late)
    await bob.call("graph.mute", user_id=alice.id, kind="posts")
    await reached.wait()
    blocking = asyncio.create_task(bob.call("graph.block", user_id=alice.id))
    await asyncio.wait([blocking], timeout=0.5)  # it waits for the lock; without the lock it would be done
    go_on.set()
    await blocking
    await cluster.settle(bob)
    assert told == sorted(told)
    assert cluster.node_b.parts.members.hides_from(int(alice.id), LIVE_ROOM.channel(1)) == {int(bob.id)}


async def test_the_index_of_hidden_users_is_emptied(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.block", user_id=alice.id)
    await cluster.settle(bob)
    members = cluster.node_a.parts.members
    assert members.hides_from(int(alice.id), "post:1") == {int(bob.id)}
    await bob.close()
    while members.of_user(int(bob.id)):
        await alice.call("system.ping")
    assert not members.hides_from(int(alice.id), "post:1")


def test_two_concurrent_loads_of_hidden_users_each_record_changes():
    """As in two concurrent sign-ins, of which the later one finishes first."""
    members, hiding = Members(KINDS), Hiding(2.0**40, 0)
    with members.loading_hiding(1) as changes:
        with members.loading_hiding(1):
            pass
        members.change_hiding(1, 2, hiding)
        assert changes == [(2, hiding)]
