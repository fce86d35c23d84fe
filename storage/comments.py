"""Comments: trees below posts, read in pages."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict, cast

from protocol.moderation import Label
from protocol.reactions import ReactionKind
from protocol.standing import ToldStanding
from storage.counts import marks_join
from storage.database import Row, Transaction
from storage.users import LiteRow, lite_columns, lite_object

DEEPEST = 199  # the depth of a comment whose path still fits into its index
REPLIES_EACH = 2  # replies that a page shows below each of its comments


class CommentRow(LiteRow):
    """A comment with user-lite columns of its author; only with its place if `author_id` is None."""

    id: int
    post_id: int
    parent_id: int | None
    depth: int
    author_id: int | None
    text: str | None
    mentions: str  # JSON
    reply_count: int
    reactions: str | None  # JSON
    counts_version: int | None
    hidden_counts: str | None  # JSON: field → number to subtract for the viewer
    edited_at: datetime | None
    reaction: ReactionKind | None  # the viewer's
    labels: list[Label] | None  # None: none
    told_standing: ToldStanding | None  # None: visible
    media: str | None  # JSON of a list of `ShownMediaRow`


class StoredCommentRow(CommentRow):
    is_withheld: bool  # its author alone sees it


class CommentPlace(TypedDict):
    """Where a comment is to be written, and whether the viewer may."""

    may: bool
    depth: int


class TreePage(NamedTuple):
    """rows: in the order of the tree. next_place: where the next page begins; None at the end."""

    rows: list[CommentRow]
    next_place: int | None


_MORE = f"""
    (SELECT coalesce(jsonb_agg({lite_object("m")} ORDER BY m.username), '[]')
     FROM users m WHERE m.id = ANY (c.mention_ids) AND m.status = 'active') AS mentions,
    v.reaction, v.hidden AS hidden_counts, l.labels, l.told_standing,
    (SELECT shown_media('comment', ARRAY (SELECT id FROM page WHERE author_id IS NOT NULL))) -> c.id::text AS media
"""
_MARKS = f"""
    {marks_join("comment", "page c")}
    LEFT JOIN comment_limits(ARRAY (SELECT id FROM page WHERE author_id IS NOT NULL)) l ON l.comment_id = c.id
"""


async def place(tx: Transaction, post_id: int, parent_id: int | None) -> CommentPlace | None:
    """The place of a new comment; None if the viewer may not see the post or the parent."""
    row = await tx.fetchrow(
        """SELECT may_comment($1, $2) AS may,
            coalesce((SELECT depth + 1 FROM comments WHERE id = $2), 0) AS depth
        WHERE sees_post($1) AND ($2::bigint IS NULL OR target_post('comment', $2) = $1)""",
        post_id,
        parent_id,
    )
    return cast("CommentPlace | None", row)


async def insert(
    tx: Transaction,
    *,
    id: int,
    post_id: int,
    parent_id: int | None,
    author_id: int,
    text: str,
    mention_ids: Sequence[int],
) -> bool:
    """Returns False if the parent was deleted in the meantime."""
    status = await tx.execute(
        "INSERT INTO comments (id, post_id, parent_id, author_id, text, mention_ids) VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        post_id,
        parent_id,
        author_id,
        text,
        mention_ids,
    )
    return status == "INSERT 0 1"


async def load(tx: Transaction, comment_id: int) -> StoredCommentRow | None:
    """A comment that the viewer may see. Without a viewer: any, also one that is withheld from all but its author."""
    row = await tx.fetchrow(
        f"""WITH page AS MATERIALIZED (SELECT * FROM comments WHERE id = $1 AND status = 'published')
        SELECT c.id, c.post_id, c.parent_id, c.depth, c.author_id, c.text, shown_replies(c.id) AS reply_count,
               c.reactions, c.counts_version, c.edited_at, NOT is_shown(c.standing) AS is_withheld,
               {lite_columns("u")}, {_MORE}
        FROM page c JOIN users u ON u.id = c.author_id AND u.status = 'active' {_MARKS}""",
        comment_id,
    )
    return cast("StoredCommentRow | None", row)


async def is_withheld(tx: Transaction, comment_id: int) -> bool:
    """Whether moderation withholds the comment, which may be deleted, from all but its author."""
    return bool(await tx.fetchval("SELECT NOT is_shown(standing) FROM comments WHERE id = $1", comment_id))


async def visible(tx: Transaction, comment_ids: Sequence[int]) -> set[int]:
    """Those that the viewer may see."""
    rows = await tx.fetch("SELECT id FROM comments WHERE id = ANY ($1)", comment_ids)
    return {row["id"] for row in rows}


async def load_page(tx: Transaction, post_id: int, parent_id: int | None, start: int, limit: int) -> TreePage | None:
    """Comments on the post below the id `start`, newest first, or replies to the parent above it, oldest first.

    Each is followed by its first replies. None if the viewer may not see the post or the parent.
    """
    rows = await tx.fetch(
        f"""WITH page AS MATERIALIZED (
            SELECT *, row_number() OVER () AS place FROM comment_page($1, $2, $3, $4, {REPLIES_EACH}))
        SELECT c.next_place, c.id, $1::bigint AS post_id, c.parent_id, c.depth, c.author_id, c.text, c.reply_count,
               c.reactions, c.counts_version, c.edited_at, {lite_columns("(c.author)")}, {_MORE}
        FROM page c {_MARKS} ORDER BY c.place""",
        post_id,
        parent_id,
        start,
        limit,
    )
    if not rows:
        return None
    return TreePage([cast("CommentRow", row) for row in rows if row["id"] is not None], rows[0]["next_place"])


async def lock_own(tx: Transaction, comment_id: int, author_id: int) -> Row | None:
    """post_id, text and mention_ids of the viewer's own comment."""
    return await tx.fetchrow(
        "SELECT post_id, text, mention_ids FROM comments WHERE id = $1 AND author_id = $2 FOR UPDATE",
        comment_id,
        author_id,
    )


async def edit(tx: Transaction, comment_id: int, text: str, mention_ids: Sequence[int]) -> None:
    await tx.execute(
        "UPDATE comments SET text = $2, mention_ids = $3, edited_at = now() WHERE id = $1",
        comment_id,
        text,
        mention_ids,
    )


class DeletedComment(TypedDict):
    post_id: int
    author_id: int
    is_new: bool  # False if it had been deleted before


async def delete(tx: Transaction, comment_id: int) -> DeletedComment | None:
    """None if the viewer wrote neither such a comment nor its post."""
    row = await tx.fetchrow("SELECT post_id, author_id, is_new FROM delete_comment($1)", comment_id)
    return cast("DeletedComment | None", row)
