"""Media, by the database alone: quotas, the steps of an upload, and what is left when a file or its target goes."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from storage import media
from storage.media import NewMedia, Quota
from tests.cluster import Cluster
from tests.storage.functions.rows import Rows

DAY = timedelta(days=1)
FILE = ("image/png", "cat.png")


async def create(rows: Rows, owner: int, file: int, *, size: int = 10, ms: int = 0, quota: Any = (100, 100)) -> str:
    kind = "video" if ms else "image"
    return await rows.ask(
        owner, "create_media", file, kind, *FILE, size, None, ms, "", False, f"private/{file}/", "u", DAY, *quota
    )  # fmt: skip


async def ready(rows: Rows, owner: int, file: int, **columns: Any) -> int:
    """Write the row of a file that is ready, with triggers."""
    columns = {"content_type": "image/png", "filename": "x", "size_bytes": 10, "kind": "image", **columns}
    await rows.write("media", id=file, owner_id=owner, status="ready", object_key=f"private/{file}/", **columns)
    return file


async def used(rows: Rows, owner: int, file: int, target_type: str, target: int, seq: int | None = None) -> int:
    columns: Any = {"target_type": target_type, "target_id": target, "target_seq": seq, "position": 0}
    return await ready(rows, owner, file, public_key=f"public/{file}/", **columns)


async def usage(rows: Rows, owner: int) -> tuple[Any, ...]:
    [found] = await rows.table("SELECT bytes, video_ms FROM media_usage WHERE user_id = $1", owner)
    return found


async def told(rows: Rows, topic: str) -> list[dict[str, Any]]:
    """The events of that topic that this test's transaction wrote, by their media."""
    statement = """SELECT payload FROM outbox
        WHERE topic = $1 AND xmin::text = pg_current_xact_id_if_assigned()::text ORDER BY key::bigint, id"""
    return [json.loads(payload) for (payload,) in await rows.table(statement, topic)]


async def gone(rows: Rows) -> dict[int, list[str]]:
    """Media id → what of its objects is to be deleted."""
    return {event["media_id"]: event["prefixes"] for event in await told(rows, "media.deleted")}


async def test_a_quota_is_reserved_by_each_upload_and_freed_by_what_fails_or_goes(rows: Rows):
    alice, bob = await rows.users(2)
    assert await create(rows, alice, 101, size=60) == "created"
    assert await create(rows, bob, 102, size=100) == "created"
    assert await create(rows, alice, 103, size=41) == "bytes"
    assert await create(rows, alice, 104, size=30, ms=70) == "created"
    assert await create(rows, alice, 105, size=1, ms=31) == "video"
    assert await create(rows, alice, 106, size=1, ms=30) == "created"
    assert await usage(rows, alice) == (91, 100)
    assert await rows.ask(alice, "drop_media", 104, "aborted", "x", DAY)
    assert await usage(rows, alice) == (61, 30)
    await rows.connection.execute("DELETE FROM media WHERE id IN (104, 106)")
    assert await usage(rows, alice) == (60, 0)
    assert await usage(rows, bob) == (100, 0)


async def test_recordings_take_nothing_of_a_quota(rows: Rows):
    alice = await rows.user()
    recording: Any = {"target_type": "room", "target_id": await rows.room(alice), "position": 0, "kind": "audio"}
    await ready(rows, alice, 101, **recording)
    assert await usage(rows, alice) == (0, 0)
    await rows.connection.execute("DELETE FROM media WHERE id = 101")
    assert await usage(rows, alice) == (0, 0)


async def test_a_video_takes_its_found_duration_if_the_quota_has_room(rows: Rows):
    alice = await rows.user()
    await create(rows, alice, 101, ms=50)
    await create(rows, alice, 102, ms=20)
    await rows.connection.execute("UPDATE media SET status = 'processing' WHERE id IN (101, 102)")
    assert not await rows.ask(None, "reserve_video", 101, 81, 100)
    assert await rows.ask(None, "reserve_video", 101, 80, 100)
    assert await usage(rows, alice) == (20, 100)
    assert not await rows.ask(None, "reserve_video", 103, 1, 100)  # it does not exist


async def test_a_user_has_100_unfinished_uploads(rows: Rows):
    alice = await rows.user()
    for number in range(100):
        assert await create(rows, alice, 101 + number, size=1) == "created"
    create_another = """SELECT create_media(999, 'image', 'image/png', 'x', 1, NULL, NULL, '', false, 'private/x/', 'u',
        '1 day', 1000, 0)"""
    assert await rows.is_refused(create_another)
    assert await rows.ask(alice, "complete_media", 101, "image/png", DAY)
    assert not await rows.is_refused(create_another)


async def test_an_upload_goes_to_its_lane_once(rows: Rows):
    alice, bob = await rows.users(2)
    await create(rows, alice, 101)
    await create(rows, alice, 102, ms=5)
    assert not await rows.ask(bob, "complete_media", 101, "image/png", DAY)
    assert await rows.ask(alice, "complete_media", 101, "image/webp", DAY)
    assert await rows.ask(alice, "complete_media", 102, "video/mp4", DAY)
    assert not await rows.ask(alice, "complete_media", 101, "image/webp", DAY)
    statement = "SELECT content_type, lane, due_at = now() FROM media WHERE id < 1000 ORDER BY id"
    assert await rows.table(statement) == [("image/webp", "quick", True), ("video/mp4", "bulk", True)]


async def test_one_of_two_replaces_a_lost_multipart_upload(rows: Rows):
    alice = await rows.user()
    await create(rows, alice, 101)
    assert await rows.ask(alice, "renew_media", 101, "u", "v", DAY)
    assert not await rows.ask(alice, "renew_media", 101, "u", "w", DAY)
    assert await rows.table("SELECT upload_id FROM media WHERE id = 101") == [("v",)]


async def test_a_file_is_used_once(rows: Rows):
    alice, bob = await rows.users(2)
    first, second, of_bob = await rows.post(alice), await rows.post(alice), await rows.post(bob)
    for file in (101, 102):
        await ready(rows, alice, file, expires_at=await rows.now(hours=1))
    await ready(rows, bob, 103)
    await create(rows, alice, 104)
    assert await rows.ask(alice, "use_media", [102, 103, 101, 104, 102, 999], "post", first) == [1, 3, 4, 5]
    statement = "SELECT id, target_id, position, expires_at FROM media WHERE target_id IS NOT NULL AND id < 1000"
    assert sorted(await rows.table(statement)) == [(101, first, 2, None), (102, first, 0, None)]
    assert await rows.ask(alice, "use_media", [101], "post", second) == [0]
    assert await rows.ask(bob, "use_media", [103], "post", first) is None
    assert not await rows.ask(alice, "drop_media", 101, "aborted", "x", DAY)
    assert await rows.ask(bob, "use_media", [103], "post", of_bob) == []
    assert [row["id"] for row in await rows.list(bob, "media_of", "post", [first, of_bob])] == [102, 101, 103]


async def test_a_comment_takes_images_and_a_user_one_ready_image(rows: Rows):
    alice = await rows.user()
    comment = await rows.comment(await rows.post(alice), alice)
    for file in (101, 102, 103):
        await ready(rows, alice, file)
    await ready(rows, alice, 104, kind="video")
    await rows.write(
        "media", id=105, owner_id=alice, status="processing", object_key="private/105/", kind="image",
        content_type="image/png", filename="x", size_bytes=10,
    )  # fmt: skip
    assert await rows.ask(alice, "use_media", [104], "comment", comment) == [0]
    assert await rows.ask(alice, "use_media", [101], "comment", comment) == []
    assert await rows.ask(alice, "use_media", [102], "user", alice) == []
    assert await rows.ask(alice, "use_media", [103], "user", alice) == []
    assert await gone(rows) == {102: ["private/102/"]}
    assert await rows.ask(alice, "use_media", [104, 105], "user", alice) == [0, 1]
    assert await rows.ask(alice, "use_media", [], "user", alice) == []


async def test_copies_for_everybody_are_recorded_for_what_everybody_sees(rows: Rows):
    alice = await rows.user()
    post = await rows.post(alice)
    await used(rows, alice, 101, "post", post)
    await used(rows, alice, 102, "user", alice)
    await used(rows, alice, 103, "comment", await rows.comment(post, alice))
    await ready(rows, alice, 104)
    await rows.connection.execute("UPDATE media SET public_key = NULL WHERE id < 1000")
    may = [await rows.ask(None, "publish_media", file, None) for file in (101, 102, 103, 104, 105)]
    assert may == [True, True, False, False, False]
    await rows.connection.execute("UPDATE media SET lane = 'bulk' WHERE id = 101")
    assert not await rows.ask(None, "publish_media", 101, None)
    await rows.connection.execute("UPDATE media SET lane = NULL WHERE id = 101")
    assert await rows.ask(None, "publish_media", 101, "public/a/")
    assert not await rows.ask(None, "publish_media", 101, "public/b/")
    await rows.connection.execute("UPDATE posts SET visibility = 'followers' WHERE id = $1", post)
    assert not await rows.ask(None, "publish_media", 101, "public/c/")
    await rows.connection.execute("UPDATE users SET is_private = true WHERE id = $1", alice)
    assert await rows.ask(None, "publish_media", 102, "public/d/")  # everybody sees the avatar
    assert await rows.table("SELECT id, public_key FROM media WHERE public_key IS NOT NULL AND id < 1000") == [
        (102, "public/d/")]  # fmt: skip


@pytest.mark.parametrize("statement", ["UPDATE posts SET status = 'deleted'", "DELETE FROM posts"])
async def test_files_go_with_their_post(rows: Rows, statement: str):
    alice = await rows.user()
    post, other = await rows.post(alice), await rows.post(alice)
    await used(rows, alice, 101, "post", post)
    await used(rows, alice, 102, "post", other)
    await used(rows, alice, 103, "comment", post)  # of another target with that id
    await rows.connection.execute(f"{statement} WHERE id = $1", post)
    assert await rows.table("SELECT id FROM media WHERE id < 1000 ORDER BY id") == [(102,), (103,)]
    assert await gone(rows) == {101: ["private/101/", "public/101/"]}


@pytest.mark.parametrize("statement", ["UPDATE comments SET status = 'deleted'", "DELETE FROM comments"])
async def test_files_go_with_their_comment(rows: Rows, statement: str):
    alice = await rows.user()
    comment = await rows.comment(await rows.post(alice), alice)
    await used(rows, alice, 101, "comment", comment)
    await used(rows, alice, 102, "post", comment)
    await rows.connection.execute(f"{statement} WHERE id = $1", comment)
    assert [*await gone(rows)] == [101]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE chat_messages SET deleted_at = now() WHERE chat_id = $1 AND seq = 1",
     "DELETE FROM chat_messages WHERE chat_id = $1 AND seq = 1"],
)  # fmt: skip
async def test_files_go_with_their_message(rows: Rows, statement: str):
    alice = await rows.user()
    chat = await rows.added("chats", kind="group", creator_id=alice)
    for seq in (1, 2):
        await rows.add("chat_messages", chat_id=chat, seq=seq, sender_id=alice, text="x")
        await used(rows, alice, 100 + seq, "message", chat, seq)
    await rows.connection.execute(statement, chat)
    assert [*await gone(rows)] == [101]
    await rows.connection.execute("DELETE FROM chats WHERE id = $1", chat)
    assert [*await gone(rows)] == [101, 102]


async def test_files_of_a_deleted_account_expire(rows: Rows):
    alice, bob = await rows.users(2)
    await used(rows, alice, 101, "post", await rows.post(bob))
    await ready(rows, bob, 102)
    await rows.connection.execute("UPDATE users SET status = 'deleted' WHERE id = $1", alice)
    assert await rows.table("SELECT id FROM media WHERE expires_at <= now() AND id < 1000") == [(101,)]
    assert await gone(rows) == {101: ["public/101/"]}


async def test_copies_for_everybody_go_when_the_account_or_the_post_is_narrowed(rows: Rows):
    alice, bob = await rows.users(2)
    post, other = await rows.post(alice), await rows.post(alice)
    await used(rows, alice, 101, "post", post)
    await used(rows, alice, 102, "post", other)
    await used(rows, alice, 103, "user", alice)
    await used(rows, bob, 104, "post", await rows.post(bob))
    await rows.connection.execute("UPDATE posts SET visibility = 'followers' WHERE id = $1", other)
    assert await gone(rows) == {102: ["public/102/"]}
    await rows.connection.execute("UPDATE users SET is_private = true WHERE id = $1", alice)
    statement = "SELECT id FROM media WHERE public_key IS NOT NULL AND id < 1000 ORDER BY id"
    assert await rows.table(statement) == [(103,), (104,)]  # everybody sees the avatar
    assert await gone(rows) == {101: ["public/101/"], 102: ["public/102/"]}
    await rows.connection.execute("UPDATE users SET status = 'suspended' WHERE id = $1", alice)
    assert await rows.table(statement) == [(104,)]


async def test_an_upload_that_is_dropped_leaves_nothing_in_the_store(rows: Rows):
    alice = await rows.user()
    await create(rows, alice, 101)
    assert await rows.ask(alice, "drop_media", 101, "aborted", "x", DAY)
    assert not await rows.ask(alice, "drop_media", 101, "aborted", "x", DAY)
    [event] = await told(rows, "media.deleted")
    assert event == {"v": 1, "media_id": 101, "prefixes": ["private/101/"], "upload_id": "u"}


async def test_uploads_that_begin_at_once_share_the_quota(cluster: Cluster, person):
    alice = await person("alice")
    services, mint = cluster.node_a.parts.services, cluster.stores.ids.mint

    async def begin() -> str | None:
        file = mint()
        new = NewMedia(file, "image", *FILE, 10, None, None, "", False, f"private/{file}/", "u")
        async with services.database.transaction(int(alice.id)) as tx:
            return await media.create(tx, new, Quota(35, 0))

    verdicts = await asyncio.gather(*(begin() for _ in range(8)))
    assert sorted(verdicts, key=str) == [*["bytes"] * 5, *["created"] * 3]
