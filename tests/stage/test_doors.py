"""Who is in a live room and who is out, when links blink, processes end half-way, and calls cross."""

import asyncio
import itertools
from unittest.mock import AsyncMock

import pytest
from redis.exceptions import ConnectionError as RedisDown

from gateway.rights import Rights
from rooms import names
from rooms.bus import SubscriptionFailed
from rooms.messages import CLOCK_LENGTH
from stage import departures
from tests.contract.test_live_rooms import ids, open_room, open_stage
from tests.faults import (
    Held,
    blink,
    break_once,
    catches_up,
    count,
    cut,
    forget_place,
    inside,
    open_turns,
    sockets_inside,
    soon,
)
from tests.patience import WAIT_S

# ---------------------------------------------------------------------------------------------- sent out, still there


async def test_who_is_kicked_while_their_node_is_deaf_is_out(cluster, person, monkeypatch):
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


async def test_who_is_banned_just_after_redis_forgot_where_they_are_is_out(cluster, person, monkeypatch):
    """Their node has rechecked its people, and has yet to say again what it knows of them."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.services.presence, "repeat")
    await forget_place(cluster, mona)
    blink(cluster, "b")
    await held.came.wait()
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    assert (await mona.expect("room.removed"))["reason"] == "banned"
    held.go.set()


async def test_who_was_deaf_when_a_room_ended_is_told_that_it_has(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    async with cut(cluster.node_b):
        await host.call("room.close", room_id=room_id)
        await cluster.settle()
    assert (await mona.expect("room.removed"))["reason"] == "ended"
    await cluster.settle(mona)
    assert not mona.heard("room.removed")


async def test_who_finds_out_that_a_room_has_ended_was_in_it_until_then(cluster, person, monkeypatch):
    """Their node asks while the worker has yet to close the roster."""
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
    await cluster.node_b._catching_up._recheck_seats()
    assert (await mona.expect("room.removed"))["reason"] == "ended"
    go.set()
    await mona.expect("room.digested", room_id=room_id)


async def test_who_is_blocked_is_told_once_on_each_device(cluster, person, monkeypatch):
    """Of two on one node, and one on the other, which find out at the same time; the worker says it later."""
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
async def test_sending_out_that_is_cut_short_is_made_good(cluster, person, monkeypatch, act):
    """The node ends behind the roster's change, before anybody was told to leave."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    break_once(monkeypatch, departures, "put_out")
    await host.call(f"room.{act}", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    await host.call("room.send", room_id=room_id, text="now we are alone")
    await host.expect("room.message")
    await cluster.settle(mona)
    assert not mona.heard("room.message")


async def test_a_ban_of_a_node_that_ends_is_told_to_the_room(cluster, person, monkeypatch):
    """The worker alone sends out, and the others see it."""
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar", node="b")
    room_id = await open_room(host)
    for each in (mona, omar):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await cluster.settle(omar)
    await omar.expect("room.audience", count=3)
    omar.received.clear()
    break_once(monkeypatch, cluster.node_a.services.roster, "remove")
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await omar.expect("room.left", user_id=mona.id)
    await omar.expect("room.audience", count=2)
    while mona.id in ids((await omar.expect("room.updated"))["room"]["speakers"]):
        continue


# ---------------------------------------------------------------------------------------------- let in, still out


async def test_a_ban_whose_lifting_was_lost_can_be_lifted(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await cluster.settle()
    break_once(monkeypatch, cluster.node_a.services.roster, "pardon")
    await host.call("room.unban", room_id=room_id, user_id=mona.id)
    await cluster.settle()
    await host.call("room.unban", room_id=room_id, user_id=mona.id)
    await mona.call("room.join", room_id=room_id)


async def test_a_ban_told_late_does_not_outlive_its_lifting(cluster, person, monkeypatch):
    """The worker has read the ban, and sets it in the roster once it is lifted."""
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


async def test_who_comes_again_while_their_node_hears_of_an_old_kick_stays(cluster, person, monkeypatch):
    """The node was deaf when they were sent out, and says again that they are there."""
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await cluster.stores.roster.remove(int(room_id), int(mona.id), "kicked", 100)
    held = Held(monkeypatch, cluster.node_b._stores.broadcaster, "put_out")
    repeating = asyncio.create_task(cluster.node_b.attendance.repeat())
    await held.came.wait()
    await tablet.call("room.join", room_id=room_id)
    held.go.set()
    await repeating
    await cluster.settle(mona, tablet)
    assert await inside(cluster, room_id) == {int(host.id), int(mona.id)}


async def test_who_is_back_after_a_kick_stays_whatever_the_nodes_clocks(cluster, person, monkeypatch):
    """The worker reacts late, to an event of a node whose clock is an hour ahead."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    ids = cluster.node_a.services.ids
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


async def test_who_leaves_while_redis_is_away_has_left(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    async with cut(cluster.node_b):
        await mona.answer("room.leave", {"room_id": room_id})
        async with asyncio.timeout(WAIT_S):
            while not cluster.node_b.attendance._unsaid:
                await asyncio.sleep(0.01)
    assert await soon(lambda: count(host, room_id), 1) == 1


async def test_who_left_while_redis_was_away_and_comes_in_in_vain_has_left(cluster, person, monkeypatch):
    """Their leaving is said again while another socket of theirs waits to hear the room, which then fails."""
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    bus, attendance = cluster.node_b.bus, cluster.node_b.attendance
    join = bus.join

    async def away(*arguments):
        raise RedisDown("the link to Redis is down")

    async def join_in_vain(*arguments):
        await join(*arguments)
        await attendance.repeat()
        raise SubscriptionFailed

    with monkeypatch.context() as broken:
        broken.setattr(cluster.node_b.services.roster, "leave", away)
        await mona.call("room.leave", room_id=room_id)
        broken.setattr(bus, "join", join_in_vain)
        assert (await tablet.refused("room.join", room_id=room_id)).code == "UNAVAILABLE"
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}


async def test_a_device_that_is_refused_does_not_take_the_seat_of_one_that_comes_in(cluster, person, monkeypatch):
    """The second is let in while the first has yet to hear that the room was full; its own answer is lost."""
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host, capacity=2)
    await omar.call("room.join", room_id=room_id)
    roster = cluster.node_b.services.roster
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


async def test_nothing_is_kept_of_who_was_in_a_room_that_has_ended(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.close", room_id=room_id)
    await mona.expect("room.closed")
    await cluster.settle(mona)
    assert (int(room_id), int(mona.id)) not in cluster.node_b.attendance._seats
    await cluster.node_b.attendance.repeat()
    await cluster.settle(mona)
    assert not mona.heard("room.removed")


async def test_who_was_not_told_that_they_are_inside_is_not(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    break_once(monkeypatch, cluster.node_b.services.roster, "enter", behind=True)
    assert (await mona.refused("room.join", room_id=room_id)).code == "UNAVAILABLE"
    assert await soon(lambda: count(host, room_id), 1) == 1


async def test_who_is_banned_while_coming_in_is_not_told_that_they_are_inside(cluster, person, monkeypatch):
    host, mona, room_id = await open_stage(person, node="b")
    await mona.call("room.leave", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.services.roster, "enter", behind=True)
    joining = asyncio.create_task(mona.answer("room.join", {"room_id": room_id}))
    await held.done.wait()
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    held.go.set()
    answer = await joining
    await cluster.settle()
    assert not await open_turns(cluster, room_id, mona), "a turn that nobody ends"
    assert not answer["ok"]


async def test_another_device_of_the_banned_does_not_hide_the_first(cluster, person, monkeypatch):
    """It is refused between the ban and the word to the nodes."""
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    tell = asyncio.Event()
    put_out = departures.put_out

    async def put_out_late(*arguments, **options):
        await tell.wait()
        await put_out(*arguments, **options)

    monkeypatch.setattr(departures, "put_out", put_out_late)
    held = Held(monkeypatch, cluster.node_b.services.roster, "enter")
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


async def test_a_join_that_is_cut_short_leaves_no_ear_behind(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    break_once(monkeypatch, cluster.node_b.bus, "join", behind=True)
    assert (await mona.refused("room.join", room_id=room_id)).code == "UNAVAILABLE"
    assert not sockets_inside(cluster, room_id, mona)


async def test_who_comes_in_while_they_are_banned_hears_nothing_more(cluster, person, monkeypatch):
    """The ban has found them outside; they come in before it stands."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.node_a.services.roster, "joined", behind=True)
    banning = asyncio.create_task(host.call("room.ban", room_id=room_id, user_id=mona.id))
    await held.came.wait()
    await mona.call("room.join", room_id=room_id)
    held.go.set()
    await banning
    assert (await mona.expect("room.removed"))["reason"] == "banned"
    await cluster.settle(mona)
    assert not sockets_inside(cluster, room_id, mona)


async def test_a_kick_told_again_does_not_hit_who_is_coming_in_again(cluster, person, monkeypatch):
    """Their socket listens already, and the roster has not been asked yet."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    kicked_before = int((await cluster.stores.roster.look(int(room_id))).offset[-CLOCK_LENGTH:])
    held = Held(monkeypatch, cluster.node_b.services.attendance, "enter")
    joining = asyncio.create_task(mona.call("room.join", room_id=room_id))
    await held.came.wait()
    await cluster.stores.broadcaster.put_out(int(mona.id), names.live(int(room_id)), kicked_before)
    await cluster.settle(mona)
    held.go.set()
    await joining
    assert sockets_inside(cluster, room_id, mona) == 1


async def test_a_device_that_was_kicked_does_not_take_the_seat_of_one_that_came_after(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.node_b.services.roster, "enter", behind=True)
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


async def test_who_finds_the_room_full_while_their_leaving_is_said_is_outside(cluster, person, monkeypatch):
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar")
    tablet = await cluster.again(mona, node="b")
    room_id = await open_room(host, capacity=2)
    await mona.call("room.join", room_id=room_id)
    roster, place = cluster.node_b.services.roster, (int(room_id), int(mona.id))
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


async def test_who_finds_the_room_full_while_their_node_says_again_who_is_here_is_outside(cluster, person, monkeypatch):
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar")
    room_id = await open_room(host, capacity=2)
    await omar.call("room.join", room_id=room_id)
    enter = Held(monkeypatch, cluster.node_b.services.roster, "enter", behind=True)
    joining = asyncio.create_task(mona.refused("room.join", room_id=room_id))
    await enter.done.wait()
    await cluster.node_b.attendance.repeat()
    enter.go.set()
    assert (await joining).code == "FAILED_PRECONDITION"
    assert await inside(cluster, room_id) == {int(host.id), int(omar.id)}


@pytest.mark.parametrize("node", ["a", "b"])
async def test_who_lost_access_and_has_it_again_may_come_back(cluster, person, node):
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
    assert not cluster.node(node).attendance._put_out


async def test_nothing_is_kept_of_who_was_kicked(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await cluster.settle(mona)
    assert not cluster.node_b.attendance._put_out


async def test_who_is_sent_out_while_the_roster_lets_them_in_is_no_ghost_there(cluster, person, monkeypatch):
    """For their lost access, which the roster knows nothing of."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.node_b.services.roster, "enter", behind=True)
    joining = asyncio.create_task(mona.refused("room.join", room_id=room_id))
    await held.came.wait()
    await departures.put_out(cluster.stores.broadcaster, int(room_id), int(mona.id), "access")
    await mona.expect("room.removed")
    held.go.set()
    assert (await joining).code == "FAILED_PRECONDITION"
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}
    await mona.call("room.join", room_id=room_id)


async def test_a_turn_that_begins_anew_is_not_ended_by_the_last_leaving(cluster, person, monkeypatch):
    host, mona, room_id = await open_stage(person, node="b")
    tablet = await cluster.again(mona, node="b")
    held = Held(monkeypatch, cluster.node_b.services.attendance, "taken_back")
    leaving = asyncio.create_task(mona.call("room.leave", room_id=room_id))
    await held.came.wait()
    await tablet.call("room.join", room_id=room_id)
    held.go.set()
    await leaving
    await host.expect("room.left", user_id=mona.id)
    assert await open_turns(cluster, room_id, mona) == 1


async def test_a_turn_ends_though_the_call_to_leave_was_cut_short(cluster, person, monkeypatch):
    _, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    Held(monkeypatch, cluster.node_b.services.roster, "leave", behind=True)
    monkeypatch.setattr(cluster.node_b._dispatcher, "_deadline_s", 0.3)
    assert (await mona.refused("room.leave", room_id=room_id)).code == "DEADLINE_EXCEEDED"
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


async def test_a_turn_ends_though_redis_was_away_twice_while_leaving_was_said(cluster, person, monkeypatch):
    """The second time the answer is lost alone."""
    _, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    roster, calls = cluster.node_b.services.roster, itertools.count()
    leave = roster.leave

    async def leave_in_vain(*arguments):
        number = next(calls)
        if number < 2:  # by the call, and by the socket
            raise RedisDown("the link to Redis is down")
        answer = await leave(*arguments)
        if number == 2:
            raise RedisDown("the link to Redis was lost")
        return answer

    monkeypatch.setattr(roster, "leave", leave_in_vain)
    await mona.call("room.leave", room_id=room_id)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


async def test_a_turn_begins_again_though_it_failed_when_its_person_was_said_again(cluster, person, monkeypatch):
    """Their node was taken for dead, and is not."""
    _, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    await cluster.node_a.attendance.take_back(cluster.node_b.name)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0
    break_once(monkeypatch, cluster.node_b.attendance, "begin_turn")
    await cluster.node_b._catching_up.until_done()
    assert await soon(lambda: open_turns(cluster, room_id, mona), 1) == 1


async def test_who_leaves_before_the_roster_hears_of_their_role_has_no_turn(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    told = [Held(monkeypatch, tools.roster, "set_role") for tools in (cluster.node_a.services, cluster.workers.tools)]
    promoting = asyncio.create_task(host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker"))
    for each in told:
        await each.came.wait()
    await mona.call("room.leave", room_id=room_id)
    for each in told:
        each.go.set()
    await promoting
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


async def test_a_turn_ends_though_the_answer_to_leaving_was_lost(cluster, person, monkeypatch):
    _, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    break_once(monkeypatch, cluster.node_b.services.roster, "leave", behind=True)
    await mona.call("room.leave", room_id=room_id)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


@pytest.mark.parametrize("is_told", [False, True], ids=["told later", "told before they are inside"])
async def test_who_is_given_a_role_while_coming_in_has_a_turn(cluster, person, monkeypatch, is_told):
    """With another device, on which they leave."""
    host, mona = await person("host"), await person("mona", node="b")
    tablet = await cluster.again(mona, node="a")
    room_id = await open_room(host)
    await tablet.call("room.join", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.services.roster, "enter")
    joining = asyncio.create_task(mona.call("room.join", room_id=room_id))
    await held.came.wait()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await tablet.call("room.leave", room_id=room_id)
    if is_told:
        await cluster.settle(mona)
    held.go.set()
    await joining
    assert await soon(lambda: open_turns(cluster, room_id, mona), 1) == 1


async def test_who_leaves_while_they_are_given_a_role_has_no_turn(cluster, person, monkeypatch):
    host, mona, room_id = await open_stage(person, node="b")
    held = Held(monkeypatch, cluster.node_a.services.roster, "are_inside", behind=True)
    promoting = asyncio.create_task(host.call("room.set_role", room_id=room_id, user_id=mona.id, role="cohost"))
    await held.came.wait()
    leaving = asyncio.create_task(mona.call("room.leave", room_id=room_id))
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}
    held.go.set()
    await asyncio.gather(promoting, leaving)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0
