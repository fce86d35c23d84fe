"""Inboxes in Redis, by the scripts alone: only those that exist take posts, and each keeps the newest."""

from collections.abc import Callable

import pytest

from storage import feeds as module
from storage.feeds import LIFETIME_S, Feeds
from storage.shards import Shards

ALICE, BOB, CAROL = 1, 2, 3
POSTS = [number << 22 for number in range(1, 6)]  # minted in successive milliseconds


class Inboxes(Feeds):
    async def build(self, user_id: int, *post_ids: int) -> None:
        await self.begin_rebuild(user_id)
        await self.finish_rebuild(user_id, post_ids)

    async def exists(self, user_id: int) -> bool:
        return bool(await self._ask("EXISTS", user_id))

    async def expires_in_s(self, user_id: int) -> int:
        return int(await self._ask("TTL", user_id))

    async def _ask(self, command: str, user_id: int) -> int:
        shard, key = self._place(user_id)
        answer: int = await self._shards.call(shard, command, key)
        return answer


@pytest.fixture
async def inboxes(new_shards: Callable[[], Shards]):
    shards = new_shards()
    found = Inboxes(shards)
    await shards.start()
    return found


@pytest.fixture
def small(monkeypatch):
    """An inbox keeps two posts."""
    monkeypatch.setattr(module, "_CAPACITY", module._MARKS + 2)


async def test_a_built_inbox_is_read_and_expires(inboxes: Inboxes):
    await inboxes.begin_rebuild(ALICE)
    assert await inboxes.read(ALICE) is None
    await inboxes.finish_rebuild(ALICE, POSTS[:2])
    assert 0 < await inboxes.expires_in_s(ALICE) <= LIFETIME_S
    assert await inboxes.read(ALICE) == [POSTS[1], POSTS[0]]


async def test_building_an_inbox_extends_its_expiry(inboxes: Inboxes):
    await inboxes.build(ALICE)
    assert await inboxes.expires_in_s(ALICE) > module._BUILDING_LIFETIME_S


async def test_an_inbox_without_posts_is_built(inboxes: Inboxes):
    await inboxes.build(ALICE)
    assert await inboxes.read(ALICE) == []


async def test_an_inbox_is_built_with_a_single_post(inboxes: Inboxes):
    await inboxes.build(ALICE, POSTS[0])
    assert await inboxes.read(ALICE) == [POSTS[0]]


async def test_posts_that_arrive_during_a_rebuild_stay(inboxes: Inboxes):
    await inboxes.begin_rebuild(ALICE)
    await inboxes.insert([ALICE], POSTS[2])
    await inboxes.finish_rebuild(ALICE, POSTS[:1])
    assert await inboxes.read(ALICE) == [POSTS[2], POSTS[0]]


async def test_a_post_is_added_to_inboxes_that_exist(inboxes: Inboxes):
    await inboxes.build(ALICE)
    await inboxes.build(CAROL)
    await inboxes.insert([ALICE, BOB, CAROL], POSTS[0])
    assert await inboxes.read(ALICE) == await inboxes.read(CAROL) == [POSTS[0]]
    assert not await inboxes.exists(BOB)


async def test_posts_are_added_to_an_inbox_that_exists(inboxes: Inboxes):
    await inboxes.build(ALICE)
    for user_id in (ALICE, BOB):
        await inboxes.backfill(user_id, POSTS[:2])
    assert await inboxes.read(ALICE) == [POSTS[1], POSTS[0]]
    assert not await inboxes.exists(BOB)


@pytest.mark.usefixtures("small")
async def test_an_inbox_keeps_the_newest_posts(inboxes: Inboxes):
    await inboxes.build(ALICE, POSTS[0])
    await inboxes.insert([ALICE], POSTS[1])
    assert await inboxes.read(ALICE) == [POSTS[1], POSTS[0]]
    for post_id in POSTS[2:]:
        await inboxes.insert([ALICE], post_id)
    assert await inboxes.read(ALICE) == POSTS[:1:-1]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("way", ["rebuild", "backfill"])
async def test_an_inbox_that_gets_many_posts_keeps_the_newest(inboxes: Inboxes, way: str):
    """An inbox has one mark, so there is room for one post more than the bound says."""
    if way == "rebuild":
        await inboxes.build(ALICE, *POSTS)
    else:
        await inboxes.build(ALICE)
        await inboxes.backfill(ALICE, POSTS)
    assert await inboxes.read(ALICE) == POSTS[:1:-1]
