"""Redis keeps published pushes once for each id, in order, and within bounds. Tests call the scripts alone."""

import asyncio
from collections import deque

import pytest

from channels.broadcaster import PUBLISH_TO_CHANNEL, PUBLISH_TO_USERS
from channels.recovery import READ_CHANNEL
from channels.redis_keys import RedisKeys
from storage.shards import Shards
from tests.channels.clocks import AHEAD, SHARD, set_clock
from tests.patience import WAIT_S

CHANNEL = "post:1"
IDS_S, BODY_S = 900, 200
ALICE, BOB, CAROL = 1, 2, 3


class Redis:
    """Publishing with small bounds, and what subscribers hear."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards
        self.redis_keys = RedisKeys(shards)
        self.keys = self.redis_keys.channel_keys(CHANNEL)
        self._heard: deque[bytes] = deque()
        shards.listen(lambda _, message: self._heard.append(message), _nothing)

    async def __call__(self, *parts):
        return await self.shards.call(SHARD, *parts)

    async def listen(self, channel: str) -> None:
        await self.shards.subscribe(SHARD, channel)

    async def heard(self) -> list[bytes]:
        """Return what was published since the last call."""
        fence = b"fence"
        await self.listen("fence")
        await self.shards.publish(SHARD, "fence", fence)
        async with asyncio.timeout(WAIT_S):
            while fence not in self._heard:
                await asyncio.sleep(0)
        found = [each for each in self._heard if each != fence]
        self._heard.clear()
        return found

    # ------------------------------------------------------------------------------------------ a channel

    async def publish(
        self, push_id: str, body: str = "body", *, most: int = 100, most_bytes: int = 1_000, kept_us: int = 1_000_000,
        most_ids: int = 100, order: str = "",
    ) -> int:  # fmt: skip
        arguments = (
            "PUBLISH", CHANNEL, push_id, body, most, most_bytes, kept_us, most_ids, IDS_S, "event", order,
        )  # fmt: skip
        outcome: int = await self.shards.run(SHARD, PUBLISH_TO_CHANNEL, self.keys, arguments)
        return outcome

    async def kept(self, after: int = AHEAD) -> dict[int, str] | None:
        """Return the bodies after that clock; None if some are missing."""
        found = await self.shards.run(SHARD, READ_CHANNEL, self.keys, (after,))
        return None if found is None else {int(found[i]): found[i + 1].decode() for i in range(0, len(found), 2)}

    async def cut(self) -> int:
        return int(await self("HGET", self.keys.state, "cut") or 0)

    # ------------------------------------------------------------------------------------------ users

    async def locate(self, user_id: int, *locations: str, expiry: float = AHEAD) -> None:
        for each in locations:
            await self("ZADD", self.redis_keys.locations(user_id), repr(expiry), each)

    async def publish_to(
        self, *users: int, push_id: str = "one", body: str = "body", most_ids: int = 100, body_s: int = BODY_S,
    ) -> None:  # fmt: skip
        keys = (self.redis_keys.clock(SHARD), self.body_key(push_id))
        prefixes = self.redis_keys.users(SHARD)
        arguments = ("PUBLISH", "node:", push_id, body, most_ids, IDS_S, body_s, *prefixes, *users)
        await self.shards.run(SHARD, PUBLISH_TO_USERS, keys, arguments)

    def body_key(self, push_id: str) -> str:
        return self.redis_keys.bodies(SHARD) + push_id

    async def inbox(self, user_id: int) -> list[str]:
        return [each.decode() for each in await self("ZRANGE", self.redis_keys.inbox(user_id), 0, -1)]


async def _nothing(shards) -> None: ...


@pytest.fixture
async def redis(shards: Shards) -> Redis:
    await set_clock(shards, AHEAD)
    return Redis(shards)


# ---------------------------------------------------------------------------------------------- channels


async def test_a_push_to_a_channel_is_published_and_kept_once(redis: Redis):
    await redis.listen(CHANNEL)
    assert await redis.publish("one", "first") == 1
    assert await redis.publish("one", "again") == 0
    assert await redis.publish("two", "second") == 1
    assert await redis.heard() == [b"R%dfirst" % (AHEAD + 1), b"R%dsecond" % (AHEAD + 3)]
    assert await redis.kept() == {AHEAD + 1: "first", AHEAD + 3: "second"}
    assert await redis.kept(after=AHEAD + 1) == {AHEAD + 3: "second"}


async def test_what_is_kept_of_a_channel_expires(redis: Redis):
    await redis.publish("one")
    for key in (redis.keys.log, redis.keys.bodies, redis.keys.state):
        assert 0 < await redis("TTL", key) <= IDS_S
    assert await redis("TTL", redis.keys.clock) == -1


async def test_a_push_that_shows_an_older_state_is_not_published(redis: Redis):
    await redis.listen(CHANNEL)
    assert await redis.publish("two", order="2") == 1
    assert await redis.publish("one", order="1") == -1
    assert await redis.publish("also two", order="2") == 1
    assert await redis.publish("no state") == 1
    assert await redis.publish("three", order="3") == 1
    assert await redis.publish("two and a half", order="2.5") == -1
    assert len(await redis.heard()) == 4
    assert len(await redis.kept() or ()) == 4


async def test_a_channel_keeps_so_many_pushes(redis: Redis):
    for number in (1, 2, 3):
        await redis.publish(f"push {number}", str(number), most=2)
    assert await redis.kept() is None
    assert await redis.kept(after=AHEAD + 1) == {AHEAD + 2: "2", AHEAD + 3: "3"}
    assert await redis("HLEN", redis.keys.bodies) == 2


async def test_a_channel_keeps_so_many_bytes(redis: Redis):
    for number in (1, 2, 3, 4):
        await redis.publish(f"push {number}", str(number) * 2, most_bytes=4)
    assert await redis.kept(after=AHEAD + 1) is None
    assert await redis.kept(after=AHEAD + 2) == {AHEAD + 3: "33", AHEAD + 4: "44"}
    assert await redis("HGET", redis.keys.state, "bytes") == b"4"


async def test_a_push_larger_than_the_bound_is_published_but_not_kept(redis: Redis):
    await redis.listen(CHANNEL)
    assert await redis.publish("large", "12345", most_bytes=4) == 1
    assert len(await redis.heard()) == 1
    assert await redis.kept() is None
    assert await redis.kept(after=AHEAD + 1) == {}
    assert await redis("HLEN", redis.keys.bodies) == 0


async def test_a_channel_keeps_pushes_for_so_long(redis: Redis):
    await redis.publish("old", "old", kept_us=100)
    await set_clock(redis.shards, AHEAD + 99)
    await redis.publish("in time", "in time", kept_us=100)
    assert await redis.kept() == {AHEAD + 1: "old", AHEAD + 100: "in time"}
    await redis.publish("too late", "too late", kept_us=100)
    assert await redis.kept() is None
    assert await redis.kept(after=AHEAD + 1) == {AHEAD + 100: "in time", AHEAD + 101: "too late"}


async def test_the_cut_of_a_channel_never_goes_back(redis: Redis):
    """The second push is cut for its size; later the first one, which was cut before it, is too old as well."""
    await redis.publish("one", "1")
    await redis.publish("two", "22")
    await redis.publish("three", "3", most_bytes=1)
    assert await redis.cut() == AHEAD + 2
    await set_clock(redis.shards, AHEAD + 100)
    await redis.publish("four", "4", kept_us=100)
    assert await redis.cut() == AHEAD + 2


async def test_a_channel_remembers_so_many_ids(redis: Redis):
    for push_id in ("one", "two", "three"):
        assert await redis.publish(push_id, most_ids=2) == 1
    assert await redis("ZRANGE", redis.keys.log, 0, -1) == [b"two", b"three"]
    assert await redis.publish("three", most_ids=2) == 0


async def test_a_channel_does_not_reach_back_to_forgotten_ids(redis: Redis):
    for push_id in ("one", "two"):
        await redis.publish(push_id, most=1, most_ids=1)
    assert await redis.kept() is None


async def test_a_channel_that_lost_a_body_is_not_whole(redis: Redis):
    await redis.publish("one")
    await redis("HDEL", redis.keys.bodies, "one")
    assert await redis.kept() is None


# ---------------------------------------------------------------------------------------------- users


async def test_a_push_to_users_goes_to_each_of_their_nodes_once(redis: Redis):
    await redis.locate(ALICE, "a/phone", "a/tablet", "b/laptop")
    await redis.locate(BOB, "a/phone")
    for node in ("a", "b"):
        await redis.listen(f"node:{node}")
    await redis.publish_to(ALICE, BOB, CAROL)
    heard = await redis.heard()
    assert sorted(heard) == [b"P%d1\nbody" % (AHEAD + 1), b"P%d1,2\nbody" % (AHEAD + 1)]


async def test_a_push_to_users_is_sent_once_for_each_id(redis: Redis):
    await redis.locate(ALICE, "a/phone")
    await redis.listen("node:a")
    for push_id in ("one", "one", "two"):
        await redis.publish_to(ALICE, push_id=push_id, body=push_id)
    assert await redis.heard() == [b"P%d1\none" % (AHEAD + 1), b"P%d1\ntwo" % (AHEAD + 3)]


async def test_a_push_is_kept_for_users_who_may_read_it(redis: Redis):
    for user_id in (ALICE, BOB):
        await redis.locate(user_id, "a/phone")
    await redis.publish_to(ALICE, BOB, body="hello")
    for user_id in (ALICE, BOB):
        assert await redis.inbox(user_id) == ["one"]
        assert 0 < await redis("TTL", redis.redis_keys.inbox(user_id)) <= IDS_S
        assert float(await redis("ZSCORE", redis.redis_keys.inbox(user_id), "one")) == AHEAD + 1
        assert await redis("EXISTS", redis.redis_keys.cut(user_id)) == 0
    assert await redis("GET", redis.body_key("one")) == b"hello"
    assert 0 < await redis("TTL", redis.body_key("one")) <= BODY_S


async def test_nothing_is_sent_to_or_kept_for_users_who_are_offline(redis: Redis):
    await redis.locate(ALICE, "a/phone", expiry=(AHEAD - 1) / 1_000_000)
    await redis.listen("node:a")
    await redis.publish_to(ALICE, BOB)
    assert await redis.heard() == []
    assert await redis.inbox(ALICE) == await redis.inbox(BOB) == []
    assert await redis("EXISTS", redis.body_key("one")) == 0


async def test_a_push_that_is_not_kept_is_sent_each_time(redis: Redis):
    await redis.locate(ALICE, "a/phone")
    await redis.listen("node:a")
    for _ in range(2):
        await redis.publish_to(ALICE, body_s=0)
    assert await redis.heard() == [b"P%d1\nbody" % clock for clock in (AHEAD + 1, AHEAD + 2)]
    assert await redis.inbox(ALICE) == []
    assert await redis("EXISTS", redis.body_key("one")) == 0


async def test_an_inbox_remembers_so_many_ids_and_is_cut_at_the_last_that_it_forgot(redis: Redis):
    for user_id in (ALICE, BOB):
        await redis.locate(user_id, "a/phone")
    for push_id in ("one", "two", "three"):
        await redis.publish_to(ALICE, BOB, push_id=push_id, most_ids=2)
    for user_id in (ALICE, BOB):
        assert await redis.inbox(user_id) == ["two", "three"]
        assert int(await redis("GET", redis.redis_keys.cut(user_id))) == AHEAD + 1
        assert 0 < await redis("TTL", redis.redis_keys.cut(user_id)) <= IDS_S
