"""The rights and the view of users who enter a live room, by the database functions alone."""

import json
from typing import Any

import pytest

from tests.storage.functions.rows import Rows
from tests.storage.functions.test_live_rooms import ENDS, end

# ---------------------------------------------------------------------------------------------- room_standings


async def standings(rows: Rows, viewer: int | None, *pairs: tuple[int, int]) -> dict[tuple[int, int], Any]:
    """pairs: of a room and a user."""
    found = await rows.list(viewer, "room_standings", [room for room, _ in pairs], [user for _, user in pairs])
    by_pair = {(each["room_id"], each["user_id"]): each for each in found}
    assert len(by_pair) == len(found)
    return by_pair


async def test_room_standings_have_the_room_the_role_and_the_user(rows: Rows):
    owner, host, cohost, muted = await rows.users(4)
    alice = await rows.user(display_name="Alice", avatar_url="https://a.example", is_verified=True)
    room = await rows.room(owner, host_id=host, capacity=7, version=3)
    other = await rows.room(alice, state="scheduled")
    await rows.role(room, cohost, "cohost")
    await rows.role(room, muted, "listener", is_muted=True)
    await rows.role(other, cohost, "speaker", is_muted=True)
    found = await standings(rows, None, *((room, user) for user in (host, cohost, muted, alice)), (other, host))
    of_room = (owner, "live", 7, 3)
    assert {pair: tuple(each)[2:9] for pair, each in found.items()} == {
        (room, host): (*of_room, "host", False, False),
        (room, cohost): (*of_room, "cohost", False, False),
        (room, muted): (*of_room, "listener", True, False),
        (room, alice): (*of_room, "listener", False, False),
        (other, host): (alice, "scheduled", 10, 1, "listener", False, False),
    }
    assert tuple(found[room, alice])[9:] == (f"user{alice - 1}", "Alice", "https://a.example", True)


async def test_room_standings_are_of_rooms_that_the_user_sees(rows: Rows):
    owner, follower, stranger = await rows.users(3)
    await rows.follow(follower, owner)
    rooms = [await rows.room(owner, "followers", state) for state in ("live", "scheduled", "ended")]
    private = await rows.room(owner, "private")
    pairs = [(room, user) for room in (*rooms, private) for user in (follower, stranger)]
    assert set(await standings(rows, None, *pairs)) == {(room, follower) for room in rooms}


async def test_room_standings_answer_viewers_for_themselves_alone(rows: Rows):
    owner, alice, bob = await rows.users(3)
    room = await rows.room(owner)
    pairs = [(room, alice), (room, bob)]
    assert set(await standings(rows, alice, *pairs)) == {(room, alice)}
    assert set(await standings(rows, None, *pairs)) == set(pairs)


@ENDS
async def test_room_standings_say_who_is_banned(rows: Rows, seconds: int | None, holds: bool):
    owner, alice, bob = await rows.users(3)
    room, other = await rows.room(owner), await rows.room(owner)
    await rows.ban(room, alice, await end(rows, seconds))
    found = await standings(rows, None, (room, alice), (room, bob), (other, alice))
    assert {pair: each["is_banned"] for pair, each in found.items()} == {
        (room, alice): holds, (room, bob): False, (other, alice): False,
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------- room_scene


async def scene(rows: Rows, room: int, viewers: list[int], people: list[int] | None = None, amount: int = 9) -> Any:
    return await rows.ask(None, "room_scene", room, viewers, people or [], amount)


def hidden(found: Any) -> list[tuple[int, int]]:
    """Return pairs of a viewer and a user who is hidden from them."""
    return list(zip(found["hiding"], found["hidden"], strict=True))


async def say(rows: Rows, room: int, sender: int, text: str = "", **columns: Any) -> int:
    return await rows.added("room_messages", room_id=room, sender_id=sender, text=text, **columns)


async def test_room_scene_has_the_room_with_its_host(rows: Rows):
    owner, host = await rows.users(2)
    room = await rows.room(owner, host_id=host, topic="tea", capacity=7, slow_mode_s=5, version=3)
    await rows.room(host)
    found = await scene(rows, room, [owner])
    names = ("id", "host_id", "topic", "state", "visibility", "capacity", "slow_mode_s", "version", "username")
    assert [found[name] for name in names] == [
        room, host, "tea", "live", "public", 7, 5, 3, f"user{host - 1}",
    ]  # fmt: skip
    assert [json.loads(found[name]) for name in ("people", "messages")] == [[], []]
    assert (found["seen_by"], hidden(found)) == ([owner], [])


async def test_room_scene_is_for_nodes(rows: Rows):
    host = await rows.user()
    room = await rows.room(host)
    assert await rows.list(host, "room_scene", room, [host], [host], 9) == []
    assert await rows.list(None, "room_scene", room + 1, [host], [host], 9) == []


async def test_room_scene_has_the_people_who_are_asked_for(rows: Rows):
    host, speaker, alice, other = await rows.users(4)
    room = await rows.room(host)
    await rows.role(room, speaker, "speaker", is_muted=True)
    found = json.loads((await scene(rows, room, [other], [host, speaker, alice]))["people"])
    assert {each["id"]: (each["role"], each["is_muted"]) for each in found} == {
        host: ("host", False), speaker: ("speaker", True), alice: ("listener", False),
    }  # fmt: skip
    assert set(found[0]) == {"id", "username", "display_name", "avatar_url", "is_verified", "role", "is_muted"}


async def test_room_scene_has_the_newest_messages_in_order(rows: Rows):
    host, alice = await rows.users(2)
    room, other = await rows.room(host), await rows.room(host)
    ids = [await say(rows, room, alice, text) for text in ("one", "two", "three")]
    await say(rows, room, alice, "deleted", deleted_at=await rows.now())
    await say(rows, other, host, "elsewhere")
    found = json.loads((await scene(rows, room, [host], amount=2))["messages"])
    assert [(each["id"], each["text"], each["sender_id"]) for each in found] == [
        (ids[1], "two", alice), (ids[2], "three", alice),
    ]  # fmt: skip
    assert {each["room_id"] for each in found} == {room}
    assert {each["username"] for each in found} == {f"user{alice - 1}"}


async def test_room_scene_is_seen_by_viewers_who_see_the_room(rows: Rows):
    host, follower, stranger = await rows.users(3)
    await rows.follow(follower, host)
    room = await rows.room(host, "followers")
    assert (await scene(rows, room, [stranger, follower, host]))["seen_by"] == [follower, host]


@pytest.mark.parametrize("kind", ["person", "sender"])
async def test_room_scene_hides_people_and_senders_with_a_block(rows: Rows, kind: str):
    host, alice, bob, carol, other = await rows.users(5)
    room = await rows.room(host)
    for user in (alice, bob, carol):
        if kind == "sender":
            await say(rows, room, user)
    people = [alice, bob, carol] if kind == "person" else []
    await rows.block(alice, bob)
    await rows.block(bob, carol)
    await rows.block(carol, other)
    await rows.block(alice, other)
    await rows.block(other, alice)
    found = await scene(rows, room, [alice, bob], people)
    assert hidden(found) == [(alice, bob), (bob, alice), (bob, carol)]


async def test_room_scene_hides_each_pair_once(rows: Rows):
    host, alice, bob = await rows.users(3)
    room = await rows.room(host)
    await say(rows, room, bob)
    await rows.block(alice, bob)
    await rows.block(bob, alice)
    await rows.mute(alice, bob)
    assert hidden(await scene(rows, room, [alice], [bob])) == [(alice, bob)]


@ENDS
async def test_room_scene_hides_muted_users_from_viewers_who_mute_them(rows: Rows, seconds: int | None, holds: bool):
    host, alice, bob, carol, other = await rows.users(5)
    room, until = await rows.room(host), await end(rows, seconds)
    await rows.mute(alice, bob, "all", until)
    await rows.mute(alice, carol, "posts", until)
    await rows.mute(carol, alice, "all", until)
    await rows.mute(other, alice, "all", until)
    await rows.mute(alice, other, "all", until)
    found = await scene(rows, room, [alice, bob], [alice, bob, carol])
    assert hidden(found) == ([(alice, bob)] if holds else [])
