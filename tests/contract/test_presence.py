"""Presence and typing as clients see them, over several devices and two nodes."""

import asyncio
import itertools
import time

import pytest

from presence import tracker, typing_indicators
from rooms import names
from storage import users
from tests.faults import break_once, soon
from tests.patience import WAIT_S


@pytest.fixture
def short_grace(monkeypatch):
    """Nobody waits five seconds for who has left."""
    monkeypatch.setattr(tracker, "GRACE_S", 0.3)


@pytest.fixture
def long_grace(monkeypatch):
    """Who has left is waited for, however slow the machine is."""
    monkeypatch.setattr(tracker, "GRACE_S", WAIT_S)


async def statuses(watcher, user_id: str, until: str) -> list[str]:
    """What was pushed of that person, up to that status."""
    found = []
    while not found or found[-1] != until:
        push = await watcher.expect("presence.changed")
        if push["presence"]["user_id"] == user_id:
            found.append(push["presence"]["status"])
    return found


async def watch(watcher, *people) -> list[dict]:
    return (await watcher.call("presence.watch", user_ids=[each.id for each in people]))["items"]


def be_idle(node, who) -> None:
    """Their sockets on that node have called nothing for long."""
    for member in node.members.of_user(int(who.id)):
        member.called_at -= tracker.IDLE_AFTER_S + 1
    node.presence._check_idle(int(who.id), time.monotonic())


async def ask_redis(cluster, who, command: str, *parts):
    """What it holds of that person's presence."""
    stores, user_id = cluster.stores, int(who.id)
    return await stores.shards.call(
        stores.names.shard_of_person(user_id), command, stores.names.person(user_id), *parts
    )


async def may_be_told(cluster, who) -> None:
    """A second has passed since the last push about them."""
    stores, user_id = cluster.stores, int(who.id)
    quiet = f"{stores.names.person(user_id)}:quiet"
    while await stores.shards.call(stores.names.shard_of_person(user_id), "EXISTS", quiet):
        await asyncio.sleep(0.05)


def break_saying(cluster, monkeypatch, who, what: str, *, behind: bool = False) -> None:
    """Node a loses Redis when it says that of them."""
    person = cluster.stores.names.person(int(who.id))

    def is_meant(shard: int, script, keys, arguments) -> bool:
        return keys[0] == person and arguments[0] == what

    break_once(monkeypatch, cluster.node_a.presence._shards, "run", behind=behind, when=is_meant)


async def leave(cluster, who, node: str) -> None:
    """Their last device on that node is gone, and Redis knows."""
    await who.close()
    while await ask_redis(cluster, who, "HGET", f"at:{cluster.node(node).name}") == b"1":
        await asyncio.sleep(0.01)


async def test_three_devices_on_two_nodes_come_and_go_once(cluster, person, short_grace):
    watcher, mona = await person("watcher"), await person("mona")
    devices = [mona, await cluster.again(mona, node="b"), await cluster.again(mona, node="b")]
    [shown] = await watch(watcher, mona)
    assert (shown["status"], shown["last_seen_at"]) == ("online", None)
    for device in devices:
        await device.close()
    [gone] = [await watcher.expect("presence.changed")]
    assert gone["presence"]["status"] == "offline"
    assert gone["presence"]["last_seen_at"]
    back = await cluster.again(mona, node="b")
    await cluster.again(mona, node="a")
    assert await statuses(watcher, mona.id, "online") == ["online"]
    await cluster.settle(watcher, back)
    assert not watcher.heard("presence.changed")


async def test_a_flapping_connection_does_not_blink(cluster, person, long_grace):
    watcher, mona = await person("watcher"), await person("mona")
    await watch(watcher, mona)
    for node in "bab":
        await mona.close()
        mona = await cluster.again(mona, node=node)
    await cluster.settle(watcher, mona)
    assert not watcher.heard("presence.changed")


async def test_who_flaps_is_waited_for_from_the_last_time(cluster, person, monkeypatch):
    watcher, mona = await person("watcher"), await person("mona")
    await watch(watcher, mona)
    monkeypatch.setattr(tracker, "GRACE_S", 1.0)
    await leave(cluster, mona, "a")
    mona = await cluster.again(mona, node="a")
    monkeypatch.setattr(tracker, "GRACE_S", WAIT_S)
    await leave(cluster, mona, "a")
    await asyncio.sleep(1.0)  # the first grace is over, this one is not
    [shown] = await watch(watcher, mona)
    assert shown["status"] == "online"


async def test_who_leaves_two_nodes_is_waited_for_on_both(cluster, person, long_grace):
    watcher, mona = await person("watcher"), await person("mona")
    laptop = await cluster.again(mona, node="b")
    await leave(cluster, mona, "a")
    await leave(cluster, laptop, "b")
    await cluster.node_a.presence._settle(int(mona.id))
    [shown] = await watch(watcher, mona)
    assert shown["status"] == "online"


async def test_what_was_chosen_just_before_leaving_is_told_while_they_are_waited_for(cluster, person):
    watcher, mona = await person("watcher", node="b"), await person("mona")
    await watch(watcher, mona)
    for text in ("one", "two"):
        await mona.call("presence.set", status="busy", text=text)
    await leave(cluster, mona, "a")
    shown = (await watcher.expect("presence.changed"))["presence"]
    while shown["text"] != "two":
        assert shown["status"] == "busy"
        shown = (await watcher.expect("presence.changed"))["presence"]


async def test_a_node_forgets_who_is_only_elsewhere_now(cluster, person, short_grace):
    mona, node = await person("mona"), cluster.node_a
    await cluster.again(mona, node="b")
    shard = cluster.stores.names.shard_of_person(int(mona.id))

    async def is_of_node() -> int:
        return await cluster.stores.shards.call(
            shard, "SISMEMBER", node.presence._people_key(shard, node.name), mona.id
        )

    assert await is_of_node() == 1
    await mona.close()
    assert await soon(is_of_node, 0) == 0


async def test_who_left_long_before_a_node_of_theirs_died_was_last_seen_then(cluster, person, short_grace):
    watcher, mona = await person("watcher"), await person("mona", node="b")
    laptop = await cluster.again(mona, node="a")
    await watch(watcher, mona)
    await leave(cluster, mona, "b")
    await laptop.close()
    assert await statuses(watcher, mona.id, "offline") == ["offline"]
    await ask_redis(cluster, mona, "HSET", "seen", 1_700_000_000)
    await cluster.node_a.presence.take_back(cluster.node_b.name)
    [shown] = await watch(watcher, mona)
    assert shown["last_seen_at"] == "2023-11-14T22:13:20.000Z"


async def test_who_is_waited_for_when_their_node_dies_was_last_seen_when_they_left(cluster, person):
    watcher, mona = await person("watcher"), await person("mona", node="b")
    await watch(watcher, mona)
    await leave(cluster, mona, "b")
    await ask_redis(cluster, mona, "HSET", "seen", 1_700_000_000)
    await cluster.node_a.presence.take_back(cluster.node_b.name)
    shown = (await watcher.expect("presence.changed"))["presence"]
    assert (shown["status"], shown["last_seen_at"]) == ("offline", "2023-11-14T22:13:20.000Z")


async def test_what_one_chooses_to_show(person):
    watcher, mona = await person("watcher", node="b"), await person("mona")
    await watch(watcher, mona)
    await mona.call("presence.set", status="busy", text="في اجتماع")
    shown = (await watcher.expect("presence.changed"))["presence"]
    assert (shown["status"], shown["text"]) == ("busy", "في اجتماع")
    await mona.call("presence.set", status="invisible")
    shown = (await watcher.expect("presence.changed"))["presence"]
    assert (shown["status"], shown["text"]) == ("offline", "")
    frozen = shown["last_seen_at"]
    [again] = await watch(watcher, mona)
    assert (again["status"], again["last_seen_at"]) == ("offline", frozen)


async def test_the_invisible_come_online_unseen(cluster, person, short_grace):
    watcher, mona = await person("watcher"), await person("mona")
    await may_be_told(cluster, mona)  # at once, and not a second later to who watches then
    await mona.call("presence.set", status="invisible")
    await mona.close()
    await watch(watcher, mona)
    mona = await cluster.again(mona, node="b")
    await cluster.settle(watcher, mona)
    assert not watcher.heard("presence.changed")
    await mona.call("presence.set", status="online")
    assert await statuses(watcher, mona.id, "online") == ["online"]


async def test_a_device_that_signs_in_with_what_was_chosen_before_shows_nobody(cluster, person, monkeypatch):
    """It has read "online"; meanwhile another device becomes invisible."""
    watcher, mona = await person("watcher"), await person("mona")
    await watch(watcher, mona)
    sign_ins = cluster.node_b._sign_in._sign_ins
    load, read, go = sign_ins.load, asyncio.Event(), asyncio.Event()

    async def load_slowly(session_id: int, user_id: int):
        row = await load(session_id, user_id)
        read.set()
        await go.wait()
        return row

    monkeypatch.setattr(sign_ins, "load", load_slowly)
    coming = asyncio.create_task(cluster.again(mona, node="b"))
    await read.wait()
    await mona.call("presence.set", status="invisible")
    assert await statuses(watcher, mona.id, "offline") == ["offline"]
    go.set()
    await cluster.settle(watcher, await coming)
    assert not watcher.heard("presence.changed")
    [shown] = await watch(watcher, mona)
    assert shown["status"] == "offline"


async def test_who_may_not_watch_sees_nobody_there(cluster, person):
    watcher, mona, private = [await person(name) for name in ("watcher", "mona", "private")]
    await private.call("user.update", is_private=True)
    await mona.call("graph.block", user_id=watcher.id)
    shown = await watch(watcher, mona, private)
    assert [(each["status"], each["last_seen_at"]) for each in shown] == [("offline", None)] * 2
    await may_be_told(cluster, private)
    await private.call("presence.set", status="busy")
    await cluster.settle(watcher)
    assert not watcher.heard("presence.changed")
    await watcher.call("graph.follow", user_id=private.id)
    await private.call("graph.accept", user_id=watcher.id)
    assert (await watch(watcher, private))[0]["status"] == "busy"
    # The right to watch ends with the follow.
    await watcher.call("graph.unfollow", user_id=private.id)
    assert await statuses(watcher, private.id, "offline") == ["offline"]
    await cluster.settle(watcher)
    await private.call("presence.set", status="away")
    await cluster.settle(watcher)
    assert not watcher.heard("presence.changed")


async def test_presence_can_be_kept_from_all_but_followers(person):
    watcher, mona = await person("watcher"), await person("mona")
    await mona.call("user.update", presence_audience="followers")
    assert (await watch(watcher, mona))[0]["status"] == "offline"
    await watcher.call("graph.follow", user_id=mona.id)
    assert (await watch(watcher, mona))[0]["status"] == "online"
    await mona.call("user.update", presence_audience="nobody")
    assert (await watch(watcher, mona))[0]["status"] == "offline"


async def test_changes_are_told_once_a_second_and_the_last_one_in_the_end(person):
    watcher, mona = await person("watcher"), await person("mona", node="b")
    await watch(watcher, mona)
    began = time.monotonic()
    for number in range(40):
        await mona.call("presence.set", status="busy", text=f"at {number}")
    await mona.call("presence.set", status="away", text="the last")
    told = await statuses(watcher, mona.id, "away")
    assert len(told) <= time.monotonic() - began + 2


@pytest.mark.parametrize("lost", ["answer", "push"])
async def test_a_change_that_nobody_was_told_of_is_told_later(cluster, person, monkeypatch, lost):
    """Redis has it, so setting it again changes nothing."""
    watcher, mona = await person("watcher", node="b"), await person("mona")
    await watch(watcher, mona)
    await may_be_told(cluster, mona)
    if lost == "answer":
        break_saying(cluster, monkeypatch, mona, "set", behind=True)
    else:
        room, broadcaster = names.presence(int(mona.id)), cluster.node_a.presence._broadcaster
        break_once(monkeypatch, broadcaster, "publish", when=lambda published, *_: published == room)
    assert (await mona.refused("presence.set", status="busy")).code == "UNAVAILABLE"
    await mona.call("presence.set", status="busy")
    assert await statuses(watcher, mona.id, "busy") == ["busy"]


async def test_a_change_whose_turn_comes_while_redis_is_away_is_told_later(cluster, person, monkeypatch):
    watcher, mona = await person("watcher", node="b"), await person("mona")
    await watch(watcher, mona)
    await may_be_told(cluster, mona)
    break_saying(cluster, monkeypatch, mona, "tell")
    for status in ("busy", "away"):
        await mona.call("presence.set", status=status)
    assert await statuses(watcher, mona.id, "away") == ["busy", "away"]


async def test_watching_is_bounded(person):
    watcher = await person("watcher")
    refused = await watcher.refused("presence.watch", user_ids=["1"] * 101)
    assert refused.fields == ["user_ids"]


async def test_who_is_refused_to_watch_does_not_watch(cluster, person, monkeypatch):
    """The database goes away between the two times that it is asked."""
    bob, mona = await person("bob"), await person("mona", node="b")
    asked = itertools.count()
    break_once(monkeypatch, users, "may_watch", when=lambda *_: next(asked) == 1)
    assert (await mona.refused("presence.watch", user_ids=[bob.id])).code == "UNAVAILABLE"
    [member] = cluster.node_b.members.of_user(int(mona.id))
    assert names.presence(int(bob.id)) not in member.rooms


async def test_who_is_idle_everywhere_is_away(cluster, person, monkeypatch):
    watcher, mona = await person("watcher"), await person("mona")
    second = await cluster.again(mona, node="b")
    await watch(watcher, mona)
    monkeypatch.setattr(tracker, "IDLE_AFTER_S", -1.0)
    for node in "ab":
        cluster.node(node).presence._check_idle(int(mona.id), asyncio.get_running_loop().time())
    assert await statuses(watcher, mona.id, "away") == ["away"]
    monkeypatch.setattr(tracker, "IDLE_AFTER_S", 300.0)
    await second.call("system.ping")
    cluster.node("b").presence._check_idle(int(mona.id), asyncio.get_running_loop().time())
    assert await statuses(watcher, mona.id, "online") == ["online"]


async def test_who_is_shown_again_is_encoded_once(cluster, person, monkeypatch):
    mona, *watchers = [await person(name) for name in ("mona", "first", "second", "third")]
    for watcher in watchers:
        await watch(watcher, mona)
    encoded = []
    unkept = tracker.unkept

    def encode(push, room: str):
        encoded.append(room)
        return unkept(push, room)

    monkeypatch.setattr(tracker, "unkept", encode)
    await cluster.node_a.presence.show_again()
    for watcher in watchers:
        assert (await watcher.expect("presence.changed"))["presence"]["user_id"] == mona.id
    assert encoded.count(names.presence(int(mona.id))) == 1


async def test_who_leaves_where_they_were_active_is_away(cluster, person, short_grace):
    watcher, mona = await person("watcher"), await person("mona")
    laptop = await cluster.again(mona, node="b")
    await watch(watcher, mona)
    be_idle(cluster.node_b, laptop)
    await mona.close()
    assert await statuses(watcher, mona.id, "away") == ["away"]


async def test_who_is_idle_stays_away_when_all_is_said_again(cluster, person):
    """After a gap a node repeats itself, and nobody has called anything by that."""
    watcher, mona = await person("watcher"), await person("mona", node="b")
    await watch(watcher, mona)
    be_idle(cluster.node_b, mona)
    assert await statuses(watcher, mona.id, "away") == ["away"]
    await cluster.node_b.presence.repeat()
    [shown] = await watch(watcher, mona)
    assert shown["status"] == "away"


@pytest.fixture
def short_typing(monkeypatch):
    monkeypatch.setattr(typing_indicators, "ENDS_AFTER_S", 2.0)


async def test_typing_is_told_and_ends_by_itself(person, short_typing):
    author, mona, omar = [
        await person(name, node=node) for name, node in (("author", "a"), ("mona", "a"), ("omar", "b"))
    ]
    post = await author.call("post.create", text="what do you think?")
    for each in (mona, omar):
        await each.call("post.watch", post_id=post["id"])
    for _ in range(3):
        await mona.call("typing.start", post_id=post["id"])
    began = await omar.expect("typing.changed")
    assert (began["user_id"], began["typing"], began["post_id"]) == (mona.id, True, post["id"])
    assert (await omar.expect("typing.changed"))["typing"] is False
    assert not omar.heard("typing.changed")


async def test_who_starts_and_stops_in_turn_is_told_of_once(cluster, person, monkeypatch):
    monkeypatch.setattr(typing_indicators, "TELL_AGAIN_AFTER_S", 60.0)
    author, mona = await person("author"), await person("mona")
    post = await author.call("post.create", text="what do you think?")
    for each in (author, mona):
        await each.call("post.watch", post_id=post["id"])
    for _ in range(20):
        await mona.call("typing.start", post_id=post["id"])
        await mona.call("typing.stop", post_id=post["id"])
    await cluster.settle(author)
    assert [push["typing"] for push in author.heard("typing.changed")] == [True, False]


async def test_typing_needs_a_place_that_one_is_in(person):
    mona = await person("mona")
    assert (await mona.refused("typing.start", post_id="1")).code == "FAILED_PRECONDITION"
    assert (await mona.refused("typing.start")).fields == ["room_id"]


async def test_the_blocked_see_nobody_typing(cluster, person):
    author, mona, omar = [await person(name) for name in ("author", "mona", "omar")]
    post = await author.call("post.create", text="what do you think?")
    for each in (author, mona, omar):
        await each.call("post.watch", post_id=post["id"])
    await mona.call("graph.block", user_id=omar.id)
    await cluster.settle(omar)
    await mona.call("typing.start", post_id=post["id"])
    await author.expect("typing.changed", typing=True)
    await mona.call("typing.stop", post_id=post["id"])
    await author.expect("typing.changed", typing=False)
    await cluster.settle(omar)
    assert not omar.heard("typing.changed")
