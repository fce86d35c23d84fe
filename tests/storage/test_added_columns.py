"""A migration adds a column to every table while processes serve: no statement that they have prepared may break."""

import asyncpg
import pytest

from storage import database
from tests import uploads

COLUMN = "added_by_a_test"
TABLES = """SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
    AND relnamespace = 'public'::regnamespace AND relname NOT IN ('alembic_version', 'schema_versions')"""


@pytest.fixture
def broken(monkeypatch) -> set[str]:
    """Statements whose results have changed, as PostgreSQL says."""
    statements: set[str] = set()

    def watch(name: str) -> None:
        real = getattr(database._Connection, name)

        async def watched(self, query, *arguments, **options):
            try:
                return await real(self, query, *arguments, **options)
            except asyncpg.InvalidCachedStatementError:
                statements.add(query)
                raise

        monkeypatch.setattr(database._Connection, name, watched)

    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        watch(name)
    return statements


async def test_columns_that_a_migration_adds_break_no_statement(cluster, person, broken):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    group = (await alice.call("chat.create", title="group", user_ids=[bob.id]))["chat"]["id"]
    room = (await alice.call("room.create", topic="room"))["id"]
    await alice.call("room.start", room_id=room)
    await alice.call("room.join", room_id=room)
    collection = (await bob.call("collection.create", name="later"))["id"]

    async def use_everything() -> None:
        post = (await alice.call("post.create", text=f"hello @{bob.name}"))["id"]
        share = (await bob.call("share.create", post_id=post))["id"]
        comment = (await bob.call("comment.create", post_id=post, text="first"))["id"]
        await alice.call("comment.create", post_id=post, parent_id=comment, text="second")
        await bob.call("reaction.set", target_type="post", target_id=post, kind="love")
        await bob.call("save.add", post_id=post, collection_id=collection)
        await uploads.upload(alice, uploads.png(1_000))
        await alice.call("chat.send", chat_id=group, text="hello")
        await alice.call("room.send", room_id=room, text="hello")
        await bob.call("room.join", room_id=room)
        for method, argument in {
            "user.get": {"user_id": alice.id}, "user.me": {}, "post.get": {"post_id": share},
            "post.list": {"user_id": alice.id}, "feed.get": {"mode": "ranked"}, "comment.list": {"post_id": post},
            "comment.get": {"comment_id": comment}, "reaction.list": {"target_type": "post", "target_id": post},
            "explore.get": {}, "explore.people": {}, "hashtag.get": {"tag": "x"}, "hashtag.posts": {"tag": "x"},
            "save.list": {}, "collection.list": {}, "chat.list": {}, "chat.get": {"chat_id": group},
            "chat.history": {"chat_id": group}, "chat.members": {"chat_id": group}, "room.get": {"room_id": room},
            "room.list": {}, "room.messages": {"room_id": room}, "room.participants": {"room_id": room},
            "notification.list": {}, "notification.preferences": {}, "settings.get": {}, "session.list": {},
            "graph.followers": {"user_id": alice.id}, "graph.following": {"user_id": bob.id}, "circle.list": {},
            "push.list": {}, "presence.watch": {"user_ids": [alice.id]},
        }.items():  # fmt: skip
            await bob.call(method, **argument)
        await bob.call("feed.get", mode="latest")
        await bob.call("room.leave", room_id=room)
        for node in "ab":
            await (await cluster.again(bob, node=node)).close()

    owner = await cluster.owner()
    try:
        for _ in range(3):  # connections prepare a statement when it is used again
            await use_everything()
        tables = [row[0] for row in await owner.fetch(TABLES)]
        for table in tables:
            await owner.execute(f"ALTER TABLE {table} ADD COLUMN {COLUMN} text")
        try:
            for _ in range(3):
                await use_everything()
        finally:
            for table in tables:
                await owner.execute(f"ALTER TABLE {table} DROP COLUMN {COLUMN}")
    finally:
        await owner.close()
    assert broken == set()
