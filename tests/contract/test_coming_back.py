"""Recovery on the wire, with a client that keeps its `pid` and offset: missed pushes are replayed once and in order."""

import asyncio
import itertools
from typing import Any, ClassVar

import pytest

from channels.messages import encode_push, finish, offset_text
from domain.post_channels import POST
from engine.close_reasons import CloseReason
from gateway import replay
from protocol.posts import PostDeleted
from protocol.pushes import History
from protocol.room_chat import RoomReacted
from stage.room_channel import LIVE_ROOM
from tests.cluster import Cluster
from tests.contract.test_live_rooms import open_room
from tests.faults import Held, cut, inside
from tests.people import Person, PythonPerson

numbers = itertools.count(1)


class Reader(PythonPerson):
    """A client that stores the last offset, as the official JavaScript client does, but keeps repeated pushes."""

    offset = ""

    async def _on_push(self, event: str, push: Any, *offset: str) -> None:
        if offset:
            [self.offset] = offset
        await super()._on_push(event, push)

    async def told(self, event: str = "post.deleted") -> list[str]:
        """Return the ids of all pushes written to the socket so far and not taken by `expect`."""
        await self.call("system.ping")
        return [push["id"] for push in self.heard(event)]


async def arrive(cluster: Cluster, node: str = "a", like: Person | None = None, **auth: str) -> Reader:
    """Connect a new user, or another socket of the same user."""
    reader = Reader(like.name if like else cluster.unique("reader"), "")
    cluster._people.append(reader)
    reader.token = like.token if like else (await cluster.tokens([reader.name]))[0]
    before = {*cluster.node(node).parts.members.all}
    await reader.connect(cluster.url(node), "json", {"token": reader.token, **auth})
    reader.ready = await reader.expect("session.ready")
    reader.id = reader.ready["user"]["id"]
    [reader.member] = {*cluster.node(node).parts.members.of_user(int(reader.id))} - before
    return reader


async def leave(cluster: Cluster, reader: Reader) -> None:
    """The network is gone: no DISCONNECT, no goodbye."""
    reader.member.drop(CloseReason.PING_TIMEOUT)
    await reader.happened("disconnect")
    await gone(cluster, reader)


async def gone(cluster: Cluster, reader: Reader) -> None:
    """Wait until Redis knows that the socket is gone; a node's commands on one link arrive in order."""
    for node in (cluster.node_a, cluster.node_b):
        while reader.member in node.parts.members.all:
            await asyncio.sleep(0.001)
        await node._stores.shards.call(0, "PING")


async def come_back(cluster: Cluster, reader: Reader, node: str = "b", **changes: str) -> Reader:
    auth = {"pid": reader.member.pid, "offset": reader.offset, **changes}
    return await arrive(cluster, node, reader, **auth)


async def publish(cluster: Cluster, room: str, actor_id: int | str = 0, kind: type[PostDeleted] = PostDeleted) -> str:
    push_id = f"push {next(numbers)} of {room}"
    await cluster.stores.broadcaster.publish(room, kind(id=push_id, post_id="1"), actor_id=int(actor_id))
    return push_id


@pytest.fixture
async def post(cluster: Cluster, person):
    """Return a user with a post, and a follower."""
    author = await person("author")
    made = await author.call("post.create", text="open")
    return author, made["id"], POST.channel(int(made["id"]))


async def reading(cluster: Cluster, post, node: str = "a") -> Reader:
    """Return a reader who watches the post and has received a push of it."""
    reader = await arrive(cluster, node)
    await reader.call("post.watch", post_id=post[1])
    await reader.expect("post.deleted", id=await publish(cluster, post[2]))
    return reader


async def test_missed_pushes_are_replayed_once_in_order_and_without_gaps(cluster: Cluster, post):
    author, _, room = post
    reader = await reading(cluster, post)
    await reader.call("graph.follow", user_id=author.id)
    await cluster.settle(author, reader)
    await leave(cluster, reader)
    first = await publish(cluster, room)
    made = await author.call("post.create", text="while they were away")
    await cluster.settle(author)
    second = await publish(cluster, room)
    back = await come_back(cluster, reader)
    third = await publish(cluster, room)
    await back.expect("post.deleted", id=third)
    assert back.ready["recovered"] is True
    assert [(event, push.get("post_id") if event == "feed.added" else push["id"]) for event, push in back.received] == [
        ("post.deleted", first), ("feed.added", made["id"]), ("post.deleted", second),
    ]  # fmt: skip
    assert back.offset > reader.offset


async def test_a_recovered_watcher_gets_the_counts_that_have_changed(cluster: Cluster, post):
    author, post_id, _ = post
    reader = await reading(cluster, post)
    await leave(cluster, reader)
    await author.call("reaction.set", target_type="post", target_id=post_id, kind="love")
    await cluster.settle()
    back = await come_back(cluster, reader)
    push = await back.expect("post.counted", post_id=post_id)
    shown = await back.call("post.get", post_id=post_id)
    assert (push["counts"], push["version"]) == (shown["counts"], shown["counts_version"])
    assert push["counts"]["reactions"] == {"love": 1}


async def test_a_push_that_arrives_while_the_logs_are_read_is_sent_once(cluster: Cluster, post, monkeypatch):
    """The socket, already a member of the room, gets the push directly; the log to be read contains it too."""
    _, _, room = post
    reader = await reading(cluster, post)
    await leave(cluster, reader)
    missed = await publish(cluster, room)
    reads = Held(monkeypatch, cluster.node_b.parts.recovery, "read_channels")
    coming = asyncio.create_task(come_back(cluster, reader))
    await reads.came.wait()
    both = await publish(cluster, room)
    [member] = cluster.node_b.parts.members.of_user(int(reader.id))
    while not any(written.id == both for written in member._handshake._early):
        await asyncio.sleep(0.001)
    reads.go.set()
    back = await coming
    last = await publish(cluster, room)
    await back.expect("post.deleted", id=last)
    assert back.ready["recovered"] is True
    assert await back.told() == [missed, both]


@pytest.mark.parametrize("where", ["room", "inbox"])
async def test_a_push_that_arrives_while_a_gap_is_closed_is_sent_once(cluster: Cluster, post, monkeypatch, where):
    """The node subscribes again before it reads the log, so it gets the push from both."""
    _, _, room = post
    reader = await reading(cluster, post, "b")
    reads = Held(monkeypatch, cluster.node_b.parts.gaps, "_read")
    delivery = cluster.node_b.parts.bus._delivery

    async def publish_one() -> str:
        if where == "room":
            return await publish(cluster, room)
        push = PostDeleted(id=f"push {next(numbers)}", post_id="1")
        await cluster.stores.broadcaster.publish_to_users([int(reader.id)], push)
        return push.id

    async with cut(cluster.node_b):
        missed = await publish_one()
    await reads.came.wait()
    both = await publish_one()
    while not any(getattr(item, "written", None) and item.written.id == both for item in delivery._waiting):
        await asyncio.sleep(0.001)
    reads.go.set()
    last = await publish_one()
    await reader.expect("post.deleted", id=last)
    assert await reader.told() == [missed, both]


async def test_pushes_of_hidden_actors_are_not_replayed(cluster: Cluster, post, person):
    _, _, room = post
    eve, mona = await person("eve"), await person("mona")
    reader = await reading(cluster, post)
    await reader.call("graph.block", user_id=eve.id)
    await cluster.settle(reader)
    await leave(cluster, reader)
    await publish(cluster, room, eve.id)
    seen = await publish(cluster, room, mona.id)
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is True
    assert await back.told() == [seen]


async def test_a_push_of_a_hidden_user_that_comes_before_hiding_is_loaded_is_dropped(
    cluster: Cluster, post, person, monkeypatch
):
    """The node receives it while the user connects, before it knows whom the user hides."""
    eve, reader = await person("eve"), await reading(cluster, post)
    await reader.call("graph.block", user_id=eve.id)
    await cluster.settle(reader)
    await leave(cluster, reader)
    loads = Held(monkeypatch, cluster.node_b.parts.sign_ins, "load")
    coming = asyncio.create_task(arrive(cluster, "b", reader))
    await loads.came.wait()
    [member] = cluster.node_b.parts.members.of_user(int(reader.id))
    for push_id, actor in (("hidden", eve.id), ("shown", post[0].id)):
        push = PostDeleted(id=push_id, post_id="1")
        await cluster.stores.broadcaster.publish_to_users([int(reader.id)], push, actor_id=int(actor))
    while not any(written.id == "shown" for written in member._handshake._early):
        await asyncio.sleep(0.001)
    loads.go.set()
    back = await coming
    await back.expect("post.deleted", id="shown")
    assert await back.told() == []


async def test_pushes_of_a_post_that_became_invisible_are_not_replayed(cluster: Cluster, post):
    author, _, room = post
    reader = await reading(cluster, post)
    await leave(cluster, reader)
    await publish(cluster, room)
    await author.call("graph.block", user_id=reader.id)
    await cluster.settle(author)
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is True
    assert (await back.told(), back.member.channels) == ([], {})


async def test_pushes_from_before_the_watch_are_not_replayed(cluster: Cluster, post):
    """The client's last offset is older than its joining of the room."""
    _, post_id, room = post
    reader = await arrive(cluster)
    reader.offset = (await cluster.node_a.parts.recovery.enter(1, 1, "somebody's")).text
    await publish(cluster, room)
    await reader.call("post.watch", post_id=post_id)
    await leave(cluster, reader)
    missed = await publish(cluster, room)
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is True
    assert await back.told() == [missed]


async def test_unwatched_rooms_are_not_restored(cluster: Cluster, post):
    _, post_id, room = post
    reader = await reading(cluster, post)
    await reader.call("post.unwatch", post_id=post_id)
    await leave(cluster, reader)
    await publish(cluster, room)
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is True
    assert (await back.told(), back.member.channels) == ([], {})


@pytest.mark.parametrize(
    "changes",
    [{"pid": "another user's"}, {"offset": ""}, {"offset": "x" * 20}, {"offset": "9" * 20}, {"offset": "0" * 30}],
)
async def test_a_client_with_a_false_pid_or_offset_starts_fresh(cluster: Cluster, post, changes):
    _, _, room = post
    reader = await reading(cluster, post)
    await leave(cluster, reader)
    await publish(cluster, room)
    back = await come_back(cluster, reader, **changes)
    assert back.ready["recovered"] is False
    assert (await back.told(), back.member.channels) == ([], {})
    assert back.member.pid != reader.member.pid


async def test_a_pid_is_useless_to_another_session(cluster: Cluster, post):
    reader = await reading(cluster, post)
    await leave(cluster, reader)
    [other_session] = await cluster.tokens([reader.name])
    stolen = reader.token
    reader.token = other_session
    assert (await come_back(cluster, reader)).ready["recovered"] is False
    reader.token = stolen
    assert (await come_back(cluster, reader)).ready["recovered"] is True


async def test_a_fresh_client_is_in_none_of_its_earlier_rooms(cluster: Cluster, post, monkeypatch):
    """More was missed than can be replayed: the client must reload, gets another pid, and is in no room."""
    _, _, room = post
    reader = await reading(cluster, post)
    await leave(cluster, reader)
    await publish(cluster, room)
    monkeypatch.setattr(replay, "LARGEST_REPLAY", 10)
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is False
    assert (await back.told(), back.member.channels) == ([], {})
    assert back.member.pid != reader.member.pid
    monkeypatch.undo()
    await leave(cluster, back)
    assert (await come_back(cluster, back)).ready["recovered"] is True


class Few(PostDeleted, frozen=True):
    history: ClassVar[History] = History(pushes=2)


async def test_an_incomplete_log_is_not_replayed_in_part(cluster: Cluster, post):
    _, _, room = post
    reader = await reading(cluster, post)
    await leave(cluster, reader)
    for _ in range(5):
        await publish(cluster, room, kind=Few)
    back = await come_back(cluster, reader)
    assert (back.ready["recovered"], await back.told()) == (False, [])


async def test_a_recovery_closes_the_older_socket(cluster: Cluster, post):
    reader = await reading(cluster, post)
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is True
    await reader.happened("disconnect")
    assert (await back.call("user.me"))["id"] == reader.id


async def test_a_client_that_sent_disconnect_starts_fresh(cluster: Cluster, post):
    reader = await reading(cluster, post)
    await reader.client.eio.send("1")  # DISCONNECT
    await gone(cluster, reader)
    assert (await come_back(cluster, reader)).ready["recovered"] is False


async def test_after_a_password_change_a_client_starts_fresh(cluster: Cluster, post):
    reader = await reading(cluster, post)
    reader.member.forget_recovery()
    await leave(cluster, reader)
    assert (await come_back(cluster, reader)).ready["recovered"] is False


async def test_a_recovered_client_is_in_its_live_room_and_gets_its_pushes(cluster: Cluster, person):
    host, reader = await person("host"), await arrive(cluster)
    room_id = await open_room(host)
    await reader.call("room.join", room_id=room_id)
    await leave(cluster, reader)
    sent = await host.call("room.send", room_id=room_id, text="welcome back")
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is True
    await back.expect("room.message", room_id=room_id)
    assert int(reader.id) in await inside(cluster, room_id)
    assert LIVE_ROOM.channel(int(room_id)) in back.member.channels
    assert sent["id"]


@pytest.mark.parametrize("reason", ["ended", "kicked", "banned", "access"])
async def test_a_recovered_client_is_told_why_it_left_a_live_room(cluster: Cluster, person, reason):
    host, reader = await person("host"), await arrive(cluster)
    room_id = await open_room(host)
    await reader.call("room.join", room_id=room_id)
    await leave(cluster, reader)
    match reason:
        case "ended":
            await host.call("room.close", room_id=room_id)
        case "kicked":
            await host.call("room.kick", room_id=room_id, user_id=reader.id)
        case "banned":
            await host.call("room.ban", room_id=room_id, user_id=reader.id)
        case "access":
            await host.call("graph.block", user_id=reader.id)
    await cluster.settle(host)
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is True
    assert (await back.expect("room.removed", room_id=room_id))["reason"] == reason
    assert LIVE_ROOM.channel(int(room_id)) not in back.member.channels


async def test_pushes_without_offset_are_sent_after_the_replay_and_none_twice(cluster: Cluster, post, monkeypatch):
    """Pushes without an offset are sent only after CONNECT; conflated pushes are sent last."""
    _, _, room = post
    reader = await reading(cluster, post)
    await leave(cluster, reader)
    reads = Held(monkeypatch, cluster.node_b.parts.recovery, "read_channels")
    coming = asyncio.create_task(come_back(cluster, reader))
    await reads.came.wait()
    [member] = cluster.node_b.parts.members.of_user(int(reader.id))
    dropped = RoomReacted(id="dropped", room_id="1", counts={})
    member.deliver(finish(encode_push(dropped), room, offset_text(0, 0)))
    reads.go.set()
    back = await coming
    await back.call("system.ping")
    assert back.heard("room.reacted") == []
