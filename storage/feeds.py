"""Feeds: a sorted set per user, `feed:{user}`, of post ids scored by the millisecond they were minted.

A feed holds the newest 1,000 posts. It expires an hour after it was last read or its user was last online. Fan-out
writes only into feeds that exist; a missing one is rebuilt from PostgreSQL when it is read. Meanwhile the feed
exists with the mark "building", so that fan-out does not miss it. If the rebuild dies, the next reader finds the
mark and starts again.

The marks name the run of the server. A replica that takes over, or a server that starts again, may lack the last
writes: it is another run, so its feeds are rebuilt.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from storage.redis_link import LinkScript, Part
from storage.shards import Shards
from storage.snowflakes import milliseconds

LONGEST = 1_000
LIFETIME_S = 3_600
BACKFILL = 200
LONGEST_READING = 500

_BUILDING_LIFETIME_S = 30
_MARKS = 2  # entries that are not posts; their score is above all posts, so that trimming never removes them
_CAPACITY = LONGEST + _MARKS
_LUA = Path(__file__).parent / "lua"
_ADD, _BACKFILL, _BEGIN, _FINISH = (
    LinkScript(_LUA / f"{name}.lua") for name in ("add_to_feeds", "backfill_feed", "begin_feed", "finish_feed")
)
SCRIPTS = (_ADD, _BACKFILL, _BEGIN, _FINISH)


class Feeds:
    """All methods raise RedisError."""

    def __init__(self, shards: Shards) -> None:
        """shards: not started yet, and listened to by nobody else."""
        self._shards = shards
        self._runs: dict[int, bytes] = {}  # by shard
        shards.listen(lambda _channel, _message: None, self._note_run)

    async def insert(self, user_ids: Sequence[int], post_id: int) -> None:
        """Insert the post into those feeds that exist. Safe to repeat."""
        by_shard: defaultdict[int, list[str]] = defaultdict(list)
        for user_id in user_ids:
            shard, key = self._place(user_id)
            by_shard[shard].append(key)
        entry = milliseconds(post_id), post_id, _CAPACITY
        await asyncio.gather(*(self._shards.run(shard, _ADD, keys, entry) for shard, keys in by_shard.items()))

    async def backfill(self, user_id: int, post_ids: Sequence[int]) -> None:
        if post_ids:
            shard, key = self._place(user_id)
            await self._shards.run(shard, _BACKFILL, (key,), (_CAPACITY, *_scored(post_ids)))

    async def remove(self, user_ids: Sequence[int], post_ids: Sequence[int]) -> None:
        if post_ids:
            await self._call_each("ZREM", user_ids, *post_ids)

    async def read(self, user_id: int, newest: int = LONGEST) -> list[int] | None:
        """So many post ids, newest first; None if the feed must be rebuilt. Extends its expiry."""
        shard, key = self._place(user_id)
        answer = self._shards.call(shard, "ZREVRANGE", key, 0, newest)  # and the mark above them
        self._shards.send(shard, "EXPIRE", key, LIFETIME_S)
        entries = await answer
        building, built = self._marks(shard)
        if entries[:1] != [built] or entries[1:2] == [building]:
            return None
        return sorted(map(int, entries[1:]), reverse=True)

    async def begin_rebuild(self, user_id: int) -> None:
        shard, key = self._place(user_id)
        building, _ = self._marks(shard)
        await self._shards.run(shard, _BEGIN, (key,), (building, _BUILDING_LIFETIME_S))

    async def finish_rebuild(self, user_id: int, post_ids: Sequence[int]) -> None:
        """Does nothing if the server was replaced since the rebuild began: the next reader begins again."""
        shard, key = self._place(user_id)
        values: tuple[Part, ...] = (_CAPACITY, LIFETIME_S, *self._marks(shard), *_scored(post_ids))
        await self._shards.run(shard, _FINISH, (key,), values)

    async def keep_alive(self, user_ids: Sequence[int]) -> None:
        """Extend the expiry of online users' feeds."""
        await self._call_each("EXPIRE", user_ids, LIFETIME_S)

    async def forget(self, user_id: int) -> None:
        """Delete the user's feed."""
        shard, key = self._place(user_id)
        await self._shards.call(shard, "UNLINK", key)

    async def _call_each(self, command: str, user_ids: Sequence[int], *arguments: Part) -> None:
        places = map(self._place, user_ids)
        await asyncio.gather(*(self._shards.call(shard, command, key, *arguments) for shard, key in places))

    def _place(self, user_id: int) -> tuple[int, str]:
        shard = self._shards.of(str(user_id))
        return shard, self._shards.key(shard, "feed", user_id)

    def _marks(self, shard: int) -> tuple[bytes, bytes]:
        """The marks "building" and "built" of this run. The second one sorts above the first."""
        run = self._runs.get(shard, b"")
        return b"building:%b" % run, b"built:%b" % run

    async def _note_run(self, shards: Sequence[int]) -> None:
        info = await self._shards.info(shards[0], "server")
        self._runs.update(dict.fromkeys(shards, info["run_id"].encode()))


def _scored(post_ids: Sequence[int]) -> list[int]:
    return [value for post_id in post_ids for value in (milliseconds(post_id), post_id)]
