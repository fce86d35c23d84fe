"""A client that reads more slowly than the server writes: keeps the newest conflated frames until it has caught up."""

import asyncio
from collections.abc import Hashable, Iterable

from engine.metrics import BEHIND, CONFLATED, DROPPED

MAX_CONFLATED_KEYS = 1_000


class SlowReader:
    """Exists from the moment the write buffer is full until the client has read nearly everything, or is gone."""

    __slots__ = ("_caught_up", "_latest", "_since")

    def __init__(self) -> None:
        self._since = asyncio.get_running_loop().time()
        self._latest: dict[Hashable, bytes] = {}
        self._caught_up: asyncio.Future[None] | None = None
        BEHIND.inc()

    def keep_latest(self, key: Hashable, frame: bytes) -> None:
        """Keep the frame instead of an older one of its key. The oldest key goes if there are too many."""
        if self._latest.pop(key, None) is not None:
            CONFLATED.inc()
        elif len(self._latest) >= MAX_CONFLATED_KEYS:
            self._latest.pop(next(iter(self._latest)))
            DROPPED.inc()
        self._latest[key] = frame

    def is_older_than(self, seconds: float) -> bool:
        return asyncio.get_running_loop().time() - self._since > seconds

    async def caught_up(self) -> None:
        """Wait until `end`."""
        if self._caught_up is None:
            self._caught_up = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._caught_up)

    def end(self) -> Iterable[bytes]:
        """The client has caught up, or is gone. Returns the frames that were kept."""
        BEHIND.dec()
        if self._caught_up is not None:
            self._caught_up.set_result(None)
        return self._latest.values()
