"""Chats by the database functions alone: who sees and writes, the list, and its cost."""

import json
import random

import pytest

from tests.storage.functions.rows import Rows

MANY = 5_000


async def chat(rows: Rows, *members: int, last_seq: int = 0, state: str = "active", **columns: object) -> int:
    """A group, of which the first member is the owner; the last gets that state."""
    columns = {"kind": "group", "creator_id": members[0], "member_count": len(members), **columns}
    chat_id = await rows.added("chats", last_seq=last_seq, **columns)
    for member in members:
        role = "owner" if member == members[0] and columns["kind"] == "group" else "member"
        given = state if member == members[-1] else "active"
        await rows.add("chat_members", chat_id=chat_id, user_id=member, role=role, state=given)
    for seq in range(1, last_seq + 1):
        await message(rows, chat_id, seq, members[0])
    return chat_id


async def direct(rows: Rows, one: int, other: int, **columns: object) -> int:
    return await chat(rows, one, other, kind="direct", low_id=min(one, other), high_id=max(one, other), **columns)


async def message(rows: Rows, chat_id: int, seq: int, sender: int, **columns: object) -> None:
    await rows.add("chat_messages", chat_id=chat_id, seq=seq, sender_id=sender, text="x", **columns)


async def change(rows: Rows, table: str, chat_id: int, user: int, **columns: object) -> None:
    """Update a row without triggers."""
    values = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 3))
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    await rows.connection.execute(
        f"UPDATE {table} SET {values} WHERE chat_id = $1 AND user_id = $2", chat_id, user, *columns.values()
    )
    await rows.connection.execute("SET LOCAL session_replication_role = origin")


async def page(rows: Rows, viewer: int, since: str | None = None, state: str = "active", amount: int = 9) -> list[int]:
    await rows.view_as(viewer)
    found = await rows.connection.fetch(
        "SELECT chat_page($1::text::xid8, now(), $2, NULL, NULL, $3) AS id", since, state, amount
    )
    return [row["id"] for row in found]


# ---------------------------------------------------------------------------------------------- who sees and writes


@pytest.mark.parametrize(
    ("state", "sees", "writes"), [("active", True, True), ("requested", True, False), ("left", False, False)]
)
async def test_the_state_of_a_member_decides(rows: Rows, state: str, sees: bool, writes: bool):
    alice, bob, carol = await rows.users(3)
    group, other = await chat(rows, alice, bob, state=state), await chat(rows, bob, carol)
    for viewer, expected in (
        (bob, (sees, writes)),
        (alice, (True, True)),
        (carol, (False, False)),
        (None, (False, False)),
    ):
        found = await rows.ask(viewer, "sees_chat", group), await rows.ask(viewer, "writes_in_chat", group)
        assert found == expected
    assert not await rows.ask(alice, "sees_chat", other)


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_a_block_hides_direct_chats_alone(rows: Rows, is_blocked: bool):
    alice, bob, carol = await rows.users(3)
    shut, still = await direct(rows, alice, bob), await direct(rows, alice, carol)
    group = await chat(rows, alice, bob)
    await rows.block(*((bob, alice) if is_blocked else (alice, bob)))
    await rows.tie_to_others(alice, bob, carol)
    for function in ("sees_chat", "writes_in_chat"):
        for viewer in (alice, bob):
            assert not await rows.ask(viewer, function, shut)
            assert await rows.ask(viewer, function, group)
        assert await rows.ask(alice, function, still)


@pytest.mark.parametrize(("role", "moderates"), [("owner", True), ("admin", True), ("member", False)])
async def test_owners_and_admins_moderate(rows: Rows, role: str, moderates: bool):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob)
    await chat(rows, bob, alice)  # where Bob is the owner
    await change(rows, "chat_members", group, bob, role=role)
    assert await rows.ask(bob, "moderates_chat", group) == moderates
    await change(rows, "chat_members", group, bob, state="left")
    assert not await rows.ask(bob, "moderates_chat", group)


async def test_a_message_is_seen_by_members_who_joined_before(rows: Rows):
    alice, bob, carol = await rows.users(3)
    group, _ = await chat(rows, alice, bob, last_seq=3), await chat(rows, bob, alice)
    await change(rows, "chat_members", group, bob, first_seq=2)
    assert [await rows.ask(bob, "sees_chat_message", group, seq) for seq in range(5)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert not await rows.ask(carol, "sees_chat_message", group, 2)
    await rows.mute(bob, alice)
    assert not await rows.ask(bob, "sees_chat_message", group, 2)


async def test_hidden_ids_are_blocks_and_mutes(rows: Rows):
    alice, blocked, blocker, muted, for_now, posts, ended, stranger = await rows.users(8)
    await rows.block(alice, blocked)
    await rows.block(blocker, alice)
    await rows.mute(alice, muted)
    await rows.mute(alice, for_now, until=await rows.now(seconds=1))
    await rows.mute(alice, posts, "posts")
    await rows.mute(alice, ended, until=await rows.now(seconds=-1))
    await rows.mute(stranger, alice)
    assert sorted(await rows.ask(alice, "hidden_ids", alice)) == sorted([blocked, blocker, muted, for_now])


async def test_typing_is_shown_to_the_others_of_a_small_chat(rows: Rows):
    alice, bob, asked = await rows.users(3)
    group = await chat(rows, alice, bob, asked, state="requested", member_count=2)
    assert await rows.ask(alice, "chat_typing_audience", group, 2) == [bob]
    assert await rows.ask(alice, "chat_typing_audience", group, 1) == []
    assert await rows.list(asked, "chat_typing_audience", group, 9) in ([], [None])


# ---------------------------------------------------------------------------------------------- the list


async def test_the_page_is_of_one_state(rows: Rows):
    alice, bob = await rows.users(2)
    active, asked, left = [await chat(rows, alice, bob, state=state) for state in ("active", "requested", "left")]
    assert await page(rows, bob) == [active]
    assert await page(rows, bob, state="requested") == [asked]
    assert set(await page(rows, bob, since="0")) == {active, asked, left}


async def test_the_page_has_the_newest_message_first(rows: Rows):
    alice, bob = await rows.users(2)
    chats = [await chat(rows, alice, bob, last_at=await rows.now(minutes=minutes)) for minutes in (1, 3, 2, 2)]
    order = [chats[1], chats[3], chats[2], chats[0]]
    assert await page(rows, alice) == order
    assert await page(rows, alice, amount=2) == order[:2]
    await rows.view_as(alice)
    rest = await rows.connection.fetch(
        "SELECT chat_page(NULL, NULL, 'active', $1, $2, 9) AS id", await rows.now(minutes=2), chats[3]
    )
    assert [row["id"] for row in rest] == order[2:]
    since = await rows.connection.fetch(
        "SELECT chat_page('0', '-infinity', '', $1, $2, 9) AS id", await rows.now(minutes=2), chats[3]
    )
    assert since == rest


async def test_entries_show_nothing_of_a_chat_that_is_hidden(rows: Rows):
    alice, bob = await rows.users(2)
    shut = await direct(rows, alice, bob, last_seq=1)
    [entry] = await rows.list(bob, "chat_entries", [shut])
    assert (entry["state"], entry["unread"], len(json.loads(entry["users"]))) == ("active", 1, 2)
    assert json.loads(entry["last_message"])["seq"] == 1
    await rows.block(alice, bob)
    [entry] = await rows.list(bob, "chat_entries", [shut])
    shown = [entry[name] for name in ("state", "title", "users", "last_message")]
    assert shown == ["left", "", "[]", None]
    assert entry["member_count"] == entry["last_seq"] == entry["unread"] == 0


async def test_a_change_of_a_row_changes_its_version(rows: Rows):
    """In this transaction all changes have the same version, which the rows written before must not have."""
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob, last_seq=1, version=7)
    for user in (alice, bob):
        await change(rows, "chat_members", group, user, version=7)
    current = await rows.connection.fetchval("SELECT pg_current_xact_id()::text")
    versions = "SELECT version::text FROM chat_members WHERE chat_id = $1 ORDER BY user_id"
    assert await page(rows, bob, since=current) == []
    await rows.connection.execute("UPDATE chat_members SET muted_until = now() WHERE user_id = $1", bob)
    assert [row[0] for row in await rows.table(versions, group)] == ["7", current]
    assert await page(rows, alice, since=current) == []
    await rows.write("chat_hidden", chat_id=group, user_id=alice, seq=1)
    assert [row[0] for row in await rows.table(versions, group)] == [current, current]
    for user in (alice, bob):
        await change(rows, "chat_members", group, user, version=7)
    assert await page(rows, alice, since=current) == []
    await rows.connection.execute("UPDATE chat_messages SET text = 'y' WHERE chat_id = $1", group)
    assert await page(rows, alice, since=current) == [group]


async def test_a_block_changes_the_versions_of_shared_chats(rows: Rows):
    alice, bob, carol = await rows.users(3)
    shared, other = await chat(rows, alice, bob, carol), await chat(rows, alice, carol)
    for group, user in ((shared, alice), (shared, bob), (shared, carol), (other, alice)):
        await change(rows, "chat_members", group, user, version=7)
    await rows.write("blocks", blocker_id=alice, blocked_id=bob)
    kept = await rows.table("SELECT chat_id, user_id FROM chat_members WHERE version = '7'")
    assert set(kept) == {(shared, carol), (other, alice)}


# ---------------------------------------------------------------------------------------------- cost


async def cost(rows: Rows, statement: str, *arguments: object) -> tuple[int, int]:
    """The number of rows and of pages that the statement reads, shared buffers of all its parts together."""
    [row] = await rows.connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
    plan = json.loads(row[0])[0]["Plan"]
    return plan["Actual Rows"], plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def add_many(rows: Rows, alice: int, bob: int) -> int:
    """Alice is in 5,000 groups with Bob, each with a message and an hour older than the next; returns the first id."""
    first = 10**12
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    for statement in (
        """INSERT INTO chats (id, kind, creator_id, last_seq, last_at, version, member_count)
        SELECT $1::bigint + n, 'group', $2, 1, now() - ($4 - n) * interval '1 hour', '7', 2
        FROM generate_series(1, $4) n WHERE $3 > 0""",
        """INSERT INTO chat_members (chat_id, user_id, state, version)
        SELECT $1::bigint + n, unnest(ARRAY [$2, $3]::bigint[]), 'active', '7' FROM generate_series(1, $4) n""",
        """INSERT INTO chat_messages (chat_id, seq, sender_id, text)
        SELECT $1::bigint + n, 1, $2, 'x' FROM generate_series(1, $4) n WHERE $3 > 0""",
    ):
        await rows.connection.execute(statement, first, bob, alice, MANY)
    await rows.connection.execute(
        "UPDATE chats SET listed_until = last_at + interval '1 day', changed_until = last_at WHERE id > $1", first
    )
    await rows.connection.execute(
        """UPDATE chat_members m SET listed_until = c.listed_until, changed_until = c.changed_until
        FROM chats c WHERE c.id = m.chat_id AND c.id > $1""",
        first,
    )
    await rows.connection.execute("SET LOCAL session_replication_role = origin")
    for table in ("chats", "chat_members", "chat_messages"):
        await rows.connection.execute(f"ANALYZE {table}")
    return first


async def test_a_device_with_many_chats_gets_those_that_changed(rows: Rows):
    alice, bob = await rows.users(2)
    first = await add_many(rows, alice, bob)
    current = await rows.connection.fetchval("SELECT pg_current_xact_id()::text")
    changed = [first + number for number in (5, 2_500, 4_999)]
    await rows.connection.execute("UPDATE chats SET title = 'new' WHERE id = ANY ($1)", changed)
    assert sorted(await page(rows, alice, since=current, amount=100)) == changed
    statement = "SELECT chat_page($1::text::xid8, now(), '', NULL, NULL, 100)"
    await cost(rows, statement, current)  # loads the catalogues
    amount, blocks = await cost(rows, statement, current)
    assert amount == 3
    assert blocks < 400  # a lookup of each chat would read 20,000


async def test_all_pages_of_the_list_cost_the_same(rows: Rows):
    alice, bob = await rows.users(2)
    first = await add_many(rows, alice, bob)
    await rows.view_as(alice)
    statement = """SELECT * FROM chat_entries(ARRAY(
        SELECT chat_page(NULL, NULL, 'active', $1::timestamptz, $2::bigint, 20)))"""
    await cost(rows, statement, None, None)  # loads the catalogues
    costs = []
    for number in (MANY + 1, MANY - 2_000, 21):  # the first page, page 100, and the last
        costs.append(await cost(rows, statement, await rows.now(hours=number - MANY), first + number))
    assert {amount for amount, _ in costs} == {20}
    blocks = [each for _, each in costs]
    assert max(blocks) < 1.5 * min(blocks), blocks
    assert max(blocks) < 6_000, blocks  # a lookup of each chat would read 20,000


# ---------------------------------------------------------------------------------------------- marks


async def marks(rows: Rows, chat_id: int) -> "list[tuple[object, ...]]":
    return await rows.table(
        "SELECT listed_until, changed_until > now() FROM chat_members WHERE chat_id = $1 ORDER BY user_id", chat_id
    )


async def test_a_message_after_the_mark_moves_the_marks_of_members(rows: Rows):
    alice, bob, carol = await rows.users(3)
    now, past = await rows.now(), await rows.now(days=-2)
    group = await chat(rows, alice, bob, carol, state="left", last_at=past, listed_until=now, changed_until=past)
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    await rows.connection.execute("UPDATE chat_members SET listed_until = $1, changed_until = $2", now, past)
    await rows.connection.execute("SET LOCAL session_replication_role = origin")
    statement = "UPDATE chats SET last_at = $2 WHERE id = $1"
    await rows.connection.execute(statement, group, now)
    assert await marks(rows, group) == [(now, True), (now, True), (now, False)]
    later = await rows.now(seconds=1)
    await rows.connection.execute(statement, group, later)
    day_after = await rows.now(days=1, seconds=1)
    assert await marks(rows, group) == [(day_after, True), (day_after, True), (now, False)]
    await rows.connection.execute(statement, group, await rows.now(hours=1))
    assert await marks(rows, group) == [(day_after, True), (day_after, True), (now, False)]
    await rows.ask(None, "place_in_chat", group, carol, "member", "active")
    assert await marks(rows, group) == [(day_after, True)] * 3


@pytest.mark.parametrize("seed", range(8))
async def test_pages_by_marks_are_those_by_messages(rows: Rows, seed: int):
    """Marks are up to a day after the last messages, in any order; some chats are hidden by blocks."""
    random_list = random.Random(seed)
    alice = await rows.user()
    expected = []
    for _ in range(30):
        other, minutes = await rows.user(), random_list.randint(0, 4_000)
        ahead = random_list.randint(0, 1_440)
        columns = {"last_at": await rows.now(minutes=minutes), "listed_until": await rows.now(minutes=minutes + ahead)}
        found = await direct(rows, alice, other, **columns)
        await change(rows, "chat_members", found, alice, listed_until=columns["listed_until"])
        if random_list.random() < 0.2:
            await rows.block(other, alice)
        else:
            expected.append((columns["last_at"], found))
    amount, place = random_list.randint(1, 9), (None, None)
    pages: list[int] = []
    await rows.view_as(alice)
    while found := await rows.table("SELECT chat_page(NULL, NULL, 'active', $1, $2, $3)", *place, amount):
        pages += [chat_id for (chat_id,) in found]
        assert len(found) == amount or len(pages) == len(expected)
        place = await rows.connection.fetchrow("SELECT last_at, id FROM chats WHERE id = $1", pages[-1])
    assert pages == [chat_id for _, chat_id in sorted(expected, reverse=True)]


async def test_a_page_of_history_costs_the_same_everywhere(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob)
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    await rows.connection.execute(
        """INSERT INTO chat_messages (chat_id, seq, sender_id, text)
        SELECT $1, n, $2, 'x' FROM generate_series(1, 20000) n""",
        group, alice,
    )  # fmt: skip
    await rows.connection.execute("UPDATE chats SET last_seq = 20000 WHERE id = $1", group)
    await rows.connection.execute("SET LOCAL session_replication_role = origin")
    await rows.connection.execute("ANALYZE chat_messages")
    await rows.view_as(bob)
    statement = "SELECT * FROM chat_history($1, $2, NULL, NULL, 20)"
    await cost(rows, statement, group, None)  # loads the catalogues
    costs = [(await cost(rows, statement, group, before))[1] for before in (None, 10_000, 21)]
    assert max(costs) <= 1.5 * min(costs)
