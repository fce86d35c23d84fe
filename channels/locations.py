"""Which nodes a user's sockets are on: by this, pushes to users are routed.

A sorted set for each user holds a location, node/pid → expiry, for each socket. A node renews the locations of its
sockets. A location outlasts its socket for as long as the client may reconnect: until it expires, pushes to the user
are kept.
"""

import time
from collections.abc import Sequence

from channels.names import Names
from storage.shards import Shards

RENEW_EVERY_S = 30
RECOVERY_WINDOW_S = 120
# Long enough that the last renewal of a killed node outlives the window.
LIFETIME_S = RECOVERY_WINDOW_S + 2 * RENEW_EVERY_S
_PAGE = 1_000


def location(node: str, pid: str) -> str:
    return f"{node}/{pid}"


class Locations:
    def __init__(self, shards: Shards, names: Names) -> None:
        self._shards = shards
        self._names = names

    async def renew(self, node: str, sockets: Sequence[tuple[int, str]]) -> None:
        """Renew the locations of these sockets (user id, pid) on that node. Raises RedisError.

        Users whose server is down are left out, so that others do not wait; all are renewed when it is back.
        """
        until = time.time() + LIFETIME_S
        for start in range(0, len(sockets), _PAGE):
            answer = None
            for user_id, pid in sockets[start : start + _PAGE]:
                shard, key = self._names.shard_of_user(user_id), self._names.locations(user_id)
                if not self._shards.is_up([shard]):
                    continue
                self._shards.send(shard, "ZADD", key, until, location(node, pid))
                answer = self._shards.call(shard, "EXPIRE", key, LIFETIME_S)
            if answer is not None:
                await answer

    async def online(self, user_ids: Sequence[int]) -> set[int]:
        """Return the users among these who have sockets on a node, or may reconnect. Raises RedisError."""
        online = set()
        now = time.time()
        for start in range(0, len(user_ids), _PAGE):
            page = user_ids[start : start + _PAGE]
            answers = [
                self._shards.call(
                    self._names.shard_of_user(user_id), "ZCOUNT", self._names.locations(user_id), now, "+inf"
                )
                for user_id in page
            ]
            for user_id, answer in zip(page, answers, strict=True):
                if await answer:
                    online.add(user_id)
        return online
