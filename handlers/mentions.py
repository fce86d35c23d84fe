"""Mentions in posts and comments: the mentioned users, and the limit on their number."""

from collections.abc import Sequence

from domain.post_text import mentioned_usernames
from handlers.call import Call
from protocol.limits import Limit
from storage import users
from storage.database import Transaction

MENTION = Limit("mention", "200/hour", "users mentioned in posts and comments, by author, counted one by one")


async def find_mentioned(tx: Transaction, text: str) -> list[int]:
    """Ids of the mentioned users, without users whose settings forbid it."""
    usernames = mentioned_usernames(text)
    return await users.mentionable(tx, usernames) if usernames else []


async def count_mentions(call: Call, user_ids: Sequence[int]) -> None:
    """Count the other users among them, since each may be notified. Raises RESOURCE_EXHAUSTED."""
    others = len({*user_ids} - {call.viewer.id})
    if others:
        await call.services.limits.hit(MENTION.name, call.viewer.id, others)
