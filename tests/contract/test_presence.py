"""Presence and typing as clients see them, on several devices and two nodes."""

import asyncio
import itertools
import time

import pytest

from presence import reports, tracker, typing_indicators
from presence.presence_channel import PRESENCE
from presence.reports import Report
from storage import users
from tests.faults import break_once, soon
from tests.patience import WAIT_S


@pytest.fixture
def short_grace(monkeypatch):
    """Shorten the grace period after a disconnect from five seconds."""
    monkeypatch.setattr(reports, "GRACE_S", 0.3)


@pytest.fixture
def long_grace(monkeypatch):
    """Lengthen the grace period after a disconnect, so that a slow machine does not matter."""
    monkeypatch.setattr(reports, "GRACE_S", WAIT_S)


async def statuses(watcher, user_id: str, until: str) -> list[str]:
    """Return the statuses pushed about that user, up to and including `until`."""
    found = []
    while not found or found[-1] != until:
        push = await watcher.expect("presence.changed")
        if push["presence"]["user_id"] == user_id:
            found.append(push["presence"]["status"])
    return found


async def watch(watcher, *people) -> list[dict]:
    return (await watcher.call("presence.watch", user_ids=[each.id for each in people]))["items"]


def be_idle(node, who) -> None:
    """Make the user's sockets on that node look idle."""
    for member in node.parts.members.of_user(int(who.id)):
        member.called_at -= tracker.IDLE_AFTER_S + 1
    node.parts.services.presence._check_idle(int(who.id), time.monotonic())


async def ask_redis(cluster, who, command: str, *parts):
    """Return what the node stores about that user's presence."""
    stores, user_id = cluster.stores, int(who.id)
    return await stores.shards.call(
        stores.redis_keys.shard_of_user(user_id), command, stores.redis_keys.presence(user_id), *parts
    )


async def may_be_told(cluster, who) -> None:
    """Wait until the next push about the user may be sent: one second after the last one."""
    stores, user_id = cluster.stores, int(who.id)
    quiet = f"{stores.redis_keys.presence(user_id)}:quiet"
    while await stores.shards.call(stores.redis_keys.shard_of_user(user_id), "EXISTS", quiet):
        await asyncio.sleep(0.05)


def break_saying(cluster, monkeypatch, who, what: str, *, behind: bool = False) -> None:
    """Make node a lose Redis when it reports that status of the user."""
    person = cluster.stores.redis_keys.presence(int(who.id))

    def is_meant(shard: int, script, keys, arguments) -> bool:
        return person in keys and what in arguments

    break_once(monkeypatch, cluster.node_a.parts.services.presence._shards, "run", behind=behind, when=is_meant)


async def leave(cluster, who, node: str) -> None:
    """Disconnect the user's last device on that node, and wait until Redis knows."""
    await who.close()
    while await ask_redis(cluster, who, "HGET", f"at:{cluster.node(node).name}") == b"1":
        await asyncio.sleep(0.01)


async def test_three_devices_on_two_nodes_go_online_and_offline_once(cluster, person, short_grace):
    watcher, mona = await person("watcher"), await person("mona")
    devices = [mona, await cluster.again(mona, node="b"), await cluster.again(mona, node="b")]
    # Her report may wait for the answer to an earlier one.
    assert await soon(lambda: ask_redis(cluster, mona, "HGET", "shown"), b"online") == b"online"
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


async def test_a_flapping_connection_does_not_flicker(cluster, person, long_grace):
    watcher, mona = await person("watcher"), await person("mona")
    await watch(watcher, mona)
    for node in "bab":
        await mona.close()
        mona = await cluster.again(mona, node=node)
    await cluster.settle(watcher, mona)
    assert not watcher.heard("presence.changed")


async def test_each_disconnect_restarts_the_grace_period(cluster, person, monkeypatch):
    watcher, mona = await person("watcher"), await person("mona")
    await watch(watcher, mona)
    monkeypatch.setattr(reports, "GRACE_S", 1.0)
    await leave(cluster, mona, "a")
    mona = await cluster.again(mona, node="a")
    monkeypatch.setattr(reports, "GRACE_S", WAIT_S)
    await leave(cluster, mona, "a")
    await asyncio.sleep(1.0)  # the first grace period is over, the second is not
    [shown] = await watch(watcher, mona)
    assert shown["status"] == "online"


async def test_the_grace_period_applies_on_both_of_a_users_nodes(cluster, person, long_grace):
    watcher, mona = await person("watcher"), await person("mona")
    laptop = await cluster.again(mona, node="b")
    await leave(cluster, mona, "a")
    await leave(cluster, laptop, "b")
    await cluster.node_a.parts.services.presence._reports.send(cluster.node_a.name, [Report(int(mona.id), "settle")])
    [shown] = await watch(watcher, mona)
    assert shown["status"] == "online"


async def test_a_status_set_just_before_leaving_is_pushed_during_the_grace_period(cluster, person):
    watcher, mona = await person("watcher", node="b"), await person("mona")
    await watch(watcher, mona)
    for text in ("one", "two"):
        await mona.call("presence.set", status="busy", text=text)
    await leave(cluster, mona, "a")
    shown = (await watcher.expect("presence.changed"))["presence"]
    while shown["text"] != "two":
        assert shown["status"] == "busy"
        shown = (await watcher.expect("presence.changed"))["presence"]


async def test_a_node_forgets_a_user_who_is_only_on_another_node(cluster, person, short_grace):
    mona, node = await person("mona"), cluster.node_a
    await cluster.again(mona, node="b")
    shard = cluster.stores.redis_keys.shard_of_user(int(mona.id))

    async def is_of_node() -> int:
        return await cluster.stores.shards.call(
            shard, "SISMEMBER", node.parts.services.presence._reports._users(shard, node.name), mona.id
        )

    assert await is_of_node() == 1
    await mona.close()
    assert await soon(is_of_node, 0) == 0


async def test_last_seen_of_a_user_who_left_long_before_their_node_died(cluster, person, short_grace):
    watcher, mona = await person("watcher"), await person("mona", node="b")
    laptop = await cluster.again(mona, node="a")
    await watch(watcher, mona)
    await leave(cluster, mona, "b")
    await laptop.close()
    assert await statuses(watcher, mona.id, "offline") == ["offline"]
    await ask_redis(cluster, mona, "HSET", "seen", 1_700_000_000)
    await cluster.node_a.parts.services.presence.remove_users_of(cluster.node_b.name)
    [shown] = await watch(watcher, mona)
    assert shown["last_seen_at"] == "2023-11-14T22:13:20.000Z"


async def test_last_seen_of_a_user_whose_node_dies_during_the_grace_period(cluster, person):
    watcher, mona = await person("watcher"), await person("mona", node="b")
    await watch(watcher, mona)
    await leave(cluster, mona, "b")
    await ask_redis(cluster, mona, "HSET", "seen", 1_700_000_000)
    await cluster.node_a.parts.services.presence.remove_users_of(cluster.node_b.name)
    shown = (await watcher.expect("presence.changed"))["presence"]
    assert (shown["status"], shown["last_seen_at"]) == ("offline", "2023-11-14T22:13:20.000Z")


async def test_setting_a_status(person):
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


async def test_an_invisible_user_comes_online_unnoticed(cluster, person, short_grace):
    watcher, mona = await person("watcher"), await person("mona")
    await may_be_told(cluster, mona)  # so that a push would be sent at once, not a second later
    await mona.call("presence.set", status="invisible")
    await mona.close()
    await watch(watcher, mona)
    mona = await cluster.again(mona, node="b")
    await cluster.settle(watcher, mona)
    assert not watcher.heard("presence.changed")
    await mona.call("presence.set", status="online")
    assert await statuses(watcher, mona.id, "online") == ["online"]


async def test_a_device_that_signs_in_with_an_older_status_does_not_show_an_invisible_user(
    cluster, person, monkeypatch
):
    """The device has read "online"; meanwhile another device sets "invisible"."""
    watcher, mona = await person("watcher"), await person("mona")
    await watch(watcher, mona)
    sign_ins = cluster.node_b.parts.sign_ins
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


async def test_a_user_without_the_right_to_watch_sees_offline(cluster, person):
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


async def test_presence_can_be_limited_to_followers(person):
    watcher, mona = await person("watcher"), await person("mona")
    await mona.call("user.update", presence_audience="followers")
    assert (await watch(watcher, mona))[0]["status"] == "offline"
    await watcher.call("graph.follow", user_id=mona.id)
    assert (await watch(watcher, mona))[0]["status"] == "online"
    await mona.call("user.update", presence_audience="nobody")
    assert (await watch(watcher, mona))[0]["status"] == "offline"


async def test_changes_are_pushed_once_a_second_and_the_last_one_always(person):
    watcher, mona = await person("watcher"), await person("mona", node="b")
    await watch(watcher, mona)
    began = time.monotonic()
    for number in range(40):
        await mona.call("presence.set", status="busy", text=f"at {number}")
    await mona.call("presence.set", status="away", text="the last")
    told = await statuses(watcher, mona.id, "away")
    assert len(told) <= time.monotonic() - began + 2


@pytest.mark.parametrize("lost", ["answer", "push"])
async def test_a_change_whose_push_was_lost_is_pushed_later(cluster, person, monkeypatch, lost):
    """Redis has stored the change, so setting it again would change nothing."""
    watcher, mona = await person("watcher", node="b"), await person("mona")
    await watch(watcher, mona)
    await may_be_told(cluster, mona)
    if lost == "answer":
        break_saying(cluster, monkeypatch, mona, "set", behind=True)
    else:
        room, broadcaster = PRESENCE.channel(int(mona.id)), cluster.node_a.parts.services.presence._reports._broadcaster
        break_once(monkeypatch, broadcaster, "publish_unkept", when=lambda published, *_: published == room)
    assert (await mona.refused("presence.set", status="busy")).code == "UNAVAILABLE"
    await mona.call("presence.set", status="busy")
    assert await statuses(watcher, mona.id, "busy") == ["busy"]


async def test_a_change_that_is_due_while_redis_is_away_is_pushed_later(cluster, person, monkeypatch):
    watcher, mona = await person("watcher", node="b"), await person("mona")
    await watch(watcher, mona)
    await may_be_told(cluster, mona)
    break_saying(cluster, monkeypatch, mona, "push")
    for status in ("busy", "away"):
        await mona.call("presence.set", status=status)
    assert await statuses(watcher, mona.id, "away") == ["busy", "away"]


async def test_watching_is_bounded(person):
    watcher = await person("watcher")
    refused = await watcher.refused("presence.watch", user_ids=["1"] * 101)
    assert refused.fields == ["user_ids"]


async def test_a_refused_watch_has_no_effect(cluster, person, monkeypatch):
    """The database is lost between the two checks of the right to watch."""
    bob, mona = await person("bob"), await person("mona", node="b")
    asked = itertools.count()
    break_once(monkeypatch, users, "may_watch", when=lambda *_: next(asked) == 1)
    assert (await mona.refused("presence.watch", user_ids=[bob.id])).code == "UNAVAILABLE"
    [member] = cluster.node_b.parts.members.of_user(int(mona.id))
    assert PRESENCE.channel(int(bob.id)) not in member.channels


async def test_a_user_who_is_idle_on_all_devices_is_away(cluster, person, monkeypatch):
    watcher, mona = await person("watcher"), await person("mona")
    second = await cluster.again(mona, node="b")
    await watch(watcher, mona)
    monkeypatch.setattr(tracker, "IDLE_AFTER_S", -1.0)
    for node in "ab":
        cluster.node(node).parts.services.presence._check_idle(int(mona.id), asyncio.get_running_loop().time())
    assert await statuses(watcher, mona.id, "away") == ["away"]
    monkeypatch.setattr(tracker, "IDLE_AFTER_S", 300.0)
    await second.call("system.ping")
    cluster.node("b").parts.services.presence._check_idle(int(mona.id), asyncio.get_running_loop().time())
    assert await statuses(watcher, mona.id, "online") == ["online"]


async def test_an_unchanged_presence_is_encoded_once(cluster, person, monkeypatch):
    mona, *watchers = [await person(name) for name in ("mona", "first", "second", "third")]
    for watcher in watchers:
        await watch(watcher, mona)
    encoded = []
    unkept = tracker.unkept

    def encode(push, room: str):
        encoded.append(room)
        return unkept(push, room)

    monkeypatch.setattr(tracker, "unkept", encode)
    await cluster.node_a.parts.services.presence.show_again()
    for watcher in watchers:
        assert (await watcher.expect("presence.changed"))["presence"]["user_id"] == mona.id
    assert encoded.count(PRESENCE.channel(int(mona.id))) == 1


async def test_a_user_whose_only_active_device_leaves_is_away(cluster, person, short_grace):
    watcher, mona = await person("watcher"), await person("mona")
    laptop = await cluster.again(mona, node="b")
    await watch(watcher, mona)
    be_idle(cluster.node_b, laptop)
    await mona.close()
    assert await statuses(watcher, mona.id, "away") == ["away"]


async def test_an_idle_user_stays_away_when_a_node_repeats_its_reports(cluster, person):
    """After a gap a node repeats its reports; that is not activity of the user."""
    watcher, mona = await person("watcher"), await person("mona", node="b")
    await watch(watcher, mona)
    be_idle(cluster.node_b, mona)
    assert await statuses(watcher, mona.id, "away") == ["away"]
    await cluster.node_b.parts.services.presence.repeat()
    [shown] = await watch(watcher, mona)
    assert shown["status"] == "away"


async def test_a_user_who_left_just_before_redis_lost_that_goes_offline(cluster, person, monkeypatch):
    """A new master may lack the last writes of the old one."""
    monkeypatch.setattr(reports, "GRACE_S", 1.0)
    watcher, mona = await person("watcher"), await person("mona", node="b")
    await watch(watcher, mona)
    await leave(cluster, mona, "b")
    await ask_redis(cluster, mona, "HSET", f"at:{cluster.node_b.name}", 1)
    await cluster.node_b.parts.services.presence.repeat()
    assert await statuses(watcher, mona.id, "offline") == ["offline"]


@pytest.fixture
def short_typing(monkeypatch):
    monkeypatch.setattr(typing_indicators, "ENDS_AFTER_S", 2.0)


async def test_typing_is_pushed_and_expires(person, short_typing):
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


async def test_repeated_starting_and_stopping_of_typing_is_pushed_once(cluster, person, monkeypatch):
    monkeypatch.setattr(typing_indicators, "PUSH_AGAIN_AFTER_S", 60.0)
    author, mona = await person("author"), await person("mona")
    post = await author.call("post.create", text="what do you think?")
    for each in (author, mona):
        await each.call("post.watch", post_id=post["id"])
    for _ in range(20):
        await mona.call("typing.start", post_id=post["id"])
        await mona.call("typing.stop", post_id=post["id"])
    await cluster.settle(author)
    assert [push["typing"] for push in author.heard("typing.changed")] == [True, False]


async def test_typing_needs_a_joined_room_or_a_watched_post(person):
    mona = await person("mona")
    assert (await mona.refused("typing.start", post_id="1")).code == "FAILED_PRECONDITION"
    assert (await mona.refused("typing.start")).fields == ["room_id"]


async def test_a_blocked_user_does_not_see_the_blocker_typing(cluster, person):
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
