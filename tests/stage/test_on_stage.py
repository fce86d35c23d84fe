"""Hosts, roles, hands and their pushes when links break, processes end in the middle, and calls run concurrently."""

import asyncio

from stage import attendance, view
from tests.contract.test_live_rooms import ids, open_room, open_stage
from tests.faults import (
    Held,
    blink,
    break_once,
    calm,
    catches_up,
    count,
    is_to_be_looked_at,
    open_turns,
    soon,
    speakers,
    waiting_for_rows,
)
from workers import room_keeper as keeper


async def test_reactions_survive_an_outage_of_redis(cluster, person, monkeypatch):
    host = await person("host")
    room_id = await open_room(host)
    break_once(monkeypatch, cluster.node_a.parts.services.roster, "pulse")
    await host.call("room.react", room_id=room_id, emoji="👏")
    assert (await host.expect("room.reacted"))["counts"] == {"👏": 1}


async def test_more_users_than_database_connections_can_leave_the_stage_at_once(cluster, person):
    host = await person("host")
    room_id = await open_room(host)
    people = [await person(f"p{number}") for number in range(cluster.node_a.parts.services.database._largest + 4)]
    for each in people:
        await each.call("room.join", room_id=room_id)
        await host.call("room.set_role", room_id=room_id, user_id=each.id, role="speaker")
    await cluster.settle()
    answers = await asyncio.gather(*(each.answer("room.leave", {"room_id": room_id}) for each in people))
    assert all(answer["ok"] for answer in answers)

    async def turns() -> int:
        return sum([await open_turns(cluster, room_id, each) for each in people])

    assert await soon(turns, 0) == 0


async def test_a_host_who_leaves_with_one_of_two_devices_stays_host(cluster, person):
    host, cohost = await person("host"), await person("cohost")
    second = await cluster.again(host, node="b")
    room_id = await open_room(host)
    for each in (second, cohost):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await second.call("room.leave", room_id=room_id)
    assert (await cohost.call("room.get", room_id=room_id))["host"]["id"] == host.id


async def test_a_role_removed_during_a_join_does_not_return(cluster, person, monkeypatch):
    host, mona, room_id = await open_stage(person, node="b")
    await mona.call("room.leave", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.parts.services.roster, "enter")
    joining = asyncio.create_task(mona.call("room.join", room_id=room_id))
    await held.came.wait()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await cluster.settle()
    held.go.set()
    await joining
    await cluster.settle()
    assert await soon(lambda: speakers(host, room_id), [host.id]) == [host.id]


async def test_stepping_down_with_an_old_version_is_aborted(person):
    host, mona, room_id = await open_stage(person, node="b")
    seen = (await mona.call("room.get", room_id=room_id))["version"]
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="cohost")
    down = {"room_id": room_id, "user_id": mona.id, "role": "listener"}
    assert (await mona.refused("room.set_role", **down, version=seen)).code == "ABORTED"
    assert (await mona.call("room.join", room_id=room_id))["role"] == "cohost"
    await mona.call("room.set_role", **down, version=seen + 1)


async def test_a_role_removed_while_the_node_has_no_link_does_not_return(cluster, person, monkeypatch):
    host, mona, room_id = await open_stage(person, node="b")
    await cluster.settle()
    caught_up = catches_up(monkeypatch)
    blink(cluster, "b")
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await cluster.settle()
    await caught_up.wait()
    assert await soon(lambda: speakers(host, room_id), [host.id]) == [host.id]


async def test_a_role_applied_late_does_not_undo_a_newer_one(cluster, person, monkeypatch):
    host, cohost, mona = await person("host"), await person("cohost", node="b"), await person("mona")
    room_id = await open_room(host)
    for each in (cohost, mona):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    held = Held(monkeypatch, cluster.node_a.parts.services.roster, "set_role")
    setting = asyncio.create_task(host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker"))
    await held.came.wait()
    await cohost.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await cluster.settle()
    held.go.set()
    await setting
    assert await soon(lambda: speakers(host, room_id), [host.id, cohost.id]) == [host.id, cohost.id]


async def test_a_host_who_leaves_while_a_keeper_checks_is_succeeded(cluster, person, monkeypatch):
    """The keeper has found the host in the room, and removes the room from the queue just after it was added again."""
    monkeypatch.setattr(attendance, "GRACE_S", 0.05)
    monkeypatch.setattr(keeper, "HOST_GRACE_S", 0.5)
    host, cohost = await person("host"), await person("cohost", node="b")
    room_id = await open_room(host)
    await cohost.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await cluster.settle()
    assert await soon(lambda: is_to_be_looked_at(cluster, room_id), False) is False
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


async def test_a_hand_raised_while_getting_a_role_is_lowered(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    held = Held(monkeypatch, cluster.node_b.parts.services.roster, "raise_hand")
    raising = asyncio.create_task(mona.answer("room.raise_hand", {"room_id": room_id, "raised": True}))
    await held.came.wait()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await cluster.settle()
    held.go.set()
    await raising
    assert not (await host.call("room.get", room_id=room_id))["hands"]


async def test_the_last_push_carries_the_newest_state(cluster, person, monkeypatch):
    """A node's pulse has read the room, and publishes it after a worker that read it later."""
    host = await person("host")
    room_id = await open_room(host)
    await cluster.settle(host)
    await calm(host, room_id)
    broadcaster = cluster.node_a.parts.services.attendance._broadcaster
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
    await calm(host, room_id)
    await cluster.settle(host)
    last = host.heard("room.updated")[-1]["room"]
    assert (last["version"], last["topic"], ids(last["hands"])) == (3, "new", [mona.id])


async def test_hands_are_pushed_although_the_first_attempt_fails(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await cluster.settle(host)
    await calm(host, room_id)
    break_once(monkeypatch, view, "publish")
    await mona.call("room.raise_hand", room_id=room_id, raised=True)
    while ids((await host.expect("room.updated"))["room"]["hands"]) != [mona.id]:
        continue


async def test_a_cohost_demoted_while_their_call_waits_is_refused(cluster, person):
    """The call read the old role before it waited for the room's lock."""
    host, cohost, mona = await person("host"), await person("cohost"), await person("mona")
    room_id = await open_room(host)
    for each in (cohost, mona):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    for method, arguments in (("ban", {}), ("mute", {"muted": True})):
        owner = await cluster.owner()
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute("UPDATE rooms SET version = version + 1 WHERE id = $1", int(room_id))
        acting = asyncio.create_task(
            cohost.answer(f"room.{method}", {"room_id": room_id, "user_id": mona.id, **arguments})
        )
        assert await soon(lambda: waiting_for_rows(cluster), 1) == 1
        await owner.execute("DELETE FROM room_roles WHERE room_id = $1 AND user_id = $2", int(room_id), int(cohost.id))
        await transaction.commit()
        answer = await acting
        await owner.execute(
            "INSERT INTO room_roles (room_id, user_id, role) VALUES ($1, $2, 'cohost')", int(room_id), int(cohost.id)
        )
        await owner.close()
        assert answer["error"]["code"] == "PERMISSION_DENIED", answer


async def test_a_banned_user_cannot_become_host(person):
    host, mona = await person("host"), await person("mona")
    room = await host.call("room.create", topic="ليلة الكشري")
    await host.call("room.ban", room_id=room["id"], user_id=mona.id)
    refused = await host.refused("room.transfer_host", room_id=room["id"], user_id=mona.id)
    assert refused.code == "FAILED_PRECONDITION"


async def test_a_kick_does_not_unmute(person):
    host, mona, room_id = await open_stage(person, node="a")
    await host.call("room.mute", room_id=room_id, user_id=mona.id, muted=True)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    assert (await mona.call("room.join", room_id=room_id))["muted"] is True


async def test_an_ended_room_does_not_change(cluster, person):
    host, mona, room_id = await open_stage(person, node="a")
    version = (await host.call("room.close", room_id=room_id))["version"]
    await mona.answer("room.set_role", {"room_id": room_id, "user_id": mona.id, "role": "listener"})
    assert (await host.call("room.get", room_id=room_id))["version"] == version
