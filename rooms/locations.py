"""Which nodes hold a person's sockets: what a push to a person is routed by.

One sorted set a person, node → expiry. A node renews its people while it lives; a killed node's entries end by
themselves, and a message to a node that is gone reaches nobody.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from storage.redis import Redis

LIFETIME_S = 90
RENEW_EVERY_S = 30
_PAGE = 1_000


class Locations:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._locate = redis.script(Path(__file__).parent / "lua" / "locate.lua")

    async def renew(self, node: str, user_ids: Sequence[int]) -> None:
        """These people have sockets on that node, for the next 90 s."""
        until = time.time() + LIFETIME_S
        for start in range(0, len(user_ids), _PAGE):
            async with self._redis.commands.pipeline(transaction=False) as pipe:
                for user_id in user_ids[start : start + _PAGE]:
                    pipe.zadd(self._key(user_id), {node: until})
                    pipe.expire(self._key(user_id), LIFETIME_S)
                await pipe.execute()

    async def leave(self, node: str, user_id: int) -> None:
        await self._redis.commands.zrem(self._key(user_id), node)

    async def find(self, user_ids: Sequence[int]) -> dict[str, list[int]]:
        """The people among `user_ids` who are online, by node."""
        by_node: dict[str, list[int]] = {}
        for start in range(0, len(user_ids), _PAGE):
            page = user_ids[start : start + _PAGE]
            found = await self._locate([self._key(user_id) for user_id in page], [f"{time.time():.3f}"])
            for user_id, nodes in zip(page, found, strict=True):
                for node in nodes:
                    by_node.setdefault(node.decode(), []).append(user_id)
        return by_node

    def _key(self, user_id: int) -> str:
        return self._redis.key("at", user_id)
