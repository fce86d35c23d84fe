"""The stage of a live room, by the database functions alone: who may be on it, turns, targets, and invitations."""

from typing import Any

import pytest

from tests.storage.functions.rows import BEFORE_OTHERS, Rows
from tests.storage.functions.test_live_rooms import ENDS, end

# ---------------------------------------------------------------------------------------------- may_stand


async def test_may_stand_if_active(rows: Rows):
    host, alice, gone = *await rows.users(2), await rows.user(status="suspended")
    room = await rows.room(host)
    found = [await rows.ask(host, "may_stand", room, each) for each in (host, alice, gone, 0)]
    assert found == [True, True, False, False]
    assert not await rows.ask(host, "may_stand", 0, alice)


@ENDS
async def test_may_stand_after_a_ban_has_ended(rows: Rows, seconds: int | None, holds: bool):
    host, alice, bob = await rows.users(3)
    room, other = await rows.room(host), await rows.room(host)
    await rows.ban(room, alice, await end(rows, seconds))
    assert await rows.ask(host, "may_stand", room, alice) == (not holds)
    assert await rows.ask(host, "may_stand", room, bob)
    assert await rows.ask(host, "may_stand", other, alice)


@pytest.mark.parametrize("of", ["viewer", "owner", "host"])
@pytest.mark.parametrize("is_blocked", [False, True])
async def test_may_stand_without_a_block(rows: Rows, of: str, is_blocked: bool):
    viewer, owner, host, alice, other = await rows.users(5)
    room = await rows.room(owner, host_id=host)
    for pair in ((alice, other), (other, alice), (viewer, other), (other, viewer)):
        await rows.block(*pair)
    assert await rows.ask(viewer, "may_stand", room, alice)
    pair = ({"viewer": viewer, "owner": owner, "host": host}[of], alice)
    await rows.block(*(pair if is_blocked else pair[::-1]))
    assert not await rows.ask(viewer, "may_stand", room, alice)


@pytest.mark.parametrize(("role", "may"), [("cohost", True), ("speaker", True), ("listener", False)])
async def test_may_stand_while_on_the_stage(rows: Rows, role: str, may: bool):
    host, alice = await rows.users(2)
    room = await rows.room(host)
    await rows.role(room, alice, role)
    await rows.block(host, alice)
    assert await rows.ask(host, "may_stand", room, alice) == may


# ---------------------------------------------------------------------------------------------- may_place


@pytest.mark.parametrize(
    ("viewer", "target", "may"),
    [
        ("host", "cohost", "listener speaker cohost"),
        ("host", "speaker", "listener speaker cohost"),
        ("host", "stranger", "listener speaker cohost"),
        ("host", "banned", "listener"),
        ("cohost", "speaker", "listener speaker"),
        ("cohost", "stranger", "listener speaker"),
        ("cohost", "banned", "listener"),
        ("cohost", "host", ""),
        ("cohost", "second cohost", ""),
        ("speaker", "stranger", ""),
        ("stranger", "stranger", ""),
    ],
)
async def test_may_place(rows: Rows, viewer: str, target: str, may: str):
    names = ["host", "cohost", "second cohost", "speaker", "stranger", "banned"]
    people = dict(zip(names, await rows.users(len(names)), strict=True))
    room = await rows.room(people["host"])
    for name in ("cohost", "second cohost", "speaker"):
        await rows.role(room, people[name], name.removeprefix("second "))
    await rows.ban(room, people["banned"])
    roles = [
        role
        for role in ("listener", "speaker", "cohost")
        if await rows.ask(people[viewer], "may_place", room, people[target], role)
    ]
    assert roles == may.split()


# ---------------------------------------------------------------------------------------------- turns


async def turns(rows: Rows, room: int) -> dict[int, bool]:
    """Return who has or had a turn, and whether it has ended."""
    return dict(await rows.table("SELECT user_id, ended_at IS NOT NULL FROM room_turns WHERE room_id = $1", room))


async def test_step_down_takes_the_role_and_ends_the_turn_of_the_viewer(rows: Rows):
    host, alice, bob = await rows.users(3)
    room, other = await rows.room(host), await rows.room(host)
    for each in (room, other):
        for user in (alice, bob):
            await rows.role(each, user, "speaker")
            await rows.add("room_turns", room_id=each, user_id=user)
    long_ago = await rows.now(hours=-1)
    await rows.add("room_turns", room_id=room, user_id=alice, ended_at=long_ago)
    assert await rows.ask(alice, "step_down", room) == 2
    assert await rows.table("SELECT user_id FROM room_roles WHERE room_id = $1 AND role = 'listener'", room) == [
        (alice,)
    ]
    assert await rows.table("SELECT FROM room_roles WHERE room_id = $1 AND role = 'listener'", other) == []
    assert await turns(rows, other) == {alice: False, bob: False}
    assert await rows.table("SELECT user_id FROM room_turns WHERE room_id = $1 AND ended_at IS NULL", room) == [(bob,)]
    assert len(await rows.table("SELECT FROM room_turns WHERE room_id = $1 AND ended_at = $2", room, long_ago)) == 1
    assert await rows.table("SELECT id, version FROM rooms WHERE host_id = $1 ORDER BY id", host) == [
        (room, 2), (other, 1),
    ]  # fmt: skip
    assert await rows.ask(alice, "step_down", room) is None


@pytest.mark.parametrize(
    ("state", "role", "expected"),
    [("live", "speaker", 2), ("scheduled", "cohost", 2), ("ended", "speaker", None), ("live", "listener", None)],
)
async def test_step_down_in_a_room_that_has_not_ended(rows: Rows, state: str, role: str, expected: int | None):
    host, alice, stranger = await rows.users(3)
    room = await rows.room(host, state=state)
    await rows.role(room, alice, role)
    assert await rows.ask(alice, "step_down", room) == expected
    assert await rows.ask(stranger, "step_down", room) is None


@pytest.mark.parametrize(
    ("viewer", "locks"),
    [("host", True), ("nobody", True), ("was on stage", True), ("was on another stage", False), ("stranger", False)],
)
async def test_lock_turns_of_a_room_that_the_viewer_sees_or_was_on_the_stage_of(rows: Rows, viewer: str, locks: bool):
    host, past, elsewhere, stranger = await rows.users(4)
    room, other = await rows.room(host, "private"), await rows.room(host, "private")
    await rows.add("room_turns", room_id=room, user_id=past)
    await rows.add("room_turns", room_id=other, user_id=elsewhere)
    people = {
        "host": host, "nobody": None, "was on stage": past, "was on another stage": elsewhere, "stranger": stranger,
    }  # fmt: skip
    before = await locked(rows)
    await rows.list(people[viewer], "lock_turns", room)
    assert await locked(rows) - before == ({room} if locks else set())


async def locked(rows: Rows) -> set[int]:
    """Return the rooms that this transaction has locked or changed since they were inserted."""
    found = await rows.table("SELECT id FROM rooms WHERE xmax::text::bigint <> 0 AND id < $1", BEFORE_OTHERS)
    return {room for (room,) in found}


@pytest.mark.parametrize(
    ("viewer", "person", "may"),
    [
        ("host", "host", True), ("host", "speaker", True), ("cohost", "speaker", True), ("speaker", "speaker", True),
        ("speaker", "cohost", False), ("host", "listener", False), ("listener", "listener", False),
        ("host", "stranger", False), ("host", "banned speaker", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("state", ["live", "scheduled"])
async def test_begin_turn_of_users_on_the_stage_of_a_live_room(
    rows: Rows, viewer: str, person: str, may: bool, state: str
):
    names = ["host", "cohost", "speaker", "listener", "stranger", "banned speaker"]
    people = dict(zip(names, await rows.users(len(names)), strict=True))
    room = await rows.room(people["host"], state=state)
    await rows.room(people["host"])
    for name in ("cohost", "speaker", "listener", "banned speaker"):
        await rows.role(room, people[name], name.removeprefix("banned "))
    await rows.ban(room, people["banned speaker"])
    for _ in range(2):
        await rows.ask(people[viewer], "begin_turn", room, people[person])
    assert await turns(rows, room) == ({people[person]: False} if may and state == "live" else {})


@ENDS
async def test_begin_turn_after_a_ban_has_ended(rows: Rows, seconds: int | None, holds: bool):
    host, alice, bob = await rows.users(3)
    room, other = await rows.room(host), await rows.room(host)
    await rows.role(room, alice, "speaker")
    await rows.ban(room, alice, await end(rows, seconds))
    await rows.ban(room, bob)
    await rows.ban(other, alice)
    await rows.ask(host, "begin_turn", room, alice)
    assert await turns(rows, room) == ({} if holds else {alice: False})


# ---------------------------------------------------------------------------------------------- room_target


async def target(rows: Rows, viewer: int | None, room: int, person: int) -> Any:
    """Return the only row, or None."""
    found = await rows.list(viewer, "room_target", room, person)
    assert len(found) <= 1
    return found[0] if found else None


async def test_room_target_has_role_and_place(rows: Rows):
    host, cohost, muted, stranger = await rows.users(4)
    room, other = await rows.room(host), await rows.room(stranger)
    await rows.role(room, cohost, "cohost")
    await rows.role(room, muted, "listener", is_muted=True)
    for user in (host, stranger):
        await rows.role(other, user, "speaker")
    found = {}
    for person in (host, cohost, muted, stranger):
        each = await target(rows, cohost, room, person)
        assert each["id"] == person
        found[person] = (each["role"], each["is_muted"], each["has_place"])
    assert found == {
        host: ("host", False, True), cohost: ("cohost", False, True), muted: ("listener", True, True),
        stranger: ("listener", False, False),
    }  # fmt: skip


async def test_room_target_is_an_active_user_for_moderators(rows: Rows):
    host, speaker, gone = *await rows.users(2), await rows.user(status="suspended")
    room, ended = await rows.room(host), await rows.room(host, state="ended")
    await rows.role(room, speaker, "speaker")
    assert await target(rows, host, room, speaker)
    assert await target(rows, speaker, room, host) is None
    assert await target(rows, None, room, host) is None
    assert await target(rows, host, ended, speaker) is None
    assert await target(rows, host, room, gone) is None


@ENDS
async def test_room_target_is_banned_until_the_ban_ends(rows: Rows, seconds: int | None, holds: bool):
    host, alice, bob = await rows.users(3)
    room, other = await rows.room(host), await rows.room(host)
    await rows.ban(room, alice, await end(rows, seconds))
    for each, person, expected in ((room, alice, holds), (other, alice, False), (room, bob, False)):
        assert (await target(rows, host, each, person))["is_banned"] == expected


async def test_room_target_may_enter_if_the_room_is_visible_and_there_is_no_block(rows: Rows):
    owner, cohost, follower, stranger, hides, hidden = await rows.users(6)
    room = await rows.room(owner, "followers")
    await rows.role(room, cohost, "cohost")
    for user in (follower, hides, hidden):
        await rows.follow(user, owner)
    await rows.block(hides, cohost)
    await rows.block(cohost, hidden)
    await rows.block(follower, stranger)
    await rows.block(stranger, follower)
    found = {}
    for person in (follower, stranger, hides, hidden):
        each = await target(rows, cohost, room, person)
        found[person] = (each["hides"], each["may_enter"])
    assert found == {
        follower: (False, True), stranger: (False, False), hides: (True, False), hidden: (False, False),
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------- invitation_allowed


MOST_FROM_STRANGERS = 20


async def invited(rows: Rows, room: int, user: int, inviter: int) -> bool:
    """Insert an invitation with triggers, as that viewer; return whether it is there."""
    await rows.view_as(inviter)
    await rows.write("room_invitations", room_id=room, user_id=user, inviter_id=inviter)
    return bool(await rows.table("SELECT FROM room_invitations WHERE room_id = $1 AND user_id = $2", room, user))


async def had_invitations(rows: Rows, user: int, amount: int, **columns: Any) -> None:
    """Add invitations from one stranger to as many rooms."""
    inviter = columns.pop("inviter", None) or await rows.user()
    for _ in range(amount):
        await rows.invite(await rows.room(inviter), user, inviter, **columns)


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_invitation_allowed_without_a_block(rows: Rows, is_blocked: bool):
    host, alice, bob = await rows.users(3)
    room = await rows.room(host)
    await rows.block(*((host, alice) if is_blocked else (alice, host)))
    await rows.block(alice, bob)
    await rows.block(bob, alice)
    assert not await invited(rows, room, alice, host)
    assert await invited(rows, room, bob, host)


async def test_invitation_allowed_so_often_from_users_who_are_not_followed(rows: Rows):
    host, alice, other = await rows.users(3)
    await rows.follow(host, alice)
    await had_invitations(rows, alice, MOST_FROM_STRANGERS - 1)
    await had_invitations(rows, other, MOST_FROM_STRANGERS)
    rooms = [await rows.room(host) for _ in range(2)]
    assert await invited(rows, rooms[0], alice, host)
    assert not await invited(rows, rooms[1], alice, host)


@pytest.mark.parametrize(("status", "may"), [("active", True), ("pending", False)])
async def test_invitation_allowed_always_from_followed_users(rows: Rows, status: str, may: bool):
    host, alice, other = await rows.users(3)
    await rows.follow(alice, host, status)
    await rows.follow(other, host)
    await rows.follow(alice, other)
    await had_invitations(rows, alice, MOST_FROM_STRANGERS)
    assert await invited(rows, await rows.room(host), alice, host) == may


@pytest.mark.parametrize(("status", "may"), [("active", True), ("pending", False)])
async def test_invitation_allowed_counts_none_from_followed_users(rows: Rows, status: str, may: bool):
    host, alice, inviter, other = await rows.users(4)
    await rows.follow(alice, inviter, status)
    await rows.follow(other, inviter)
    await had_invitations(rows, alice, MOST_FROM_STRANGERS, inviter=inviter)
    assert await invited(rows, await rows.room(host), alice, host) == may


@pytest.mark.parametrize(("seconds", "may"), [(0, True), (1, False)])
async def test_invitation_allowed_counts_those_of_a_day(rows: Rows, seconds: int, may: bool):
    host, alice = await rows.users(2)
    await had_invitations(rows, alice, MOST_FROM_STRANGERS, created_at=await rows.now(days=-1, seconds=seconds))
    assert await invited(rows, await rows.room(host), alice, host) == may


async def test_invitation_allowed_leaves_those_in_the_name_of_others_to_the_policy(rows: Rows):
    host, alice, mallory = await rows.users(3)
    await rows.block(alice, host)
    await rows.view_as(mallory)
    await rows.write("room_invitations", room_id=await rows.room(host), user_id=alice, inviter_id=host)
    assert len(await rows.table("SELECT FROM room_invitations WHERE user_id = $1", alice)) == 1
