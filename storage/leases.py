"""Leases in Redis: each has one holder at a time. The leases of one scope are on one shard, so one script sees all."""

from collections.abc import Sequence
from pathlib import Path

from storage.redis_link import LinkScript
from storage.shards import Shards

_LUA = Path(__file__).parent / "lua"
HOLD, RELEASE = LinkScript(_LUA / "hold_leases.lua"), LinkScript(_LUA / "release_lease.lua")
SCRIPTS = (HOLD, RELEASE)


class Leases:
    """All methods raise RedisError."""

    def __init__(self, shards: Shards, scope: str) -> None:
        self._shards = shards
        self._scope = scope
        self._shard = shards.of(scope)

    async def hold(self, names: Sequence[str], holder: str, *, lifetime_ms: int, most: int) -> list[bool]:
        """Renew leases that are the holder's, and take free ones, in this order, until the holder has `most`.

        Returns for each whether it is the holder's now.
        """
        keys = [self._key(name) for name in names]
        return list(map(bool, await self._shards.run(self._shard, HOLD, keys, (holder, lifetime_ms, most))))

    async def release(self, name: str, holder: str) -> None:
        """Release the lease if it is the holder's."""
        await self._shards.run(self._shard, RELEASE, (self._key(name),), (holder,))

    def _key(self, name: str) -> str:
        return self._shards.key(self._shard, "lease", self._scope, name)
