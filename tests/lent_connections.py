"""Connections to PostgreSQL that tests borrow one after the other.

A new connection plans everything anew, which takes longer than most tests.
"""

from collections import defaultdict
from typing import Any

import asyncpg


class LentConnections:
    def __init__(self) -> None:
        self._idle: dict[str, list[Any]] = defaultdict(list)

    async def borrow(self, url: str) -> Any:
        """Return a connection as if it were new; `close` gives it back."""
        while self._idle[url]:
            connection = self._idle[url].pop()
            if not connection.is_closed():
                return connection
        connection = await asyncpg.connect(url, connection_class=_Lent)
        connection.take_back = self._idle[url].append
        return connection

    def close(self) -> None:
        for idle in self._idle.values():
            for connection in idle:
                connection.terminate()
        self._idle.clear()


class _Lent(asyncpg.Connection):
    take_back: Any = None

    async def close(self, *, timeout: float | None = None) -> None:
        if not self.is_closed():
            await self.reset(timeout=timeout)
            self.take_back(self)
