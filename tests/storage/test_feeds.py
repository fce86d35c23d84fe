"""Stored feeds, on one server and on a cluster."""

import pytest

from storage.feeds import LONGEST, Feeds

ALICE, BOB = 11, 22
READERS = range(100, 160)  # on all servers of a cluster


def post(number: int) -> int:
    return number << 22


@pytest.fixture
async def feeds(new_shards) -> Feeds:
    shards = new_shards()
    own = Feeds(shards)
    await shards.start()
    return own


async def build(feeds: Feeds, user_id: int, *post_ids: int) -> None:
    await feeds.begin_rebuild(user_id)
    await feeds.finish_rebuild(user_id, post_ids)


async def test_a_post_is_inserted_into_feeds_that_exist(feeds):
    for user_id in READERS[:-1]:
        await build(feeds, user_id, post(1))
    await feeds.insert(list(READERS), post(2))
    for user_id in READERS[:-1]:
        assert await feeds.read(user_id) == [post(2), post(1)]
    assert await feeds.read(READERS[-1]) is None
    await feeds.remove(list(READERS), [post(1), post(2)])
    assert await feeds.read(READERS[0]) == []
    await feeds.keep_alive(list(READERS))
    await feeds.insert([], post(3))


async def test_a_feed_keeps_the_newest_posts(feeds):
    await build(feeds, ALICE, *(post(number) for number in range(1, LONGEST + 1)))
    await feeds.insert([ALICE], post(LONGEST + 1))
    await feeds.backfill(ALICE, [post(LONGEST + 2), post(1)])
    kept = await feeds.read(ALICE) or []
    assert kept[:LONGEST] == [post(number) for number in range(LONGEST + 2, 2, -1)]
    assert len(kept) <= LONGEST + 1  # there may be no second mark
    assert await feeds.read(ALICE, 2) == [post(LONGEST + 2), post(LONGEST + 1)]
    await feeds.backfill(BOB, [post(1)])
    assert await feeds.read(BOB) is None


async def test_a_rebuild_keeps_what_arrives_meanwhile(feeds):
    await feeds.begin_rebuild(ALICE)
    await feeds.insert([ALICE], post(3))
    assert await feeds.read(ALICE) is None
    await feeds.finish_rebuild(ALICE, [post(1), post(2)])
    assert await feeds.read(ALICE) == [post(3), post(2), post(1)]
    await feeds.begin_rebuild(ALICE)
    assert await feeds.read(ALICE) is None


async def test_a_rebuild_whose_mark_is_lost_is_not_finished(feeds):
    """Posts may be missing that arrived meanwhile."""
    await feeds.finish_rebuild(ALICE, [post(1)])
    assert await feeds.read(ALICE) is None


async def test_another_run_of_the_server_may_lack_posts(feeds, monkeypatch):
    await build(feeds, ALICE, post(1))
    await feeds.begin_rebuild(BOB)
    monkeypatch.setattr(feeds, "_runs", dict.fromkeys(feeds._runs, b"another"))
    assert await feeds.read(ALICE) is None
    await build(feeds, ALICE, post(2))
    assert await feeds.read(ALICE) == [post(2), post(1)]
    await feeds.finish_rebuild(BOB, [post(1)])
    assert await feeds.read(BOB) is None
