"""A deployment on Redis behind Sentinel, whose master dies under load or hands over to its replica."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.patience import WAIT_S
from tests.people import Person
from tests.sentinels import SERVICE, Sentinels

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

HONEST = {"OK", "UNAVAILABLE"}
LATEST_ANSWER_S = WAIT_S / 2  # well before the deadline of calls
BETWEEN_CALLS_S = 0.02
AMOUNT = 4  # of readers, and of listeners


@pytest.fixture
async def sentinels(tmp_path):
    redis = Sentinels(tmp_path / "redis")
    await redis.start()
    yield redis
    await redis.stop()


@pytest.fixture
async def evening(sentinels: Sentinels, tmp_path):
    """Two nodes and the workers on Redis behind Sentinel, with users under load."""
    cluster = Cluster(tmp_path / "servers", None, redis_url=sentinels.url)
    await cluster.start()
    people = Evening(cluster)
    await people.begin()
    yield people
    await cluster.leave()
    await cluster.stop()


async def everything(who: Person, method: str, **argument: Any) -> list[Any]:
    """Return the items of all pages."""
    items: list[Any] = []
    cursor = None
    while True:
        page = await who.call(method, **argument, limit=100, cursor=cursor)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    try:
        async with asyncio.timeout(WAIT_S):
            while not await holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"it never held: {holds.__doc__ or holds.__name__}") from None


class Evening:
    """An author with followers, and a live room, active until `end`."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.posts: list[str] = []  # acknowledged
        self.messages: list[str] = []
        self.codes: Counter[str] = Counter()
        self.slowest: tuple[float, str] = (0.0, "")
        self._ending = asyncio.Event()
        self._work: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        person = self.cluster.person
        self.author, self.host, self.leaver = [await person(name) for name in ("author", "host", "leaver")]
        self.readers = [await self._one(f"reader{index}", index) for index in range(AMOUNT)]
        self.listeners = [await self._one(f"listener{index}", index) for index in range(AMOUNT)]
        self.room_id = (await self.host.call("room.create", topic="A majlis that lasts"))["id"]
        await self.host.call("room.start", room_id=self.room_id)
        self.inside: list[Person] = []
        for each in (self.host, *self.listeners):
            await self.enter(each)
        await self.leaver.call("room.join", room_id=self.room_id)
        for reader in self.readers:
            await reader.call("graph.follow", user_id=self.author.id)
            await reader.call("feed.get", mode="latest")
            await reader.call("presence.watch", user_ids=[each.id for each in (*self.everybody, self.leaver)])
        for work in (self._post, self._say, self._look):
            self._work.append(asyncio.create_task(self._again_and_again(work)))
        await self.goes_on()
        assert self.refused == 0

    async def _one(self, name: str, index: int) -> Person:
        return await self.cluster.person(name, node="ab"[index % 2], kind=("python-msgpack", "python-json")[index % 2])

    @property
    def everybody(self) -> list[Person]:
        return [self.author, *self.inside, *self.readers]

    @property
    def refused(self) -> int:
        return self.codes.total() - self.codes["OK"]

    async def enter(self, who: Person) -> None:
        await who.call("room.join", room_id=self.room_id)
        self.inside.append(who)

    # ------------------------------------------------------------------------------------------ load

    async def _again_and_again(self, work: Callable[[int], Awaitable[Any]]) -> None:
        for number in itertools.count():
            if self._ending.is_set():
                return
            await work(number)
            await asyncio.sleep(BETWEEN_CALLS_S)

    async def _call(self, who: Person, method: str, **argument: Any) -> Any:
        """Return the answer's data, or None if the call was refused."""
        began = time.monotonic()
        answer = await who.answer(method, argument)
        self.slowest = max(self.slowest, (time.monotonic() - began, method))
        code = "OK" if answer["ok"] else answer["error"]["code"]
        self.codes[code] += 1
        assert code in HONEST, (method, answer)
        return answer["data"] if answer["ok"] else None

    async def _until_acknowledged(self, who: Person, method: str, **argument: Any) -> Any:
        while (made := await self._call(who, method, **argument)) is None:
            await asyncio.sleep(BETWEEN_CALLS_S)
        return made

    async def _post(self, number: int) -> None:
        text = f"post {number}"
        post = await self._until_acknowledged(self.author, "post.create", text=text, idempotency_key=text)
        self.posts.append(post["id"])

    async def _say(self, number: int) -> None:
        said = {"room_id": self.room_id, "text": f"message {number}", "idempotency_key": f"message {number}"}
        message = await self._until_acknowledged(self.host, "room.send", **said)
        self.messages.append(message["id"])

    async def _look(self, number: int) -> None:
        reader, listener = self.readers[number % AMOUNT], self.listeners[number % AMOUNT]
        await self._call(reader, "feed.get", mode="latest")
        await self._call(reader, "presence.watch", user_ids=[self.host.id])
        await self._call(listener, "room.get", room_id=self.room_id)
        await self._call(listener, "room.raise_hand", room_id=self.room_id, raised=number % 2 == 0)

    async def goes_on(self) -> None:
        """Wait until posts and messages are acknowledged."""
        posts, messages = len(self.posts) + 20, len(self.messages) + 20
        async with asyncio.timeout(WAIT_S):
            while len(self.posts) < posts or len(self.messages) < messages:
                for task in self._work:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.02)

    async def end(self) -> str:
        """Assert the invariants at the end; return a summary."""
        self._ending.set()
        await asyncio.gather(*self._work)
        slowest_s, method = self.slowest
        assert slowest_s < LATEST_ANSWER_S
        for check in (self.feeds_are_whole, self.rosters_are_right, self.presence_is_right):
            await until(check)
        kept = [each["id"] for each in await everything(self.host, "room.messages", room_id=self.room_id)]
        assert sorted(kept) == sorted(self.messages)
        assert not [each.name for each in self.everybody if each.log], "a client lost its connection"
        await self.cluster.settle(*self.readers, *self.listeners)
        return (
            f"{len(self.posts)} posts and {len(self.messages)} messages acknowledged; answers {dict(self.codes)}, the "
            f"slowest {slowest_s:.2f} s ({method}); {self._missed()} pushes missed by people who were told so, "
            f"{self.times_told_to_load_anew()} times in all"
        )

    # ------------------------------------------------------------------------------------------ invariants

    async def rosters_are_right(self) -> bool:
        """both nodes show the right users in the room"""
        wanted = sorted(each.id for each in self.inside)
        for asked in self.listeners[:2]:
            found = await everything(asked, "room.participants", room_id=self.room_id)
            room = await asked.call("room.get", room_id=self.room_id)
            if sorted(each["user"]["id"] for each in found) != wanted or room["audience_count"] != len(wanted):
                return False
        return True

    async def presence_is_right(self) -> bool:
        """both nodes show all users online except the one who left"""
        asked = [each.id for each in (*self.everybody, self.leaver)]
        for watcher in self.readers[:2]:
            shown = (await watcher.call("presence.watch", user_ids=asked))["items"]
            if {each["user_id"] for each in shown if each["status"] != "online"} != {self.leaver.id}:
                return False
        return True

    async def feeds_are_whole(self) -> bool:
        """all feeds contain all acknowledged posts"""
        wanted = sorted(self.posts, key=int, reverse=True)
        for reader in self.readers:
            feed = [item["post"]["id"] for item in await everything(reader, "feed.get", mode="latest")]
            if feed != wanted:
                return False
        return True

    def _missed(self) -> int:
        """Return how many pushes did not arrive; their clients must have been told to reload."""
        missed = 0
        for people, event, said in (
            (self.readers, "feed.added", set(self.posts)),
            (self.listeners, "room.message", set(self.messages)),
        ):
            for each in people:
                heard = {push["post_id"] if "post_id" in push else push["message"]["id"] for push in each.heard(event)}
                told = any(not ready["recovered"] for ready in each.heard("session.ready"))
                assert said <= heard or told, f"{each.name} missed {len(said - heard)} pushes and was not told"
                missed += len(said - heard)
        return missed

    def times_told_to_load_anew(self) -> int:
        return sum(len(each.heard("session.ready")) for each in self.everybody)


async def test_a_lost_master_is_replaced_and_its_return_has_no_effect(evening: Evening, sentinels: Sentinels):
    old, new = sentinels.master, sentinels.replica
    # The replica never gets the writes from now on: the failover loses them.
    await sentinels.ask(new, "config", "set", "masterauth", "refused")
    await sentinels.ask(old, "client", "kill", "type", "replica")
    await evening.goes_on()
    await evening.enter(await evening.cluster.person("last", node="b"))
    await evening.leaver.close()
    sentinels.kill(old)
    await sentinels.ask(new, "config", "set", "masterauth", "")
    began = time.monotonic()
    await evening.goes_on()
    healed_s = time.monotonic() - began
    await evening.enter(await evening.cluster.person("newcomer", node="b"))
    await until(evening.rosters_are_right)
    await until(evening.presence_is_right)

    await evening.goes_on()
    told = evening.times_told_to_load_anew()
    sentinels.spawn_server(old)  # with its old data, as a master until Sentinel demotes it
    await sentinels.until(old, "master_link_status:up", "info", "replication")
    await evening.goes_on()
    assert evening.times_told_to_load_anew() == told
    print(f"\nwent on {healed_s:.1f} s after the kill: {await evening.end()}")


async def test_a_master_that_hands_over_is_followed(evening: Evening, sentinels: Sentinels):
    """As in maintenance: the old master lives, and believes for a while that it is still master. A Sentinel hangs."""
    hung, asked, _ = sentinels.sentinels
    sentinels.stop_for_now(hung)
    began = time.monotonic()
    await sentinels.until(asked, "OK", "sentinel", "failover", SERVICE)
    await sentinels.until(asked, str(sentinels.replica), "sentinel", "get-master-addr-by-name", SERVICE)
    await evening.goes_on()
    handed_over_s = time.monotonic() - began
    await sentinels.until(sentinels.master, "master_link_status:up", "info", "replication")
    await evening.enter(await evening.cluster.person("newcomer", node="b"))
    await evening.leaver.close()
    await evening.goes_on()
    print(f"\nhanded over, and went on within {handed_over_s:.1f} s: {await evening.end()}")
