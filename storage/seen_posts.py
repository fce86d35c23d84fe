"""The posts that users have seen in the last 48 hours: Bloom filters in Redis, `seen:{user}:{day}`.

A filter has 1 kB and takes the posts of one day (UTC). Three are read, so a post is remembered for 48 to 72 hours.
With 500 posts a day, a filter takes 2 of 1,000 other posts for seen; one that is too full is not used.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from prometheus_client import Counter

from storage.redis import RedisError
from storage.redis_link import Part
from storage.shards import Shards

DAY_S = 86_400
DAYS = 3
BYTES = 1_024
# Primes: the places of an id in a filter are its remainders.
PRIMES = (8_191, 8_179, 8_171, 8_167)
FULLEST = 0.6  # of the bits, after about 1,900 posts

FULL = Counter("daira_seen_posts_full_total", "Reads of a user's seen posts of a day that were too many to be used")

log = structlog.get_logger()


class SeenPosts:
    def __init__(self, shards: Shards, clock: Callable[[], float] = time.time) -> None:
        self._shards = shards
        self._clock = clock

    def ask(self, user_id: int) -> "asyncio.Future[Any]":
        """Ask Redis already for what `unseen` needs."""
        shard = self._shards.of(str(user_id))
        return self._shards.ask(shard, "MGET", *self._keys(shard, user_id))

    async def unseen(
        self, user_id: int, post_ids: Sequence[int], asked: "asyncio.Future[Any] | None" = None
    ) -> Sequence[int]:
        """Those posts that the user has not seen, in their order; all posts while Redis is down. asked: of `ask`."""
        try:
            filters = await (asked or self.ask(user_id))
        except RedisError as error:
            log.warning("seen posts are not filtered", error=str(error))
            return post_ids
        for bits in map(_padded, filter(_is_usable, filters)):
            post_ids = [post_id for post_id in post_ids if not _has(bits, post_id)]
        return post_ids

    def mark(self, user_id: int, post_ids: Iterable[int]) -> None:
        """Note that the user has seen the posts. Nobody waits for it, and it is lost while Redis is down."""
        places = sorted({post_id % prime for post_id in post_ids for prime in PRIMES})
        if not places:
            return
        shard = self._shards.of(str(user_id))
        today = self._keys(shard, user_id)[0]
        sets: list[Part] = [part for place in places for part in ("SET", "u1", place, 1)]
        self._shards.send(shard, "BITFIELD", today, *sets)
        self._shards.send(shard, "EXPIRE", today, DAYS * DAY_S)

    async def forget(self, user_id: int) -> None:
        """Raises RedisError."""
        shard = self._shards.of(str(user_id))
        await self._shards.call(shard, "UNLINK", *self._keys(shard, user_id))

    def _keys(self, shard: int, user_id: int) -> list[str]:
        """The filters of today and of the days before."""
        today = int(self._clock() // DAY_S)
        return [self._shards.key(shard, "seen", user_id, today - age) for age in range(DAYS)]


def _is_usable(bits: bytes | None) -> bool:
    if not bits:
        return False
    if int.from_bytes(bits, "big").bit_count() <= FULLEST * 8 * BYTES:
        return True
    FULL.inc()
    return False


def _padded(bits: bytes) -> bytes:
    return bits.ljust(BYTES, b"\0")


def _has(bits: bytes, post_id: int) -> bool:
    for prime in PRIMES:
        place = post_id % prime
        if not bits[place >> 3] & 0x80 >> (place & 7):
            return False
    return True
