"""Reports are collected, retried and pushed to watchers. Tests control Redis and the broadcaster."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from channels.redis_keys import RedisKeys
from presence import reports as module
from presence.reports import Chosen, Report, Reports
from protocol.presence import PresenceChanged
from storage.redis import RedisError
from tests.channels.shards import FakeShards
from tests.patience import WAIT_S

BUSY = Chosen("busy", "hello", 3)


class Redis(FakeShards):
    """Answers scripts while `go` is set, with the outcome of each user; fails once for each of `failing`."""

    def __init__(self, amount: int = 1) -> None:
        super().__init__(amount)
        self.go = asyncio.Event()
        self.go.set()
        self.held: set[int] = set()  # shards that do not answer
        self.failing: list[BaseException] = []
        self.outcomes: dict[tuple[int, str], list[object]] = {}

    @property
    def batches(self) -> list[list[tuple[int, str]]]:
        """Return user and what of each report, by script."""
        return [_reports(entry[3]) for entry in self.log if entry[1] is module.UPDATE]

    async def _answer(self, shard: int, what: object) -> object:
        if what is not module.UPDATE:
            return await super()._answer(shard, what)
        batch = self.batches[-1]
        while shard in self.held:
            await asyncio.sleep(0)
        await self.go.wait()
        if self.failing:
            raise self.failing.pop(0)
        return [self.outcomes.get(report, [b"nothing"]) for report in batch]


def _reports(arguments: Any) -> list[tuple[int, str]]:
    return [(arguments[index + 1], arguments[index]) for index in range(4, len(arguments), 6)]


class Broadcaster:
    def __init__(self) -> None:
        self.told: list[tuple[str, PresenceChanged, int]] = []
        self.failing: list[str] = []  # "at once", or "later": by the future

    def publish_unkept(self, channel: str, push: PresenceChanged, actor_id: int) -> "asyncio.Future[object]":
        how = self.failing.pop(0) if self.failing else ""
        if how == "at once":
            raise RedisError("down")
        self.told.append((channel, push, actor_id))
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if how == "later":
            answer.set_exception(RedisError("lost"))
        else:
            answer.set_result(1)
        return answer


class World:
    def __init__(self, shards: int = 1) -> None:
        self.redis, self.broadcaster = Redis(shards), Broadcaster()
        keys = RedisKeys(self.redis)  # type: ignore[arg-type]
        self.reports = Reports(self.redis, keys, self.broadcaster, "here")  # type: ignore[arg-type]

    def add(self, *reports: tuple[int, str]) -> None:
        for user, what in reports:
            self.reports.add(Report(user, what))  # type: ignore[arg-type]

    async def comes_to(self, *batches: list[tuple[int, str]]) -> None:
        """Wait until these have been sent, and nothing else."""
        await until(lambda: len(self.redis.batches) >= len(batches) and not self.is_sending)
        assert self.redis.batches == list(batches)

    @property
    def sent(self) -> list[tuple[int, str]]:
        return [report for batch in self.redis.batches for report in batch]

    @property
    def is_sending(self) -> bool:
        return bool(self.reports._sending)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def world(monkeypatch) -> World:
    monkeypatch.setattr(module, "GRACE_S", WAIT_S)
    monkeypatch.setattr(module, "RETRY_S", 0)
    return World()


# ---------------------------------------------------------------------------------------------- batches


async def test_a_report_is_sent_at_once_with_the_keys_of_its_user(world: World, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 7.5)
    world.reports.add(Report(5, "here", BUSY, is_idle=True))
    await world.comes_to([(5, "here")])
    [(shard, _, keys, arguments)] = world.redis.log
    assert shard == 0
    assert keys == ["0:users-of:here", "0:presence:5", "0:presence:5:quiet", "0:presence:5:late"]
    assert arguments == [
        "here", 1_000, 30 * 86_400, 7, "here", 5, "busy", "hello", 3, 1,
    ]  # fmt: skip


async def test_reports_are_collected_while_others_are_on_their_way(world: World, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    world.redis.go.clear()
    world.add((1, "here"))
    await turns()
    world.add((2, "here"), (3, "gone"), (4, "set"))
    await turns()
    assert (world.redis.batches, world.reports.waiting) == ([[(1, "here")]], 3)
    world.redis.go.set()
    await world.comes_to([(1, "here")], [(2, "here"), (3, "gone")], [(4, "set")])
    assert world.reports.waiting == 0
    world.add((5, "here"))
    await world.comes_to([(1, "here")], [(2, "here"), (3, "gone")], [(4, "set")], [(5, "here")])


async def test_a_script_takes_at_most_100_reports(world: World):
    world.add(*((user, "here") for user in range(1, 202)))
    await until(lambda: not world.is_sending)
    await world.reports.send("here", [Report(user, "settle") for user in range(1, 102)])
    assert [len(batch) for batch in world.redis.batches] == [100, 100, 1, 100, 1]


async def test_the_newest_report_of_a_user_replaces_one_that_waits(world: World):
    world.redis.go.clear()
    world.add((1, "here"))
    await turns()
    world.add((2, "here"), (2, "push"), (2, "gone"), (2, "push"), (1, "set"))
    assert world.reports.waiting == 3
    world.redis.go.set()
    await world.comes_to([(1, "here")], [(2, "gone"), (2, "push"), (1, "set")])


async def test_shards_do_not_wait_for_each_other(monkeypatch):
    world = World(shards=2)
    world.redis.held.add(0)
    world.add((2, "here"), (3, "here"))
    await turns()
    world.add((4, "here"), (5, "here"))
    await until(lambda: world.reports._sending == {0})
    assert world.redis.batches == [[(2, "here")], [(3, "here")], [(5, "here")]]
    assert world.reports.waiting == 1
    world.redis.held.clear()
    await world.comes_to([(2, "here")], [(3, "here")], [(5, "here")], [(4, "here")])


# ---------------------------------------------------------------------------------------------- failures


async def test_reports_that_redis_did_not_take_are_sent_again(world: World):
    """Redis may have the change already, so that its watchers are to be told in any case."""
    world.redis.failing = [RedisError("down")]
    world.add((1, "here"), (2, "gone"))
    await world.comes_to([(1, "here"), (2, "gone")], [(1, "push"), (2, "push"), (1, "here"), (2, "gone")])
    assert set(world.reports._left) == {2}


async def test_a_report_that_is_sent_again_does_not_replace_a_newer_one(world: World):
    world.redis.go.clear()
    world.redis.failing = [RedisError("down")]
    world.add((1, "here"))
    await turns()
    world.add((1, "gone"))
    world.redis.go.set()
    await world.comes_to([(1, "here")], [(1, "gone"), (1, "push")])


async def test_reports_wait_before_they_are_sent_again(world: World, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", WAIT_S)
    world.redis.failing = [RedisError("down")]
    world.add((1, "here"))
    await turns()
    assert (world.redis.batches, world.reports.waiting) == ([[(1, "here")]], 2)
    assert world.is_sending


async def test_reports_are_sent_also_after_an_unexpected_error(world: World):
    world.redis.failing = [ValueError("broken")]
    world.add((1, "here"))
    await until(lambda: not world.is_sending)
    world.add((2, "here"))
    await world.comes_to([(1, "here")], [(1, "push"), (2, "here")])


# ---------------------------------------------------------------------------------------------- the grace period


async def test_users_who_are_gone_are_settled_after_a_while(world: World, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.001)
    world.add((1, "gone"), (2, "gone"), (3, "here"))
    await until(lambda: len(world.sent) >= 5 and not world.is_sending)
    assert world.redis.batches[0] == [(1, "gone"), (2, "gone"), (3, "here")]
    assert world.sent[3:] == [(1, "settle"), (2, "settle")]
    assert not world.reports._left


@pytest.mark.parametrize("what", ["here", "gone"])
async def test_a_user_who_comes_back_or_leaves_anew_restarts_the_grace_period(world: World, monkeypatch, what: str):
    monkeypatch.setattr(module, "GRACE_S", 0.001)
    world.add((1, "gone"))
    await until(lambda: not world.is_sending and bool(world.redis.batches))
    monkeypatch.setattr(module, "GRACE_S", WAIT_S)
    world.add((1, what))
    await asyncio.sleep(0.002)  # ends after the first grace period
    await world.comes_to([(1, "gone")], [(1, what)])


async def test_what_else_is_reported_does_not_restart_the_grace_period(world: World, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.001)
    world.add((1, "gone"))
    await until(lambda: not world.is_sending and bool(world.redis.batches))
    world.add((1, "push"))
    await until(lambda: (1, "settle") in world.sent)


async def test_a_user_who_came_back_while_the_leaving_was_reported_is_not_waited_for(world: World):
    world.redis.go.clear()
    world.add((1, "gone"), (2, "gone"))
    await turns()
    world.add((1, "here"), (2, "push"))
    world.redis.go.set()
    await world.comes_to([(1, "gone"), (2, "gone")], [(1, "here"), (2, "push")])
    assert set(world.reports._left) == {2}


# ---------------------------------------------------------------------------------------------- sending at once


async def test_reports_of_a_dead_node_are_sent_in_batches(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    world = World(shards=2)
    await world.reports.send("dead", [Report(user, "settle") for user in (2, 3, 4, 6, 7, 8, 10)])
    assert sorted(world.redis.batches) == [
        [(2, "settle"), (4, "settle")], [(3, "settle"), (7, "settle")], [(6, "settle"), (8, "settle")],
        [(10, "settle")],
    ]  # fmt: skip
    assert {(entry[2][0], entry[3][0]) for entry in world.redis.log} == {
        ("0:users-of:dead", "dead"), ("1:users-of:dead", "dead"),
    }  # fmt: skip
    assert not world.reports._left


@pytest.mark.parametrize("error", [RedisError("lost"), asyncio.CancelledError(), ValueError("broken")])
async def test_watchers_are_told_later_of_a_change_whose_answer_was_lost(world: World, error: BaseException):
    world.redis.failing = [error]
    with pytest.raises(type(error)):
        await world.reports.send("here", [Report(1, "set", BUSY), Report(2, "set")])
    await world.comes_to([(1, "set"), (2, "set")], [(1, "push"), (2, "push")])


async def test_the_users_of_a_node_are_those_of_all_shards():
    world = World(shards=2)
    world.redis.answers = {(0, "SMEMBERS"): [b"2", b"4"], (1, "SMEMBERS"): [b"3"]}
    assert await world.reports.users_of("a") == [2, 4, 3]
    assert world.redis.log == [(0, "SMEMBERS", "0:users-of:a"), (1, "SMEMBERS", "1:users-of:a")]


async def test_stopping_waits_for_reports(world: World):
    world.redis.go.clear()
    world.add((1, "gone"))
    await turns()
    world.add((2, "gone"))
    stopping = asyncio.create_task(world.reports.stop())
    await turns()
    assert not stopping.done()
    world.redis.go.set()
    await stopping
    assert world.redis.batches == [[(1, "gone")], [(2, "gone")]]


async def test_stopping_gives_up_on_reports_that_redis_does_not_take(world: World, monkeypatch):
    monkeypatch.setattr(module, "STOP_S", 0)
    world.redis.go.clear()
    world.add((1, "gone"))
    await turns()
    await world.reports.stop()
    assert not world.is_sending


# ---------------------------------------------------------------------------------------------- what watchers are told


async def test_watchers_are_told_of_each_change_that_is_due(world: World):
    world.redis.outcomes = {
        (1, "set"): [b"now", b"busy", b"hello", b""], (3, "set"): [b"now", b"offline", b"", b"1700000000"],
    }  # fmt: skip
    await world.reports.send("here", [Report(user, "set") for user in (1, 2, 3)])
    assert [(channel, actor) for channel, _, actor in world.broadcaster.told] == [("presence:1", 1), ("presence:3", 3)]
    shown = [push.presence for _, push, _ in world.broadcaster.told]
    assert [(each.user_id, each.status, each.text, each.last_seen_at) for each in shown] == [
        ("1", "busy", "hello", None), ("3", "offline", "", "2023-11-14T22:13:20.000Z"),
    ]  # fmt: skip
    assert not world.is_sending


@pytest.mark.parametrize(("wait_ms", "is_told"), [(1, True), (int(WAIT_S * 1_000), False)])
async def test_watchers_are_told_once_a_change_is_due(world: World, wait_ms: int, is_told: bool):
    world.redis.outcomes = {(1, "set"): [b"late", wait_ms], (1, "push"): [b"now", b"busy", b"", b""]}
    await world.reports.send("here", [Report(1, "set"), Report(2, "set")])
    if is_told:
        await world.comes_to([(1, "set"), (2, "set")], [(1, "push")])
        assert [channel for channel, *_ in world.broadcaster.told] == ["presence:1"]
    else:
        await asyncio.sleep(0.002)
        assert not world.broadcaster.told


@pytest.mark.parametrize("how", ["at once", "later"])
async def test_a_push_that_failed_is_told_again(world: World, how: str):
    world.broadcaster.failing = [how]
    world.redis.outcomes = {(user, what): [b"now", b"busy", b"", b""] for user in (1, 2) for what in ("set", "push")}
    with pytest.raises(RedisError):
        await world.reports.send("here", [Report(1, "set"), Report(2, "set"), Report(3, "set")])
    await world.comes_to([(1, "set"), (2, "set"), (3, "set")], [(1, "push"), (2, "push")])
    told = ["presence:1", "presence:2"]
    assert [channel for channel, *_ in world.broadcaster.told] == (told if how == "at once" else 2 * told)
