"""Members of chats by the database functions alone: opening, adding, leaving, roles, and what others see of marks."""

from typing import Any

import pytest

from tests.storage.functions.rows import Rows
from tests.storage.functions.test_chats import change, chat, direct


async def state(rows: Rows, chat_id: int, user: int) -> tuple[Any, ...] | None:
    statement = "SELECT role, state, first_seq, read_seq FROM chat_members WHERE chat_id = $1 AND user_id = $2"
    found = await rows.table(statement, chat_id, user)
    return found[0] if found else None


async def count(rows: Rows, chat_id: int) -> int:
    [[found]] = await rows.table("SELECT member_count FROM chats WHERE id = $1", chat_id)
    return found


async def opened(rows: Rows, viewer: int, other: int, new_id: int = 99) -> tuple[int | None, str]:
    [row] = await rows.list(viewer, "open_direct_chat", new_id, other)
    return row["chat"], row["outcome"]


# ---------------------------------------------------------------------------------------------- opening


async def test_a_direct_chat_of_users_who_follow_is_open_at_once(rows: Rows):
    before, alice, bob, carol = await rows.users(4)
    await rows.follow(bob, alice)
    await rows.follow(carol, alice, "pending")
    for number, pair in enumerate([(before, bob), (alice, await rows.user())]):
        await opened(rows, *pair, number + 1)  # other chats of the two
    await rows.tie_to_others(alice, bob, carol)
    assert await opened(rows, alice, bob, 7) == (7, "created")
    assert await opened(rows, alice, carol, 8) == (8, "requested")
    assert await opened(rows, alice, bob, 9) == (7, "found")
    assert await opened(rows, bob, alice, 9) == (7, "found")
    assert (await state(rows, 7, bob), await state(rows, 8, carol)) == (
        ("member", "active", 1, 0),
        ("member", "requested", 1, 0),
    )
    assert (await count(rows, 7), await count(rows, 8)) == (2, 1)


async def test_opening_a_request_accepts_it(rows: Rows):
    alice, bob = await rows.users(2)
    chat_id, _ = await opened(rows, alice, bob)
    assert await opened(rows, bob, alice) == (chat_id, "accepted")
    assert await count(rows, 99) == 2


async def test_opening_a_chat_that_was_refused_hides_what_was_refused(rows: Rows):
    alice, bob = await rows.users(2)
    await opened(rows, alice, bob)
    assert await rows.ask(bob, "reject_chat", 99)
    await rows.connection.execute("UPDATE chats SET last_seq = 3 WHERE id = 99")
    assert await opened(rows, alice, bob) == (99, "found")
    assert await state(rows, 99, bob) == ("member", "left", 1, 0)
    assert await opened(rows, bob, alice) == (99, "accepted")
    assert await state(rows, 99, bob) == ("member", "active", 4, 3)


async def test_nobody_opens_a_chat_across_a_block_nor_with_themselves(rows: Rows):
    alice, bob, carol = await rows.users(3)
    gone = await rows.user(status="deleted")
    await rows.block(bob, alice)
    await rows.block(alice, carol)
    for other, outcome in ((bob, "missing"), (carol, "blocked"), (gone, "missing"), (alice, "missing"), (0, "missing")):
        assert await opened(rows, alice, other) == (None, outcome)
    assert await opened(rows, None, bob) == (None, "missing")


async def test_settings_refuse_messages(rows: Rows):
    alice, bob = await rows.users(2)
    columns = {"email": "x", "email_key": "x", "messages_from": "nobody"}
    await rows.add("accounts", user_id=bob, **columns)
    assert await opened(rows, alice, bob) == (None, "refused")
    group = await chat(rows, alice)
    assert await rows.list(alice, "add_to_chat", group, [bob]) == []


# ---------------------------------------------------------------------------------------------- groups


async def test_a_group_belongs_to_the_viewer(rows: Rows):
    alice, bob = await rows.users(2)
    gone = await rows.user(status="deleted")
    await rows.ask(alice, "create_group_chat", 99, "friends")
    assert await rows.table("SELECT kind, title, creator_id FROM chats WHERE id = 99") == [("group", "friends", alice)]
    assert await state(rows, 99, alice) == ("owner", "active", 1, 0)
    assert await state(rows, 99, bob) is None
    for viewer in (gone, None):
        await rows.list(viewer, "create_group_chat", 100, "friends")
    assert await rows.table("SELECT FROM chats WHERE id = 100") == []


async def test_adding_does_not_tell_of_members_with_a_block(rows: Rows):
    alice, blocker, blocked = await rows.users(3)
    group = await chat(rows, alice, blocker, blocked)
    await rows.tie_to_others(alice, blocker, blocked)
    found = await rows.list(alice, "add_to_chat", group, [blocker, blocked])
    assert [row["user_id"] for row in found] == [blocker, blocked]
    await rows.block(blocker, alice)
    await rows.block(alice, blocked)
    assert await rows.list(alice, "add_to_chat", group, [blocker, blocked]) == []


async def test_users_who_follow_are_added_at_once(rows: Rows):
    alice, bob, carol, blocker, blocked, here = await rows.users(6)
    await rows.follow(bob, alice)
    await rows.block(blocker, alice)
    await rows.block(alice, blocked)
    group = await chat(rows, alice, here, last_seq=2)
    found = await rows.list(alice, "add_to_chat", group, [carol, bob, blocker, blocked, here, alice, 0, bob])
    assert [tuple(row) for row in found] == [(bob, "active", True), (carol, "requested", True), (here, "active", False)]
    assert await state(rows, group, bob) == ("member", "active", 3, 2)
    assert await count(rows, group) == 3
    assert await rows.list(here, "add_to_chat", group, [blocked]) == []


async def test_a_user_who_left_sees_what_follows_after_being_added_again(rows: Rows):
    alice, bob = await rows.users(2)
    group = await chat(rows, alice, bob, last_seq=4)
    await rows.ask(bob, "leave_chat", group)
    assert await count(rows, group) == 1
    await rows.list(alice, "add_to_chat", group, [bob])
    assert await state(rows, group, bob) == ("member", "requested", 5, 4)
    assert await rows.ask(bob, "accept_chat", group)
    assert not await rows.ask(bob, "accept_chat", group)
    assert await count(rows, group) == 2


async def test_a_chat_has_a_thousand_members_at_most(rows: Rows):
    alice, bob, carol, left = await rows.users(4)
    group = await chat(rows, alice, left, state="left")
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    await rows.connection.execute(
        """INSERT INTO chat_members (chat_id, user_id, state)
        SELECT $1, 1000000 + n, CASE n % 2 WHEN 0 THEN 'active' ELSE 'requested' END FROM generate_series(1, 998) n""",
        group,
    )
    await rows.connection.execute("SET LOCAL session_replication_role = origin")
    await rows.list(alice, "add_to_chat", group, [bob])
    for other in (carol, left):
        assert await rows.is_refused("SELECT add_to_chat($1, $2)", group, [other])


@pytest.mark.parametrize(
    ("roles", "heir"),
    [(("member", "admin", "member"), 1), (("member", "member"), 0), (("admin", "admin"), 0), ((), None)],
)
async def test_the_heir_of_an_owner_who_leaves(rows: Rows, roles: tuple[str, ...], heir: int | None):
    alice, *others = await rows.users(1 + len(roles))
    group = await chat(rows, alice, *others)
    for number, (user, role) in enumerate(zip(others, roles, strict=True)):
        await change(rows, "chat_members", group, user, role=role, joined_at=await rows.now(seconds=number))
    [row] = await rows.list(alice, "leave_chat", group)
    assert (row["is_done"], row["heir"]) == (True, None if heir is None else others[heir])
    [row] = await rows.list(alice, "leave_chat", group)
    assert (row["is_done"], row["heir"]) == (False, None)
    assert await state(rows, group, alice) == ("member", "left", 1, 0)


async def test_the_heir_of_an_owner_is_an_active_user(rows: Rows):
    alice, bob = await rows.users(2)
    gone = await rows.user(status="deleted")
    group = await chat(rows, alice, gone, bob)
    await change(rows, "chat_members", group, gone, role="admin")
    [row] = await rows.list(alice, "leave_chat", group)
    assert row["heir"] == bob


async def test_the_first_who_accepts_a_group_without_members_owns_it(rows: Rows):
    alice, bob, carol = await rows.users(3)
    group = await chat(rows, alice, bob, state="requested", member_count=1)
    await rows.add("chat_members", chat_id=group, user_id=carol, state="requested")
    await rows.list(alice, "leave_chat", group)
    for user, role in ((bob, "owner"), (carol, "member")):
        assert await rows.ask(user, "accept_chat", group)
        assert await state(rows, group, user) == (role, "active", 1, 0)
    chat_id, _ = await opened(rows, alice, bob)
    await rows.ask(bob, "accept_chat", chat_id)
    assert await state(rows, chat_id, bob) == ("member", "active", 1, 0)


async def test_the_owner_alone_gives_roles(rows: Rows):
    alice, bob, carol, asked = await rows.users(4)
    group = await chat(rows, alice, bob, carol, asked, state="requested")
    assert await rows.ask(alice, "set_chat_role", group, bob, "admin")
    assert not await rows.ask(alice, "set_chat_role", group, bob, "admin")
    assert not await rows.ask(bob, "set_chat_role", group, carol, "admin")
    assert not await rows.ask(alice, "set_chat_role", group, asked, "admin")
    assert not await rows.ask(alice, "set_chat_role", group, alice, "member")
    assert await rows.ask(alice, "set_chat_role", group, carol, "owner")
    found = [(await state(rows, group, user) or ("",))[0] for user in (alice, bob, carol)]
    assert found == ["admin", "admin", "owner"]
    assert not await rows.ask(alice, "set_chat_role", group, bob, "member")


async def test_owners_remove_anybody_and_admins_remove_members(rows: Rows):
    alice, bob, carol, dina = await rows.users(4)
    group = await chat(rows, alice, bob, carol, dina)
    for admin in (bob, carol):
        await change(rows, "chat_members", group, admin, role="admin")
    for actor, target, is_done in (
        (dina, bob, False), (bob, carol, False), (bob, alice, False), (bob, bob, False), (alice, alice, False),
        (bob, dina, True), (bob, dina, False), (alice, carol, True),
    ):  # fmt: skip
        assert await rows.ask(actor, "remove_from_chat", group, target) == is_done, (actor, target)
    assert await count(rows, group) == 2
    assert not await rows.ask(carol, "remove_from_chat", group, bob)


@pytest.mark.parametrize("function", ["accept_chat", "reject_chat"])
async def test_only_a_request_is_accepted_or_rejected(rows: Rows, function: str):
    alice, bob, eve = await rows.users(3)
    group = await chat(rows, alice, bob, state="requested")
    for viewer in (alice, eve, None):
        assert not await rows.ask(viewer, function, group)
    assert await rows.ask(bob, function, group)
    assert not await rows.ask(bob, function, group)


# ---------------------------------------------------------------------------------------------- marks of others


async def marks(rows: Rows, viewer: int, chat_id: int, receipts: int = 9) -> dict[int, int | None]:
    found = await rows.list(viewer, "chat_members_for", chat_id, 0, 99, receipts)
    return {row["user_id"]: row["read_seq"] for row in found}


async def test_marks_are_shown_in_small_chats_between_users_who_hide_nothing(rows: Rows):
    alice, bob, carol, asked = await rows.users(4)
    group = await chat(rows, alice, bob, carol, asked, state="requested", last_seq=5, member_count=3)
    for user in (alice, bob, carol, asked):
        await change(rows, "chat_members", group, user, received_seq=2, read_seq=2)
    assert await marks(rows, alice, group) == {alice: 2, bob: 2, carol: 2, asked: None}
    assert await marks(rows, asked, group) == {alice: None, bob: None, carol: None, asked: 2}
    assert await marks(rows, alice, group, receipts=2) == {alice: 2, bob: None, carol: None, asked: None}
    await rows.mute(alice, bob)
    await rows.block(carol, alice)
    assert await marks(rows, alice, group) == {alice: 2, bob: None, asked: None}
    assert await marks(rows, bob, group) == {alice: 2, bob: 2, carol: 2, asked: None}
    assert await marks(rows, carol, group) == {alice: None, bob: 2, carol: 2, asked: None}
    assert await marks(rows, await rows.user(), group) == {}


async def test_members_are_paged_in_the_order_of_their_ids(rows: Rows):
    people = await rows.users(4)
    group = await chat(rows, *people)
    pages = [await rows.list(people[0], "chat_members_for", group, after, 2, 9) for after in (0, people[1], people[3])]
    assert [[row["user_id"] for row in page] for page in pages] == [people[:2], people[2:], []]


async def test_a_mute_hides_no_marks_in_a_direct_chat(rows: Rows):
    alice, bob = await rows.users(2)
    pair = await direct(rows, alice, bob, last_seq=1)
    await rows.mute(alice, bob)
    assert await marks(rows, alice, pair) == {alice: 0, bob: 0}


async def test_readers_of_a_message(rows: Rows):
    alice, bob, carol, dina, late = await rows.users(5)
    group = await chat(rows, alice, bob, carol, dina, late, last_seq=5, member_count=5)
    for user, read in ((bob, 2), (carol, 3), (dina, 3), (late, 5)):
        statement = "UPDATE chat_members SET read_seq = $3 WHERE chat_id = $1 AND user_id = $2"
        await rows.connection.execute(statement, group, user, read)
    await change(rows, "chat_members", group, late, first_seq=4)

    async def readers(viewer: int, seq: int, receipts: int = 9) -> list[int]:
        return [row["user_id"] for row in await rows.list(viewer, "chat_read_by", group, seq, receipts)]

    assert await readers(alice, 2) == [bob, carol, dina]
    assert await readers(alice, 3) == [carol, dina]
    assert await readers(alice, 5) == [late]
    assert await readers(late, 3) == []
    assert await readers(alice, 3, receipts=4) == []
    await rows.block(alice, dina)
    assert await readers(alice, 3) == [carol]
