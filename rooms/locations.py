"""Where people's sockets are: what a push to a person is routed by.

One sorted set a person, node → expiry. A node renews its people while it lives. A place outlasts its last socket for
as long as the client may come back, so that what is pushed meanwhile is kept.
"""

import time
from collections.abc import Sequence

from rooms.names import Names
from storage.shards import Shards

RENEW_EVERY_S = 30
RECOVERY_WINDOW_S = 120
# Also what a killed node has renewed last must outlive the window.
LIFETIME_S = RECOVERY_WINDOW_S + 2 * RENEW_EVERY_S
_PAGE = 1_000


class Locations:
    def __init__(self, shards: Shards, names: Names) -> None:
        self._shards = shards
        self._names = names

    async def renew(self, node: str, user_ids: Sequence[int]) -> None:
        """These people have sockets on that node. Raises RedisError."""
        until = time.time() + LIFETIME_S
        for start in range(0, len(user_ids), _PAGE):
            answer = None
            for user_id in user_ids[start : start + _PAGE]:
                shard, key = self._names.shard_of_person(user_id), self._names.nodes(user_id)
                self._shards.send(shard, "ZADD", key, until, node)
                answer = self._shards.call(shard, "EXPIRE", key, LIFETIME_S)
            if answer is not None:
                await answer

    async def online(self, user_ids: Sequence[int]) -> set[int]:
        """The people among `user_ids` who have sockets somewhere, or may come back. Raises RedisError."""
        online = set()
        now = time.time()
        for start in range(0, len(user_ids), _PAGE):
            page = user_ids[start : start + _PAGE]
            answers = [
                self._shards.call(
                    self._names.shard_of_person(user_id), "ZCOUNT", self._names.nodes(user_id), now, "+inf"
                )
                for user_id in page
            ]
            for user_id, answer in zip(page, answers, strict=True):
                if await answer:
                    online.add(user_id)
        return online
