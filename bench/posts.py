"""Posts for benchmarks, inserted by the owner of the tables."""

from collections.abc import Sequence
from typing import Any

from storage import seeding


async def insert_posts(owner: Any, authors: Sequence[int], amount: int) -> None:
    """Let the authors take turns to post a short text with the hashtag `tag`."""
    ids = seeding.past_ids(amount, seeding.POSTED_WITHIN)
    posts = [(post_id, authors[at % len(authors)], f"post {at} #tag", ["tag"]) for at, post_id in enumerate(ids)]
    await seeding.insert_posts(owner, posts)
