"""Where people's sockets are: what a push to a person is routed by.

One sorted set a person, node/pid → expiry: a place for each socket. A node renews its own while it lives. A place
outlasts its socket for as long as the client may come back, so that what is pushed meanwhile is kept; and while it
counts, nothing that was pushed can have been missed unkept.
"""

import time
from collections.abc import Sequence

from channels.names import Names
from storage.shards import Shards

RENEW_EVERY_S = 30
RECOVERY_WINDOW_S = 120
# Also what a killed node has renewed last must outlive the window.
LIFETIME_S = RECOVERY_WINDOW_S + 2 * RENEW_EVERY_S
_PAGE = 1_000


def place(node: str, pid: str) -> str:
    return f"{node}/{pid}"


class Locations:
    def __init__(self, shards: Shards, names: Names) -> None:
        self._shards = shards
        self._names = names

    async def renew(self, node: str, sockets: Sequence[tuple[int, str]]) -> None:
        """These people, by their sockets' pids, are on that node. Raises RedisError.

        But for those whose server is away: it is said of all once that is back, and until then others need not wait.
        """
        until = time.time() + LIFETIME_S
        for start in range(0, len(sockets), _PAGE):
            answer = None
            for user_id, pid in sockets[start : start + _PAGE]:
                shard, key = self._names.shard_of_person(user_id), self._names.places(user_id)
                if not self._shards.is_up([shard]):
                    continue
                self._shards.send(shard, "ZADD", key, until, place(node, pid))
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
                    self._names.shard_of_person(user_id), "ZCOUNT", self._names.places(user_id), now, "+inf"
                )
                for user_id in page
            ]
            for user_id, answer in zip(page, answers, strict=True):
                if await answer:
                    online.add(user_id)
        return online
