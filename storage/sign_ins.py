"""Loads sessions and users as they connect, in batches: a storm of reconnects costs few queries."""

from collections.abc import Mapping, Sequence
from typing import cast

from storage.batches import Batches
from storage.database import Database
from storage.users import ProfileRow, lite_columns, own_columns

Pair = tuple[int, int]


class SignInRow(ProfileRow):
    """A session and its user; `hidden` and `…until` as `sign_in` in storage/functions/accounts.sql describes them."""

    session_id: int
    large_authors: list[int]
    hidden: list[int]
    hidden_until: list[float]
    posts_hidden_until: list[float]
    is_minor: bool


# A user has no relation to themselves.
_SIGN_IN = f"""
    SELECT s.session_id, s.large_authors, s.hidden, s.hidden_until, s.posts_hidden_until,
           (s.owner).id = ANY ((SELECT minors_among($2))::bigint[]) AS is_minor,
           {own_columns("(s.owner)", ProfileRow, until="follows")}, {lite_columns("(s.owner)")},
           false AS follows, false AS followed_by, false AS requested, false AS blocks, false AS mutes,
           false AS blocked_by
    FROM sign_in($1, $2) s
"""


class SignIns:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches = Batches(self._ask)

    async def load(self, session_id: int, user_id: int) -> SignInRow | None:
        """None if the session has ended. Raises DatabaseUnavailable."""
        return await self._batches.answer(None, (session_id, user_id))

    async def load_many(self, pairs: Sequence[Pair]) -> dict[int, SignInRow]:
        """Rows by session, without ended sessions. Raises DatabaseUnavailable."""
        rows = await self._database.fetch(_SIGN_IN, [session for session, _ in pairs], [user for _, user in pairs])
        return {row["session_id"]: cast("SignInRow", row) for row in rows}

    async def _ask(self, group: None, pairs: Sequence[Pair]) -> Mapping[Pair, SignInRow]:
        rows = await self.load_many(pairs)
        return {pair: rows[pair[0]] for pair in pairs if pair[0] in rows}
