"""Whom an event may notify. All functions are for workers."""

from typing import TypedDict, cast

from protocol.reactions import TargetType
from storage.database import Transaction


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


async def author_of_reaction_target(
    tx: Transaction, target_type: TargetType, target_id: int, user_id: int
) -> int | None:
    """The author of what the user reacted to; None if the reaction was withdrawn."""
    author_id: int | None = await tx.fetchval(
        """SELECT CASE target_type WHEN 'post' THEN (SELECT author_id FROM posts WHERE id = target_id)
                                   ELSE (SELECT author_id FROM comments WHERE id = target_id) END
        FROM reactions WHERE target_type = $1 AND target_id = $2 AND user_id = $3""",
        target_type,
        target_id,
        user_id,
    )
    return author_id
