"""The feed in depth: paging, refilling, rebuilding, large authors."""

import asyncio

import pytest

from domain import audience
from storage import seeding
from tests.cluster import Cluster

PAGES = {"ranked": 3, "latest": 3}


async def read_all(who, **arguments):
    """Return all post ids of a feed, read page by page, without recommendations."""
    seen, cursor = [], None
    while True:
        page = await who.call("feed.get", cursor=cursor, **arguments)
        seen += [item["post"]["id"] for item in page["items"] if item["reason"] != "suggested"]
        cursor = page["next_cursor"]
        if cursor is None:
            return seen


async def authors_and_reader(cluster: Cluster, person, authors: int, posts: int):
    """Return a reader, the authors whom they follow, and the authors' post ids, newest first."""
    reader = await person("reader", node="b")
    writers = [await person(f"author{number}") for number in range(authors)]
    for writer in writers:
        await reader.call("graph.follow", user_id=writer.id)
    ids = []
    for number in range(posts):
        ids.append((await writers[number % authors].call("post.create", text=f"post {number}"))["id"])
    await cluster.settle(reader)
    return reader, writers, ids[::-1]


async def test_latest_pages_contain_every_post_once_newest_first(cluster: Cluster, person):
    reader, _, ids = await authors_and_reader(cluster, person, 3, 11)
    assert await read_all(reader, mode="latest", limit=4) == ids


async def test_ranked_pages_are_stable_while_new_posts_come(cluster: Cluster, person):
    reader, writers, ids = await authors_and_reader(cluster, person, 3, 9)
    first = await reader.call("feed.get", limit=4)
    assert [item["score"] for item in first["items"]] == sorted((i["score"] for i in first["items"]), reverse=True)
    newer = await writers[0].call("post.create", text="newer")
    await reader.expect("feed.added", post_id=newer["id"])
    seen = [item["post"]["id"] for item in first["items"]]
    cursor = first["next_cursor"]
    again = await reader.call("feed.get", limit=4, cursor=cursor)
    assert again == await reader.call("feed.get", limit=4, cursor=cursor)
    while cursor:
        page = await reader.call("feed.get", limit=4, cursor=cursor)
        seen += [item["post"]["id"] for item in page["items"] if item["reason"] != "suggested"]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(ids)
    assert newer["id"] in await read_all(reader, limit=4)


async def test_posts_that_the_reader_has_passed_are_not_ranked_again_until_a_reset(cluster: Cluster, person):
    reader, _, ids = await authors_and_reader(cluster, person, 2, 8)
    first = await reader.call("feed.get", limit=4)
    passed = {item["post"]["id"] for item in first["items"]}
    await reader.call("feed.get", limit=4, cursor=first["next_cursor"])
    assert sorted(await read_all(reader)) == sorted({*ids} - passed)
    assert await read_all(reader, mode="latest") == ids
    await reader.call("feed.reset")
    assert sorted(await read_all(reader)) == sorted(ids)


async def test_pages_are_refilled_when_posts_are_gone(cluster: Cluster, person):
    reader, _, ids = await authors_and_reader(cluster, person, 2, 12)
    owner = await cluster.owner()  # without the workers, so that the inbox still contains them
    await owner.execute("UPDATE posts SET status = 'deleted' WHERE id = ANY ($1)", [int(i) for i in ids[1:7]])
    await owner.close()
    page = await reader.call("feed.get", mode="latest", limit=3)
    assert [item["post"]["id"] for item in page["items"]] == [ids[0], ids[7], ids[8]]
    assert await read_all(reader, mode="latest", limit=3) == [ids[0], *ids[7:]]
    assert sorted(await read_all(reader, mode="ranked", limit=3)) == sorted([ids[0], *ids[7:]])


async def test_expired_and_foreign_cursors(cluster: Cluster, person):
    reader, writers, _ = await authors_and_reader(cluster, person, 1, 4)
    cursor = (await reader.call("feed.get", limit=2))["next_cursor"]
    failed = await writers[0].refused("feed.get", cursor=cursor)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["cursor"])
    assert (await reader.refused("feed.get", cursor=cursor, mode="latest")).fields == ["cursor"]
    for garbage in ("x", "%%%", "A" * 512, "ل"):
        assert (await reader.refused("feed.get", cursor=garbage)).fields == ["cursor"]
    redis = cluster.redis
    keys = [key async for key in redis.commands.scan_iter(redis.key("*:ranked", "*"))]
    await redis.commands.delete(*keys)
    assert (await reader.refused("feed.get", cursor=cursor)).code == "FAILED_PRECONDITION"


async def lose_feed(cluster: Cluster, reader) -> None:
    shards = cluster.stores.data_shards
    shard = shards.of(reader.id)
    await shards.call(shard, "DEL", shards.key(shard, "feed", reader.id))


async def test_a_lost_inbox_is_rebuilt_completely(cluster: Cluster, person):
    reader, writers, ids = await authors_and_reader(cluster, person, 2, 6)
    stranger = await person("stranger")
    named = (await stranger.call("post.create", text=f"@{reader.name}"))["id"]
    await reader.expect("feed.added", post_id=named)
    assert await read_all(reader, mode="latest") == ids
    assert {*await read_all(reader)} == {named, *ids}
    await lose_feed(cluster, reader)
    # A new post must not recreate an expired inbox.
    newest = (await writers[0].call("post.create", text="while it is gone"))["id"]
    await reader.expect("feed.added", post_id=newest)
    assert await read_all(reader, mode="latest") == [newest, *ids]
    assert {*await read_all(reader)} == {newest, named, *ids}


async def test_an_interrupted_rebuild_starts_again(cluster: Cluster, person):
    reader, _, ids = await authors_and_reader(cluster, person, 1, 3)
    await lose_feed(cluster, reader)
    await cluster.stores.feeds.begin_rebuild(int(reader.id))
    assert await read_all(reader, mode="latest") == ids


async def test_following_adds_earlier_posts(cluster: Cluster, person):
    author, reader = await person("author"), await person("reader")
    assert await reader.own_feed() == []
    post = await author.call("post.create", text="before")
    await reader.call("graph.follow", user_id=author.id)
    await cluster.settle(reader)
    assert await read_all(reader) == [post["id"]]


@pytest.fixture
def small_world(monkeypatch):
    """An author is large from 5 followers and small again below 4."""
    monkeypatch.setattr(audience, "LARGE_FROM", 5)
    monkeypatch.setattr(audience, "SMALL_BELOW", 4)


async def test_large_authors_are_merged_at_read_and_pushed_by_one_broadcast(cluster: Cluster, person, small_world):
    star = await person("star")
    small = await person("small")
    fans = [await person(f"fan{number}", node="ab"[number % 2]) for number in range(5)]
    early = await star.call("post.create", text="while small")
    for fan in fans:
        await fan.call("graph.follow", user_id=small.id)
        await fan.call("graph.follow", user_id=star.id)
    await cluster.settle(*fans)
    assert await is_large(cluster, star)

    posts = [early["id"]]
    for number in range(4):
        posts.append((await star.call("post.create", text=f"large {number}"))["id"])
        posts.append((await small.call("post.create", text=f"small {number}"))["id"])
        for fan in fans:
            await fan.expect("feed.added", post_id=posts[-2])
            await fan.expect("feed.added", post_id=posts[-1])
    inbox = await cluster.stores.feeds.read(int(fans[0].id))
    assert inbox is None or int(posts[1]) not in inbox
    for fan in fans[:2]:
        assert await read_all(fan, mode="latest", limit=3) == posts[::-1]
        assert sorted(await read_all(fan, mode="ranked", limit=4)) == sorted(posts)

    # Followers who connect later join the room too; those who unfollow, mute or are blocked leave it.
    late = await cluster.again(fans[0], node="b")
    await fans[1].call("graph.unfollow", user_id=star.id)
    await fans[2].call("graph.mute", user_id=star.id)
    await star.call("graph.block", user_id=fans[3].id)
    await cluster.settle(*fans)
    last = (await star.call("post.create", text="last"))["id"]
    await late.expect("feed.added", post_id=last)
    await fans[4].expect("feed.added", post_id=last)
    await cluster.settle(*fans)
    for fan in fans[1:4]:
        assert fan.heard("feed.added") == []
        assert last not in await read_all(fan)
    secret = await star.call("circle.create", name="secret", user_ids=[fans[4].id])
    hidden = (await star.call("post.create", text="x", visibility="circle", circle_id=secret["id"]))["id"]
    await fans[4].expect("feed.added", post_id=hidden)
    await cluster.settle(late)
    assert hidden not in [push["post_id"] for push in late.heard("feed.added")]

    # From 5 followers to 3: small again, and no post of that time is lost.
    assert not await is_large(cluster, star)
    assert posts[1] in await read_all(fans[0], mode="latest")
    again = (await star.call("post.create", text="small again"))["id"]
    await fans[0].expect("feed.added", post_id=again)


async def is_large(cluster, who):
    owner = await cluster.owner()
    try:
        return await owner.fetchval("SELECT is_large FROM users WHERE id = $1", int(who.id))
    finally:
        await owner.close()


async def test_a_post_for_two_thousand_followers_reaches_every_inbox(cluster: Cluster, person):
    author, reader = await person("author"), await person("reader")
    owner = await cluster.owner()
    async with owner.transaction():
        names = [(cluster.unique("crowd"), "crowd") for _ in range(2_000)]
        crowd = await seeding.insert_users(owner, names)
        await seeding.insert_follows(owner, [(follower, int(author.id)) for follower in crowd])
    await owner.close()
    await reader.call("graph.follow", user_id=author.id)
    await cluster.settle(reader)
    for follower in crowd[::100]:
        await cluster.stores.feeds.begin_rebuild(follower)
        await cluster.stores.feeds.finish_rebuild(follower, [])
    post = await author.call("post.create", text="to the crowd")
    await reader.expect("feed.added", post_id=post["id"])
    await cluster.settle(reader)
    inboxes = await asyncio.gather(*(cluster.stores.feeds.read(follower) for follower in crowd[::100]))
    assert inboxes == [[int(post["id"])]] * 20
    assert await cluster.stores.feeds.read(crowd[1]) is None
