"""The users whom an event may notify. All functions are for workers."""

from typing import TypedDict, cast

from protocol.reactions import TargetType
from storage.database import Database, Transaction


class AnsweringCommentRow(TypedDict):
    """A published comment on a published post, with the authors of what it answers."""

    post_id: int
    author_id: int
    mention_ids: list[int]
    post_author_id: int
    parent_author_id: int | None


async def comment(tx: Transaction, comment_id: int) -> AnsweringCommentRow | None:
    row = await tx.fetchrow(
        """SELECT c.post_id, c.author_id, c.mention_ids, p.author_id AS post_author_id,
            (SELECT parent.author_id FROM comments parent WHERE parent.id = c.parent_id) AS parent_author_id
        FROM comments c JOIN posts p ON p.id = c.post_id AND p.status = 'published'
        WHERE c.id = $1 AND c.status = 'published'""",
        comment_id,
    )
    return cast("AnsweringCommentRow | None", row)


async def author_of_shared_post(tx: Transaction, post_id: int) -> int | None:
    """The author of the post that this post shares; None if it is no share, or one of them is deleted."""
    author_id: int | None = await tx.fetchval(
        """SELECT o.author_id FROM posts p JOIN posts o ON o.id = p.shared_post_id AND o.status = 'published'
        WHERE p.id = $1 AND p.status = 'published'""",
        post_id,
    )
    return author_id


async def author_to_tell_of_reaction(
    database: Database, event_id: int, target_type: TargetType, target_id: int, user_id: int
) -> int | None:
    """The author of what the user reacted to; None if it was withdrawn, or the author knows of an earlier reaction.

    In one round trip: users change and repeat their reactions often.
    """
    rows = await database.fetch(
        """SELECT author.id FROM reactions r CROSS JOIN LATERAL (
            SELECT author_id AS id FROM posts WHERE r.target_type = 'post' AND posts.id = r.target_id
            UNION ALL
            SELECT author_id FROM comments WHERE r.target_type = 'comment' AND comments.id = r.target_id) author
        WHERE r.target_type = $2 AND r.target_id = $3 AND r.user_id = $4 AND NOT EXISTS (
            SELECT FROM notification_causes c WHERE c.user_id = author.id AND c.kind = 'reaction'
                AND c.target_type = $2 AND c.target_id = $3 AND c.actor_id = $4 AND c.event_id <> $1)""",
        event_id,
        target_type,
        target_id,
        user_id,
    )
    return rows[0]["id"] if rows else None
