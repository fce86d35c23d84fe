"""Explore pages, cached for some minutes: in this process, and in Redis for all. One caller at a time computes a page.

A page is the same for all viewers: what a viewer may not see is left out after it was read here. Without Redis, each
process computes its own pages.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from prometheus_client import Counter

from storage.explore import TrendRow
from storage.redis import RedisError
from storage.shards import Shards

LOCK_MS = 2_000
LONGEST_WAIT_S = 1.0  # for a page that another process computes
POLL_S = 0.02

PAGES = Counter("daira_explore_pages_total", "Explore pages by where they were found", ["source"])


class ExplorePage(msgspec.Struct, frozen=True, array_like=True):
    trends: Sequence[TrendRow]
    local_trends: Sequence[TrendRow]
    post_ids: Sequence[int]
    video_ids: Sequence[int]


class _KeptPage(msgspec.Struct, frozen=True, array_like=True):
    until: float  # seconds since 1970
    page: ExplorePage


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_KeptPage).decode


class ExplorePages:
    def __init__(self, shards: Shards, lifetime_s: float) -> None:
        """lifetime_s: 0 keeps nothing."""
        self._shards = shards
        self._lifetime_s = lifetime_s
        self._kept: dict[str, _KeptPage] = {}
        self._flights: dict[str, asyncio.Future[ExplorePage | None]] = {}

    async def get(self, place: str, compute: Callable[[], Awaitable[ExplorePage]]) -> ExplorePage:
        """The page of that place. Callers who come while it is computed wait for it. Raises what `compute` raises."""
        if self._lifetime_s == 0:
            return await compute()
        while True:
            kept = self._kept.get(place)
            if kept is not None and kept.until > time.time():
                PAGES.labels("process").inc()
                return kept.page
            flight = self._flights.get(place)
            if flight is None:
                return await self._lead(place, compute)
            page = await asyncio.shield(flight)
            if page is not None:
                PAGES.labels("process").inc()
                return page

    async def _lead(self, place: str, compute: Callable[[], Awaitable[ExplorePage]]) -> ExplorePage:
        flight = self._flights[place] = asyncio.get_running_loop().create_future()
        page = None
        try:
            kept = await self._shared(place) or await self._computed(place, compute)
            self._kept[place] = kept
            page = kept.page
        finally:
            # If it failed, one of those who wait goes on.
            del self._flights[place]
            flight.set_result(page)
        return page

    async def _shared(self, place: str) -> _KeptPage | None:
        """The page in Redis; None if this process is to compute it."""
        shard, key = self._place(place)
        deadline = time.monotonic() + LONGEST_WAIT_S
        try:
            while True:
                found = await self._shards.call(shard, "GET", key)
                if found is not None:
                    PAGES.labels("redis").inc()
                    return _decode(found)
                if await self._shards.call(shard, "SET", f"{key}:lock", "1", "NX", "PX", LOCK_MS):
                    return None
                if time.monotonic() > deadline:
                    return None
                await asyncio.sleep(POLL_S)
        except RedisError:
            return None

    async def _computed(self, place: str, compute: Callable[[], Awaitable[ExplorePage]]) -> _KeptPage:
        PAGES.labels("computed").inc()
        shard, key = self._place(place)
        try:
            kept = _KeptPage(time.time() + self._lifetime_s, await compute())
            self._shards.send(shard, "SET", key, _encode(kept), "PX", round(self._lifetime_s * 1_000))
            return kept
        finally:
            self._shards.send(shard, "DEL", f"{key}:lock")

    def _place(self, place: str) -> tuple[int, str]:
        shard = self._shards.of(place)
        return shard, self._shards.key(shard, "explore", place)
