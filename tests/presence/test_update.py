"""The script derives a user's presence from their sockets on all nodes and the status that they chose."""

from typing import Any

import pytest

from presence.reports import UPDATE
from storage.shards import Shards

USER = 7
APART_MS, KEPT_S, WAITED_S = 60_000, 3_600, 5
SHARD = 0  # the only one of a single server
UNCHANGED = ["nothing"]


class Redis:
    """The presence of one user."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self.user, self.quiet, self.late = (shards.key(SHARD, "presence", name) for name in ("user", "quiet", "late"))

    async def __call__(self, *parts):
        return await self._shards.call(SHARD, *parts)

    def people_of(self, node: str) -> str:
        return self._shards.key(SHARD, "people-of", node)

    async def soon(
        self, what: str, node: str = "a", status: str = "", text: str = "", version: int = 0, *, idle: bool = False
    ) -> list[Any]:
        """Update within APART_MS of the last push."""
        arguments = (node, APART_MS, KEPT_S, WAITED_S, what, USER, status, text, version, int(idle))
        keys = (self.people_of(node), self.user, self.quiet, self.late)
        [answer] = await self._shards.run(SHARD, UPDATE, keys, arguments)
        return [each.decode() if isinstance(each, bytes) else each for each in answer]

    async def later(self, what: str, *rest, **named) -> list[Any]:
        """Update when the last push was long ago."""
        await self("DEL", self.quiet, self.late)
        return await self.soon(what, *rest, **named)

    async def here(self, node: str = "a", status: str = "online", text: str = "", **named) -> list[Any]:
        return await self.later("here", node, status, text, **named)

    async def leave(self, node: str = "a") -> list[Any]:
        await self.later("gone", node)
        return await self.later("settle", node)

    async def field(self, name: str) -> str | None:
        found = await self("HGET", self.user, name)
        return found and found.decode()

    async def fields(self) -> set[str]:
        return {name.decode() for name in await self("HKEYS", self.user)}

    async def seconds(self) -> int:
        return int((await self("TIME"))[0])


@pytest.fixture
async def redis(shards: Shards) -> Redis:
    return Redis(shards)


# ---------------------------------------------------------------------------------------------- coming and going


async def test_a_user_who_comes_is_online_and_noted_with_the_node(redis: Redis):
    assert await redis.here(text="hello") == ["now", "online", "hello", ""]
    assert await redis.field("at:a") == "1"
    assert "idle:a" not in await redis.fields()
    assert await redis("SMEMBERS", redis.people_of("a")) == [str(USER).encode()]
    for key in (redis.user, redis.people_of("a")):
        assert 0 < await redis("TTL", key) <= KEPT_S


async def test_an_update_without_a_change_is_not_pushed(redis: Redis):
    await redis.here(text="hello")
    assert await redis.here(text="hello") == UNCHANGED
    assert await redis.here("b", text="hello") == UNCHANGED


async def test_a_user_who_leaves_is_waited_for_and_then_offline(redis: Redis):
    await redis.here(text="hello", idle=True)
    before = await redis.seconds()
    assert await redis.later("gone") == UNCHANGED
    left_at = await redis.field("seen")
    assert before <= int(left_at) <= await redis.seconds()
    assert await redis.field("at:a") == "0"
    assert await redis("SCARD", redis.people_of("a")) == 1
    assert await redis.later("settle") == ["now", "offline", "", left_at]
    assert not await redis.fields() & {"at:a", "idle:a"}
    assert await redis("SCARD", redis.people_of("a")) == 0


async def test_a_user_who_leaves_one_of_two_nodes_stays_online(redis: Redis):
    await redis.here("a")
    await redis.here("b")
    assert await redis.leave("a") == UNCHANGED
    assert (await redis.leave("b"))[:2] == ["now", "offline"]


async def test_a_user_who_returns_in_time_is_not_settled(redis: Redis):
    await redis.here()
    await redis.later("gone")
    assert await redis.here() == UNCHANGED
    assert await redis.later("settle") == UNCHANGED
    assert await redis.field("at:a") == "1"
    assert await redis("SCARD", redis.people_of("a")) == 1


@pytest.mark.parametrize("what", ["gone", "settle"])
async def test_a_node_that_the_user_is_not_on_changes_nothing(redis: Redis, what: str):
    assert await redis.later(what) == UNCHANGED
    await redis.here("b")
    assert await redis.later(what) == UNCHANGED
    assert await redis.fields() == {"at:b", "status", "text", "version", "shown", "shown_text"}


async def test_a_second_report_that_a_user_left_does_not_change_when(redis: Redis):
    await redis.here()
    await redis.later("gone")
    await redis("HSET", redis.user, "seen", 1)
    await redis.later("gone")
    assert await redis.field("seen") == "1"


@pytest.mark.parametrize("what", ["set", "push"])
async def test_other_updates_of_a_user_who_left_do_not_end_the_wait(redis: Redis, what: str):
    await redis.here()
    await redis.later("gone")
    await redis.later(what, status="online")
    assert await redis.field("at:a") == "0"
    assert await redis("SCARD", redis.people_of("a")) == 1


async def test_a_choice_does_not_make_a_user_leave(redis: Redis):
    await redis.here()
    await redis.later("set", status="busy")
    assert await redis.field("at:a") == "1"


# ---------------------------------------------------------------------------------------------- idle


async def test_a_user_is_away_while_idle_on_all_nodes(redis: Redis):
    await redis.here("a")
    assert (await redis.here("a", idle=True))[1] == "away"
    assert (await redis.here("b"))[1] == "online"
    assert (await redis.here("b", idle=True))[1] == "away"
    assert (await redis.here("a"))[1] == "online"


async def test_a_busy_user_stays_busy_while_idle(redis: Redis):
    await redis.here(status="busy")
    assert await redis.here(status="busy", idle=True) == UNCHANGED


async def test_a_user_who_chose_away_is_away_while_not_idle(redis: Redis):
    assert (await redis.here(status="away"))[1] == "away"


# ---------------------------------------------------------------------------------------------- choices


async def test_a_choice_is_shown_and_kept(redis: Redis):
    await redis.here()
    assert await redis.later("set", status="busy", text="cooking", version=1) == ["now", "busy", "cooking", ""]
    assert await redis.later("set", status="away", text="cooking", version=2) == ["now", "away", "cooking", ""]
    assert await redis.later("set", status="away", text="eating", version=3) == ["now", "away", "eating", ""]
    assert await redis.later("push") == ["now", "away", "eating", ""]
    assert "seen" not in await redis.fields()


async def test_a_choice_of_an_offline_user_is_shown_when_they_come(redis: Redis):
    assert await redis.later("set", status="busy", text="cooking", version=3) == UNCHANGED
    assert await redis.here(status="online", version=2) == ["now", "busy", "cooking", ""]


@pytest.mark.parametrize("what", ["set", "here"])
@pytest.mark.parametrize(("version", "shown"), [(1, "busy"), (2, "away"), (3, "away")])
async def test_an_older_choice_never_replaces_a_newer_one(redis: Redis, what: str, version: int, shown: str):
    await redis.here(status="busy", version=2)
    await redis.later(what, status="away", version=version)
    assert (await redis.later("push"))[1] == shown


async def test_only_choices_and_arrivals_carry_a_choice(redis: Redis):
    await redis.here(status="busy")
    await redis.here("b", status="busy")
    for what in ("gone", "settle", "push"):
        await redis.later(what, status="away", text="ignored", version=9)
    assert await redis.later("push") == ["now", "busy", "", await redis.field("seen")]


# ---------------------------------------------------------------------------------------------- invisible


async def test_a_user_who_becomes_invisible_is_shown_as_one_who_left(redis: Redis):
    """With the time at which a user who left would be shown as offline: not before they were waited for."""
    await redis.here(text="hello")
    before = await redis.seconds()
    shown = await redis.later("set", status="invisible", text="hello", version=1)
    assert shown[:3] == ["now", "offline", ""]
    assert before <= int(shown[3]) + WAITED_S <= await redis.seconds()


async def test_an_invisible_user_leaves_no_trace(redis: Redis):
    await redis.here(status="invisible")
    assert "seen" not in await redis.fields()
    assert await redis.leave() == UNCHANGED
    assert "seen" not in await redis.fields()
    await redis.here(status="invisible")
    await redis.later("set", status="invisible", version=1)
    assert "seen" not in await redis.fields()


async def test_an_older_record_of_an_invisible_choice_leaves_no_trace(redis: Redis):
    """The user chose it elsewhere: that update has noted when."""
    await redis.here(status="online")
    assert (await redis.here(status="invisible", version=1))[1] == "offline"
    assert "seen" not in await redis.fields()


async def test_a_user_who_becomes_visible_is_shown_at_once(redis: Redis):
    await redis.here(status="invisible", text="hello")
    assert await redis.later("set", status="online", text="hello", version=1) == ["now", "online", "hello", ""]
    assert "seen" not in await redis.fields()


# ---------------------------------------------------------------------------------------------- how often


async def test_changes_soon_after_a_push_are_pushed_together_later(redis: Redis):
    assert (await redis.soon("here", status="online"))[0] == "now"
    outcome, wait_ms = await redis.soon("set", status="busy")
    assert outcome == "late"
    assert 0 < wait_ms <= APART_MS
    assert await redis.soon("set", status="away") == UNCHANGED
    # The note that a push is due outlasts the pause, so that the node that has to push finds it.
    assert await redis("PEXPIRETIME", redis.late) == await redis("PEXPIRETIME", redis.quiet) + 2_000


async def test_the_later_push_tells_the_newest_state(redis: Redis):
    await redis.soon("here", status="online")
    await redis.soon("set", status="busy")
    assert (await redis.soon("push"))[0] == "late"
    await redis("DEL", redis.quiet)
    assert await redis.soon("push") == ["now", "busy", "", ""]
    assert await redis("EXISTS", redis.late) == 0
    assert (await redis.soon("set", status="away"))[0] == "late"
