"""Caches the users who see typing in a chat, for a few seconds: users type often, and members change seldom."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from domain.chat_rules import TYPING_UP_TO
from storage import chat_members
from storage.database import Database

KEEP_S = 5.0
MOST_KEPT = 10_000


class _Kept(NamedTuple):
    until: float  # monotonic, s
    user_ids: Sequence[int] | None


class TypingAudiences:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[tuple[int, int], _Kept] = OrderedDict()  # (user, chat), oldest first

    async def of(self, user_id: int, chat_id: int) -> Sequence[int] | None:
        """The other members, none in a large chat; None if the user may not write in it. Raises DatabaseUnavailable."""
        key, now = (user_id, chat_id), time.monotonic()
        kept = self._kept.get(key)
        if kept is None or kept.until < now:
            found = await chat_members.typing_audience(self._database, user_id, chat_id, TYPING_UP_TO)
            kept = self._kept[key] = _Kept(now + KEEP_S, found)
            self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return kept.user_ids
