"""The chat of a live room, by the database functions alone: who may write, and who sees which messages."""

import pytest

from tests.storage.functions.rows import LAST, Rows
from tests.storage.functions.test_live_rooms import ENDS, end


@pytest.mark.parametrize(("state", "is_live"), [("live", True), ("scheduled", False), ("ended", False)])
async def test_may_speak_in_a_live_room(rows: Rows, state: str, is_live: bool):
    host, alice = await rows.users(2)
    room = await rows.room(host, state=state)
    assert await rows.ask(alice, "may_speak", room) == is_live
    assert not await rows.ask(None, "may_speak", room)
    assert not await rows.ask(alice, "may_speak", 0)


async def test_may_speak_in_a_room_that_the_viewer_sees(rows: Rows):
    host, alice = await rows.users(2)
    room = await rows.room(host, "private")
    assert await rows.ask(host, "may_speak", room)
    assert not await rows.ask(alice, "may_speak", room)


@ENDS
async def test_may_speak_after_a_ban_has_ended(rows: Rows, seconds: int | None, holds: bool):
    host, alice, bob = await rows.users(3)
    room, other = await rows.room(host), await rows.room(host)
    await rows.ban(room, alice, await end(rows, seconds))
    assert await rows.ask(alice, "may_speak", room) == (not holds)
    assert await rows.ask(alice, "may_speak", other)
    assert await rows.ask(bob, "may_speak", room)


async def test_may_speak_unless_muted_in_the_room(rows: Rows):
    host, muted, speaker = await rows.users(3)
    room, other = await rows.room(host), await rows.room(host)
    await rows.role(room, muted, "listener", is_muted=True)
    await rows.role(room, speaker, "speaker")
    assert not await rows.ask(muted, "may_speak", room)
    assert await rows.ask(muted, "may_speak", other)
    assert await rows.ask(speaker, "may_speak", room)


# ---------------------------------------------------------------------------------------------- room_messages_for


async def messages(rows: Rows, viewer: int | None, room: int, before: int = LAST, amount: int = 9) -> list[int]:
    return [each["id"] for each in await rows.list(viewer, "room_messages_for", room, before, amount)]


async def send(rows: Rows, room: int, sender: int, **columns: object) -> int:
    return await rows.added("room_messages", room_id=room, sender_id=sender, text="", **columns)


async def test_room_messages_for_a_viewer_are_pages_of_the_room(rows: Rows):
    host, alice = await rows.users(2)
    room, other = await rows.room(host), await rows.room(host)
    first, second, third = [await send(rows, room, host) for _ in range(3)]
    await send(rows, other, host)
    await send(rows, room, host, deleted_at=await rows.now())
    assert await messages(rows, alice, room) == [third, second, first]
    assert await messages(rows, alice, room, amount=2) == [third, second]
    assert await messages(rows, alice, room, before=third) == [second, first]


async def test_room_messages_for_viewers_who_see_the_room(rows: Rows):
    host, alice = await rows.users(2)
    room = await rows.room(host, "private")
    message = await send(rows, room, host)
    assert await messages(rows, host, room) == [message]
    assert await messages(rows, alice, room) == await messages(rows, None, room) == []


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_room_messages_for_a_viewer_with_a_block(rows: Rows, is_blocked: bool):
    host, alice, bob, carol = await rows.users(4)
    room = await rows.room(host)
    await rows.block(*((bob, alice) if is_blocked else (alice, bob)))
    for pair in ((bob, carol), (carol, bob), (carol, host)):
        await rows.block(*pair)
    await send(rows, room, bob)
    assert await messages(rows, alice, room) == []
    seen = await send(rows, room, carol)
    assert await messages(rows, alice, room) == [seen]


@ENDS
async def test_room_messages_for_a_viewer_who_mutes(rows: Rows, seconds: int | None, holds: bool):
    host, alice, muted, posts = await rows.users(4)
    room, until = await rows.room(host), await end(rows, seconds)
    await rows.mute(alice, muted, "all", until)
    await rows.mute(alice, posts, "posts", until)
    await rows.mute(muted, alice, "all", until)
    await rows.mute(posts, host, "all", until)
    sent = [await send(rows, room, sender) for sender in (host, posts, muted)]
    assert await messages(rows, alice, room) == (sent[1::-1] if holds else sent[::-1])
