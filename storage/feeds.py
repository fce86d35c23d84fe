"""Feeds: a sorted set per user, `feed:{user}`, of post ids scored by the millisecond they were minted.

A feed holds the newest 1,000 posts. It expires an hour after it was last read or its user was last online. Fan-out
writes only into feeds that exist; a missing one is rebuilt from PostgreSQL when it is read. Meanwhile the feed
exists with the mark "building", so that fan-out does not miss it. If the rebuild dies, the next reader finds the
mark and starts again.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from storage.redis import Redis
from storage.snowflakes import milliseconds

LONGEST = 1_000
LIFETIME_S = 3_600
BACKFILL = 200
READING_LIFETIME_S = 600
LONGEST_READING = 500

_BUILDING = "building"
_FIRST = float("inf")  # above all posts, so that trimming never removes a mark
_BUILDING_LIFETIME_S = 30
_MARKS = 2  # entries that are not posts
_CAPACITY = LONGEST + _MARKS
_LUA = Path(__file__).parent / "lua"

_encode_reading = msgspec.msgpack.Encoder().encode
_decode_reading = msgspec.msgpack.Decoder(list[tuple[int, float]]).decode


class Feeds:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = redis.script(_LUA / "add_to_feeds.lua")
        self._backfill = redis.script(_LUA / "backfill_feed.lua")
        self._finish = redis.script(_LUA / "finish_feed.lua")

    async def insert(self, user_ids: Sequence[int], post_id: int) -> None:
        """Insert the post into those feeds that exist. Safe to repeat."""
        if user_ids:
            keys = [self._key(user_id) for user_id in user_ids]
            await self._add(keys, [milliseconds(post_id), post_id, _CAPACITY])

    async def backfill(self, user_id: int, post_ids: Sequence[int]) -> None:
        if post_ids:
            await self._backfill([self._key(user_id)], [_CAPACITY, *_scored(post_ids)])

    async def remove(self, user_ids: Sequence[int], post_ids: Sequence[int]) -> None:
        if not user_ids or not post_ids:
            return
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            for user_id in user_ids:
                pipe.zrem(self._key(user_id), *post_ids)
            await pipe.execute()

    async def read(self, user_id: int) -> list[int] | None:
        """All post ids, newest first; None if the feed must be rebuilt. Extends its expiry."""
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            pipe.zrevrange(self._key(user_id), 0, -1)
            pipe.expire(self._key(user_id), LIFETIME_S)
            entries, _ = await pipe.execute()
        if b"built" not in entries[:_MARKS] or b"building" in entries[:_MARKS]:
            return None
        return sorted(map(int, entries[1:]), reverse=True)

    async def begin_rebuild(self, user_id: int) -> None:
        async with self._redis.commands.pipeline(transaction=True) as pipe:
            pipe.zadd(self._key(user_id), {_BUILDING: _FIRST})
            pipe.expire(self._key(user_id), _BUILDING_LIFETIME_S)
            await pipe.execute()

    async def finish_rebuild(self, user_id: int, post_ids: Sequence[int]) -> None:
        await self._finish([self._key(user_id)], [_CAPACITY, LIFETIME_S, *_scored(post_ids)])

    async def keep_alive(self, user_ids: Sequence[int]) -> None:
        """Extend the expiry of online users' feeds."""
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            for user_id in user_ids:
                pipe.expire(self._key(user_id), LIFETIME_S)
            await pipe.execute()

    async def keep_reading(self, token: str, scored: Sequence[tuple[int, float]]) -> None:
        """Store the order of a ranked feed for its further pages."""
        kept = _encode_reading(scored[:LONGEST_READING])
        await self._redis.commands.set(self._reading_key(token), kept, ex=READING_LIFETIME_S)

    async def reading(self, token: str) -> list[tuple[int, float]] | None:
        """The stored order, as (post id, score); None if it has expired."""
        kept = await self._redis.commands.get(self._reading_key(token))
        return None if kept is None else _decode_reading(kept)

    def _key(self, user_id: int) -> str:
        return self._redis.key("feed", user_id)

    def _reading_key(self, token: str) -> str:
        return self._redis.key("reading", token)


def _scored(post_ids: Sequence[int]) -> list[int]:
    return [value for post_id in post_ids for value in (milliseconds(post_id), post_id)]
