"""Loads what a node must know of connecting users, in batches.

While a query runs, further users are collected for the next one. A single client waits for no batch, and a storm of
reconnects costs one query per 200 clients.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

import structlog

from storage.database import Conflict, Database, DatabaseUnavailable
from storage.users import ProfileRow

LARGEST_BATCH = 200
MOST_WAITING = 10_000

Pair = tuple[int, int]


class SignInRow(ProfileRow):
    """A session and its user; `hidden` and `…until` as `sign_in` in storage/functions/accounts.sql describes them."""

    session_id: int
    large_authors: list[int]
    hidden: list[int]
    hidden_until: list[float]
    posts_hidden_until: list[float]


# A user has no relation to themselves.
_SIGN_IN = """
    SELECT s.session_id, s.large_authors, s.hidden, s.hidden_until, s.posts_hidden_until, (s.owner).*,
           false AS follows, false AS followed_by, false AS requested, false AS blocks, false AS mutes,
           false AS blocked_by
    FROM sign_in($1, $2) s
"""

log = structlog.get_logger()


class SignIns:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[Pair, asyncio.Future[SignInRow | None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def load(self, session_id: int, user_id: int) -> SignInRow | None:
        """None if the session has ended. Raises DatabaseUnavailable."""
        pair = (session_id, user_id)
        answer = self._waiting.get(pair)
        if answer is None:
            if len(self._waiting) >= MOST_WAITING:
                raise DatabaseUnavailable("too many sign-ins wait")
            answer = self._waiting[pair] = asyncio.get_running_loop().create_future()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(answer)

    async def load_many(self, pairs: Sequence[Pair]) -> dict[int, SignInRow]:
        """Rows by session, without ended sessions. Raises DatabaseUnavailable."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch(_SIGN_IN, [session for session, _ in pairs], [user for _, user in pairs])
        return {row["session_id"]: cast("SignInRow", row) for row in rows}

    async def _run(self) -> None:
        while self._waiting:
            batch = [(pair, self._waiting.pop(pair)) for pair in list(self._waiting)[:LARGEST_BATCH]]
            try:
                rows = await self.load_many([pair for pair, _ in batch])
            except Exception as error:
                if not isinstance(error, (DatabaseUnavailable, Conflict, TimeoutError)):
                    log.exception("sign-ins could not be loaded")
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(DatabaseUnavailable(str(error)))
                        answer.exception()
                continue
            for (session_id, _), answer in batch:
                if not answer.done():
                    answer.set_result(rows.get(session_id))
