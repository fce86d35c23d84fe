"""Limits of accounts in their first 72 hours, tighter than those of others. The age of an account is that of its id."""

from datetime import timedelta

from handlers.call import Call
from protocol.limits import Limit
from storage.snowflakes import minted_at

NEW_FOR = timedelta(hours=72)

NEW_POST = Limit("new_post", "5/hour", "posts by an account in its first 72 hours")
NEW_COMMENT = Limit("new_comment", "15/hour", "comments by an account in its first 72 hours")
NEW_FOLLOW = Limit("new_follow", "50/24 hour", "follows by an account in its first 72 hours")
STRANGER = Limit("stranger", "60/24 hour", "messages to users who have not accepted the chat, by user")
NEW_STRANGER = Limit("new_stranger", "10/24 hour", "the same, by an account in its first 72 hours")


async def count_new(call: Call, limit: Limit) -> None:
    """Count one act of a new account. Raises RESOURCE_EXHAUSTED."""
    if call.services.now() - minted_at(call.viewer.id) < NEW_FOR:
        await call.services.limits.hit(limit.name, call.viewer.id)
