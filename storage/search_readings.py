"""The order of what a search found, kept in Redis for its further pages."""

from collections.abc import Sequence

import msgspec

from storage.search_engine import DocumentKind
from storage.shards import Shards

LIFETIME_S = 600
LONGEST = 500

Place = tuple[DocumentKind, int, str]  # kind, id and title of a document

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Place]).decode


class SearchReadings:
    """All methods raise RedisError."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def keep(self, token: str, order: Sequence[Place]) -> None:
        shard = self._shards.of(token)
        key = self._shards.key(shard, "search", token)
        await self._shards.call(shard, "SET", key, _encode(order[:LONGEST]), "EX", LIFETIME_S)

    async def read(self, token: str) -> list[Place] | None:
        """None if it has expired."""
        shard = self._shards.of(token)
        kept = await self._shards.call(shard, "GET", self._shards.key(shard, "search", token))
        return None if kept is None else _decode(kept)
