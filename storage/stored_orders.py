"""The order of a list that is ranked once, kept in Redis for the further pages of its reader."""

from collections.abc import Awaitable
from typing import Generic, TypeVar

import msgspec

from storage.shards import Shards

LIFETIME_S = 600

T = TypeVar("T")


class StoredOrders(Generic[T]):
    """The awaitables that both methods return raise RedisError."""

    def __init__(self, shards: Shards, name: str, kind: type[T]) -> None:
        """name: of the keys."""
        self._shards = shards
        self._name = name
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def keep(self, token: str, order: T) -> Awaitable[object]:
        shard, key = self._place(token)
        return self._shards.ask(shard, "SET", key, self._encode(order), "EX", LIFETIME_S)

    async def read(self, token: str) -> T | None:
        """None if it has expired."""
        shard, key = self._place(token)
        kept = await self._shards.call(shard, "GET", key)
        return None if kept is None else self._decode(kept)

    def _place(self, token: str) -> tuple[int, str]:
        shard = self._shards.of(token)
        return shard, self._shards.key(shard, self._name, token)
