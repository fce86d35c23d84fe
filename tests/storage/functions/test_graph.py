"""Follows, blocks, mutes and circles, by the database functions alone."""

import asyncpg
import pytest

from tests.storage.functions.rows import LAST, Rows


async def test_blocks_viewer(rows: Rows):
    alice, bob, carol = await rows.users(3)
    await rows.block(alice, bob)
    assert await rows.ask(bob, "blocks_viewer", alice)
    assert not await rows.ask(alice, "blocks_viewer", bob)
    assert not await rows.ask(carol, "blocks_viewer", alice)
    assert not await rows.ask(bob, "blocks_viewer", carol)


# ---------------------------------------------------------------------------------------------- relations


async def relation(rows: Rows, viewer: int, other: int) -> set[str]:
    """Return what holds between them."""
    [found] = await rows.list(viewer, "relations", [other, other])
    assert found["other_id"] == other
    return {name for name, holds in found.items() if holds is True}


async def test_relations_of_strangers_are_empty(rows: Rows):
    alice, bob, carol = await rows.users(3)
    for pair in ((carol, bob), (bob, carol), (alice, carol), (carol, alice)):
        await rows.follow(*pair)
        await rows.block(*pair)
        await rows.mute(*pair)
    assert await relation(rows, alice, bob) == set()


async def test_relations_know_follows_and_requests(rows: Rows):
    alice, bob, private = await rows.users(3)
    await rows.follow(alice, bob)
    await rows.follow(alice, private, "pending")
    assert await relation(rows, alice, bob) == {"follows"}
    assert await relation(rows, bob, alice) == {"followed_by"}
    assert await relation(rows, alice, private) == {"requested"}
    assert await relation(rows, private, alice) == set()


async def test_relations_know_blocks(rows: Rows):
    alice, bob = await rows.users(2)
    await rows.block(alice, bob)
    assert await relation(rows, alice, bob) == {"blocks"}
    assert await relation(rows, bob, alice) == {"blocked_by"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("all", {"mutes", "mutes_posts"}), ("posts", {"mutes", "mutes_posts"}), ("stories", {"mutes"})],
)
@pytest.mark.parametrize(("seconds", "holds"), [(None, True), (1, True), (0, False), (-1, False)])
async def test_relations_know_mutes_until_they_end(
    rows: Rows, kind: str, expected: set[str], seconds: int | None, holds: bool
):
    alice, bob = await rows.users(2)
    await rows.mute(alice, bob, kind, None if seconds is None else await rows.now(seconds=seconds))
    assert await relation(rows, alice, bob) == (expected if holds else set())
    assert await relation(rows, bob, alice) == set()


# ---------------------------------------------------------------------------------------------- lists


@pytest.mark.parametrize(
    ("is_private", "status", "viewers"),
    [
        (False, "active", "self follower asker stranger blocker"),
        (True, "active", "self follower"),
        (False, "suspended", "self"),
        (True, "deleted", "self"),
    ],
)
async def test_graph_open(rows: Rows, is_private: bool, status: str, viewers: str):
    target = await rows.user(is_private=is_private, status=status)
    people = {"self": target, **await rows.audience(target, "blocker", "blocked")}
    await rows.follow(people["blocked"], target)
    await rows.block(people["blocker"], target)
    await rows.block(target, people["blocked"])
    assert {name for name, user in people.items() if await rows.ask(user, "graph_open", target)} == set(viewers.split())
    assert not await rows.ask(None, "graph_open", target)


async def test_follower_ids_and_following_ids_are_pages_of_active_follows(rows: Rows):
    alice, bob, carol, dina, asker = await rows.users(5)
    follows = [await rows.follow(user, alice) for user in (bob, carol, dina)]
    await rows.follow(asker, alice, "pending")
    assert await pairs(rows, "follower_ids", alice, LAST, 9) == [*zip(follows[::-1], (dina, carol, bob), strict=True)]
    assert await pairs(rows, "follower_ids", alice, LAST, 2) == [(follows[2], dina), (follows[1], carol)]
    assert await pairs(rows, "follower_ids", alice, follows[2], 9) == [(follows[1], carol), (follows[0], bob)]
    followed = [await rows.follow(alice, user) for user in (bob, carol, dina)]
    await rows.follow(alice, asker, "pending")
    assert await pairs(rows, "following_ids", alice, LAST, 9) == [*zip(followed[::-1], (dina, carol, bob), strict=True)]
    assert await pairs(rows, "following_ids", alice, LAST, 2) == [(followed[2], dina), (followed[1], carol)]
    assert await pairs(rows, "following_ids", alice, followed[2], 9) == [(followed[1], carol), (followed[0], bob)]


async def pairs(rows: Rows, function: str, target: int, before: int, amount: int, viewer: int | None = None):
    found = await rows.list(viewer or target, function, target, before, amount)
    return [tuple(each) for each in found]


@pytest.mark.parametrize("function", ["follower_ids", "following_ids"])
async def test_lists_of_a_private_account_are_empty_for_strangers(rows: Rows, function: str):
    private, stranger, other = await rows.user(is_private=True), await rows.user(), await rows.user()
    await rows.follow(other, private)
    await rows.follow(private, other)
    assert len(await pairs(rows, function, private, LAST, 9, viewer=other)) == 1
    assert await pairs(rows, function, private, LAST, 9, viewer=stranger) == []


@pytest.mark.parametrize(
    ("columns", "is_open"), [({}, True), ({"is_private": True}, False), ({"status": "suspended"}, False)]
)
async def test_is_open_now(rows: Rows, columns: dict[str, object], is_open: bool):
    await rows.user(is_private=True)
    alice = await rows.user(**columns)
    await rows.user()
    assert await rows.ask(None, "is_open_now", alice) == is_open
    assert not await rows.ask(None, "is_open_now", 0)


# ---------------------------------------------------------------------------------------------- triggers


async def write_follow(rows: Rows, follower: int, followee: int) -> str | None:
    """Insert a follow with triggers; return its status, or None if they leave it out."""
    await rows.write("follows", id=LAST, follower_id=follower, followee_id=followee, status="active")
    found = await rows.table(
        "SELECT status FROM follows WHERE follower_id = $1 AND followee_id = $2", follower, followee
    )
    return found[0][0] if found else None


async def write_member(rows: Rows, owner: int, user: int) -> bool:
    circle = await rows.circle(owner)
    await rows.write("circle_members", circle_id=circle, owner_id=owner, user_id=user)
    return bool(await rows.table("SELECT FROM circle_members WHERE circle_id = $1", circle))


async def test_tie_allowed_between_users_without_a_block(rows: Rows):
    alice, bob, carol = await rows.users(3)
    for pair in ((carol, bob), (bob, carol), (alice, carol), (carol, alice)):
        await rows.block(*pair)
    assert await write_follow(rows, alice, bob) == "active"
    assert await write_member(rows, alice, bob)


@pytest.mark.parametrize("is_blocked", [True, False])
async def test_tie_allowed_to_nobody_with_a_block(rows: Rows, is_blocked: bool):
    alice, bob = await rows.users(2)
    await rows.block(*((bob, alice) if is_blocked else (alice, bob)))
    assert await write_follow(rows, alice, bob) is None
    assert not await write_member(rows, alice, bob)


@pytest.mark.parametrize("table", ["follows", "circle_members", "blocks"])
async def test_tie_allowed_takes_the_turn_of_the_two_users(rows: Rows, table: str):
    """So that a block and a tie between them run one after the other."""
    alice, bob = await rows.users(2)
    if table == "follows":
        await write_follow(rows, alice, bob)
    elif table == "circle_members":
        await write_member(rows, alice, bob)
    else:
        await rows.write("blocks", blocker_id=alice, blocked_id=bob)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    [(held,)] = await rows.table(locks)
    await rows.ask(None, "take_turn", bob, alice)
    assert await rows.table(locks) == [(held,)]


@pytest.mark.parametrize(
    ("table", "columns", "most"),
    [
        ("follows", "id, status, follower_id, followee_id", 7_500),
        ("blocks", "blocker_id, blocked_id", 10_000),
        ("mutes", "kind, user_id, muted_id", 10_000),
    ],
)
async def test_lists_that_are_read_as_a_whole_are_bounded(rows: Rows, table: str, columns: str, most: int):
    alice, bob, carol, dan = await rows.users(4)
    values = {"follows": "{0}, 'active', ", "blocks": "", "mutes": "'posts', "}[table] + "{1}, {0}"
    others = f"generate_series({LAST - most}, {LAST - 2}) n"  # not users: no key is checked
    add = f"INSERT INTO {table} ({columns}) VALUES ({values})"
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    await rows.connection.execute(f"INSERT INTO {table} ({columns}) SELECT {values.format('n', alice)} FROM {others}")
    await rows.connection.execute("SET LOCAL session_replication_role = origin")
    assert not await rows.is_refused(add.format(bob, alice))
    assert await rows.is_refused(add.format(carol, alice))
    assert not await rows.is_refused(add.format(carol, dan))


async def test_tie_decided_asks_the_privacy_of_the_account(rows: Rows):
    alice, private, other = await rows.user(), await rows.user(is_private=True), await rows.user(is_private=True)
    assert await write_follow(rows, alice, private) == "pending"
    await rows.connection.execute("DELETE FROM follows WHERE id = $1", LAST)
    assert await write_follow(rows, other, alice) == "active"


async def test_tie_to_somebody_writes_no_block_of_a_user_who_does_not_exist(rows: Rows):
    alice, bob = await rows.users(2)
    await rows.view_as(alice)
    await rows.write("blocks", blocker_id=alice, blocked_id=bob)
    await rows.write("blocks", blocker_id=alice, blocked_id=LAST)
    assert await rows.table("SELECT blocked_id FROM blocks WHERE blocker_id = $1", alice) == [(bob,)]


async def test_tie_to_somebody_leaves_rows_of_another_blocker_to_the_policy(rows: Rows):
    """Tests write past the policies, so the foreign key refuses the row here."""
    alice, bob = await rows.users(2)
    await rows.view_as(alice)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with rows.connection.transaction():
            await rows.write("blocks", blocker_id=bob, blocked_id=LAST)


async def test_blocks_sever_all_ties_between_the_two_users(rows: Rows):
    alice, bob, carol = await rows.users(3)
    pairs = [(alice, bob), (bob, alice), (alice, carol), (carol, alice), (bob, carol), (carol, bob)]
    for pair in pairs:
        await rows.follow(*pair)
        await rows.circle(*pair)
    await rows.write("blocks", blocker_id=alice, blocked_id=bob)
    users = [alice, bob, carol]
    follows = "SELECT follower_id, followee_id FROM follows WHERE follower_id = ANY ($1) ORDER BY id"
    assert await rows.table(follows, users) == pairs[2:]
    members = "SELECT owner_id, user_id FROM circle_members WHERE owner_id = ANY ($1) ORDER BY circle_id"
    assert await rows.table(members, users) == pairs[2:]


async def test_follows_counted(rows: Rows):
    alice, bob, carol = await rows.users(3)

    async def counts() -> dict[int, tuple[int, int]]:
        """Return how many they follow and are followed by."""
        found = await rows.table(
            "SELECT id, following_count, follower_count FROM users WHERE id = ANY ($1)", [alice, bob, carol]
        )
        return {user: (following, followers) for user, following, followers in found}

    async def run(statement: str) -> dict[int, tuple[int, int]]:
        await rows.connection.execute(statement, bob, alice)
        return await counts()

    nothing, followed = {alice: (0, 0), bob: (0, 0), carol: (0, 0)}, {alice: (0, 1), bob: (1, 0), carol: (0, 0)}
    mine = "follower_id = $1 AND followee_id = $2"
    assert await write_follow(rows, bob, alice) == "active"
    assert await counts() == followed
    assert await run(f"UPDATE follows SET status = 'active' WHERE {mine}") == followed
    assert await run(f"UPDATE follows SET status = 'pending' WHERE {mine}") == nothing
    assert await run(f"UPDATE follows SET status = 'pending' WHERE {mine}") == nothing
    assert await run(f"UPDATE follows SET status = 'active' WHERE {mine}") == followed
    assert await run(f"DELETE FROM follows WHERE {mine}") == nothing
    await rows.follow(bob, alice, "pending")
    assert await run(f"DELETE FROM follows WHERE {mine}") == nothing
    await rows.connection.execute("UPDATE users SET is_private = true WHERE id = $1", alice)
    assert await write_follow(rows, bob, alice) == "pending"
    assert await counts() == nothing


# ---------------------------------------------------------------------------------------------- may_tell_of_graph


FOLLOW = "graph.follow_changed"


@pytest.mark.parametrize(
    ("status", "change", "follower_may", "followee_may"),
    [
        ("active", "started", True, False),
        ("active", "accepted", False, True),
        ("active", "requested", False, False),
        ("active", "ended", False, False),
        ("pending", "requested", True, False),
        ("pending", "started", False, False),
        ("pending", "accepted", False, False),
        (None, "ended", True, True),
        (None, "started", False, False),
        (None, "requested", False, False),
    ],
)
async def test_may_tell_of_graph_as_the_follow_is(
    rows: Rows, status: str | None, change: str, follower_may: bool, followee_may: bool
):
    alice, bob, carol = await rows.users(3)
    await rows.follow(alice, carol)
    await rows.follow(carol, bob)
    if status is not None:
        await rows.follow(alice, bob, status)

    async def may(viewer: int | None, key: int = bob) -> bool:
        pair = {"follower_id": alice, "followee_id": bob}
        return await rows.may_tell(viewer, "may_tell_of_graph", FOLLOW, key, change=change, **pair)

    assert await may(alice) == follower_may
    assert await may(bob) == followee_may
    assert not await may(carol)
    assert not await may(alice, key=alice)
    assert not await may(bob, key=alice)


@pytest.mark.parametrize(("topic", "is_blocked"), [("graph.blocked", True), ("graph.unblocked", False)])
async def test_may_tell_of_graph_as_the_block_is(rows: Rows, topic: str, is_blocked: bool):
    alice, bob, carol = await rows.users(3)
    for pair in ((bob, alice), (carol, bob), (alice, bob if is_blocked else carol)):
        await rows.block(*pair)

    async def may(viewer: int, key: int = bob, *, other: str = topic) -> bool:
        return await rows.may_tell(viewer, "may_tell_of_graph", other, key, blocker_id=alice, blocked_id=bob)

    assert await may(alice)
    assert not await may(bob)
    assert not await may(alice, key=alice)
    assert not await may(alice, other="graph.unblocked" if is_blocked else "graph.blocked")
    assert not await may(alice, other="graph.liked")


@pytest.mark.parametrize(
    ("topic", "names"), [("graph.mute_changed", "user_id muted_id"), ("graph.access_narrowed", "owner_id")]
)
async def test_may_tell_of_graph_what_the_viewer_did(rows: Rows, topic: str, names: str):
    alice, bob = await rows.users(2)
    event = dict(zip(names.split(), (alice, bob), strict=False))
    key = list(event.values())[-1]
    assert await rows.may_tell(alice, "may_tell_of_graph", topic, key, **event)
    for other_key in (key, bob):
        assert not await rows.may_tell(bob, "may_tell_of_graph", topic, other_key, **event)
    assert not await rows.may_tell(alice, "may_tell_of_graph", topic, 0, **event)
