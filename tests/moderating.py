"""Decisions of moderation in tests, by the operator's connection."""

from contextlib import asynccontextmanager
from typing import Any

from storage import decisions
from tests.cluster import Cluster


class Moderating:
    """Makes and ends decisions. Workers are told as for decisions of moderators."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    async def decide(self, target_type: str, target_id: str, action: str, *, seq: int = 0, **more: Any) -> int:
        """Return the decision's id. seq: of a chat message, as calls name it."""
        reason = more.pop("reason", "spam")
        async with self._owner.transaction():
            draft = decisions.DecisionDraft(target_type, int(target_id), action, reason, seq, **more)
            row = await decisions.decide(self._owner, draft, by="operator")
        return row["id"]

    async def undo(self, decision_id: int) -> None:
        async with self._owner.transaction():
            await self._owner.execute("SELECT end_decision($1, NULL, 'undone', NULL, NULL)", decision_id)


@asynccontextmanager
async def moderating(cluster: Cluster):
    owner = await cluster.owner()
    try:
        yield Moderating(owner)
    finally:
        await owner.close()
