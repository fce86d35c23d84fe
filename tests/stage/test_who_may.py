"""Forbidden actions in live rooms; the database's policies are the second lock."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest

from storage import graph, room_messages
from tests.contract.test_live_rooms import open_room
from tests.faults import Held, calm, count, open_turns, soon


@pytest.mark.parametrize("act", ["kick", "ban", "mute"])
async def test_a_block_does_not_protect_from_a_cohosts_moderation(person, act):
    host, cohost, troll = await person("host"), await person("cohost"), await person("troll")
    room_id = await open_room(host)
    for each in (cohost, troll):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await troll.call("graph.block", user_id=cohost.id)
    arguments = {"muted": True} if act == "mute" else {}
    await cohost.call(f"room.{act}", room_id=room_id, user_id=troll.id, **arguments)


async def test_a_user_who_leaves_the_stage_of_a_private_room_stays_only_with_access(cluster, person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host, visibility="private")
    await host.call("room.invite", room_id=room_id, user_ids=[mona.id])
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await cluster.settle(mona)
    may_see = (await mona.answer("room.get", {"room_id": room_id}))["ok"]
    if not may_see:
        await mona.expect("room.removed", reason="access")
    await host.call("room.send", room_id=room_id, text="among ourselves")
    await host.expect("room.message")
    await cluster.settle(mona)
    assert bool(mona.heard("room.message")) == may_see


async def test_the_turn_of_a_speaker_ends_when_the_host_blocks_them(cluster, person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await host.call("graph.block", user_id=mona.id)
    await mona.expect("room.removed")
    assert await soon(lambda: count(host, room_id), 1) == 1
    assert await soon(lambda: open_turns(cluster, room_id, mona), 0) == 0


async def test_an_invitation_is_not_pushed_to_a_user_who_may_not_see_the_room(cluster, person):
    host, cohost, mona = await person("host"), await person("cohost"), await person("mona")
    room_id = await open_room(host, visibility="private")
    await host.call("room.invite", room_id=room_id, user_ids=[cohost.id])
    await cohost.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await host.call("graph.block", user_id=mona.id)
    await cohost.answer("room.invite", {"room_id": room_id, "user_ids": [mona.id]})
    await cluster.settle(mona)
    assert (await mona.refused("room.get", room_id=room_id)).code == "NOT_FOUND"
    assert not mona.heard("room.invited")


async def test_a_new_host_is_not_shown_to_a_user_who_blocks_them(cluster, person, monkeypatch):
    """The worker has not removed the user yet, and a raised hand causes a push to the room."""
    host, heir, mona, omar = [await person(name) for name in ("host", "heir", "mona", "omar")]
    room_id = await open_room(host)
    await mona.call("graph.block", user_id=heir.id)
    for each in (heir, mona, omar):
        await each.call("room.join", room_id=room_id)
    await cluster.settle()  # the block causes a check of the rooms too
    held = Held(monkeypatch, graph, "blocked_either_way")
    await host.call("room.transfer_host", room_id=room_id, user_id=heir.id)
    await held.came.wait()
    await omar.call("room.raise_hand", room_id=room_id, raised=True)
    await calm(omar, room_id)
    held.go.set()
    await mona.expect("room.removed", reason="access")
    assert heir.id not in [push["room"]["host"]["id"] for push in mona.heard("room.updated")]
    while (await omar.expect("room.updated"))["room"]["host"]["id"] != heir.id:
        continue


@pytest.mark.parametrize("act", ["set_role", "mute"])
async def test_no_role_is_pushed_to_a_user_who_may_not_see_the_room(cluster, person, act):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("graph.block", user_id=host.id)
    arguments = {"role": "speaker"} if act == "set_role" else {"muted": True}
    await host.answer(f"room.{act}", {"room_id": room_id, "user_id": mona.id, **arguments})
    await cluster.settle(mona)
    assert not mona.heard("room.role_changed")


async def test_users_outside_get_no_room_removed(cluster, person):
    host, stranger = await person("host"), await person("stranger")
    room_id = await open_room(host, visibility="private")
    await host.answer("room.kick", {"room_id": room_id, "user_id": stranger.id})
    await cluster.settle(stranger)
    assert not stranger.heard("room.removed")


async def test_a_deleted_message_is_not_in_the_digest(cluster, person):
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


async def test_invalid_reactions_do_not_displace_valid_ones(cluster, person):
    host, troll = await person("host"), await person("troll")
    room_id = await open_room(host)
    await troll.call("room.join", room_id=room_id)
    message = await host.call("room.send", room_id=room_id, text="welcome")
    await host.expect("room.message")  # from then on reactions to it are accepted
    for start in range(0, 5_000, 500):
        await asyncio.gather(
            *(
                troll.answer("room.react", {"room_id": room_id, "emoji": "🔥", "message_id": str(start + number + 1)})
                for number in range(500)
            )
        )
    await calm(host, room_id)
    await host.call("room.react", room_id=room_id, emoji="👏", message_id=message["id"])
    while "👏" not in (await host.expect("room.reacted"))["counts"]:
        continue
    await host.call("room.close", room_id=room_id)
    await host.expect("room.digested")
    digest = await host.call("room.digest", room_id=room_id)
    assert [top["reactions"] for top in digest["top_messages"]] == [{"👏": 1}]


async def test_concurrent_calls_cannot_open_more_rooms_than_allowed(cluster, person):
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


async def test_policies_forbid_cohosts_the_hosts_rights(cluster, person):
    host, cohost, mona = await person("host"), await person("cohost"), await person("mona")
    room = await open_room(host)
    room_id = int(room)
    for each in (cohost, mona):
        await each.call("room.join", room_id=room)
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


async def test_a_message_of_a_user_who_is_muted_meanwhile_is_refused(cluster, person, monkeypatch):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    insert = room_messages.insert

    async def insert_late(tx, **row) -> None:
        await host.call("room.mute", room_id=room_id, user_id=mona.id, muted=True)
        await insert(tx, **row)

    with monkeypatch.context() as late:
        late.setattr(room_messages, "insert", insert_late)
        assert (await mona.refused("room.send", room_id=room_id, text="hello")).code == "ABORTED"
    assert (await mona.refused("room.send", room_id=room_id, text="hello")).code == "PERMISSION_DENIED"
