"""Sessions in Redis, by the scripts alone: who may claim one, until when, and what a claim returns."""

from pathlib import Path

import pytest

from channels import recovery
from channels.broadcaster import Broadcaster
from channels.locations import LIFETIME_S, RECOVERY_WINDOW_S
from channels.messages import Superseded
from channels.recovery import BEGIN, SESSION_LIFETIME_S, Offset, Recovery, WatchedChannel
from channels.redis_keys import RedisKeys
from gateway.channel_kinds import KINDS
from protocol.posts import PostDeleted
from storage.redis_link import LinkScript
from storage.shards import Shards
from tests.channels.clocks import AHEAD, CLOCK_LUA, SHARD, server_time, set_clock

USER, SESSION, PID = 7, 70, "pid"
TICKS = LinkScript(Path(__file__).parent / "ticks.lua", CLOCK_LUA)


class Redis:
    """The records of one user, and the recovery of two nodes."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards
        self.keys = RedisKeys(shards)
        self.here, self.there = Recovery(shards, self.keys, "here"), Recovery(shards, self.keys, "there")
        self.clock = self.keys.clock(SHARD)
        self.locations, self.session = self.keys.locations(USER), self.keys.session(USER, PID)
        self.inbox, self.cut = self.keys.inbox(USER), self.keys.cut(USER)

    async def __call__(self, *parts):
        return await self.shards.call(SHARD, *parts)

    async def enter(self) -> Offset:
        return await self.here.enter(USER, SESSION, PID)

    async def claim(self, last: Offset, session_id: int = SESSION, pid: str = PID):
        return await self.there.claim(USER, session_id, pid, last)

    async def push(self, number: int) -> str:
        """Push to the user; return the push's id."""
        push = PostDeleted(id=f"post.deleted:{number}", post_id="1")
        await Broadcaster(self.shards, self.keys, KINDS).publish_to_users([USER], push)
        return push.id

    async def missed(self, clock: int) -> list[str] | None:
        """Return the ids of the user's pushes after that clock."""
        found = (await self.here.read_inboxes({USER: Offset(SHARD, clock)}))[USER]
        return None if found is None else [push.id for push in found]


@pytest.fixture
async def redis(shards: Shards) -> Redis:
    await set_clock(shards, AHEAD)
    return Redis(shards)


# ---------------------------------------------------------------------------------------------- the clock


async def test_the_clock_is_the_servers_time_in_microseconds(shards: Shards):
    recovery_here = Recovery(shards, RedisKeys(shards), "here")
    before = await server_time(shards)
    offset = await recovery_here.enter(USER, SESSION, PID)
    assert before <= offset.clock / 1_000_000 <= await server_time(shards)
    assert int(await shards.call(SHARD, "HGET", RedisKeys(shards).clock(SHARD), "since")) == offset.clock


async def test_the_clock_rises_while_the_servers_time_stands_still(shards: Shards):
    await shards.call(SHARD, "SCRIPT", "LOAD", TICKS.text)
    first, second, last_of_three = await shards.run(SHARD, TICKS, [RedisKeys(shards).clock(SHARD)], [])
    assert int(second) == int(first) + 1
    assert int(last_of_three) == int(second) + 3


async def test_the_clock_rises_when_the_servers_time_goes_back(redis: Redis):
    assert [(await redis.enter()).clock for _ in range(3)] == [AHEAD + 1, AHEAD + 2, AHEAD + 3]


async def test_data_are_whole_since_the_first_connection_to_the_same_server(redis: Redis):
    async def begin(server: str) -> list[int]:
        return [int(each) for each in await redis.shards.run(SHARD, BEGIN, [redis.clock], [server])]

    assert await begin("first") == [AHEAD + 1, AHEAD + 1]
    assert await begin("first") == [AHEAD + 2, AHEAD + 1]
    assert await begin("another") == [AHEAD + 3, AHEAD + 3]


# ---------------------------------------------------------------------------------------------- entering


async def test_a_socket_that_entered_has_a_place_and_a_record_which_expire(redis: Redis):
    assert await redis.enter() == Offset(SHARD, AHEAD + 1)
    assert float(await redis("ZSCORE", redis.locations, f"here/{PID}")) == (AHEAD + 1) / 1_000_000 + LIFETIME_S
    assert 0 < await redis("TTL", redis.locations) <= LIFETIME_S
    assert LIFETIME_S < await redis("TTL", redis.session) <= SESSION_LIFETIME_S


async def test_entering_again_starts_a_new_record(redis: Redis):
    await redis.enter()
    await redis.here.remember_channel(USER, PID, "post:1", 1)
    offset = await redis.enter()
    claimed, superseded, _ = await redis.claim(offset)
    assert claimed.channels == {}
    assert superseded == Superseded(PID, 1)


# ---------------------------------------------------------------------------------------------- claiming


async def test_a_claim_moves_the_session_to_the_claiming_node(redis: Redis):
    offset = await redis.enter()
    await redis("PERSIST", redis.locations)
    await redis("EXPIRE", redis.session, 1_000)
    claimed, superseded, node = await redis.claim(offset)
    assert claimed == (Offset(SHARD, AHEAD + 2), 2, {}, [])
    assert (superseded, node) == (Superseded(PID, 1), "here")
    assert await redis("ZRANGE", redis.locations, 0, -1) == [f"there/{PID}".encode()]
    assert float(await redis("ZSCORE", redis.locations, f"there/{PID}")) == (AHEAD + 2) / 1_000_000 + LIFETIME_S
    assert 0 < await redis("TTL", redis.locations) <= LIFETIME_S
    assert await redis("TTL", redis.session) > 1_000
    claimed, superseded, node = await redis.claim(offset)
    assert (claimed.number, superseded, node) == (3, Superseded(PID, 2), "there")


async def test_a_claim_on_the_same_node_keeps_the_place(redis: Redis):
    offset = await redis.enter()
    assert await redis.here.claim(USER, SESSION, PID, offset)
    assert await redis("ZRANGE", redis.locations, 0, -1) == [f"here/{PID}".encode()]


@pytest.mark.parametrize(("session_id", "pid"), [(SESSION + 1, PID), (SESSION, "guessed")])
async def test_only_the_same_session_with_the_secret_pid_may_claim(redis: Redis, session_id: int, pid: str):
    offset = await redis.enter()
    assert await redis.claim(offset, session_id, pid) is None
    assert (await redis.claim(offset))[0].number == 2


@pytest.mark.parametrize(("early_us", "may_claim"), [(0, True), (1, False)])
async def test_a_session_may_be_claimed_until_its_place_expires(redis: Redis, early_us: int, may_claim: bool):
    offset = await redis.enter()
    expiry = (AHEAD + 2 - early_us) / 1_000_000  # the claim's own clock is AHEAD + 2
    await redis("ZADD", redis.locations, repr(expiry), f"here/{PID}")
    assert bool(await redis.claim(offset)) == may_claim


async def test_a_session_without_a_place_cannot_be_claimed(redis: Redis):
    offset = await redis.enter()
    await redis("ZREM", redis.locations, f"here/{PID}")
    assert await redis.claim(offset) is None


async def test_a_claim_returns_missed_pushes_in_order_and_channels_with_the_clock_when_they_were_watched(redis: Redis):
    offset = await redis.enter()
    await redis.here.remember_channel(USER, PID, "post:1", 11)
    pushes = [await redis.push(number) for number in (1, 2)]
    await redis.here.remember_channel(USER, PID, "post:2", 12)
    claimed, *_ = await redis.claim(offset)
    assert claimed.channels == {"post:1": WatchedChannel(11, AHEAD + 1), "post:2": WatchedChannel(12, AHEAD + 3)}
    assert [(push.id, push.offset) for push in claimed.missed] == [(pushes[0], AHEAD + 2), (pushes[1], AHEAD + 3)]


@pytest.mark.parametrize("lost", ["the log was cut", "a body expired"])
async def test_a_session_that_lacks_a_push_cannot_be_claimed(redis: Redis, lost: str):
    offset = await redis.enter()
    push_id = await redis.push(1)
    if lost == "the log was cut":
        await redis("SET", redis.cut, offset.clock + 1)
    else:
        await redis("DEL", redis.keys.bodies(SHARD) + push_id)
    assert await redis.claim(offset) is None
    assert await redis("ZRANGE", redis.locations, 0, -1) == [f"here/{PID}".encode()]


async def test_a_claim_without_a_clock_is_refused(redis: Redis):
    """Redis lost the clock but not the session."""
    offset = await redis.enter()
    await redis("DEL", redis.clock)
    assert await redis.claim(offset) is None


# ---------------------------------------------------------------------------------------------- reading an inbox


@pytest.mark.parametrize(
    ("clock", "is_whole"),
    [(AHEAD - 1, False), (AHEAD, True), (AHEAD + 9, True), (AHEAD + 10, False)],
    ids=["before Redis was started", "as Redis started", "now", "in the future"],
)
async def test_an_inbox_is_whole_from_the_start_of_redis_until_now(redis: Redis, clock: int, is_whole: bool):
    await set_clock(redis.shards, AHEAD + 9)
    assert await redis.missed(clock) == ([] if is_whole else None)


@pytest.mark.parametrize(("cut", "is_whole"), [(AHEAD + 1, True), (AHEAD + 2, False)])
async def test_an_inbox_is_whole_after_its_cut(redis: Redis, cut: int, is_whole: bool):
    await set_clock(redis.shards, AHEAD + 9)
    await redis("SET", redis.cut, cut)
    assert await redis.missed(AHEAD + 1) == ([] if is_whole else None)


async def test_an_empty_redis_is_not_taken_for_a_whole_one(shards: Shards):
    assert await Redis(shards).missed(AHEAD) is None


async def test_only_pushes_after_the_offset_are_read(redis: Redis):
    await redis.enter()
    first, second = [await redis.push(number) for number in (1, 2)]
    assert await redis.missed(AHEAD + 1) == [first, second]
    assert await redis.missed(AHEAD + 2) == [second]
    await redis("DEL", redis.keys.bodies(SHARD) + second)
    assert await redis.missed(AHEAD + 2) is None


# ---------------------------------------------------------------------------------------------- leaving


async def test_a_lost_socket_keeps_its_place_and_record_for_the_window(redis: Redis):
    await redis.enter()
    before = await server_time(redis.shards)
    redis.here.leave(USER, PID, 1, goodbye=False)
    expires_at = float(await redis("ZSCORE", redis.locations, f"here/{PID}"))
    assert int(before) <= expires_at - RECOVERY_WINDOW_S <= await server_time(redis.shards)
    assert 0 < await redis("TTL", redis.session) <= RECOVERY_WINDOW_S


async def test_a_goodbye_ends_the_session(redis: Redis):
    await redis.enter()
    redis.here.leave(USER, PID, 1, goodbye=True)
    assert await redis("ZSCORE", redis.locations, f"here/{PID}") is None
    assert await redis("EXISTS", redis.session) == 0


@pytest.mark.parametrize("goodbye", [False, True])
async def test_an_older_socket_that_leaves_does_not_end_a_claimed_session(redis: Redis, goodbye: bool):
    offset = await redis.enter()
    await redis.claim(offset)
    redis.here.leave(USER, PID, 1, goodbye=goodbye)
    assert await redis("TTL", redis.session) > RECOVERY_WINDOW_S
    assert (await redis.claim(offset))[0].number == 3


async def test_a_socket_without_a_place_gets_none_when_it_leaves(redis: Redis):
    await redis.enter()
    await redis("ZREM", redis.locations, f"here/{PID}")
    redis.here.leave(USER, PID, 1, goodbye=False)
    assert await redis("EXISTS", redis.locations) == 0


# ---------------------------------------------------------------------------------------------- channels of a session


async def test_a_forgotten_session_is_not_revived_by_a_channel(redis: Redis):
    await redis.here.remember_channel(USER, PID, "post:1", 1)
    assert await redis("EXISTS", redis.session) == 0


async def test_a_session_with_too_many_channels_is_forgotten(redis: Redis, monkeypatch):
    monkeypatch.setattr(recovery, "MOST_CHANNELS_KEPT", 2)
    offset = await redis.enter()
    await redis.here.remember_channel(USER, PID, "post:1", 1)
    await redis.here.remember_channel(USER, PID, "post:2", 1)
    assert len((await redis.claim(offset))[0].channels) == 2
    await redis.here.remember_channel(USER, PID, "post:3", 1)
    assert await redis("EXISTS", redis.session) == 0
    assert await redis.claim(offset) is None
