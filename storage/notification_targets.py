"""The users whom an event may notify. All functions are for workers."""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict, cast

from protocol.reactions import TargetType
from storage.database import Database, Transaction


class AnsweringCommentRow(TypedDict):
    """A published comment on a published post, with the authors of what it answers."""

    post_id: int
    author_id: int
    mention_ids: list[int]
    post_author_id: int
    parent_author_id: int | None


class PostTargets(NamedTuple):
    """shared_author_id: of the post that it shares."""

    shared_author_id: int | None
    mention_ids: list[int]


class ReactedTo(NamedTuple):
    """`was_withdrawn`: the author was notified of the user's earlier reaction, which the user withdrew."""

    author_id: int
    was_withdrawn: bool


_AUTHOR = """
    SELECT author_id AS id FROM posts WHERE $1 = 'post' AND posts.id = $2
    UNION ALL SELECT author_id FROM comments WHERE $1 = 'comment' AND comments.id = $2
"""


async def comment(tx: Transaction, comment_id: int) -> AnsweringCommentRow | None:
    row = await tx.fetchrow(
        """SELECT c.post_id, c.author_id, c.mention_ids, p.author_id AS post_author_id,
            (SELECT parent.author_id FROM comments parent WHERE parent.id = c.parent_id) AS parent_author_id
        FROM comments c JOIN posts p ON p.id = c.post_id AND p.status = 'published'
        WHERE c.id = $1 AND c.status = 'published' AND is_shown(c.standing) AND is_shown(p.standing)""",
        comment_id,
    )
    return cast("AnsweringCommentRow | None", row)


async def of_posts(database: Database, post_ids: Sequence[int]) -> dict[int, PostTargets]:
    """By post, for posts that share a post or mention users. Without posts that are deleted or withheld."""
    rows = await database.fetch(
        """SELECT p.id, p.mention_ids, o.author_id FROM posts p JOIN users u ON u.id = p.author_id
        LEFT JOIN posts o ON o.id = p.shared_post_id AND o.status = 'published'
        WHERE p.id = ANY ($1) AND p.status = 'published' AND is_shown(p.standing) AND u.status = 'active'
          AND (p.mention_ids <> '{}' OR o.author_id IS NOT NULL)""",
        post_ids,
    )
    return {row["id"]: PostTargets(row["author_id"], row["mention_ids"]) for row in rows}


async def recipient_of_reaction(
    database: Database, event_id: int, target_type: TargetType, target_id: int, user_id: int
) -> ReactedTo | None:
    """The author of what the user reacted to; None if it was withdrawn, or the author knows of an earlier reaction.

    In one round trip: users change and repeat their reactions often.
    """
    rows = await database.fetch(
        f"""SELECT author.id, coalesce(c.is_withdrawn, false) FROM ({_AUTHOR}) author
        JOIN reactions r ON r.target_type = $1 AND r.target_id = $2 AND r.user_id = $3
        LEFT JOIN notification_causes c ON c.user_id = author.id AND c.kind = 'reaction'
            AND c.target_type = $1 AND c.target_id = $2 AND c.actor_id = $3
        WHERE c.user_id IS NULL OR c.is_withdrawn OR c.event_id = $4""",
        target_type,
        target_id,
        user_id,
        event_id,
    )
    return ReactedTo(*rows[0]) if rows else None


async def author(database: Database, target_type: TargetType, target_id: int) -> int | None:
    """The author of a post or comment."""
    rows = await database.fetch(_AUTHOR, target_type, target_id)
    return rows[0]["id"] if rows else None
