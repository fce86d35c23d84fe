"""Recommendations for ranked feeds, kept in Redis for some minutes: finding them costs more than ranking does.

What a viewer may not see any more is left out by each ranking.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from prometheus_client import Counter

from storage.candidates import Candidacy, beyond_inbox
from storage.database import Transaction
from storage.redis import RedisError
from storage.shards import Shards

OF_EACH_SOURCE = 15
KEPT_S = 180

FOUND = Counter("daira_recommendations_total", "Recommendations of a ranked feed by where they were found", ["source"])

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Candidacy]).decode


class Recommendations:
    """While Redis is down, they are computed for each feed."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._flights: dict[int, asyncio.Future[Sequence[Candidacy] | None]] = {}

    def ask(self, viewer_id: int) -> "asyncio.Future[Any]":
        """Ask Redis already for what `of` needs."""
        shard, key = self._place(viewer_id)
        return self._shards.ask(shard, "GET", key)

    async def of(
        self, tx: Transaction, viewer_id: int, asked: "asyncio.Future[Any] | None" = None
    ) -> dict[int, Candidacy]:
        """By post id, in the order of the sources. Calls that come while they are computed wait.

        tx: of the viewer. asked: of `ask`.
        """
        while True:
            flight = self._flights.get(viewer_id)
            found = await (self._lead(tx, viewer_id, asked) if flight is None else asyncio.shield(flight))
            if found is not None:  # else the call that computed them failed, and one of those that wait goes on
                return {each.post_id: each for each in found}

    async def forget(self, viewer_id: int) -> None:
        """Raises RedisError."""
        shard, key = self._place(viewer_id)
        await self._shards.call(shard, "UNLINK", key)

    async def _lead(self, tx: Transaction, viewer_id: int, asked: "asyncio.Future[Any] | None") -> Sequence[Candidacy]:
        flight = self._flights[viewer_id] = asyncio.get_running_loop().create_future()
        found = None
        try:
            found = await self._kept(asked or self.ask(viewer_id))
            if found is None:
                found = await beyond_inbox(tx, viewer_id, OF_EACH_SOURCE)
                shard, key = self._place(viewer_id)
                self._shards.send(shard, "SET", key, _encode(found), "EX", KEPT_S)
        finally:
            del self._flights[viewer_id]
            flight.set_result(found)
        return found

    async def _kept(self, asked: "asyncio.Future[Any]") -> Sequence[Candidacy] | None:
        try:
            kept = await asked
        except RedisError:
            kept = None
        FOUND.labels("computed" if kept is None else "redis").inc()
        return None if kept is None else _decode(kept)

    def _place(self, viewer_id: int) -> tuple[int, str]:
        shard = self._shards.of(str(viewer_id))
        return shard, self._shards.key(shard, "recommended", viewer_id)
