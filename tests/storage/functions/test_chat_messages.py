"""Messages of chats by the database functions alone: sending, unread counts, history and what a change does."""

import json
from typing import Any, NamedTuple

import pytest

from tests.storage.functions.rows import Rows
from tests.storage.functions.test_chats import change, chat, direct, message


class Draft(NamedTuple):
    sender: int
    text: str = "x"
    reply: int | None = None
    key: str | None = None
    hash: bytes = b"h"
    may_spend: bool = True
    files: str | None = None


async def send(rows: Rows, chat_id: int, *drafts: Draft, viewer: int | None = None) -> list[tuple[str, int | None]]:
    """Return verdict and seq of each draft, in their order."""
    found = await rows.list(viewer, "send_chat_messages", chat_id, *(list(each) for each in zip(*drafts, strict=True)))
    return [(row["verdict"], row["seq"]) for row in sorted(found, key=lambda row: row["number"])]


async def verdict(rows: Rows, chat_id: int, draft: Draft) -> str:
    [(found, _)] = await send(rows, chat_id, draft)
    return found


async def history(rows: Rows, viewer: int, chat_id: int, *place: Any) -> list[int]:
    before, after, around, amount = place or (None, None, None, 9)
    [row] = await rows.list(viewer, "chat_history", chat_id, before, after, around, amount)
    return [each["seq"] for each in json.loads(row["messages"])]


# ---------------------------------------------------------------------------------------------- sending


async def test_a_batch_is_numbered_densely_in_its_order(rows: Rows):
    alice, bob, eve = await rows.users(3)
    group = await chat(rows, alice, bob, last_seq=2)
    drafts = [Draft(alice, "1"), Draft(eve, "2"), Draft(bob, "3"), Draft(alice, "4")]
    assert await send(rows, group, *drafts) == [("sent", 3), ("missing", None), ("sent", 4), ("sent", 5)]
    found = await rows.table("SELECT seq, sender_id, text FROM chat_messages WHERE chat_id = $1 AND seq > 2", group)
    assert sorted(found) == [(3, alice, "1"), (4, bob, "3"), (5, alice, "4")]
    assert await rows.table("SELECT last_seq FROM chats WHERE id = $1", group) == [(5,)]


async def test_a_batch_adds_one_event(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob)
    await send(rows, group, Draft(alice), Draft(bob), Draft(alice))
    await send(rows, group, Draft(bob))
    events = await rows.table(
        "SELECT topic, convert_from(payload, 'UTF8') FROM outbox WHERE key = $1 ORDER BY id", str(group)
    )
    assert [topic for topic, _ in events] == ["chat.message_sent"] * 2
    assert [json.loads(payload) for _, payload in events] == [
        {"v": 1, "chat_id": group, "first_seq": first, "last_seq": last} for first, last in ((1, 3), (4, 4))
    ]


async def test_a_batch_of_refused_messages_changes_nothing(rows: Rows):
    alice, eve = await rows.users(2)
    group = await chat(rows, alice)
    assert await send(rows, group, Draft(eve)) == [("missing", None)]
    assert await rows.table("SELECT last_seq FROM chats WHERE id = $1", group) == [(0,)]
    assert await rows.table("SELECT FROM outbox WHERE key = $1", str(group)) == []
    assert await verdict(rows, 0, Draft(alice)) == "missing"


async def test_a_viewer_sends_no_message_of_another_user(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob)
    assert await send(rows, group, Draft(alice), viewer=alice) == [("sent", 1)]
    assert await send(rows, group, Draft(bob), viewer=alice) == []


@pytest.mark.parametrize(("state", "expected"), [("requested", "requested"), ("left", "missing")])
async def test_only_active_members_send(rows: Rows, state: str, expected: str):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob, state=state)
    assert await verdict(rows, group, Draft(bob)) == expected


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_nobody_sends_in_a_direct_chat_with_a_block(rows: Rows, is_blocked: bool):
    alice, bob = await rows.users(2)
    shut, group = await direct(rows, alice, bob), await chat(rows, alice, bob)
    await rows.block(*((bob, alice) if is_blocked else (alice, bob)))
    for sender in (alice, bob):
        assert await verdict(rows, shut, Draft(sender)) == "missing"
        assert await verdict(rows, group, Draft(sender)) == "sent"


@pytest.mark.parametrize("state", ["requested", "left"])
async def test_three_messages_wait_for_an_answer(rows: Rows, state: str):
    alice, bob = await rows.users(2)
    asked = await direct(rows, alice, bob, state=state)
    assert await send(rows, asked, *[Draft(alice)] * 2) == [("sent", 1), ("sent", 2)]
    assert await send(rows, asked, *[Draft(alice)] * 2) == [("sent", 3), ("waiting", None)]
    await change(rows, "chat_members", asked, bob, state="active")
    assert await verdict(rows, asked, Draft(alice)) == "sent"


async def test_a_key_has_one_answer(rows: Rows):
    alice, bob = await rows.users(2)
    group, other = await chat(rows, alice, bob), await chat(rows, alice, bob)
    draft = Draft(alice, key="k")
    assert await send(rows, group, draft, draft._replace(hash=b"other")) == [("sent", 1), ("again", None)]
    assert await send(rows, group, draft, draft._replace(hash=b"other")) == [("kept", 1), ("used", 1)]
    assert await verdict(rows, other, draft._replace(hash=b"other chat")) == "used"
    assert await verdict(rows, group, draft._replace(sender=bob)) == "sent"
    await rows.connection.execute("UPDATE idempotency SET created_at = now() - interval '24 hours'")
    assert await send(rows, group, draft) == [("sent", 3)]
    assert await send(rows, group, draft) == [("kept", 3)]


async def test_a_message_is_refused_for_its_files_alone(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob)
    for file, owner, status in ((1, alice, "ready"), (2, alice, "processing"), (3, bob, "ready"), (4, alice, "ready")):
        columns: dict[str, Any] = {"kind": "image", "content_type": "image/png", "filename": "x", "size_bytes": 10}
        await rows.write("media", id=file, owner_id=owner, status=status, object_key=f"private/{file}/", **columns)
    drafts = [
        Draft(alice, files="{1,2}"), Draft(alice, files="{4,3}"), Draft(alice), Draft(bob, files="{1}"),
        Draft(alice, files="{2}"), Draft(alice, files="{4,4}"),
    ]  # fmt: skip
    found = await rows.list(None, "send_chat_messages", group, *(list(each) for each in zip(*drafts, strict=True)))
    told = [(row["verdict"], row["seq"], row["unusable"]) for row in sorted(found, key=lambda row: row["number"])]
    assert told == [
        ("sent", 1, None), ("media", None, 1), ("sent", 2, None), ("media", None, 0), ("again", None, None),
        ("again", None, None),
    ]  # fmt: skip
    assert await send(rows, group, Draft(alice, files="{2}"), Draft(alice, files="{4,4}")) == [("media", None)] * 2
    statement = "SELECT id, target_id, target_seq, position FROM media WHERE target_id IS NOT NULL AND id < 9"
    assert sorted(await rows.table(statement)) == [(1, group, 1, 0), (2, group, 1, 1)]


async def test_a_kept_answer_has_the_time_of_the_message(rows: Rows):
    alice, _ = await rows.users(2)
    group = await chat(rows, alice)
    arguments = [group, [alice], ["x"], [None], ["k"], [b"h"], [True], [None]]
    first, second = [(await rows.list(None, "send_chat_messages", *arguments))[0] for _ in range(2)]
    assert (first["verdict"], second["verdict"]) == ("sent", "kept")
    assert first["created_at"] == second["created_at"]


async def test_a_key_is_kept_only_for_a_message_that_was_sent(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob, state="requested")
    draft = Draft(bob, key="k")
    assert await verdict(rows, group, draft) == "requested"
    await change(rows, "chat_members", group, bob, state="active")
    assert await verdict(rows, group, draft._replace(may_spend=False)) == "limit"
    assert await verdict(rows, group, draft) == "sent"
    assert await verdict(rows, group, draft._replace(may_spend=False)) == "kept"


async def test_a_reply_names_a_message_that_the_sender_sees(rows: Rows):
    alice, bob, carol = await rows.users(3)
    group = await chat(rows, alice, bob, carol, last_seq=3)
    await message(rows, group, 4, carol)
    await message(rows, group, 5, alice, deleted_at=await rows.now())
    await rows.connection.execute("UPDATE chats SET last_seq = 5 WHERE id = $1", group)
    await change(rows, "chat_members", group, bob, first_seq=2)
    await rows.block(bob, carol)
    found = [await verdict(rows, group, Draft(bob, reply=seq)) for seq in (1, 2, 4, 5, 99)]
    assert found == ["reply", "sent", "reply", "reply", "reply"]
    pair = await direct(rows, alice, bob, last_seq=1)
    await rows.mute(bob, alice)
    assert await verdict(rows, pair, Draft(bob, reply=1)) == "sent"


# ---------------------------------------------------------------------------------------------- unread


async def test_unread_messages_are_counted_exactly(rows: Rows):
    alice, bob, carol, dina = await rows.users(4)
    group = await chat(rows, alice, bob, carol, dina, last_seq=4)
    await message(rows, group, 5, bob)
    await message(rows, group, 6, carol)
    await message(rows, group, 7, alice, deleted_at=await rows.now())
    await message(rows, group, 8, alice)
    await rows.connection.execute("UPDATE chats SET last_seq = 8 WHERE id = $1", group)
    assert await rows.ask(None, "unread_in_chat", bob, group) == 6
    assert await rows.ask(bob, "unread_in_chat", bob, group) == 6
    assert await rows.ask(alice, "unread_in_chat", bob, group) == 0
    await change(rows, "chat_members", group, bob, received_seq=2, read_seq=2)
    assert await rows.ask(None, "unread_in_chat", bob, group) == 4
    await change(rows, "chat_members", group, bob, first_seq=4)
    assert await rows.ask(None, "unread_in_chat", bob, group) == 3
    await rows.add("chat_hidden", chat_id=group, user_id=bob, seq=4)
    await rows.add("chat_hidden", chat_id=group, user_id=dina, seq=8)
    assert await rows.ask(None, "unread_in_chat", bob, group) == 2
    await rows.mute(bob, carol)
    assert await rows.ask(None, "unread_in_chat", bob, group) == 1
    [entry] = await rows.list(bob, "chat_entries", [group])
    assert entry["unread"] == 1
    await change(rows, "chat_members", group, bob, state="left")
    assert await rows.ask(None, "unread_in_chat", bob, group) == 0


@pytest.mark.parametrize(("amount", "expected"), [(999, 999), (1_000, 1_000), (1_500, 1_000)])
async def test_unread_messages_are_counted_up_to_a_thousand(rows: Rows, amount: int, expected: int):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob)
    await rows.connection.execute(
        """INSERT INTO chat_messages (chat_id, seq, sender_id, text)
        SELECT $1, n, $2, 'x' FROM generate_series(1, $3) n""",
        group, alice, amount,
    )  # fmt: skip
    await rows.connection.execute("UPDATE chats SET last_seq = $2 WHERE id = $1", group, amount)
    assert await rows.ask(None, "unread_in_chat", bob, group) == expected


# ---------------------------------------------------------------------------------------------- history


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((None, None, None, 3), [8, 9, 10]),
        ((5, None, None, 3), [2, 3, 4]),
        ((2, None, None, 3), [1]),
        ((99, None, None, 3), [8, 9, 10]),
        ((None, 0, None, 3), [1, 2, 3]),
        ((None, 9, None, 3), [10]),
        ((None, 10, None, 3), []),
        ((None, None, 5, 3), [4, 5, 6]),
        ((None, None, 1, 4), [1, 2]),
        ((None, None, 99, 4), []),
    ],
)
async def test_a_page_of_history(rows: Rows, place: tuple[Any, ...], expected: list[int]):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob, last_seq=10)
    assert await history(rows, bob, group, *place) == expected


async def test_history_hides_what_the_viewer_must_not_see(rows: Rows):
    alice, bob, carol = await rows.users(3)
    group = await chat(rows, alice, bob, carol, last_seq=3)
    await message(rows, group, 4, carol)
    await rows.connection.execute("UPDATE chats SET last_seq = 4 WHERE id = $1", group)
    await change(rows, "chat_members", group, bob, first_seq=2)
    await rows.add("chat_hidden", chat_id=group, user_id=bob, seq=3)
    await rows.block(carol, bob)
    assert await history(rows, bob, group) == [2]
    assert await history(rows, alice, group) == [1, 2, 3, 4]
    eve = await rows.user()
    assert await rows.list(eve, "chat_history", group, None, None, None, 9) == []


# ---------------------------------------------------------------------------------------------- changes and marks


async def test_marks_keep_their_order_whoever_writes_them(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob, last_seq=5)

    async def mark(received: int, read: int) -> tuple[int, int]:
        await rows.connection.execute(
            "UPDATE chat_members SET received_seq = $3, read_seq = $4 WHERE chat_id = $1 AND user_id = $2",
            group, bob, received, read,
        )  # fmt: skip
        statement = "SELECT received_seq, read_seq FROM chat_members WHERE chat_id = $1 AND user_id = $2"
        [found] = await rows.table(statement, group, bob)
        return found

    assert await mark(2, 0) == (2, 0)
    assert await mark(0, 3) == (3, 3)
    assert await mark(1, 1) == (3, 3)
    assert await mark(99, 4) == (5, 4)
    assert await mark(0, 99) == (5, 5)


async def test_the_last_fifty_steps_of_a_read_mark_are_kept(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob, last_seq=60)
    for seq in range(1, 50):
        await rows.connection.execute(
            "UPDATE chat_members SET read_seq = $3 WHERE chat_id = $1 AND user_id = $2", group, bob, seq
        )
    steps = "SELECT seqs FROM chat_reads WHERE chat_id = $1"
    assert await rows.table(steps, group) == [([*range(1, 50)],)]
    [reader] = await rows.list(alice, "chat_read_by", group, 1, 9)
    assert (reader["user_id"], reader["read_at"]) == (bob, await rows.now())
    for seq in range(50, 60):
        await rows.connection.execute(
            "UPDATE chat_members SET read_seq = $3 WHERE chat_id = $1 AND user_id = $2", group, bob, seq
        )
    assert await rows.table(steps, group) == [([*range(10, 60)],)]
    known = {
        seq: [row["read_at"] for row in await rows.list(alice, "chat_read_by", group, seq, 9)] for seq in (9, 11, 60)
    }
    assert known == {9: [None], 11: [await rows.now()], 60: []}


async def test_a_deleted_message_loses_its_texts_and_reactions(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob, last_seq=2)
    await rows.connection.execute("UPDATE chat_messages SET text = 'y' WHERE chat_id = $1", group)
    for seq in (1, 2):
        await rows.write("chat_reactions", chat_id=group, seq=seq, user_id=bob, emoji="x")
    edits = "SELECT seq, number, text FROM chat_edits WHERE chat_id = $1 ORDER BY seq"
    assert await rows.table(edits, group) == [(1, 1, "x"), (2, 1, "x")]
    await rows.connection.execute("UPDATE chat_messages SET deleted_at = now() WHERE chat_id = $1 AND seq = 1", group)
    assert await rows.table("SELECT text FROM chat_messages WHERE chat_id = $1 ORDER BY seq", group) == [("",), ("y",)]
    for table in ("chat_edits", "chat_reactions"):
        assert await rows.table(f"SELECT seq FROM {table} WHERE chat_id = $1", group) == [(2,)]


async def test_a_message_is_edited_fifty_times_at_most(rows: Rows):
    alice, _ = await rows.users(2)
    group = await chat(rows, alice, last_seq=1)
    statement = "UPDATE chat_messages SET text = $2 WHERE chat_id = $1"
    for number in range(50):
        await rows.connection.execute(statement, group, f"text {number}")
    assert await rows.is_refused(statement, group, "one more")


async def test_reactions_of_hidden_users_are_left_out(rows: Rows):
    alice, bob, carol = await rows.users(3)
    group = await chat(rows, alice, bob, carol, last_seq=2)
    await rows.write("chat_reactions", chat_id=group, seq=2, user_id=bob, emoji="c")
    for user, emoji in ((alice, "a"), (bob, "b"), (carol, "a")):
        await rows.write("chat_reactions", chat_id=group, seq=1, user_id=user, emoji=emoji)

    async def shown(viewer: int) -> tuple[Any, Any]:
        [row] = await rows.list(viewer, "chat_history", group, None, None, None, 9)
        found, _ = json.loads(row["messages"])
        return found["reactions"], found["my_reaction"]

    assert await shown(bob) == ({"a": 2, "b": 1}, "b")
    await rows.block(carol, bob)
    assert await shown(bob) == ({"a": 1, "b": 1}, "b")
