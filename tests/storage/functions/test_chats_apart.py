"""What is done in one chat changes nothing of another with the same members, and what is read of it shows nothing."""

from typing import Any

from tests.storage.functions.rows import Rows
from tests.storage.functions.test_chat_messages import Draft, send
from tests.storage.functions.test_chats import chat, direct, message

TABLES = ("chats", "chat_members", "chat_messages", "chat_edits", "chat_reactions", "chat_hidden", "chat_reads")


async def rows_of(rows: Rows, *chats: int) -> list[Any]:
    found = []
    for table in TABLES:
        column = "id" if table == "chats" else "chat_id"
        found.append(await rows.table(f"SELECT x::text FROM {table} x WHERE {column} = ANY ($1) ORDER BY 1", chats))
    return found


async def fill(rows: Rows, chat_id: int, *users: int) -> None:
    """Give each table rows of the chat: of every user, and about its first message."""
    for user in users:
        await rows.add("chat_reactions", chat_id=chat_id, seq=1, user_id=user, emoji="x")
        await rows.add("chat_hidden", chat_id=chat_id, seq=2, user_id=user)
        now = await rows.now()
        await rows.add("chat_reads", chat_id=chat_id, user_id=user, seqs=[1], ats=[now])
    await rows.add("chat_edits", chat_id=chat_id, seq=1, number=1, text="y", written_at=await rows.now())


async def test_writes_stay_in_their_chat(rows: Rows):
    alice, bob, carol, dina, asked = people = await rows.users(5)
    await rows.follow(dina, alice)
    here, *others = [await chat(rows, alice, bob, carol, asked, last_seq=3, state="requested") for _ in range(3)]
    pair = await direct(rows, alice, bob, last_seq=1)
    await direct(rows, alice, carol)
    for each in (here, *others):
        await fill(rows, each, *people[:3])
    before = await rows_of(rows, pair, *others)

    execute = rows.connection.execute
    assert await send(rows, here, Draft(alice, reply=1), Draft(bob)) == [("sent", 4), ("sent", 5)]
    await rows.list(alice, "add_to_chat", here, [dina])
    assert await rows.ask(alice, "set_chat_role", here, bob, "admin")
    assert await rows.ask(asked, "accept_chat", here)
    await rows.view_as(None)
    await execute("UPDATE chat_members SET read_seq = 3 WHERE chat_id = $1 AND user_id = $2", here, carol)
    await execute("UPDATE chat_messages SET text = 'y' WHERE chat_id = $1 AND seq = 4", here)
    await execute("UPDATE chat_messages SET deleted_at = now() WHERE chat_id = $1 AND seq = 1", here)
    await rows.write("chat_hidden", chat_id=here, seq=3, user_id=bob)
    assert await rows.ask(alice, "remove_from_chat", here, carol)
    assert await rows.ask(alice, "set_chat_role", here, dina, "owner")
    [row] = await rows.list(dina, "leave_chat", here)
    assert row["heir"] in (alice, bob)
    assert await rows_of(rows, pair, *others) == before

    refused = others[0]
    before = await rows_of(rows, here, pair, *others[1:])
    assert await rows.ask(asked, "reject_chat", refused)
    assert await rows_of(rows, here, pair, *others[1:]) == before
    [row] = await rows.list(bob, "open_direct_chat", 99, asked)
    assert (row["chat"], row["outcome"]) == (99, "requested")
    assert await rows_of(rows, here, pair, *others[1:]) == before


async def test_reads_stay_in_their_chat(rows: Rows):
    alice, bob, carol = people = await rows.users(3)
    here = await chat(rows, alice, bob, carol, last_seq=3)
    await rows.add("chat_reactions", chat_id=here, seq=2, user_id=bob, emoji="x")

    async def reads() -> list[Any]:
        found: list[Any] = [await rows.list(None, "unread_in_chat", bob, here)]
        for viewer in (alice, bob):
            found.append(await rows.list(viewer, "chat_entries", [here]))
            found.append(await rows.list(viewer, "chat_history", here, None, None, None, 9))
            found.append([tuple(row)[:5] for row in await rows.list(viewer, "chat_members_for", here, 0, 9, 9)])
            found.append(await rows.list(viewer, "chat_read_by", here, 2, 9))
            found.append(await rows.ask(viewer, "chat_typing_audience", here, 9))
            found.append([await rows.ask(viewer, "sees_chat_message", here, seq) for seq in (1, 3, 4)])
        return [str(each) for each in found]

    before = await reads()
    dina = await rows.user()
    other = await chat(rows, bob, alice, carol, dina, last_seq=5)
    await message(rows, other, 6, carol)
    await fill(rows, other, *people, dina)
    await rows.connection.execute("UPDATE chat_members SET read_seq = 4 WHERE chat_id = $1", other)
    assert await reads() == before
