"""Live rooms, by the database functions alone: who may see one and stay in it, and how it may change."""

from datetime import date
from typing import Any

import pytest

from tests.storage.functions.rows import BEFORE_OTHERS, Rows

ENDS = pytest.mark.parametrize(("seconds", "holds"), [(None, True), (1, True), (0, False), (-1, False)])


async def end(rows: Rows, seconds: int | None) -> Any:
    """Return when a ban or mute ends; None for never."""
    return None if seconds is None else await rows.now(seconds=seconds)


# ---------------------------------------------------------------------------------------------- roles


async def test_room_role(rows: Rows):
    owner, host, cohost, listener, stranger = await rows.users(5)
    room, other = await rows.room(owner, host_id=host), await rows.room(stranger)
    await rows.role(room, cohost, "cohost")
    await rows.role(room, listener, "listener")
    await rows.role(other, host, "speaker")
    await rows.role(other, stranger, "speaker")
    found = [await rows.ask(None, "room_role", room, each) for each in (host, cohost, listener, owner, stranger)]
    assert found == ["host", "cohost", "listener", None, None]


@pytest.mark.parametrize(("state", "role_counts"), [("scheduled", True), ("live", True), ("ended", False)])
async def test_moderates_room(rows: Rows, state: str, role_counts: bool):
    host, cohost, speaker = await rows.users(3)
    room, other = await rows.room(host, state=state), await rows.room(speaker)
    await rows.role(room, cohost, "cohost")
    await rows.role(room, speaker, "speaker")
    assert [await rows.ask(each, "moderates_room", room) for each in (host, cohost)] == [role_counts, role_counts]
    assert not await rows.ask(speaker, "moderates_room", room)
    assert not await rows.ask(host, "moderates_room", other)


# ---------------------------------------------------------------------------------------------- room_visible_to


async def visible(rows: Rows, room: int, person: int | None) -> bool:
    """Ask whether the room is visible, for that user and as that viewer."""
    [(owner, host, visibility, circle)] = await rows.table(
        "SELECT owner_id, host_id, visibility, circle_id FROM rooms WHERE id = $1", room
    )
    seen = await rows.ask(None, "room_visible_to", person, room, owner, host, visibility, circle)
    assert await rows.ask(person, "room_visible", room, owner, host, visibility, circle) == seen
    assert await rows.ask(person, "sees_room", room) == seen
    shown = await rows.list(person, "rooms_shown", ["live"], BEFORE_OTHERS, 9)
    assert shown == ([room] if seen else [])
    return bool(seen)


@pytest.mark.parametrize(
    ("visibility", "is_private", "viewers"),
    [
        ("public", False, "follower asker stranger member of_host"),
        ("public", True, "follower member"),
        ("followers", False, "follower member"),
        ("circle", False, "member"),
        ("private", False, ""),
    ],
)
async def test_room_visible_to_its_audience(rows: Rows, visibility: str, is_private: bool, viewers: str):
    owner, host = await rows.user(is_private=is_private), await rows.user()
    people = await rows.audience(owner, "member", "of_host")
    await rows.follow(people["member"], owner)
    await rows.follow(people["of_host"], host)
    await rows.tie_to_others(host)
    circle = await rows.circle(owner, people["member"]) if visibility == "circle" else None
    room = await rows.room(owner, visibility, host_id=host, circle_id=circle)
    assert {name for name, user in people.items() if await visible(rows, room, user)} == set(viewers.split())
    assert await visible(rows, room, owner)
    assert await visible(rows, room, host)
    assert not await visible(rows, room, None)


@pytest.mark.parametrize("of", ["owner", "host"])
@pytest.mark.parametrize("is_blocked", [False, True])
async def test_room_visible_to_nobody_with_a_block(rows: Rows, of: str, is_blocked: bool):
    owner, host, alice, other = await rows.users(4)
    room = await rows.room(owner, host_id=host)
    await rows.invite(room, alice, host)
    pair = (owner if of == "owner" else host, alice)
    await rows.block(alice, other)
    await rows.block(other, alice)
    assert await visible(rows, room, alice)
    await rows.block(*(pair if is_blocked else pair[::-1]))
    assert not await visible(rows, room, alice)


@pytest.mark.parametrize(("label", "minor_sees"), [("graphic", False), ("violence", True)])
async def test_room_visible_to_users_who_are_old_enough_for_its_labels(rows: Rows, label: str, minor_sees: bool):
    adult, minor, invited, host = await rows.users(4)
    for young in (minor, invited, host):
        await rows.add("accounts", user_id=young, email=f"{young}", email_key=f"{young}", birth_date=date(2020, 1, 1))
    room = await rows.room(host, labels=[label])
    await rows.invite(room, invited, host)
    seen_by = {user for user in (adult, minor, invited, host) if await visible(rows, room, user)}
    assert seen_by == {adult, host} | ({minor, invited} if minor_sees else set())


async def test_room_visible_to_owner_and_host_despite_a_block(rows: Rows):
    owner, host = await rows.users(2)
    room = await rows.room(owner, "private", host_id=host)
    await rows.block(owner, host)
    assert await visible(rows, room, owner)
    assert await visible(rows, room, host)


async def test_room_visible_to_users_who_were_invited_or_have_a_role(rows: Rows):
    owner, invited, speaker, listener, stranger = await rows.users(5)
    room = await rows.room(owner, "private")
    await rows.invite(room, invited, owner)
    await rows.role(room, speaker, "speaker")
    await rows.role(room, listener, "listener")
    assert [await visible(rows, room, each) for each in (invited, speaker, listener, stranger)] == [
        True, True, False, False,
    ]  # fmt: skip


async def test_room_visible_to_nobody_for_an_invitation_or_role_in_another_room(rows: Rows):
    owner, invited, speaker = await rows.users(3)
    room, other = await rows.room(owner, "private"), await rows.room(owner, "private", state="ended")
    await rows.invite(other, invited, owner)
    await rows.role(other, speaker, "speaker")
    assert not await visible(rows, room, invited)
    assert not await visible(rows, room, speaker)


async def test_room_visible_to_members_of_the_circle_of_its_owner(rows: Rows):
    owner, other, alice = await rows.users(3)
    await rows.circle(owner, alice)
    empty, reused = await rows.circle(owner, other), await rows.circle(other, alice)
    for circle in (empty, reused):
        room = await rows.room(owner, "circle", circle_id=circle, state="ended")
        assert not await rows.ask(alice, "sees_room", room)


# ---------------------------------------------------------------------------------------------- rooms_shown


async def shown(rows: Rows, viewer: int, *states: str, before: int = BEFORE_OTHERS, amount: int = 9) -> list[int]:
    found: list[int] = await rows.list(viewer, "rooms_shown", list(states), before, amount)
    return found


@pytest.mark.parametrize("reason", ["public", "follower", "member", "owner", "host", "invited", "speaker"])
async def test_rooms_shown_for_each_reason_are_pages_of_the_states(rows: Rows, reason: str):
    owner, alice, other = await rows.users(3)
    visibility = {"public": "public", "follower": "followers", "member": "circle"}.get(reason, "private")
    circle = await rows.circle(owner, alice) if reason == "member" else None
    if reason == "follower":
        await rows.follow(alice, owner)
    parties = {"owner": (alice, other), "host": (owner, alice)}.get(reason, (owner, owner))
    rooms = []
    for state in ("live", "ended", "live", "scheduled", "live"):
        rooms.append(await rows.room(parties[0], visibility, state, host_id=parties[1], circle_id=circle))
        if reason == "invited":
            await rows.invite(rooms[-1], alice, owner)
        if reason == "speaker":
            await rows.role(rooms[-1], alice, "speaker")
    live = [rooms[4], rooms[2], rooms[0]]
    assert await shown(rows, alice, "live") == live
    assert await shown(rows, alice, "live", "scheduled") == [rooms[4], rooms[3], rooms[2], rooms[0]]
    assert await shown(rows, alice, "live", amount=2) == live[:2]
    assert await shown(rows, alice, "live", before=rooms[4]) == live[1:]
    assert await shown(rows, other, "live") == (live if reason in ("public", "owner") else [])


async def test_rooms_shown_of_a_followed_user_are_not_those_for_circles(rows: Rows):
    owner, alice, other = await rows.users(3)
    await rows.follow(alice, owner)
    await rows.room(owner, "circle", circle_id=await rows.circle(owner, other))
    await rows.room(owner, "private")
    assert await shown(rows, alice, "live") == []


async def test_rooms_shown_are_not_those_of_users_with_a_block(rows: Rows):
    owner, alice = await rows.users(2)
    await rows.follow(alice, owner)
    circle = await rows.circle(owner, alice)
    rooms = [
        await rows.room(owner, "public"),
        await rows.room(owner, "followers"),
        await rows.room(owner, "circle", circle_id=circle),
        await rows.room(owner, "private"),
    ]
    await rows.invite(rooms[3], alice, owner)
    assert await shown(rows, alice, "live") == rooms[::-1]
    await rows.block(owner, alice)
    assert await shown(rows, alice, "live") == []


async def test_rooms_shown_for_a_requested_follow_are_none(rows: Rows):
    owner, alice = await rows.user(is_private=True), await rows.user()
    await rows.follow(alice, owner, "pending")
    await rows.room(owner, "followers")
    await rows.room(owner, "public")
    assert await shown(rows, alice, "live") == []


# ---------------------------------------------------------------------------------------------- what users see


async def test_room_for_all_is_for_nodes(rows: Rows):
    owner, host = await rows.users(2)
    room = await rows.room(owner, host_id=host)
    await rows.room(owner)
    [found] = await rows.list(None, "room_for_all", room)
    assert (found["found"]["id"], found["found"]["host_id"], found["host"]["username"]) == (
        room,
        host,
        f"user{host - 1}",
    )
    assert await rows.list(host, "room_for_all", room) == []


async def people(rows: Rows, viewer: int | None, room: int, *asked: int) -> dict[int, tuple[str, bool]]:
    found = await rows.list(viewer, "room_users", room, list(asked))
    return {each["found"]["id"]: (each["role"], each["is_muted"]) for each in found}


async def test_room_people_have_their_roles(rows: Rows):
    host, cohost, muted, alice, gone = *await rows.users(4), await rows.user(status="suspended")
    room, other = await rows.room(host), await rows.room(alice)
    await rows.role(room, cohost, "cohost")
    await rows.role(room, muted, "listener", is_muted=True)
    await rows.role(other, alice, "speaker")
    assert await people(rows, None, room, host, cohost, muted, alice, gone) == {
        host: ("host", False), cohost: ("cohost", False), muted: ("listener", True), alice: ("listener", False),
    }  # fmt: skip
    assert await people(rows, alice, room, cohost) == {cohost: ("cohost", False)}


async def test_room_people_are_for_viewers_who_see_the_room(rows: Rows):
    host, stranger = await rows.users(2)
    room = await rows.room(host, "private")
    assert await people(rows, host, room, host)
    assert await people(rows, None, room, host)
    assert not await people(rows, stranger, room, host)


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_room_people_are_not_those_with_a_block(rows: Rows, is_blocked: bool):
    host, alice, bob, carol = await rows.users(4)
    room = await rows.room(host)
    await rows.block(*((bob, alice) if is_blocked else (alice, bob)))
    await rows.block(carol, bob)
    await rows.block(bob, carol)
    await rows.block(carol, host)
    assert set(await people(rows, alice, room, bob, carol)) == {carol}
    assert set(await people(rows, None, room, bob, carol)) == {bob, carol}


@ENDS
async def test_room_people_are_not_those_whom_the_viewer_mutes(rows: Rows, seconds: int | None, holds: bool):
    host, alice, bob, carol = await rows.users(4)
    room, until = await rows.room(host), await end(rows, seconds)
    await rows.mute(alice, bob, "all", until)
    await rows.mute(alice, carol, "posts", until)
    await rows.mute(carol, host, "all", until)
    await rows.mute(bob, alice, "all", until)
    assert set(await people(rows, alice, room, bob, carol, host)) == {carol, host} | (set() if holds else {bob})


# ---------------------------------------------------------------------------------------------- room_change_allowed


CHANGE = pytest.mark.parametrize(
    ("state", "change", "host_may", "cohost_may"),
    [
        ("live", "topic = 'new', version = version + 1", True, True),
        ("live", "topic = 'new'", False, False),
        ("live", "topic = 'new', version = version + 2", False, False),
        ("live", "state = 'ended', version = version + 1", True, False),
        ("live", "ended_at = now(), version = version + 1", True, False),
        ("live", "state = 'scheduled', version = version + 1", False, False),
        ("live", "started_at = now(), version = version + 1", False, False),
        ("scheduled", "state = 'live', started_at = now(), version = version + 1", True, False),
        ("scheduled", "state = 'ended', started_at = now(), version = version + 1", False, False),
        ("scheduled", "topic = 'new', version = version + 1", True, True),
        ("scheduled", "started_at = now(), version = version + 1", False, False),
        ("live", "host_id = {cohost}, version = version + 1", True, False),
        ("live", "host_id = {stranger}, version = version + 1", True, False),
        ("live", "host_id = {banned}, version = version + 1", False, False),
    ],
)


@CHANGE
async def test_room_change_allowed(rows: Rows, state: str, change: str, host_may: bool, cohost_may: bool):
    host, cohost, stranger, banned = await rows.users(4)
    room = await rows.room(host, state=state)
    await rows.role(room, cohost, "cohost")
    await rows.ban(room, banned)
    change = change.format(cohost=cohost, stranger=stranger, banned=banned)
    for viewer, may in ((cohost, cohost_may), (host, host_may)):
        await rows.view_as(viewer)
        assert await rows.is_refused(f"UPDATE rooms SET {change} WHERE id = $1", room) == (not may)
    await rows.view_as(None)
    assert not await rows.is_refused(f"UPDATE rooms SET {change} WHERE id = $1", room)


# ---------------------------------------------------------------------------------------------- may_tell_of_room


class Telling:
    """A room, and a user who asks whether they may tell of it."""

    def __init__(self, rows: Rows, room: int) -> None:
        self._rows = rows
        self.room = room

    async def __call__(self, viewer: int, topic: str, *, key: int | None = None, **event: Any) -> bool:
        function, key = "may_tell_of_room", self.room if key is None else key
        return await self._rows.may_tell(viewer, function, f"room.{topic}", key, room_id=self.room, **event)


async def test_may_tell_of_room_that_it_changed(rows: Rows):
    host, cohost, speaker, stranger = await rows.users(4)
    room, other = await rows.room(host), await rows.room(host)
    await rows.role(room, cohost, "cohost")
    await rows.role(room, speaker, "listener")
    await rows.role(other, stranger, "speaker")
    may = Telling(rows, room)
    for moderator in (host, cohost):
        assert await may(moderator, "changed", actor_id=moderator, user_id=speaker, change="role")
        assert not await may(moderator, "changed", actor_id=speaker, user_id=speaker, change="role")
    assert await may(speaker, "changed", actor_id=speaker, user_id=speaker, change="role")
    assert not await may(speaker, "changed", actor_id=speaker, user_id=speaker, change="settings")
    assert not await may(speaker, "changed", actor_id=speaker, user_id=cohost, change="role")
    assert not await may(stranger, "changed", actor_id=stranger, user_id=stranger, change="role")
    assert not await may(host, "changed", key=other, actor_id=host, user_id=host, change="role")
    assert not await may(host, "bought", actor_id=host)


async def test_may_tell_of_room_messages(rows: Rows):
    host, sender, stranger = await rows.users(3)
    room, other = await rows.room(host), await rows.room(host)
    message, elsewhere = [
        await rows.added("room_messages", room_id=each, sender_id=sender, text="") for each in (room, other)
    ]
    deleted = await rows.added("room_messages", room_id=room, sender_id=sender, text="", deleted_at=await rows.now())
    may = Telling(rows, room)
    assert await may(sender, "message_sent", message_id=message)
    assert await may(sender, "message_deleted", message_id=deleted)
    assert await may(host, "message_deleted", message_id=deleted)
    assert not await may(host, "message_sent", message_id=message)
    assert not await may(stranger, "message_sent", message_id=message)
    assert not await may(stranger, "message_deleted", message_id=deleted)
    assert not await may(sender, "message_sent", message_id=deleted)
    assert not await may(sender, "message_deleted", message_id=message)
    assert not await may(sender, "message_sent", message_id=elsewhere)
    assert not await may(sender, "message_sent", message_id=0)


async def test_may_tell_of_room_invitations(rows: Rows):
    host, cohost, alice, bob = await rows.users(4)
    room, other = await rows.room(host), await rows.room(host)
    await rows.invite(room, alice, host)
    await rows.invite(room, bob, cohost)
    await rows.invite(other, bob, host)
    may = Telling(rows, room)
    assert await may(host, "invited", actor_id=host, user_ids=[str(alice)])
    assert await may(cohost, "invited", actor_id=cohost, user_ids=[str(bob)])
    assert not await may(host, "invited", actor_id=host, user_ids=[str(alice), str(bob)])
    assert not await may(host, "invited", actor_id=cohost, user_ids=[str(alice)])
    assert not await may(cohost, "invited", actor_id=host, user_ids=[str(alice)])
    assert not await may(cohost, "invited", actor_id=cohost, user_ids=[str(alice)])


async def test_may_tell_of_room_removals(rows: Rows):
    host, cohost, alice = await rows.users(3)
    may = Telling(rows, await rows.room(host))
    await rows.role(may.room, cohost, "cohost")
    assert await may(host, "removed", user_id=cohost)
    assert await may(cohost, "removed", user_id=alice)
    assert not await may(host, "removed", user_id=host)
    assert not await may(cohost, "removed", user_id=host)
    assert not await may(alice, "removed", user_id=cohost)
    assert await may(host, "unbanned", user_id=alice)
    assert not await may(alice, "unbanned", user_id=alice)


@pytest.mark.parametrize(("state", "host_may"), [("ended", True), ("live", False)])
async def test_may_tell_of_room_that_its_host_closed_it(rows: Rows, state: str, host_may: bool):
    host, cohost = await rows.users(2)
    may = Telling(rows, await rows.room(host, state=state))
    await rows.room(cohost, state="ended")
    await rows.role(may.room, cohost, "cohost")
    assert await may(host, "closed") == host_may
    assert not await may(cohost, "closed")
