"""Membership of live rooms when links break, processes end in the middle, and calls run concurrently."""

import asyncio
import itertools
from unittest.mock import AsyncMock

import pytest
from redis.exceptions import ConnectionError as RedisDown

from channels.messages import CLOCK_LENGTH
from channels.subscriptions import SubscriptionFailed
from gateway.rights import Rights
from stage import departures, room_channel
from tests.contract.test_live_rooms import ids, open_room, open_stage
from tests.faults import (
    Held,
    blink,
    break_once,
    catches_up,
    count,
    cut,
    forget_location,
    inside,
    open_turns,
    sockets_inside,
    soon,
)
from tests.patience import WAIT_S

# ---------------------------------------------------------------------------------------------- removed, still there


async def test_a_user_kicked_while_their_node_has_no_link_is_removed(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    caught_up = catches_up(monkeypatch)
    blink(cluster, "b")
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await caught_up.wait()
    await host.call("room.send", room_id=room_id, text="now we are alone")
    await host.expect("room.message")
    await cluster.settle(mona)
    assert (await mona.refused("room.send", room_id=room_id, text="am I?")).code == "FAILED_PRECONDITION"
    assert not mona.heard("room.message")


async def test_a_user_banned_just_after_redis_lost_their_location_is_removed(cluster, person, monkeypatch):
    """Their node has rechecked its users, and has not reported them again yet."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.parts.services.presence, "repeat")
    await forget_location(cluster, mona)
    blink(cluster, "b")
    await held.came.wait()
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    assert (await mona.expect("room.removed"))["reason"] == "banned"
    held.go.set()


async def test_a_user_whose_node_had_no_link_when_a_room_ended_is_told(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    async with cut(cluster.node_b):
        await host.call("room.close", room_id=room_id)
        await cluster.settle()
    assert (await mona.expect("room.removed"))["reason"] == "ended"
    await cluster.settle(mona)
    assert not mona.heard("room.removed")


async def test_a_user_told_of_the_end_by_a_recheck_gets_the_digest_too(cluster, person, monkeypatch):
    """Their node checks before the worker has closed the roster."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    roster, go = cluster.workers.tools.roster, asyncio.Event()
    finish = roster.finish

    async def finish_late(room_id: int):
        await go.wait()
        return await finish(room_id)

    monkeypatch.setattr(roster, "finish", finish_late)
    await host.call("room.close", room_id=room_id)
    await cluster.node_b.parts.catching_up._recheck_memberships()
    assert (await mona.expect("room.removed"))["reason"] == "ended"
    go.set()
    await mona.expect("room.digested", room_id=room_id)


async def test_a_blocked_user_is_told_once_on_each_device(cluster, person, monkeypatch):
    """Two devices on one node and one on the other are found blocked at once; the worker tells them later."""
    host, mona = await person("host"), await person("mona", node="b")
    devices = [mona, await cluster.again(mona, node="b"), await cluster.again(mona, node="a")]
    room_id = await open_room(host)
    for each in devices:
        await each.call("room.join", room_id=room_id)
    monkeypatch.setattr(cluster.workers.tools.broadcaster, "evict", AsyncMock())
    look, found_out = Rights._allowed, asyncio.Event()

    async def look_together(*arguments):
        answer = await look(*arguments)
        await found_out.wait()
        return answer

    monkeypatch.setattr(Rights, "_allowed", look_together)
    await host.call("graph.block", user_id=mona.id)
    await cluster.settle(*devices)
    found_out.set()
    for each in devices:
        await each.expect("room.removed", reason="access")
    await cluster.settle(*devices)
    assert not [push for each in devices for push in each.heard("room.removed")]
    assert not sockets_inside(cluster, room_id, mona)


@pytest.mark.parametrize("act", ["kick", "ban"])
async def test_an_interrupted_removal_is_completed(cluster, person, monkeypatch, act):
    """The node ends after the roster's change, before any socket was told to leave."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    break_once(monkeypatch, departures, "remove_user")
    await host.call(f"room.{act}", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    await host.call("room.send", room_id=room_id, text="now we are alone")
    await host.expect("room.message")
    await cluster.settle(mona)
    assert not mona.heard("room.message")


async def test_an_interrupted_ban_is_pushed_to_the_room(cluster, person, monkeypatch):
    """Only the worker removes the user, and the others see it."""
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar", node="b")
    room_id = await open_room(host)
    for each in (mona, omar):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await cluster.settle(omar)
    await omar.expect("room.audience", count=3)
    omar.received.clear()
    break_once(monkeypatch, cluster.node_a.parts.services.roster, "remove")
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await omar.expect("room.left", user_id=mona.id)
    await omar.expect("room.audience", count=2)
    while mona.id in ids((await omar.expect("room.updated"))["room"]["speakers"]):
        continue


# ---------------------------------------------------------------------------------------------- allowed, still out


async def test_an_unban_that_was_lost_can_be_repeated(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await cluster.settle()
    break_once(monkeypatch, cluster.node_a.parts.services.roster, "pardon")
    await host.call("room.unban", room_id=room_id, user_id=mona.id)
    await cluster.settle()
    await host.call("room.unban", room_id=room_id, user_id=mona.id)
    await mona.call("room.join", room_id=room_id)


async def test_a_ban_applied_late_does_not_outlive_its_unban(cluster, person, monkeypatch):
    """The worker has read the ban, and sets it in the roster after the unban."""
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.workers.tools.roster, "remove")
    lifting = Held(monkeypatch, cluster.workers.tools.roster, "pardon")
    lifting.go.set()
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await held.came.wait()
    await host.call("room.unban", room_id=room_id, user_id=mona.id)
    await lifting.done.wait()
    held.go.set()
    await cluster.settle()
    await mona.call("room.join", room_id=room_id)


async def test_a_user_who_rejoins_while_their_node_learns_of_an_old_kick_stays(cluster, person, monkeypatch):
    """The node missed the kick, and reports the user as present again."""
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await cluster.stores.roster.remove(int(room_id), int(mona.id), "kicked", 100)
    held = Held(monkeypatch, room_channel, "eject_sockets")
    repeating = asyncio.create_task(cluster.node_b.parts.services.attendance.repeat())
    await held.came.wait()
    await tablet.call("room.join", room_id=room_id)
    held.go.set()
    await repeating
    await cluster.settle(mona, tablet)
    assert await inside(cluster, room_id) == {int(host.id), int(mona.id)}


async def test_a_user_who_rejoins_after_a_kick_stays_despite_clock_skew(cluster, person, monkeypatch):
    """The worker handles the event late; it came from a node whose clock is an hour ahead."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    ids = cluster.node_a.parts.services.ids
    mint = ids.mint
    monkeypatch.setattr(ids, "mint", lambda: mint() + (3_600_000 << 22))
    held = Held(monkeypatch, cluster.workers.tools.roster, "remove")
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    await mona.call("room.join", room_id=room_id)
    await held.came.wait()
    held.go.set()
    await cluster.settle(mona)
    assert await inside(cluster, room_id) == {int(host.id), int(mona.id)}


# ---------------------------------------------------------------------------------------------- ghosts


async def test_a_user_who_leaves_while_redis_is_away_has_left(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    async with cut(cluster.node_b):
        await mona.answer("room.leave", {"room_id": room_id})
        async with asyncio.timeout(WAIT_S):
            while not cluster.node_b.parts.services.attendance._unreported:
                await asyncio.sleep(0.01)
    assert await soon(lambda: count(host, room_id), 1) == 1


async def test_a_user_who_left_while_redis_was_away_and_fails_to_rejoin_has_left(cluster, person, monkeypatch):
    """The leave is reported again while another socket of theirs subscribes to the room, which then fails."""
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    subscriptions, attendance = cluster.node_b.parts.subscriptions, cluster.node_b.parts.services.attendance
    join = subscriptions.join

    async def away(*arguments):
        raise RedisDown("the link to Redis is down")

    async def join_in_vain(*arguments):
        await join(*arguments)
        await attendance.repeat()
        raise SubscriptionFailed

    with monkeypatch.context() as broken:
        broken.setattr(cluster.node_b.parts.services.roster, "leave", away)
        await mona.call("room.leave", room_id=room_id)
        broken.setattr(subscriptions, "join", join_in_vain)
        assert (await tablet.refused("room.join", room_id=room_id)).code == "UNAVAILABLE"
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}


async def test_two_devices_that_fail_to_join_at_once_leave_no_seat(cluster, person, monkeypatch):
    """The second enters before the first has its answer that the room was full; the second's answer is lost."""
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host, capacity=2)
    await omar.call("room.join", room_id=room_id)
    roster = cluster.node_b.parts.services.roster
    first = Held(monkeypatch, roster, "enter", behind=True)
    refused = asyncio.create_task(mona.refused("room.join", room_id=room_id))
    await first.done.wait()
    await omar.call("room.leave", room_id=room_id)
    enter, done, lost = roster.enter, asyncio.Event(), asyncio.Event()

    async def enter_unheard(*arguments):
        await enter(*arguments)
        done.set()
        await lost.wait()
        raise RedisDown("the link to Redis was lost")

    with monkeypatch.context() as broken:
        broken.setattr(roster, "enter", enter_unheard)
        joining = asyncio.create_task(tablet.refused("room.join", room_id=room_id))
        await done.wait()
        first.go.set()
        await refused
        lost.set()
        await joining
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}


async def test_attendees_of_an_ended_room_are_forgotten(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.close", room_id=room_id)
    await mona.expect("room.closed")
    await cluster.settle(mona)
    assert (int(room_id), int(mona.id)) not in cluster.node_b.parts.services.attendance._attendees
    await cluster.node_b.parts.services.attendance.repeat()
    await cluster.settle(mona)
    assert not mona.heard("room.removed")


async def test_a_join_whose_answer_was_lost_is_undone(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    break_once(monkeypatch, cluster.node_b.parts.services.roster, "enter", behind=True)
    assert (await mona.refused("room.join", room_id=room_id)).code == "UNAVAILABLE"
    assert await soon(lambda: count(host, room_id), 1) == 1


async def test_a_join_concurrent_with_a_ban_is_refused(cluster, person, monkeypatch):
    host, mona, room_id = await open_stage(person, node="b")
    await mona.call("room.leave", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.parts.services.roster, "enter", behind=True)
    joining = asyncio.create_task(mona.answer("room.join", {"room_id": room_id}))
    await held.done.wait()
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    held.go.set()
    answer = await joining
    await cluster.settle()
    assert not await open_turns(cluster, room_id, mona), "the turn was not ended"
    assert not answer["ok"]


async def test_a_refused_join_of_a_banned_user_does_not_hide_their_other_device(cluster, person, monkeypatch):
    """It is refused between the ban and the notice to the nodes."""
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    tell = asyncio.Event()
    remove_user = departures.remove_user

    async def remove_late(*arguments, **options):
        await tell.wait()
        await remove_user(*arguments, **options)

    monkeypatch.setattr(departures, "remove_user", remove_late)
    held = Held(monkeypatch, cluster.node_b.parts.services.roster, "enter")
    joining = asyncio.create_task(tablet.answer("room.join", {"room_id": room_id}))
    await held.came.wait()
    banning = asyncio.create_task(host.call("room.ban", room_id=room_id, user_id=mona.id))
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}
    held.go.set()
    assert not (await joining)["ok"]
    tell.set()
    await banning
    await mona.expect("room.removed")
    assert not sockets_inside(cluster, room_id, mona)


async def test_an_interrupted_join_leaves_no_subscription(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    break_once(monkeypatch, cluster.node_b.parts.subscriptions, "join", behind=True)
    assert (await mona.refused("room.join", room_id=room_id)).code == "UNAVAILABLE"
    assert not sockets_inside(cluster, room_id, mona)


async def test_a_user_who_joins_during_their_ban_is_removed(cluster, person, monkeypatch):
    """The ban finds the user outside; the user joins before the ban takes effect."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.node_a.parts.services.roster, "joined", behind=True)
    banning = asyncio.create_task(host.call("room.ban", room_id=room_id, user_id=mona.id))
    await held.came.wait()
    await mona.call("room.join", room_id=room_id)
    held.go.set()
    await banning
    assert (await mona.expect("room.removed"))["reason"] == "banned"
    await cluster.settle(mona)
    assert not sockets_inside(cluster, room_id, mona)


async def test_a_repeated_kick_does_not_remove_a_user_who_rejoins(cluster, person, monkeypatch):
    """Their socket has subscribed already, and has not entered the roster yet."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    kicked_before = int((await cluster.stores.roster.look(int(room_id))).offset[-CLOCK_LENGTH:])
    held = Held(monkeypatch, cluster.node_b.parts.services.attendance, "enter")
    joining = asyncio.create_task(mona.call("room.join", room_id=room_id))
    await held.came.wait()
    await room_channel.eject_sockets(cluster.stores.broadcaster, int(room_id), int(mona.id), kicked_before)
    await cluster.settle(mona)
    held.go.set()
    await joining
    assert sockets_inside(cluster, room_id, mona) == 1


async def test_a_kicked_device_does_not_take_the_seat_of_a_later_one(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.node_b.parts.services.roster, "enter", behind=True)
    joining = asyncio.create_task(mona.refused("room.join", room_id=room_id))
    await held.came.wait()
    assert await soon(lambda: count(host, room_id), 2) == 2
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await cluster.settle(mona, tablet)
    await tablet.call("room.join", room_id=room_id)
    held.go.set()
    assert (await joining).code == "FAILED_PRECONDITION"
    assert sockets_inside(cluster, room_id, mona) == 1
    await tablet.call("room.leave", room_id=room_id)
    assert await soon(lambda: count(host, room_id), 1) == 1


async def test_a_user_who_finds_the_room_full_during_their_leave_is_outside(cluster, person, monkeypatch):
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host, capacity=2)
    await mona.call("room.join", room_id=room_id)
    roster, place = cluster.node_b.parts.services.roster, (int(room_id), int(mona.id))
    leave = Held(monkeypatch, roster, "leave", behind=True, when=lambda *who: who[:2] == place)
    leaving = asyncio.create_task(mona.call("room.leave", room_id=room_id))
    await leave.done.wait()
    await omar.call("room.join", room_id=room_id)
    enter = Held(monkeypatch, roster, "enter", behind=True)
    joining = asyncio.create_task(tablet.refused("room.join", room_id=room_id))
    await enter.done.wait()
    leave.go.set()
    await leaving
    enter.go.set()
    assert (await joining).code == "FAILED_PRECONDITION"
    await cluster.settle(mona)
    assert await inside(cluster, room_id) == {int(host.id), int(omar.id)}


async def test_a_user_who_finds_the_room_full_while_their_node_repeats_its_reports_is_outside(
    cluster, person, monkeypatch
):
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar")
    room_id = await open_room(host, capacity=2)
    await omar.call("room.join", room_id=room_id)
    enter = Held(monkeypatch, cluster.node_b.parts.services.roster, "enter", behind=True)
    joining = asyncio.create_task(mona.refused("room.join", room_id=room_id))
    await enter.done.wait()
    await cluster.node_b.parts.services.attendance.repeat()
    enter.go.set()
    assert (await joining).code == "FAILED_PRECONDITION"
    assert await inside(cluster, room_id) == {int(host.id), int(omar.id)}


@pytest.mark.parametrize("node", ["a", "b"])
async def test_a_user_who_regains_access_can_rejoin(cluster, person, node):
    host, mona = await person("host"), await person("mona", node=node)
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("graph.block", user_id=mona.id)
    await mona.expect("room.removed")
    await cluster.settle(mona)
    await host.call("graph.unblock", user_id=mona.id)
    await cluster.settle(mona)
    await mona.call("room.join", room_id=room_id)
    assert await inside(cluster, room_id) == {int(host.id), int(mona.id)}
    assert not cluster.node(node).parts.services.attendance._ejected


async def test_kicks_are_forgotten(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await cluster.settle(mona)
    assert not cluster.node_b.parts.services.attendance._ejected


async def test_a_user_removed_while_they_enter_is_not_left_in_the_roster(cluster, person, monkeypatch):
    """The reason is lost access, which the roster does not know."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.node_b.parts.services.roster, "enter", behind=True)
    joining = asyncio.create_task(mona.refused("room.join", room_id=room_id))
    await held.came.wait()
    await departures.remove_user(cluster.stores.broadcaster, int(room_id), int(mona.id), "access")
    await mona.expect("room.removed")
    held.go.set()
    assert (await joining).code == "FAILED_PRECONDITION"
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}
    await mona.call("room.join", room_id=room_id)


async def test_a_new_turn_is_not_ended_by_the_previous_leave(cluster, person, monkeypatch):
    host, mona, room_id = await open_stage(person, node="b")
    tablet = await cluster.again(mona, node="b")
    held = Held(monkeypatch, cluster.node_b.parts.services.attendance, "after_leaving")
    leaving = asyncio.create_task(mona.call("room.leave", room_id=room_id))
    await held.came.wait()
    await tablet.call("room.join", room_id=room_id)
    held.go.set()
    await leaving
    await host.expect("room.left", user_id=mona.id)
    assert await open_turns(cluster, room_id, mona) == 1


async def test_a_turn_ends_although_the_leave_timed_out(cluster, person, monkeypatch):
    _, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    Held(monkeypatch, cluster.node_b.parts.services.roster, "leave", behind=True)
    monkeypatch.setattr(cluster.node_b.parts.dispatcher, "_deadline_s", 0.3)
    assert (await mona.refused("room.leave", room_id=room_id)).code == "DEADLINE_EXCEEDED"
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


async def test_a_turn_ends_although_redis_failed_three_reports_of_the_leave(cluster, person, monkeypatch):
    """The first two reports fail; of the third only the answer is lost."""
    _, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    roster, calls = cluster.node_b.parts.services.roster, itertools.count()
    leave = roster.leave

    async def leave_in_vain(*arguments):
        number = next(calls)
        if number < 2:  # made by the call, and by the socket
            raise RedisDown("the link to Redis is down")
        answer = await leave(*arguments)
        if number == 2:
            raise RedisDown("the link to Redis was lost")
        return answer

    monkeypatch.setattr(roster, "leave", leave_in_vain)
    await mona.call("room.leave", room_id=room_id)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


async def test_a_turn_starts_again_although_its_first_attempt_failed(cluster, person, monkeypatch):
    """The user's node was wrongly treated as dead, and reports its users again."""
    _, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    await cluster.node_a.parts.services.attendance.remove_users_of(cluster.node_b.name)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0
    break_once(monkeypatch, cluster.node_b.parts.services.attendance, "begin_turn")
    await cluster.node_b.parts.catching_up.until_done()
    assert await soon(lambda: open_turns(cluster, room_id, mona), 1) == 1


async def test_a_user_who_leaves_before_the_roster_knows_their_role_has_no_turn(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    told = [
        Held(monkeypatch, tools.roster, "set_role") for tools in (cluster.node_a.parts.services, cluster.workers.tools)
    ]
    promoting = asyncio.create_task(host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker"))
    for each in told:
        await each.came.wait()
    await mona.call("room.leave", room_id=room_id)
    for each in told:
        each.go.set()
    await promoting
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


async def test_a_turn_ends_although_the_answer_of_the_leave_was_lost(cluster, person, monkeypatch):
    _, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    break_once(monkeypatch, cluster.node_b.parts.services.roster, "leave", behind=True)
    await mona.call("room.leave", room_id=room_id)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


@pytest.mark.parametrize("is_told", [False, True], ids=["roster knows later", "roster knows before the join"])
async def test_a_user_who_gets_a_role_while_joining_has_a_turn(cluster, person, monkeypatch, is_told):
    """The user is in the room with another device, which leaves meanwhile."""
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="a")
    room_id = await open_room(host)
    await tablet.call("room.join", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.parts.services.roster, "enter")
    joining = asyncio.create_task(mona.call("room.join", room_id=room_id))
    await held.came.wait()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await tablet.call("room.leave", room_id=room_id)
    if is_told:
        await cluster.settle(mona)
    held.go.set()
    await joining
    assert await soon(lambda: open_turns(cluster, room_id, mona), 1) == 1


async def test_a_user_who_leaves_while_they_get_a_role_has_no_turn(cluster, person, monkeypatch):
    host, mona, room_id = await open_stage(person, node="b")
    held = Held(monkeypatch, cluster.node_a.parts.services.roster, "are_inside", behind=True)
    promoting = asyncio.create_task(host.call("room.set_role", room_id=room_id, user_id=mona.id, role="cohost"))
    await held.came.wait()
    leaving = asyncio.create_task(mona.call("room.leave", room_id=room_id))
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}
    held.go.set()
    await asyncio.gather(promoting, leaving)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0
