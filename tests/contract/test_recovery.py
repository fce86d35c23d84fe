"""Connection state recovery: official clients reconnect and have missed nothing."""

import asyncio
import itertools
from typing import ClassVar

import pytest
from redis.exceptions import ConnectionError as RedisDown

from channels.recovery import MOST_CHANNELS_KEPT
from domain.post_channels import POST
from protocol.posts import PostDeleted
from protocol.pushes import History
from tests.cluster import Cluster
from tests.contract.test_live_rooms import open_room
from tests.contract.test_presence import may_be_told
from tests.faults import Held, blink, break_once, catches_up, cut, forget_location, inside
from tests.patience import WAIT_S
from tests.people import DrivenPerson

pytestmark = pytest.mark.javascript

RECONNECTING = {"reconnectionDelay": 50, "reconnectionDelayMax": 200, "randomizationFactor": 0}
numbers = itertools.count(1)


async def online(cluster: Cluster, name: str = "reader", node: str = "a", codec: str = "msgpack") -> DrivenPerson:
    username = cluster.unique(name)
    [token] = await cluster.tokens([username])
    who = cluster.new_client(username, f"js-{codec}")
    await cluster.connect(who, node=node, codec=codec, token=token, **RECONNECTING)
    assert (await who.happened("connect"))["recovered"] is False
    return who


async def away(cluster: Cluster, who: DrivenPerson) -> None:
    """Cut the client's network; it does not reconnect until `resume`."""
    await who.do("hold")
    await who.happened("disconnect")
    members = (cluster.node_a.parts.members, cluster.node_b.parts.members)
    while any(index.of_user(int(who.id)) for index in members):
        await asyncio.sleep(0.01)


async def back(cluster: Cluster, who: DrivenPerson, node: str | None = None) -> dict:
    """Let the client reconnect; return its log entry."""
    await who.do("resume", url=cluster.url(node) if node else None)
    return await who.happened("connect")


class Remembered(PostDeleted, frozen=True):
    """A push of a class of which Redis keeps only a few."""

    history: ClassVar[History] = History(pushes=10)


async def push(cluster: Cluster, room: str, kind: type[PostDeleted] = PostDeleted) -> str:
    """Publish a recoverable push; return its id."""
    push_id = f"post.deleted:{next(numbers)}:{room}"
    await cluster.stores.broadcaster.publish(room, kind(id=push_id, post_id="1"))
    return push_id


async def away_too_long(cluster: Cluster, person) -> DrivenPerson:
    """Return a reader who has missed more pushes of a post than are kept."""
    alice, reader = await person("alice"), await online(cluster)
    post = await alice.call("post.create", text="very busy")
    await reader.call("post.watch", post_id=post["id"])
    await away(cluster, reader)
    for _ in range(20):
        await push(cluster, POST.channel(int(post["id"])), Remembered)
    return reader


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_pushes_missed_while_away_are_replayed_once_and_in_order(cluster: Cluster, person, codec):
    alice, reader = await person("alice"), await online(cluster, codec=codec)
    post = await alice.call("post.create", text="open")
    await reader.call("post.watch", post_id=post["id"])
    room = POST.channel(int(post["id"]))
    seen = [await push(cluster, room)]
    await reader.expect("post.deleted", id=seen[0])
    await away(cluster, reader)
    missed = [await push(cluster, room) for _ in range(20)]
    assert (await back(cluster, reader))["recovered"] is True
    after = await push(cluster, room)
    await reader.expect("post.deleted", id=after)
    assert [each["id"] for each in reader.heard("post.deleted")] == missed
    assert (await reader.expect("session.ready"))["recovered"] is True


async def test_recovery_on_another_node_before_any_push_was_received(cluster: Cluster, person):
    alice, reader = await person("alice"), await online(cluster, node="a")
    await reader.call("graph.follow", user_id=alice.id)
    await cluster.settle(alice)
    await away(cluster, reader)
    post = await alice.call("post.create", text="while you were out")
    await cluster.settle(alice)
    assert (await back(cluster, reader, "b"))["recovered"] is True
    await reader.expect("feed.added", post_id=post["id"])


async def test_an_idle_client_is_recovered_however_old_its_last_offset_is(cluster: Cluster, person):
    alice, reader = await person("alice"), await online(cluster)
    post = await alice.call("post.create", text="busy")
    room = POST.channel(int(post["id"]))
    for _ in range(20):  # more than are kept
        await push(cluster, room, Remembered)
    await reader.call("post.watch", post_id=post["id"])
    await away(cluster, reader)
    missed = await push(cluster, room)
    assert (await back(cluster, reader))["recovered"] is True
    await reader.expect("post.deleted", id=missed)
    assert reader.heard("post.deleted") == []


async def test_an_incomplete_log_is_not_replayed_in_part(cluster: Cluster, person):
    reader = await away_too_long(cluster, person)
    assert (await back(cluster, reader))["recovered"] is False
    ready = await reader.expect("session.ready", recovered=False)
    assert ready["user"]["id"] == reader.id
    assert reader.heard("post.deleted") == []


async def test_a_second_attempt_recovers_after_a_failed_one(cluster: Cluster, person):
    """The first attempt ends between the claim and CONNECT; the second must replay the same pushes."""
    alice, reader = await person("alice"), await online(cluster)
    post = await alice.call("post.create", text="open")
    await reader.call("post.watch", post_id=post["id"])
    await away(cluster, reader)
    missed = await push(cluster, POST.channel(int(post["id"])))
    sign_ins = cluster.node_a.parts.sign_ins
    load = sign_ins.load

    async def fail_once(*pair: int):
        sign_ins.load = load
        raise TimeoutError

    sign_ins.load = fail_once
    assert (await back(cluster, reader))["recovered"] is True
    await reader.expect("post.deleted", id=missed)


async def test_a_second_attempt_starts_fresh_after_one_that_had_missed_too_much(cluster: Cluster, person, monkeypatch):
    """The first attempt ends before it has started fresh; the second must start fresh too, not recover in part."""
    reader = await away_too_long(cluster, person)
    break_once(monkeypatch, cluster.node_a.parts.recovery, "enter")
    assert (await back(cluster, reader))["recovered"] is False


async def test_rights_are_checked_again(cluster: Cluster, person):
    alice, reader = await person("alice"), await online(cluster)
    await reader.call("graph.follow", user_id=alice.id)
    await cluster.settle(alice)
    post = await alice.call("post.create", text="open")
    await reader.expect("feed.added", post_id=post["id"])
    await reader.call("post.watch", post_id=post["id"])
    await away(cluster, reader)
    await alice.call("post.create", text="one more")
    await push(cluster, POST.channel(int(post["id"])))
    await cluster.settle(alice)
    await alice.call("graph.block", user_id=reader.id)
    assert (await back(cluster, reader))["recovered"] is True
    await cluster.settle(reader)
    assert reader.heard("feed.added") == []
    assert reader.heard("post.deleted") == []
    later = await push(cluster, POST.channel(int(post["id"])))
    await cluster.settle(reader)
    assert reader.heard("post.deleted") == [], later


async def test_a_watch_that_was_ended_by_the_server_is_not_restored(cluster: Cluster, person):
    alice, reader = await person("alice"), await online(cluster)
    await reader.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text="open")
    await reader.call("post.watch", post_id=post["id"])
    await reader.call("graph.unfollow", user_id=alice.id)
    await cluster.settle(reader)
    await away(cluster, reader)
    await push(cluster, POST.channel(int(post["id"])))
    assert (await back(cluster, reader))["recovered"] is True
    await push(cluster, POST.channel(int(post["id"])))
    await cluster.settle(reader)
    assert reader.heard("post.deleted") == []


async def test_a_removed_user_is_not_restored_to_the_room(cluster: Cluster, person):
    host, guest = await person("host"), await online(cluster)
    room_id = await open_room(host)
    await guest.call("room.join", room_id=room_id)
    await host.call("graph.block", user_id=guest.id)
    await guest.expect("room.removed", reason="access")
    await host.call("graph.unblock", user_id=guest.id)
    await cluster.settle(guest)
    await away(cluster, guest)
    assert (await back(cluster, guest))["recovered"] is True
    await guest.expect("session.ready", recovered=True)
    assert await inside(cluster, room_id) == {int(host.id)}


async def test_the_end_of_a_room_that_a_half_open_socket_missed_is_replayed(cluster: Cluster, person):
    host, guest = await person("host"), await online(cluster)
    room_id = await open_room(host)
    await guest.call("room.join", room_id=room_id)
    await guest.do("tell_pid")
    known = await guest.happened("pid")
    await host.call("room.close", room_id=room_id)
    await cluster.settle(guest)
    other = cluster.new_client(guest.name, "js-msgpack")
    auth = {"token": guest.token, "pid": known["pid"], "offset": known["offset"]}
    await other.connect(cluster.url("b"), "msgpack", auth)
    await other.expect("room.removed", room_id=room_id, reason="ended")


async def test_a_connection_in_too_many_rooms_is_not_recovered(cluster: Cluster):
    reader = await online(cluster)
    [member] = cluster.node_a.parts.members.of_user(int(reader.id))
    recovery = cluster.node_a.parts.recovery
    for number in range(MOST_CHANNELS_KEPT + 1):
        await recovery.remember_channel(member.user_id, member.pid, POST.channel(number), 1)
    await away(cluster, reader)
    assert (await back(cluster, reader))["recovered"] is False


async def test_another_user_with_the_pid_recovers_nothing(cluster: Cluster, person):
    alice, reader = await person("alice"), await online(cluster)
    await reader.call("graph.follow", user_id=alice.id)
    await cluster.settle(alice)
    await reader.do("tell_pid")
    known = await reader.happened("pid")
    await away(cluster, reader)
    await alice.call("post.create", text="not for strangers")
    await cluster.settle(alice)
    eve = cluster.new_client(cluster.unique("eve"), "js-json")
    [token] = await cluster.tokens([eve.name])
    auth = {"token": token, "pid": known["pid"], "offset": known["offset"]}
    await eve.connect(cluster.url(), "json", auth)
    ready = await eve.expect("session.ready")
    assert ready["recovered"] is False
    assert eve.heard("feed.added") == []
    assert (await back(cluster, reader))["recovered"] is True


async def test_logging_out_ends_recovery(cluster: Cluster, person):
    reader = await online(cluster)
    await reader.do("tell_pid")
    known = await reader.happened("pid")
    other = cluster.new_client(reader.name, "js-json")
    await reader.close()
    while cluster.node_a.parts.members.of_user(int(reader.id)):
        await asyncio.sleep(0.01)
    await other.connect(cluster.url(), "json", {"token": reader.token, **{k: known[k] for k in ("pid", "offset")}})
    assert (await other.expect("session.ready"))["recovered"] is False


async def test_a_recovery_closes_the_half_open_socket(cluster: Cluster, person):
    reader = await online(cluster, node="a")
    await reader.do("tell_pid")
    known = await reader.happened("pid")
    other = cluster.new_client(reader.name, "js-msgpack")
    auth = {"token": reader.token, "pid": known["pid"], "offset": known["offset"]}
    await other.connect(cluster.url("b"), "msgpack", auth)
    assert (await other.expect("session.ready"))["recovered"] is True
    assert (await reader.happened("disconnect"))["reason"] == "transport close"


async def test_pushes_missed_by_a_node_are_delivered_when_its_link_returns(cluster: Cluster, person):
    """Only the node's link is lost; the pushes that others publish meanwhile are delivered when it returns."""
    alice, reader = await person("alice", node="b"), await online(cluster, node="a")
    post = await alice.call("post.create", text="open")
    await reader.call("post.watch", post_id=post["id"])
    room = POST.channel(int(post["id"]))
    async with cut(cluster.node_a):
        missed = [await push(cluster, room) for _ in range(5)]
    for push_id in missed:
        await reader.expect("post.deleted", id=push_id)
    await cluster.settle(reader)
    assert reader.heard("post.deleted") == []


async def test_a_push_that_arrives_while_resubscribing_does_not_hide_missed_ones(cluster: Cluster, person, monkeypatch):
    """The room is subscribed again while the node still subscribes to others, and a push is published."""
    alice, reader = await person("alice", node="b"), await online(cluster, node="a")
    post = await alice.call("post.create", text="open")
    await reader.call("post.watch", post_id=post["id"])
    room = POST.channel(int(post["id"]))
    bus = cluster.node_a.parts.bus
    subscriptions = cluster.node_a.parts.subscriptions
    subscribe_all = subscriptions.resume
    published = []

    async def subscribe_slowly(*arguments) -> None:
        await subscribe_all(*arguments)
        published.append(await push(cluster, room))
        async with asyncio.timeout(WAIT_S):
            while not bus._delivery._waiting:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(subscriptions, "resume", subscribe_slowly)
    async with cut(cluster.node_a):
        published.append(await push(cluster, room))
    assert [(await reader.expect("post.deleted"))["id"] for _ in published] == published


async def test_a_client_whose_missed_pushes_are_lost_is_told_to_reload(cluster: Cluster, person):
    alice, reader = await person("alice", node="b"), await online(cluster, node="a")
    post = await alice.call("post.create", text="open")
    await reader.call("post.watch", post_id=post["id"])
    async with cut(cluster.node_a):
        for _ in range(20):
            await push(cluster, POST.channel(int(post["id"])), Remembered)
    ready = await reader.expect("session.ready", recovered=False)
    assert ready["user"]["id"] == reader.id


async def test_a_gap_causes_one_check_of_all_sessions(cluster: Cluster, person, monkeypatch):
    await person("alice", node="b")
    sign_ins = cluster.node_b.parts.sign_ins
    load_many, looks = sign_ins.load_many, []

    async def count_looks(pairs):
        looks.append(pairs)
        return await load_many(pairs)

    monkeypatch.setattr(sign_ins, "load_many", count_looks)
    caught_up, closed = catches_up(monkeypatch), Held(monkeypatch, cluster.node_b.parts.gaps, "close")
    closed.go.set()
    blink(cluster, "b")
    await caught_up.wait()
    await closed.done.wait()
    assert len(looks) == 1


async def test_lost_pushes_are_not_recovered_while_a_gap_is_closed(cluster: Cluster, monkeypatch):
    """The node has reported the socket's place again, but has not told it to start fresh yet."""
    reader = await online(cluster, node="b")
    await reader.do("tell_pid")
    known = await reader.happened("pid")
    held = Held(monkeypatch, cluster.node_b.parts.services.presence, "repeat")
    released = Held(monkeypatch, cluster.node_b.parts.gaps, "_recheck", behind=True)
    await forget_location(cluster, reader)
    cluster.node_b.parts.gaps._heard_at[:] = [0.0] * cluster.stores.shards.amount  # a long while ago
    blink(cluster, "b")
    await held.came.wait()
    await released.came.wait()
    other = cluster.new_client(reader.name, "js-msgpack")
    auth = {"token": reader.token, "pid": known["pid"], "offset": known["offset"]}
    await other.connect(cluster.url("a"), "msgpack", auth)
    assert (await other.expect("session.ready"))["recovered"] is False
    held.go.set()
    released.go.set()


async def test_the_newest_presence_is_sent_last(cluster: Cluster, person, monkeypatch):
    """The presence changes while the watcher reconnects and has already read it."""
    bob, reader = await person("bob"), await online(cluster, node="b")
    while (await bob.call("presence.watch", user_ids=[bob.id]))["items"][0]["status"] != "online":
        await asyncio.sleep(0.01)  # his report may wait for the answer to an earlier one
    await reader.call("presence.watch", user_ids=[bob.id])
    await may_be_told(cluster, bob)
    await away(cluster, reader)
    looked = Held(monkeypatch, cluster.node_b.parts.services.presence, "look", behind=True)
    coming = asyncio.create_task(back(cluster, reader))
    await looked.done.wait()
    await bob.call("presence.set", status="busy")
    [member] = cluster.node_b.parts.members.of_user(int(reader.id))
    while not any(written.event == "presence.changed" for written in member._handshake._early):
        await asyncio.sleep(0.01)
    looked.go.set()
    assert (await coming)["recovered"] is True
    await cluster.settle(reader)
    assert [push["presence"]["status"] for push in reader.heard("presence.changed")] == ["online", "busy"]


async def test_a_recovered_client_is_told_to_start_fresh_on_the_same_socket(cluster: Cluster):
    reader = await online(cluster, node="b")
    await away(cluster, reader)
    assert (await back(cluster, reader))["recovered"] is True
    await reader.expect("session.ready", recovered=True)
    [member] = cluster.node_b.parts.members.of_user(int(reader.id))
    member.start_afresh(0)
    await reader.expect("session.ready", recovered=False)
    assert [*cluster.node_b.parts.members.of_user(int(reader.id))] == [member]


async def test_pushes_of_an_unread_gap_are_read_with_the_next_gap(cluster: Cluster, person, monkeypatch):
    """The first gap cannot be read, as another server is away, until the link is lost again and about to return."""
    alice, reader = await person("alice"), await online(cluster, node="b")
    post = await alice.call("post.create", text="open")
    await reader.call("post.watch", post_id=post["id"])
    gaps, bus = cluster.node_b.parts.gaps, cluster.node_b.parts.bus
    read, tried, readable = gaps._read, asyncio.Event(), asyncio.Event()

    async def read_in_vain(missed):
        tried.set()
        if not readable.is_set():
            raise RedisDown("another server is away")
        return await read(missed)

    monkeypatch.setattr(gaps, "_read", read_in_vain)
    async with cut(cluster.node_b):
        missed = await push(cluster, POST.channel(int(post["id"])))
    await tried.wait()
    subscribing = Held(monkeypatch, cluster.node_b.parts.subscriptions, "resume")
    blink(cluster, "b")
    await subscribing.came.wait()
    async with asyncio.timeout(WAIT_S):
        while bus._delivery._holds > 1:  # until the first gap's reading has given up
            await asyncio.sleep(0.01)
    readable.set()
    subscribing.go.set()
    assert (await reader.expect("post.deleted"))["id"] == missed
    await cluster.settle(reader)
    assert not reader.heard("post.deleted")
