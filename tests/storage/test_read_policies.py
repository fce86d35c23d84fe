"""Row policies for reads, tested alone: SQL with the application's role."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from storage.schema import APP_ROLE
from storage.snowflakes import EPOCH_MS
from tests.cluster import Cluster

AUDIENCES = ("circle", "followers", "private", "public")
VIEWERS = ("author", "follower", "asker", "member", "stranger", "blocker", "blocked")
# These are strangers to the author; "foe" is blocked by the host, "hater" blocks the host.
WROTE = ("stranger", "host")  # comments and reactions on each post
IN_ROOMS = ("host", "cohost", "speaker", "listener", "invited", "banned", "foe", "hater")
ids = itertools.count((time.time_ns() // 1_000_000 - EPOCH_MS - 3_600_000) << 22)  # an hour old: no worker deletes them


class World:
    """An author with a post and a live room for each audience, and viewers with each relation to the author."""

    def __init__(self, cluster: Cluster, people: dict[str, int], posts: dict[str, int], rooms: dict[str, int]) -> None:
        self._cluster = cluster
        self.people = people
        self.posts = posts
        self.rooms = rooms

    async def rows(self, viewer: str, statement: str, *arguments: object) -> list[object]:
        """Return the first column that the viewer reads; "" is no viewer."""
        connection = await self._cluster.as_app(self.people.get(viewer, ""))
        try:
            return sorted(row[0] for row in await connection.fetch(statement, *arguments))
        finally:
            await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=[False, True], ids=["open", "private"])
async def world(cluster: Cluster, request: pytest.FixtureRequest):
    names = {role: cluster.unique(role) for role in (*VIEWERS, *IN_ROOMS)}
    await cluster.tokens(list(names.values()))
    owner = await cluster.owner()
    people = {
        role: await owner.fetchval("SELECT id FROM users WHERE username = $1", name) for role, name in names.items()
    }
    author, circle = people["author"], next(ids)
    await owner.execute("UPDATE users SET is_private = $2 WHERE id = $1", author, request.param)
    active = [(people[role], author) for role in ("follower", "member", "blocker", "blocked")]
    active.append((author, people["stranger"]))
    # Without the triggers, which set the status and end follows at a block: a block alone must hide too.
    async with without_triggers(owner, "follows"):
        await owner.executemany(
            "INSERT INTO follows (id, follower_id, followee_id, status) VALUES ($1, $2, $3, $4)",
            [*((next(ids), *pair, "active") for pair in active), (next(ids), people["asker"], author, "pending")],
        )
    await owner.execute("INSERT INTO circles (id, owner_id, name) VALUES ($1, $2, 'c')", circle, author)
    member = "INSERT INTO circle_members (circle_id, owner_id, user_id) VALUES ($1, $2, $3)"
    await owner.execute(member, circle, author, people["member"])
    posts = {audience: next(ids) for audience in AUDIENCES}
    for audience, post_id in posts.items():
        await owner.execute(
            """INSERT INTO posts (id, author_id, text, visibility, circle_id, reply_policy)
            VALUES ($1, $2, 'x', $3, $4, 'everyone')""",
            post_id, author, audience, circle if audience == "circle" else None,
        )  # fmt: skip
        mention = "INSERT INTO post_mentions (post_id, author_id, user_id) VALUES ($1, $2, $3)"
        await owner.execute(mention, post_id, author, people["stranger"])
        await add_file(owner, author, "post", post_id)
        for role in WROTE:
            await comment_on(owner, post_id, people[role])
    answer = "INSERT INTO idempotency (user_id, method, key, request_hash, answer) VALUES ($1, 'm', 'k', 'h', 'a')"
    await owner.execute(answer, author)
    await owner.execute(
        """INSERT INTO push_devices (id, user_id, kind, token)
        SELECT $1, user_id, 'email', email FROM accounts WHERE user_id = $2""",
        next(ids), author,
    )  # fmt: skip
    await owner.execute("INSERT INTO views (post_id, user_id) VALUES ($1, $2)", posts["public"], author)
    hide = "INSERT INTO feed_hides (user_id, post_id, author_id, reason, topics) VALUES ($1, $2, $1, 'spam', '{}')"
    await owner.execute(hide, author, posts["public"])
    preferences = "INSERT INTO notification_preferences (user_id) VALUES ($1)"
    await owner.execute(preferences, author)
    dismissal = "INSERT INTO dismissed_people (user_id, dismissed_id) VALUES ($1, $2)"
    await owner.execute(dismissal, author, people["stranger"])
    notification = """INSERT INTO notifications (id, user_id, kind, target_type, target_id, place)
        VALUES ($1, $2, 'system', 'user', $2, 'list')"""
    await owner.execute(notification, next(ids), author)
    message, of_message = next(ids), next(ids)
    await owner.execute("INSERT INTO system_messages (id, text, user_id) VALUES ($1, 'x', $2)", message, author)
    await owner.execute(
        """INSERT INTO notifications (id, user_id, kind, target_type, target_id, place)
        VALUES ($1, $2, 'system', 'system_message', $3, 'list')""",
        of_message, author, message,
    )  # fmt: skip
    await owner.execute(
        """INSERT INTO notification_causes (user_id, kind, target_type, target_id, actor_id, event_id, notification_id)
        VALUES ($1, 'system', 'system_message', $2, 0, 1, $3)""",
        author, message, of_message,
    )  # fmt: skip
    await owner.execute("INSERT INTO collections (id, owner_id, name) VALUES ($1, $2, 'c')", next(ids), author)
    recent = "INSERT INTO recent_searches (user_id, folded, q) VALUES ($1, 'x', 'x')"
    await owner.execute(recent, author)
    await owner.execute(
        "INSERT INTO consents (id, user_id, purpose, version) VALUES ($1, $2, 'terms', '1')", next(ids), author
    )
    save = "INSERT INTO saves (id, user_id, post_id) VALUES ($1, $2, $3)"
    await owner.execute(save, next(ids), author, posts["public"])
    mute = "INSERT INTO mutes (user_id, muted_id, kind) VALUES ($1, $2, 'posts')"
    await owner.execute(mute, people["follower"], author)
    async with without_triggers(owner, "blocks"):
        pairs = (("blocker", "author"), ("author", "blocked"), ("host", "foe"), ("hater", "host"))
        block = "INSERT INTO blocks (blocker_id, blocked_id) VALUES ($1, $2)"
        await owner.executemany(block, [(people[one], people[other]) for one, other in pairs])
    rooms = {audience: await open_room(owner, people, audience, circle) for audience in AUDIENCES}
    yield World(cluster, people, posts, rooms), request.param
    await owner.close()


async def add_file(owner, owner_id: int, target_type: str | None, target_id: int | None, seq: int | None = None) -> int:
    """Write the row of a file with that use, or without one."""
    file_id = next(ids)
    await owner.execute(
        """INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, object_key, target_type,
                              target_id, target_seq, position)
        VALUES ($1, $2, 'image', 'ready', 'image/png', 'x', 9, 'private/' || $1::bigint || '/', $3::text, $4, $5,
                CASE WHEN $3 IS NOT NULL THEN 0 END)""",
        file_id, owner_id, target_type, target_id, seq,
    )  # fmt: skip
    return file_id


async def comment_on(owner, post_id: int, user_id: int) -> None:
    """Let the user comment on the post and react to it. A second comment is deleted."""
    comment = "INSERT INTO comments (id, post_id, author_id, text, status) VALUES ($1, $2, $3, 'x', $4)"
    for status in ("published", "deleted"):
        await owner.execute(comment, next(ids), post_id, user_id, status)
    reaction = "INSERT INTO reactions (target_type, target_id, user_id, kind, id) VALUES ('post', $1, $2, 'like', $3)"
    await owner.execute(reaction, post_id, user_id, next(ids))


@asynccontextmanager
async def without_triggers(owner, table: str) -> AsyncIterator[None]:
    async with owner.transaction():
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def open_room(owner, people: dict[str, int], audience: str, circle: int) -> int:
    """Create a room of the author, now with another host, and a row in each table."""
    room_id = next(ids)
    await owner.execute(
        """INSERT INTO rooms (id, owner_id, host_id, topic, state, visibility, circle_id, capacity)
        VALUES ($1, $2, $3, 'x', 'live', $4, $5, 10)""",
        room_id, people["author"], people["host"], audience, circle if audience == "circle" else None,
    )  # fmt: skip
    for role in ("cohost", "speaker", "listener"):
        statement = "INSERT INTO room_roles (room_id, user_id, role) VALUES ($1, $2, $3)"
        await owner.execute(statement, room_id, people[role], role)
    async with without_triggers(owner, "room_invitations"):
        for guest in ("invited", "foe", "hater"):
            statement = "INSERT INTO room_invitations (room_id, user_id, inviter_id) VALUES ($1, $2, $3)"
            await owner.execute(statement, room_id, people[guest], people["cohost"])
    statement = "INSERT INTO room_bans (room_id, user_id, actor_id) VALUES ($1, $2, $3)"
    await owner.execute(statement, room_id, people["banned"], people["cohost"])
    await owner.execute("INSERT INTO room_turns (room_id, user_id) VALUES ($1, $2)", room_id, people["speaker"])
    statement = "INSERT INTO room_messages (id, room_id, sender_id, text) VALUES ($1, $2, $3, 'x')"
    await owner.execute(statement, next(ids), room_id, people["host"])
    await owner.execute("INSERT INTO room_digests (room_id, body) VALUES ($1, '')", room_id)
    return room_id


SEES = {
    "author": {"circle", "followers", "private", "public"},
    "follower": {"followers", "public"},
    "member": {"circle", "followers", "public"},
    "asker": {"public"},
    "stranger": {"public"},
    "blocker": set(),
    "blocked": set(),
    "": set(),
}


@pytest.mark.parametrize("viewer", SEES)
async def test_posts(world, viewer):
    shown, is_private = world
    expected = SEES[viewer] - ({"public"} if is_private and viewer in ("asker", "stranger") else set())
    mine = [*shown.posts.values()]
    assert await shown.rows(viewer, "SELECT visibility FROM posts WHERE id = ANY ($1)", mine) == sorted(expected)


@pytest.mark.parametrize("viewer", SEES)
async def test_files_of_posts(world, viewer):
    """Who sees the post sees its files; authors see all of theirs."""
    shown, is_private = world
    expected = SEES[viewer] - ({"public"} if is_private and viewer in ("asker", "stranger") else set())
    posts = sorted(shown.posts[audience] for audience in expected)
    mine = [*shown.posts.values()]
    statement = "SELECT target_id FROM media WHERE target_type = 'post' AND target_id = ANY ($1)"
    assert await shown.rows(viewer, statement, mine) == posts
    assert await shown.rows(viewer, "SELECT target_id FROM media_of('post', $1)", mine) == posts


async def test_files_of_other_uses(world, cluster: Cluster):
    """Of comments, rooms, messages and accounts; one that nothing uses is its owner's. Recordings are as their room."""
    shown, is_private = world
    owner = await cluster.owner()
    people = shown.people
    public = ("author", "follower", "member", *(() if is_private else ("asker", "stranger")))
    room = await open_room(owner, people, "followers", 0)
    group, direct = await open_chats(owner, people)
    comment = next(ids)
    await owner.execute(
        "INSERT INTO comments (id, post_id, author_id, text) VALUES ($1, $2, $3, 'x')",
        comment, shown.posts["public"], people["stranger"],
    )  # fmt: skip
    files = {
        await add_file(owner, people["stranger"], "comment", comment): {*public, "stranger"},
        await add_file(owner, people["host"], "room", room): {"author", "follower", "member"},
        await add_file(owner, people["author"], "message", group, 1): {"author", "asker"},
        await add_file(owner, people["author"], "message", group, 2): {"author", "asker", "follower"},
        await add_file(owner, people["author"], "message", direct, 2): {"author"},
        await add_file(owner, people["author"], "user", people["author"]): {*VIEWERS} - {"blocked"},
        await add_file(owner, people["author"], None, None): {"author"},
    }
    for file_id, seen_by in files.items():
        found = {
            name for name in (*VIEWERS, "") if await shown.rows(name, "SELECT id FROM media WHERE id = $1", file_id)
        }
        assert found == seen_by, await owner.fetchval("SELECT target_type FROM media WHERE id = $1", file_id)
    await owner.execute(
        """INSERT INTO room_recordings (id, room_id, started_by, object_key)
        VALUES ($1, $2, $3, 'private/' || $1::bigint || '/0123456789abcdefghij/')""",
        next(ids), room, people["host"],
    )  # fmt: skip
    statement = "SELECT id FROM room_recordings WHERE room_id = $1"
    assert {name for name in (*VIEWERS, "") if await shown.rows(name, statement, room)} == {
        "author", "follower", "member"
    }  # fmt: skip
    await owner.execute("DELETE FROM media WHERE id = ANY ($1)", [*files])
    await owner.execute("DELETE FROM comments WHERE id = $1", comment)
    for table in ("chat_hidden", "chat_reactions", "chat_edits", "chat_messages", "chat_reads", "chat_members"):
        await owner.execute(f"DELETE FROM {table} WHERE chat_id IN ($1, $2)", group, direct)
    await owner.execute("DELETE FROM chats WHERE id IN ($1, $2)", group, direct)
    await owner.execute("DELETE FROM rooms WHERE id = $1", room)
    await owner.close()


@pytest.mark.parametrize("viewer", [*SEES, *WROTE, "foe", "hater"])
async def test_comments_and_reactions_on_posts(world, viewer):
    """A block with their author, in either direction, hides them. Users see their own reactions to hidden posts too."""
    shown, is_private = world
    audiences = SEES.get(viewer, {"public"})
    if is_private and audiences == {"public"}:
        audiences = set()
    posts = [shown.posts[audience] for audience in audiences]
    authors = {shown.people["stranger"]} | ({shown.people["host"]} if viewer not in ("foe", "hater") else set())
    me, mine = shown.people.get(viewer, 0), [*shown.posts.values()]
    expected = sorted(f"{post} {author}" for post in posts for author in authors)
    statement = "SELECT post_id || ' ' || author_id FROM comments WHERE post_id = ANY ($1)"
    assert await shown.rows(viewer, statement, mine) == expected
    own = {f"{post} {me}" for post in mine} if viewer in WROTE else set()
    statement = "SELECT target_id || ' ' || user_id FROM reactions WHERE target_id = ANY ($1)"
    assert await shown.rows(viewer, statement, mine) == sorted({*expected} | own)


@pytest.mark.parametrize("viewer", SEES)
async def test_the_author_of_posts(world, viewer):
    shown, _ = world
    author = shown.people["author"]
    expected = [] if viewer in ("blocked", "") else [author]  # blockers still see the account that they block
    assert await shown.rows(viewer, "SELECT id FROM users WHERE id = $1", author) == expected


@pytest.mark.parametrize("status", ["suspended", "deleted"])
async def test_an_inactive_account_is_visible_only_to_itself(world, cluster: Cluster, status):
    shown, _ = world
    who = shown.people["stranger"]
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET status = $2 WHERE id = $1", who, status)
    try:
        for viewer in ("author", "follower", "stranger"):
            expected = [who] if viewer == "stranger" else []
            assert await shown.rows(viewer, "SELECT id FROM users WHERE id = $1", who) == expected, viewer
    finally:
        await owner.execute("UPDATE users SET status = 'active' WHERE id = $1", who)
        await owner.close()


# Table → condition of its rows about the author, and how many each viewer sees.
PRIVATE = {
    "follows": ("$1 IN (follower_id, followee_id)", {"author": 6, **dict.fromkeys(VIEWERS[1:], 1)}),
    "blocks": ("$1 IN (blocker_id, blocked_id)", {"author": 1, "blocker": 1}),
    "mutes": ("muted_id = $1", {"follower": 1}),
    "circles": ("owner_id = $1", {"author": 1}),
    "circle_members": ("owner_id = $1", {"author": 1}),
    "collections": ("owner_id = $1", {"author": 1}),
    "saves": ("user_id = $1", {"author": 1}),
    "views": ("user_id = $1", {"author": 1}),
    "feed_hides": ("user_id = $1", {"author": 1}),
    "post_mentions": ("author_id = $1", {"author": 4, "stranger": 4}),
    "accounts": ("user_id = $1", {"author": 1}),
    "sessions": ("user_id = $1", {"author": 1}),
    "consents": ("user_id = $1", {"author": 1}),
    "push_devices": ("user_id = $1", {"author": 1}),
    "idempotency": ("user_id = $1", {"author": 1}),
    "dismissed_people": ("user_id = $1", {"author": 1}),
    "notifications": ("user_id = $1", {"author": 2}),
    "notification_preferences": ("user_id = $1", {"author": 1}),
    "system_messages": ("$1::bigint > 0", {"author": 1}),
    "recent_searches": ("user_id = $1", {"author": 1}),
    "media_usage": ("user_id = $1", {"author": 1}),
}
# Tables whose reads have tests of their own here.
OTHERS = {
    "users", "posts", "media", "comments", "reactions", "rooms", "room_messages", "room_digests", "room_turns",
    "room_recordings", "room_roles", "room_bans", "room_invitations", "chats", "chat_members", "chat_messages",
    "chat_edits", "chat_reactions", "chat_hidden", "cases", "case_acts", "reports",
    "decisions", "statements", "rulebook", "rules", "term_lists", "terms",
    "rule_hits", "appeals",
}  # fmt: skip


async def test_the_reads_of_every_table_are_tested(cluster: Cluster):
    owner = await cluster.owner()
    readable = await owner.fetch(
        """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
        AND NOT relispartition
          AND relname NOT IN ('alembic_version', 'schema_versions') AND has_any_column_privilege($1, oid, 'SELECT')""",
        APP_ROLE,
    )
    await owner.close()
    assert {row["relname"] for row in readable} == PRIVATE.keys() | OTHERS, (
        "test who may read the table: add it to PRIVATE, or write a test in this file and add it to OTHERS"
    )


@pytest.mark.parametrize("table", PRIVATE)
async def test_rows_between_users_are_visible_only_to_them(world, table):
    shown, _ = world
    condition, seen = PRIVATE[table]
    counts = {
        viewer: (await shown.rows(viewer, f"SELECT count(*) FROM {table} WHERE {condition}", shown.people["author"]))[0]
        for viewer in (*VIEWERS, "")
    }
    assert {viewer: count for viewer, count in counts.items() if count} == seen


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize(
    ("function", "of_author"),
    [("follower_ids", ("follower", "member", "blocker", "blocked")), ("following_ids", ("stranger",))],
)
async def test_lists_of_followers_are_visible_if_the_account_is(world, viewer, function, of_author):
    """Pending requests are in no list."""
    shown, is_private = world
    may = viewer in ("author", "follower", "member", "blocker") or (viewer in ("asker", "stranger") and not is_private)
    expected = sorted(shown.people[role] for role in of_author) if may else []
    statement = f"SELECT user_id FROM {function}($1, 9223372036854775807, 100)"
    assert await shown.rows(viewer, statement, shown.people["author"]) == expected


async def test_lists_of_followers_continue_after_a_page(world):
    shown, _ = world
    statement = "SELECT follow_id FROM follower_ids($1, $2, $3)"
    everybody = await shown.rows("author", statement, shown.people["author"], 2**63 - 1, 100)
    assert await shown.rows("author", statement, shown.people["author"], 2**63 - 1, 2) == everybody[-2:]
    assert await shown.rows("author", statement, shown.people["author"], everybody[-2], 100) == everybody[:-2]


@pytest.mark.parametrize(
    ("viewer", "expected"),
    [
        ("follower", {"follows", "mutes", "mutes_posts"}),
        ("member", {"follows"}),
        ("asker", {"requested"}),
        ("stranger", {"followed_by"}),
        ("blocker", {"follows", "blocks"}),
        ("blocked", {"follows", "blocked_by"}),
    ],
)
async def test_relations_between_viewer_and_author(world, cluster: Cluster, viewer, expected):
    shown, _ = world
    connection = await cluster.as_app(shown.people[viewer])
    [row] = await connection.fetch("SELECT * FROM relations(ARRAY[$1::bigint])", shown.people["author"])
    await connection.close()
    assert {name for name, value in row.items() if value is True} == expected


async def test_the_feed_is_rebuilt_only_from_visible_posts(world):
    shown, _ = world
    statement = "SELECT id FROM inbox_post_ids(100) AS id"
    posts = shown.posts
    assert await shown.rows("follower", statement) == sorted([posts["followers"], posts["public"]])
    assert await shown.rows("member", statement) == sorted([posts["circle"], posts["followers"], posts["public"]])
    assert await shown.rows("asker", statement) == []
    assert await shown.rows("stranger", statement) == sorted(
        posts.values()
    )  # the stranger is mentioned in all posts, so the function returns all ids


EVERY = set(AUDIENCES)
SEES_ROOMS = {
    **SEES,
    "author": EVERY,
    "host": EVERY,
    "cohost": EVERY,
    "speaker": EVERY,
    "invited": EVERY,
    "listener": {"public"},
    "banned": {"public"},
    "foe": set(),
    "hater": set(),
}


@pytest.mark.parametrize("viewer", SEES_ROOMS)
async def test_rooms_and_their_rows(world, viewer):
    """A block with the owner or the host, in either direction, overrides an invitation."""
    shown, is_private = world
    expected = SEES_ROOMS[viewer]
    if is_private and viewer in ("asker", "stranger", "listener", "banned"):
        expected = set()
    mine = [*shown.rooms.values()]
    assert await shown.rows(viewer, "SELECT visibility FROM rooms WHERE id = ANY ($1)", mine) == sorted(expected)
    seen = sorted(shown.rooms[audience] for audience in expected)
    for table in ("room_messages", "room_digests"):
        assert await shown.rows(viewer, f"SELECT room_id FROM {table} WHERE room_id = ANY ($1)", mine) == seen, table
    turns = sorted(mine) if viewer == "speaker" else seen
    assert await shown.rows(viewer, "SELECT room_id FROM room_turns WHERE room_id = ANY ($1)", mine) == turns
    roles = await shown.rows(viewer, "SELECT DISTINCT room_id FROM room_roles WHERE room_id = ANY ($1)", mine)
    assert roles == seen


@pytest.mark.parametrize("viewer", SEES_ROOMS)
async def test_bans_and_invitations_are_visible_to_their_user_and_moderators(world, viewer):
    shown, _ = world
    in_rooms = "WHERE room_id = ANY ($1)"
    mine = [*shown.rooms.values()]
    [bans] = await shown.rows(viewer, f"SELECT count(*) FROM room_bans {in_rooms}", mine)
    assert bans == (len(mine) if viewer in ("host", "cohost", "banned") else 0)
    [invitations] = await shown.rows(viewer, f"SELECT count(*) FROM room_invitations {in_rooms}", mine)
    of_each = {"host": 3, "cohost": 3, "invited": 1, "foe": 1, "hater": 1}.get(viewer, 0)
    assert invitations == len(mine) * of_each


# What each viewer reads of a group and of a direct chat between two users with a block: (table, rows of the group).
# The follower joined after the first message.
IN_CHATS = {
    "chats": {"author": 1, "follower": 1, "asker": 1},
    "chat_members": {"author": 1, "follower": 1, "asker": 1, "stranger": 1},
    "chat_messages": {"author": 2, "follower": 1, "asker": 2},
    "chat_edits": {"author": 2, "follower": 1, "asker": 2},
    "chat_reactions": {"follower": 1},
    "chat_hidden": {"follower": 1},
}


async def open_chats(owner, people: dict[str, int]) -> tuple[int, int]:
    """Write a group of the author, and a direct chat of the author and a user whom the author blocks."""
    group, direct = next(ids), next(ids)
    author, follower, blocked = (people[name] for name in ("author", "follower", "blocked"))
    await owner.execute("INSERT INTO chats (id, kind, creator_id, last_seq) VALUES ($1, 'group', $2, 2)", group, author)
    await owner.execute(
        """INSERT INTO chats (id, kind, creator_id, low_id, high_id, last_seq)
        VALUES ($1, 'direct', $2, least($2::bigint, $3), greatest($2, $3), 2)""",
        direct, author, blocked,
    )  # fmt: skip
    members = [
        (group, author, "active", 1), (group, follower, "active", 2), (group, people["asker"], "requested", 1),
        (group, people["stranger"], "left", 1), (direct, author, "active", 1), (direct, blocked, "active", 1),
    ]  # fmt: skip
    member = "INSERT INTO chat_members (chat_id, user_id, state, first_seq) VALUES ($1, $2, $3, $4)"
    await owner.executemany(member, members)
    for chat_id, seq in itertools.product((group, direct), (1, 2)):
        message = "INSERT INTO chat_messages (chat_id, seq, sender_id, text) VALUES ($1, $2, $3, 'x')"
        await owner.execute(message, chat_id, seq, author)
        edit = "INSERT INTO chat_edits (chat_id, seq, number, text, written_at) VALUES ($1, $2, 1, 'y', now())"
        await owner.execute(edit, chat_id, seq)
    reaction = "INSERT INTO chat_reactions (chat_id, seq, user_id, emoji) VALUES ($1, 2, $2, 'x')"
    await owner.execute(reaction, group, follower)
    await owner.execute("INSERT INTO chat_hidden (chat_id, seq, user_id) VALUES ($1, 2, $2)", group, follower)
    return group, direct


async def test_chats_are_visible_to_their_members(world, cluster: Cluster):
    shown, _ = world
    owner = await cluster.owner()
    group, direct = await open_chats(owner, shown.people)
    for table, seen in IN_CHATS.items():
        statement = f"SELECT count(*) FROM {table} WHERE {'id' if table == 'chats' else 'chat_id'} = $1"
        for viewer in (*VIEWERS, ""):
            assert await shown.rows(viewer, statement, group) == [seen.get(viewer, 0)], (table, viewer)
            # A block hides the chat; what remains is the row of one's own membership.
            own = int(table == "chat_members" and viewer in ("author", "blocked"))
            assert await shown.rows(viewer, statement, direct) == [own], (table, viewer)
    for table in ("chat_hidden", "chat_reactions", "chat_edits", "chat_messages", "chat_reads", "chat_members"):
        await owner.execute(f"DELETE FROM {table} WHERE chat_id IN ($1, $2)", group, direct)
    await owner.execute("DELETE FROM chats WHERE id IN ($1, $2)", group, direct)
    await owner.close()


async def test_cases_are_visible_to_moderators_and_reports_also_to_their_reporter(world, cluster: Cluster):
    shown, _ = world
    owner = await cluster.owner()
    people = shown.people
    case_id = next(ids)
    await owner.execute(
        """INSERT INTO cases (id, target_type, target_id, owner_id, source, reason, severity, snapshot, content_hash,
                              is_private)
        VALUES ($1, 'post', $2, $3, 'report', 'spam', 0, '{}', '', false)""",
        case_id, shown.posts["public"], people["author"],
    )  # fmt: skip
    await owner.execute("INSERT INTO case_acts (id, case_id, kind) VALUES ($1, $2, 'opened')", next(ids), case_id)
    report = "INSERT INTO reports (id, case_id, reporter_id, reason, weight) VALUES ($1, $2, $3, 'spam', 0.5)"
    await owner.execute(report, next(ids), case_id, people["follower"])
    try:
        for role, sees in (("user", set()), ("creator", set()), ("moderator", {"asker"}), ("admin", {"asker"})):
            await owner.execute("UPDATE users SET role = $2 WHERE id = $1", people["asker"], role)
            for table, always in (("cases", set()), ("case_acts", set()), ("reports", {"follower"})):
                column = "id" if table == "cases" else "case_id"
                statement = f"SELECT {column} FROM {table} WHERE {column} = $1"
                found = {name for name in (*VIEWERS, "") if await shown.rows(name, statement, case_id)}
                assert found == sees | always, (table, role)
    finally:
        await owner.execute("UPDATE users SET role = 'user' WHERE id = $1", people["asker"])
        for table in ("reports", "case_acts"):
            await owner.execute(f"DELETE FROM {table} WHERE case_id = $1", case_id)
        await owner.execute("DELETE FROM cases WHERE id = $1", case_id)
        await owner.close()


async def test_decisions_are_visible_to_moderators_and_appeals_also_to_their_user(world, cluster: Cluster):
    shown, _ = world
    owner = await cluster.owner()
    people, decision = shown.people, next(ids)
    await owner.execute(
        """INSERT INTO decisions (id, target_type, target_id, user_id, action, reason)
        VALUES ($1, 'user', $2, $2, 'warn', 'spam')""",
        decision, people["author"],
    )  # fmt: skip
    await owner.execute(
        """INSERT INTO statements (decision_id, user_id, decision_ground, facts, category, content_type, source,
                                   automated_detection, automated_decision, language)
        VALUES ($1, $2, 'x', 'x', 'x', 'x', 'x', false, false, 'en')""",
        decision, people["author"],
    )  # fmt: skip
    case_id = next(ids)
    await owner.execute(
        """INSERT INTO cases (id, target_type, target_id, owner_id, source, reason, severity, snapshot, content_hash,
                              is_private)
        VALUES ($1, 'user', $2, $2, 'appeal', 'spam', 0, '{}', '', false)""",
        case_id, people["author"],
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO appeals (id, decision_id, user_id, text, case_id, due_at) VALUES ($1, $1, $2, 'x', $3, now())",
        decision, people["author"], case_id,
    )  # fmt: skip
    reads = (("decisions", "id", set()), ("statements", "decision_id", set()), ("appeals", "decision_id", {"author"}))
    try:
        for role, sees in (("user", set()), ("moderator", {"asker"}), ("admin", {"asker"})):
            await owner.execute("UPDATE users SET role = $2 WHERE id = $1", people["asker"], role)
            for table, column, always in reads:
                statement = f"SELECT {column} FROM {table} WHERE {column} = $1"
                found = {name for name in (*VIEWERS, "") if await shown.rows(name, statement, decision)}
                assert found == sees | always, (table, role)
    finally:
        await owner.execute("UPDATE users SET role = 'user' WHERE id = $1", people["asker"])
        await owner.execute("DELETE FROM appeals WHERE id = $1", decision)
        await owner.execute("DELETE FROM cases WHERE id = $1", case_id)
        await owner.execute("DELETE FROM statements WHERE decision_id = $1", decision)
        await owner.execute("DELETE FROM decisions WHERE id = $1", decision)
        await owner.close()


async def test_rules_are_visible_to_moderators_and_to_processes(world, cluster: Cluster):
    shown, _ = world
    owner = await cluster.owner()
    asker, rule_id = shown.people["asker"], next(ids)
    await owner.execute(
        """INSERT INTO rules (id, version, name, surfaces, expression, outcome, reason, message, saved_by)
        VALUES ($1, 1, 'x', '{room}', 'false', 'hold', 'spam', '', $2)""",
        rule_id, asker,
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO term_lists (id, name, match, version, saved_by) VALUES ($1, $2, 'word', 1, $3)",
        rule_id, f"list_{rule_id}", asker,
    )  # fmt: skip
    await owner.execute("INSERT INTO terms (list_id, term, since) VALUES ($1, 'x', 1)", rule_id)
    await owner.execute(
        """INSERT INTO rule_hits (id, rule_id, rule_version, surface, outcome, user_id)
        VALUES (mint_id(), $1, 1, 'post', 'hold', $2)""",
        rule_id, asker,
    )  # fmt: skip
    keys = {"rulebook": "$1::bigint", "rules": "id", "term_lists": "id", "terms": "list_id", "rule_hits": "rule_id"}
    try:
        for role, sees in (("user", set()), ("moderator", {"asker"}), ("admin", {"asker"})):
            await owner.execute("UPDATE users SET role = $2 WHERE id = $1", asker, role)
            for table, key in keys.items():
                statement = f"SELECT {key} FROM {table} WHERE {key} = $1"
                found = {name for name in (*VIEWERS, "") if await shown.rows(name, statement, rule_id)}
                assert found == (sees if table == "rule_hits" else sees | {""}), (table, role)
    finally:
        await owner.execute("UPDATE users SET role = 'user' WHERE id = $1", asker)
        for table in ("rule_hits", "terms", "term_lists", "rules"):
            await owner.execute(f"DELETE FROM {table} WHERE {keys[table]} = $1", rule_id)
        await owner.close()
