"""Which nodes a user's sockets are on: by this, pushes to users are routed.

A sorted set for each user holds a location, node/pid → expiry, for each socket. A node renews the locations of its
sockets. A location outlasts its socket for as long as the client may reconnect: until it expires, pushes to the user
are kept.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from channels.redis_keys import RedisKeys
from storage.redis_link import LinkScript
from storage.shards import Shards

ONLINE = LinkScript(Path(__file__).parent / "lua" / "online.lua")
SCRIPTS = (ONLINE,)

RENEW_EVERY_S = 30
RECOVERY_WINDOW_S = 120
# Long enough that the last renewal of a killed node outlives the window.
LIFETIME_S = RECOVERY_WINDOW_S + 2 * RENEW_EVERY_S
_PAGE = 1_000


def location(node: str, pid: str) -> str:
    return f"{node}/{pid}"


class Locations:
    def __init__(self, shards: Shards, keys: RedisKeys) -> None:
        self._shards = shards
        self._keys = keys

    async def renew(self, node: str, sockets: Sequence[tuple[int, str]]) -> None:
        """Renew the locations of these sockets (user id, pid) on that node. Raises RedisError.

        Users whose server is down are left out, so that others do not wait; all are renewed when it is back.
        """
        until = time.time() + LIFETIME_S
        for start in range(0, len(sockets), _PAGE):
            answer = None
            for user_id, pid in sockets[start : start + _PAGE]:
                shard, key = self._keys.shard_of_user(user_id), self._keys.locations(user_id)
                if not self._shards.is_up([shard]):
                    continue
                self._shards.send(shard, "ZADD", key, until, location(node, pid))
                answer = self._shards.call(shard, "EXPIRE", key, LIFETIME_S)
            if answer is not None:
                await answer

    async def online(self, user_ids: Sequence[int]) -> set[int]:
        """Return the users among these who have sockets on a node, or may reconnect. Raises RedisError."""
        by_shard: defaultdict[int, list[int]] = defaultdict(list)
        for user_id in user_ids:
            by_shard[self._keys.shard_of_user(user_id)].append(user_id)
        found = await asyncio.gather(
            *(
                self._online_on_shard(shard, of_shard[start : start + _PAGE])
                for shard, of_shard in by_shard.items()
                for start in range(0, len(of_shard), _PAGE)
            )
        )
        return {int(user_id) for of_page in found for user_id in of_page}

    async def _online_on_shard(self, shard: int, user_ids: Sequence[int]) -> list[bytes]:
        prefix = self._keys.users(shard).locations
        keys = (self._keys.clock(shard),)
        ids: list[bytes] = await self._shards.run(shard, ONLINE, keys, (time.time(), prefix, *user_ids))
        return ids
