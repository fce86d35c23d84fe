"""Live rooms under what goes wrong in between: links that blink, processes that end half-way, calls that cross."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest
from redis.exceptions import ConnectionError as RedisDown

from rooms import names
from rooms.messages import CLOCK_LENGTH
from stage import attendance, departures, view
from tests.contract.test_live_rooms import ids, open_room
from workers import live_rooms as keeper

SOON_S = 4.0


async def soon(look, wanted) -> object:
    """What `look` answers once it is as wanted, or at the last."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + SOON_S
    while (seen := await look()) != wanted and loop.time() < give_up_at:
        await asyncio.sleep(0.05)
    return seen


def blink(cluster, node: str) -> None:
    """That node's link to Redis is lost, and back a fifth of a second later."""
    for link in cluster.node(node)._stores.shards._links.values():
        link.reopen()


class Held:
    """A method whose next call waits, before or behind what it does, until it is let go."""

    def __init__(self, monkeypatch, thing, name: str, *, behind: bool = False) -> None:
        self.came, self.go = asyncio.Event(), asyncio.Event()
        real = getattr(thing, name)

        async def held(*arguments, **options):
            if self.came.is_set():
                return await real(*arguments, **options)
            self.came.set()
            if behind:
                answer = await real(*arguments, **options)
                await self.go.wait()
                return answer
            await self.go.wait()
            return await real(*arguments, **options)

        monkeypatch.setattr(thing, name, held)


def sockets_inside(cluster, room_id: str, who) -> int:
    """How many of somebody's sockets the room's pushes reach."""
    members = [member for name in "ab" for member in cluster.node(name).members.of_user(int(who.id))]
    return sum(names.live(int(room_id)) in member.rooms for member in members)


async def inside(cluster, room_id: str) -> set[int]:
    return {*(await cluster.stores.roster.look(int(room_id), 0, 100)).page}


async def open_turns(cluster, room_id: str, who) -> int:
    owner = await cluster.owner()
    try:
        return await owner.fetchval(
            "SELECT count(*) FROM room_turns WHERE room_id = $1 AND user_id = $2 AND ended_at IS NULL",
            int(room_id), int(who.id),
        )  # fmt: skip
    finally:
        await owner.close()


def break_once(monkeypatch, thing, name: str, *, behind: bool = False) -> None:
    """Redis goes away before the method is run, or behind it, before the answer comes."""
    real = getattr(thing, name)

    async def broken(*arguments, **options):
        monkeypatch.setattr(thing, name, real)
        if behind:
            await real(*arguments, **options)
        raise RedisDown("the link to Redis is down")

    monkeypatch.setattr(thing, name, broken)


async def count(person, room_id) -> int:
    return (await person.call("room.get", room_id=room_id))["audience_count"]


async def speakers(person, room_id) -> list[str]:
    return ids((await person.call("room.get", room_id=room_id))["speakers"])


# ---------------------------------------------------------------------------------------------- sent out, still there


async def test_who_is_kicked_while_their_node_is_deaf_is_out(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    blink(cluster, "b")
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await asyncio.sleep(1.5)
    await host.call("room.send", room_id=room_id, text="now we are alone")
    await host.expect("room.message")
    await cluster.settle(mona)
    assert (await mona.refused("room.send", room_id=room_id, text="am I?")).code == "FAILED_PRECONDITION"
    assert not mona.heard("room.message")


@pytest.mark.parametrize("act", ["kick", "ban"])
async def test_sending_out_that_is_cut_short_is_made_good(cluster, person, monkeypatch, act):
    """The node ends behind the roster's change, before anybody was told to leave."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    break_once(monkeypatch, departures, "put_out")
    await host.call(f"room.{act}", room_id=room_id, user_id=mona.id)
    await cluster.settle()
    await asyncio.sleep(0.5)
    await host.call("room.send", room_id=room_id, text="now we are alone")
    await host.expect("room.message")
    await cluster.settle(mona)
    assert not mona.heard("room.message")
    assert mona.heard("room.removed")


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
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await held.came.wait()
    await host.call("room.unban", room_id=room_id, user_id=mona.id)
    held.go.set()
    await cluster.settle()
    await mona.call("room.join", room_id=room_id)


# ---------------------------------------------------------------------------------------------- ghosts


async def test_who_leaves_while_redis_blinks_has_left(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    blink(cluster, "b")
    await mona.answer("room.leave", {"room_id": room_id})
    assert await soon(lambda: count(host, room_id), 1) == 1


async def test_who_was_not_told_that_they_are_inside_is_not(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    break_once(monkeypatch, cluster.node_b.services.roster, "enter", behind=True)
    assert (await mona.refused("room.join", room_id=room_id)).code == "UNAVAILABLE"
    assert await soon(lambda: count(host, room_id), 1) == 1


async def test_who_is_banned_while_coming_in_is_not_told_that_they_are_inside(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    held = Held(monkeypatch, cluster.node_b.services.roster, "enter", behind=True)
    joining = asyncio.create_task(mona.answer("room.join", {"room_id": room_id}))
    await held.came.wait()
    await asyncio.sleep(0.1)
    await host.call("room.ban", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    held.go.set()
    answer = await joining
    await cluster.settle()
    assert not await open_turns(cluster, room_id, mona), "a turn that nobody ends"
    assert not answer["ok"]


async def test_who_comes_in_while_they_are_banned_hears_nothing_more(cluster, person, monkeypatch):
    """The ban has found them outside; they come in before it stands."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.node_a.services.roster, "are_inside", behind=True)
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


async def test_a_turn_that_begins_anew_is_not_ended_by_the_last_leaving(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    tablet = await cluster.again(mona, node="b")
    held = Held(monkeypatch, cluster.node_b.services.attendance, "taken_back")
    leaving = asyncio.create_task(mona.call("room.leave", room_id=room_id))
    await held.came.wait()
    await tablet.call("room.join", room_id=room_id)
    held.go.set()
    await leaving
    await host.expect("room.left", user_id=mona.id)
    assert await open_turns(cluster, room_id, mona) == 1


async def test_who_is_given_a_role_while_coming_in_has_a_turn(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    held = Held(monkeypatch, cluster.node_b.services.roster, "enter")
    joining = asyncio.create_task(mona.call("room.join", room_id=room_id))
    await held.came.wait()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    held.go.set()
    await joining
    assert await soon(lambda: open_turns(cluster, room_id, mona), 1) == 1


async def test_who_leaves_while_they_are_given_a_role_has_no_turn(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    held = Held(monkeypatch, cluster.node_a.services.roster, "are_inside", behind=True)
    promoting = asyncio.create_task(host.call("room.set_role", room_id=room_id, user_id=mona.id, role="cohost"))
    await held.came.wait()
    leaving = asyncio.create_task(mona.call("room.leave", room_id=room_id))
    assert await soon(lambda: inside(cluster, room_id), {int(host.id)}) == {int(host.id)}
    held.go.set()
    await asyncio.gather(promoting, leaving)
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


# ---------------------------------------------------------------------------------------------- the stage


async def test_reactions_outlive_a_redis_that_is_away(cluster, person, monkeypatch):
    host = await person("host")
    room_id = await open_room(host)
    break_once(monkeypatch, cluster.node_a.services.roster, "pulse")
    await host.call("room.react", room_id=room_id, emoji="👏")
    assert (await host.expect("room.reacted"))["counts"] == {"👏": 1}


async def test_a_host_who_leaves_with_one_device_of_two_is_still_the_host(cluster, person):
    host, cohost = await person("host"), await person("cohost")
    second = await cluster.again(host, node="b")
    room_id = await open_room(host)
    for each in (second, cohost):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await second.call("room.leave", room_id=room_id)
    assert (await cohost.call("room.get", room_id=room_id))["host"]["id"] == host.id


async def test_a_role_taken_while_coming_in_does_not_come_back(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    held = Held(monkeypatch, cluster.node_b.services.roster, "enter")
    joining = asyncio.create_task(mona.call("room.join", room_id=room_id))
    await held.came.wait()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await cluster.settle()
    held.go.set()
    await joining
    await cluster.settle()
    assert await soon(lambda: speakers(host, room_id), [host.id]) == [host.id]


async def test_a_role_taken_while_the_node_is_deaf_does_not_come_back(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await cluster.settle()
    blink(cluster, "b")
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await cluster.settle()
    await asyncio.sleep(2)  # its node says again who is here
    assert await soon(lambda: speakers(host, room_id), [host.id]) == [host.id]


async def test_a_role_told_late_does_not_undo_a_newer_one(cluster, person, monkeypatch):
    host, cohost, mona = await person("host"), await person("cohost", node="b"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    held = Held(monkeypatch, cluster.node_a.services.roster, "set_role")
    setting = asyncio.create_task(host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker"))
    await held.came.wait()
    await cohost.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await cluster.settle()
    held.go.set()
    await setting
    assert await soon(lambda: speakers(host, room_id), [host.id]) == [host.id]


async def test_a_host_who_goes_while_a_keeper_looks_is_succeeded(cluster, person, monkeypatch):
    """The keeper has found the host inside, and forgets the room that has just asked to be looked at."""
    monkeypatch.setattr(attendance, "GRACE_S", 0.05)
    monkeypatch.setattr(keeper, "HOST_GRACE_S", 0.5)
    host, cohost = await person("host"), await person("cohost", node="b")
    room_id = await open_room(host)
    await cohost.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await cluster.settle()
    await asyncio.sleep(1.5)
    came, go = asyncio.Event(), asyncio.Event()
    roster = cluster.workers.tools.roster
    real = roster.absence

    async def absence(asked: int, host_id: int):
        seen = await real(asked, host_id)
        if asked == int(room_id) and not came.is_set():
            came.set()
            await go.wait()
        return seen

    monkeypatch.setattr(roster, "absence", absence)
    await roster.watch_out(int(room_id))
    await came.wait()
    await host.close()
    assert await soon(lambda: count(cohost, room_id), 1) == 1
    go.set()

    async def host_id() -> str:
        return (await cohost.call("room.get", room_id=room_id))["host"]["id"]

    assert await soon(host_id, cohost.id) == cohost.id


async def test_a_hand_raised_while_getting_onto_the_stage_is_down(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.services.roster, "raise_hand")
    raising = asyncio.create_task(mona.answer("room.raise_hand", {"room_id": room_id, "raised": True}))
    await held.came.wait()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await cluster.settle()
    held.go.set()
    await raising
    assert not (await host.call("room.get", room_id=room_id))["hands"]


async def test_what_is_pushed_last_is_the_newest(cluster, person, monkeypatch):
    """The pulse of a node has read the room, and tells it behind the worker that has read it since."""
    host = await person("host")
    room_id = await open_room(host)
    await cluster.settle(host)
    await asyncio.sleep(2)
    broadcaster = cluster.node_a.attendance._broadcaster
    real = broadcaster.publish
    came, go = asyncio.Event(), asyncio.Event()

    async def publish(room, push, **options):
        if push.event == "room.updated" and not came.is_set():
            came.set()
            await go.wait()
        return await real(room, push, **options)

    monkeypatch.setattr(broadcaster, "publish", publish)
    mona = await person("mona")
    await mona.call("room.join", room_id=room_id)
    await mona.call("room.raise_hand", room_id=room_id, raised=True)
    await came.wait()
    await host.call("room.update", room_id=room_id, version=2, topic="new")
    await cluster.settle(host)
    go.set()
    await asyncio.sleep(1)
    await cluster.settle(host)
    last = host.heard("room.updated")[-1]["room"]
    assert (last["version"], last["topic"], ids(last["hands"])) == (3, "new", [mona.id])


async def test_hands_are_told_though_the_first_try_fails(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await cluster.settle(host)
    await asyncio.sleep(2)
    break_once(monkeypatch, view, "tell")
    await mona.call("room.raise_hand", room_id=room_id, raised=True)
    while ids((await host.expect("room.updated"))["room"]["hands"]) != [mona.id]:
        continue


async def test_a_cohost_demoted_meanwhile_is_told_so(cluster, person):
    """Waiting for the room's lock, their call sees their role of before."""
    host, cohost, mona = await person("host"), await person("cohost"), await person("mona")
    room_id = await open_room(host)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    for method, arguments in (("ban", {}), ("mute", {"muted": True})):
        owner = await cluster.owner()
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute("UPDATE rooms SET version = version + 1 WHERE id = $1", int(room_id))
        acting = asyncio.create_task(
            cohost.answer(f"room.{method}", {"room_id": room_id, "user_id": mona.id, **arguments})
        )
        await asyncio.sleep(0.3)
        await owner.execute("DELETE FROM room_roles WHERE room_id = $1 AND user_id = $2", int(room_id), int(cohost.id))
        await transaction.commit()
        answer = await acting
        await owner.execute(
            "INSERT INTO room_roles (room_id, user_id, role) VALUES ($1, $2, 'cohost')", int(room_id), int(cohost.id)
        )
        await owner.close()
        assert answer["error"]["code"] == "PERMISSION_DENIED", answer


async def test_a_host_announced_before_the_room_is_live_has_not_spoken(cluster, person):
    host, mona = await person("host"), await person("mona")
    room = await host.call("room.create", topic="ليلة الكشري")
    await host.call("room.transfer_host", room_id=room["id"], user_id=mona.id)
    owner = await cluster.owner()
    turns = await owner.fetchval("SELECT count(*) FROM room_turns WHERE room_id = $1", int(room["id"]))
    await owner.close()
    assert turns == 0


async def test_who_is_banned_is_not_made_the_host(person):
    host, mona = await person("host"), await person("mona")
    room = await host.call("room.create", topic="ليلة الكشري")
    await host.call("room.ban", room_id=room["id"], user_id=mona.id)
    refused = await host.refused("room.transfer_host", room_id=room["id"], user_id=mona.id)
    assert refused.code == "FAILED_PRECONDITION"


async def test_a_kick_does_not_unmute(person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await host.call("room.mute", room_id=room_id, user_id=mona.id, muted=True)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    assert (await mona.call("room.join", room_id=room_id))["muted"] is True


async def test_an_ended_room_does_not_change(cluster, person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    version = (await host.call("room.close", room_id=room_id))["version"]
    await mona.answer("room.set_role", {"room_id": room_id, "user_id": mona.id, "role": "listener"})
    assert (await host.call("room.get", room_id=room_id))["version"] == version


# ---------------------------------------------------------------------------------------------- who may


@pytest.mark.parametrize("act", ["kick", "ban", "mute"])
async def test_blocking_a_cohost_is_no_shield_from_them(person, act):
    host, cohost, troll = await person("host"), await person("cohost"), await person("troll")
    room_id = await open_room(host)
    for each in (cohost, troll):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await troll.call("graph.block", user_id=cohost.id)
    arguments = {"muted": True} if act == "mute" else {}
    await cohost.call(f"room.{act}", room_id=room_id, user_id=troll.id, **arguments)


async def test_who_leaves_the_stage_of_a_private_room_stays_or_is_out(cluster, person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host, visibility="private")
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await cluster.settle(mona)
    await asyncio.sleep(0.5)
    await host.call("room.send", room_id=room_id, text="among ourselves")
    await host.expect("room.message")
    await cluster.settle(mona)
    may_see = (await mona.answer("room.get", {"room_id": room_id}))["ok"]
    assert bool(mona.heard("room.message")) == may_see


async def test_the_turn_of_a_speaker_whom_the_host_blocks_ends(cluster, person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await host.call("graph.block", user_id=mona.id)
    await mona.expect("room.removed")
    assert await soon(lambda: count(host, room_id), 1) == 1
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


async def test_who_may_not_see_a_room_is_not_shown_it_by_an_invitation(cluster, person):
    host, cohost, mona = await person("host"), await person("cohost"), await person("mona")
    room_id = await open_room(host, visibility="private")
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await host.call("graph.block", user_id=mona.id)
    await cohost.answer("room.invite", {"room_id": room_id, "user_ids": [mona.id]})
    await cluster.settle(mona)
    assert (await mona.refused("room.get", room_id=room_id)).code == "NOT_FOUND"
    assert not mona.heard("room.invited")


async def test_strangers_are_not_told_that_they_were_sent_out(cluster, person):
    host, stranger = await person("host"), await person("stranger")
    room_id = await open_room(host, visibility="private")
    await host.answer("room.kick", {"room_id": room_id, "user_id": stranger.id})
    await cluster.settle(stranger)
    assert not stranger.heard("room.removed")


async def test_what_its_sender_took_back_is_not_in_the_digest(cluster, person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    message = await mona.call("room.send", room_id=room_id, text="my number is 0100 000 0000")
    await host.call("room.react", room_id=room_id, emoji="🔥", message_id=message["id"])
    await mona.expect("room.reacted")
    await host.call("room.close", room_id=room_id)
    await host.expect("room.digested")
    await mona.call("room.delete_message", room_id=room_id, message_id=message["id"])
    assert not (await host.call("room.messages", room_id=room_id))["items"]
    digest = await host.call("room.digest", room_id=room_id)
    assert not digest["top_messages"]
    assert not digest["summary"]


async def test_reactions_to_nothing_do_not_crowd_out_the_others(cluster, person):
    host, troll = await person("host"), await person("troll")
    room_id = await open_room(host)
    await troll.call("room.join", room_id=room_id)
    message = await host.call("room.send", room_id=room_id, text="welcome")
    for start in range(0, 5_000, 500):
        await asyncio.gather(
            *(
                troll.answer("room.react", {"room_id": room_id, "emoji": "🔥", "message_id": str(start + number + 1)})
                for number in range(500)
            )
        )
    await host.expect("room.reacted")
    await asyncio.sleep(1.5)
    await host.call("room.react", room_id=room_id, emoji="👏", message_id=message["id"])
    await asyncio.sleep(2)
    await host.call("room.close", room_id=room_id)
    await host.expect("room.digested")
    digest = await host.call("room.digest", room_id=room_id)
    assert [top["reactions"] for top in digest["top_messages"]] == [{"👏": 1}]


async def test_nobody_opens_more_rooms_than_they_may_by_hurrying(cluster, person):
    host = await person("host")
    devices = [host, *[await cluster.again(host, node="ab"[number % 2]) for number in range(9)]]
    answers = await asyncio.gather(
        *(device.answer("room.create", {"topic": "one more"}) for device in devices for _ in range(3))
    )
    assert sum(answer["ok"] for answer in answers) == 20


# ---------------------------------------------------------------------------------------------- the second lock


async def refused_by_policy(cluster, viewer, statement: str, *arguments) -> bool:
    connection = await cluster.as_app(viewer.id)
    try:
        status = await connection.execute(statement, *arguments)
    except Exception as error:
        return type(error).__name__ in ("InsufficientPrivilegeError", "RaiseError", "CheckViolationError")
    finally:
        await connection.close()
    return status.endswith(" 0")


async def test_policies_keep_strangers_from_writing_into_rooms(cluster, person):
    host, stranger = await person("host"), await person("stranger")
    room_id = int(await open_room(host, visibility="private"))
    me = int(stranger.id)
    holes = [
        what
        for what, statement, arguments in (
            (
                "says something in a private room",
                "INSERT INTO room_messages (id, room_id, sender_id, text) VALUES ($1, $2, $3, 'hello')",
                (room_id + 1, room_id, me),
            ),
            ("was on its stage", "INSERT INTO room_turns (room_id, user_id) VALUES ($1, $2)", (room_id, me)),
        )
        if not await refused_by_policy(cluster, stranger, statement, *arguments)
    ]
    connection = await cluster.as_app(stranger.id)
    with suppress(asyncpg.PostgresError):
        await connection.execute("SELECT step_down($1)", room_id)
    if await connection.fetchval("SELECT count(*) FROM room_for_all($1)", room_id):
        holes.append("reads it by room_for_all")
    await connection.close()
    if (await host.call("room.get", room_id=str(room_id)))["version"] != 2:
        holes.append("bumps its version by step_down")
    assert not holes


async def test_policies_keep_cohosts_below_the_host(cluster, person):
    host, cohost, mona = await person("host"), await person("cohost"), await person("mona")
    room = await open_room(host)
    room_id = int(room)
    await mona.call("room.join", room_id=room)
    message = await mona.call("room.send", room_id=room, text="spam")
    await host.call("room.delete_message", room_id=room, message_id=message["id"])
    await host.call("room.set_role", room_id=room, user_id=cohost.id, role="cohost")
    holes = []
    if not await refused_by_policy(
        cluster, mona, "UPDATE room_messages SET deleted_at = NULL WHERE id = $1", int(message["id"])
    ):
        holes.append("a sender restores what a moderator has deleted")
    if not await refused_by_policy(
        cluster, cohost,
        "INSERT INTO room_bans (room_id, user_id, actor_id) VALUES ($1, $2, $3)",
        room_id, int(host.id), int(cohost.id),
    ):  # fmt: skip
        holes.append("a cohost bans the host")
    if not await refused_by_policy(
        cluster, cohost, "UPDATE rooms SET host_id = $2 WHERE id = $1", room_id, int(cohost.id)
    ):
        holes.append("a cohost makes themselves the host")
    assert not holes
