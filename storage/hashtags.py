"""Hashtags: their posts. A hashtag is given in its folded form."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from storage.database import Database, Transaction


class Tagged(NamedTuple):
    """What a post is found by: `keys` are its hashtags in folded form, `spellings` as written, in the same order."""

    post_id: int
    author_id: int
    version: int
    keys: Sequence[str]
    spellings: Sequence[str]


class Unentered(NamedTuple):
    """A post that may not be found by its hashtags yet. is_recent: these can still be uses."""

    post_id: int
    author_id: int
    version: int
    hashtags: list[str]
    is_recent: bool


class PostTags(NamedTuple):
    """The hashtags of a post, as written."""

    version: int
    hashtags: list[str]


async def post_ids(tx: Transaction, tag: str, before: int, limit: int) -> list[int]:
    """Newest first. The viewer may not see all of them."""
    return [row[0] for row in await tx.fetch("SELECT tagged_post_ids($1, $2, $3)", tag, before, limit)]


async def top_post_ids(tx: Transaction, tag: str, limit: int) -> list[int]:
    """Those first that most people care for at present. The viewer may not see all of them."""
    return [row[0] for row in await tx.fetch("SELECT top_tagged_post_ids($1, $2)", tag, limit)]


async def count_posts(tx: Transaction, tag: str) -> int:
    """Count the posts that the page of a hashtag shows to the viewer, among the newest 1,000."""
    found: int = await tx.fetchval("SELECT count_tagged_posts($1)", tag)
    return found


async def written(database: Database, post_ids: Sequence[int]) -> dict[int, PostTags]:
    """By post, without those that do not exist or were deleted. For workers."""
    rows = await database.fetch(
        "SELECT id, version, hashtags FROM posts WHERE id = ANY ($1) AND status = 'published'", post_ids
    )
    return {row["id"]: PostTags(row["version"], row["hashtags"]) for row in rows}


async def note(database: Database, tagged: Tagged, at: datetime) -> None:
    """Bring the hashtags of the post up to date, and count those that are new as uses at that time. Safe to repeat.

    For workers. Does nothing if the post has another version by now. A transaction of its own, in one round trip: posts
    with the same hashtags wait for each other only so long.
    """
    await database.fetch(
        "SELECT note_tags($1, $2, $3, $4, $5, $6)",
        tagged.post_id,
        tagged.author_id,
        tagged.version,
        tagged.keys,
        tagged.spellings,
        at,
    )


async def unentered(tx: Transaction) -> list[Unentered]:
    """The next older posts; none once all are entered. For workers."""
    rows = await tx.fetch("SELECT post_id, author_id, version, hashtags, is_recent FROM untagged_posts()")
    return [Unentered(*row) for row in rows]


async def enter(tx: Transaction, below: int, tagged: Sequence[tuple[str, int]]) -> None:
    """Enter older posts under their hashtags. For workers.

    tagged: (folded hashtag, post id). below: the lowest id that was looked at.
    """
    await tx.execute("SELECT enter_tags($1, $2, $3)", below, [tag for tag, _ in tagged], [each for _, each in tagged])
