"""Reports the presence of a node's users to Redis, and pushes changes to watchers.

While the reports of a shard are on their way, further ones are collected, and the next script takes up to 100 of them:
a node that is drained has thousands within a second. Reports are retried until Redis takes them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from channels.background import Background
from channels.broadcaster import Broadcaster
from channels.redis_keys import RedisKeys
from presence.metrics import CHANGES
from presence.presence_channel import PRESENCE
from presence.view import changed, shown
from protocol.presence import Presence
from storage.redis import RedisError
from storage.redis_link import LinkScript, Part
from storage.shards import Shards

GRACE_S = 5.0
PUSHES_APART_MS = 1_000
RETRY_S = 1.0
STOP_S = 2.0
KEPT_S = 30 * 86_400  # after this, last_seen_at is unknown
BATCH = 100  # users in one script: some 2 ms, in which Redis does nothing else

What = Literal["here", "gone", "settle", "set", "push"]

UPDATE = LinkScript(Path(__file__).parent / "lua" / "update.lua")
SCRIPTS = (UPDATE,)


class Chosen(NamedTuple):
    """The status that a user chose. `version` counts choices: an older one never replaces a newer one."""

    status: str
    text: str
    version: int


NOTHING_CHOSEN = Chosen("", "", 0)


class Report(NamedTuple):
    """A change of one user's presence on a node.

    here: the user has a socket there. gone: the last socket closed. settle: the grace period has ended. set: the user
    chose a status. push: nothing changed, but watchers may have missed a push.
    """

    user_id: int
    what: What
    chosen: Chosen = NOTHING_CHOSEN  # for `here` and `set`
    is_idle: bool = False


class Reports:
    def __init__(self, shards: Shards, keys: RedisKeys, broadcaster: Broadcaster, node: str) -> None:
        self._shards = shards
        self._keys = keys
        self._broadcaster = broadcaster
        self._node = node
        # By shard: the newest report of each user, and apart from it whether watchers need a push.
        self._waiting: defaultdict[int, dict[tuple[int, bool], Report]] = defaultdict(dict)
        self._sending: set[int] = set()  # shards
        self._left: dict[int, float] = {}  # users in their grace period → its end (loop time)
        self._background = Background("presence")

    @property
    def in_grace(self) -> list[int]:
        """Users who have left and are not settled."""
        return list(self._left)

    @property
    def waiting(self) -> int:
        """The number of reports that Redis has not taken yet."""
        return sum(map(len, self._waiting.values()))

    def add(self, report: Report) -> None:
        """Send it soon, instead of an older one of the same user that waits. A user who has left is settled later."""
        if report.what in ("here", "gone"):
            self._left.pop(report.user_id, None)
        shard = self._keys.shard_of_user(report.user_id)
        self._waiting[shard][report.user_id, report.what == "push"] = report
        if shard not in self._sending:
            self._sending.add(shard)
            self._background.run(self._send_waiting(shard))

    async def send(self, node: str, reports: Collection[Report]) -> None:
        """Send the reports of a node at once. Raises RedisError: some of them may have arrived."""
        by_shard: defaultdict[int, list[Report]] = defaultdict(list)
        for report in reports:
            by_shard[self._keys.shard_of_user(report.user_id)].append(report)
        await asyncio.gather(
            *(
                self._send_batch(node, shard, some[start : start + BATCH])
                for shard, some in by_shard.items()
                for start in range(0, len(some), BATCH)
            )
        )

    async def stop(self) -> None:
        """Return once all is sent, or after 2 s."""
        await self._background.stop(STOP_S)

    async def users_of(self, node: str) -> list[int]:
        """The users whom the node has reported as here, and not as settled. Raises RedisError."""
        shards = range(self._shards.amount)
        answers = [self._shards.call(shard, "SMEMBERS", self._users(shard, node)) for shard in shards]
        return [int(user_id) for answer in answers for user_id in await answer]

    async def _send_waiting(self, shard: int) -> None:
        waiting = self._waiting[shard]
        try:
            while waiting:
                batch = {key: waiting.pop(key) for key in list(islice(waiting, BATCH))}
                try:
                    await self._send_batch(self._node, shard, batch.values())
                except RedisError:
                    for key, report in batch.items():
                        waiting.setdefault(key, report)
                    await asyncio.sleep(RETRY_S)
                else:
                    self._wait_for(
                        [user_id for key, (user_id, what, *_) in batch.items() if what == "gone" and key not in waiting]
                    )
        finally:
            self._sending.discard(shard)

    def _wait_for(self, user_ids: Sequence[int]) -> None:
        """Settle these users after the grace period, except those who reconnect."""
        loop = asyncio.get_running_loop()
        until = loop.time() + GRACE_S
        self._left.update(dict.fromkeys(user_ids, until))
        loop.call_at(until, self._settle, user_ids, until)

    def _settle(self, user_ids: Sequence[int], until: float) -> None:
        for user_id in user_ids:
            if self._left.get(user_id) == until:
                del self._left[user_id]
                self.add(Report(user_id, "settle"))

    async def _send_batch(self, node: str, shard: int, reports: Collection[Report]) -> None:
        keys = [self._users(shard, node)]
        arguments: list[Part] = [node, PUSHES_APART_MS, KEPT_S, int(GRACE_S)]
        for user_id, what, chosen, is_idle in reports:
            key = self._keys.presence(user_id)
            keys += (key, f"{key}:quiet", f"{key}:late")
            arguments += (what, user_id, *chosen, int(is_idle))
        answer = self._shards.run(shard, UPDATE, keys, arguments)  # raises at once if the link is down
        try:
            outcomes = await answer
        except BaseException:  # also at a call's deadline
            for report in reports:  # Redis may have the change already, and a retry would find no news to push
                self._push_later(report.user_id)
            raise
        now = {}
        for report, (outcome, *rest) in zip(reports, outcomes, strict=True):
            if outcome == b"now":
                CHANGES.labels("at once").inc()
                now[report.user_id] = shown(report.user_id, *rest)
            elif outcome == b"late":
                CHANGES.labels("later").inc()
                asyncio.get_running_loop().call_later(rest[0] / 1_000, self._push_later, report.user_id)
        await self._push(now)

    async def _push(self, presences: Mapping[int, Presence]) -> None:
        publish = self._broadcaster.publish_unkept
        try:
            for answer in [
                publish(PRESENCE.channel(user_id), changed(presence), user_id)
                for user_id, presence in presences.items()
            ]:
                await answer
        except BaseException:
            for user_id in presences:
                self._push_later(user_id)
            raise

    def _push_later(self, user_id: int) -> None:
        self.add(Report(user_id, "push"))

    def _users(self, shard: int, node: str) -> str:
        return self._shards.key(shard, "users-of", node)
