"""Posts: rows with their author, mentions and the viewer's relation, in one query however many are asked for."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict, cast

from protocol.moderation import Label
from protocol.posts import Visibility
from protocol.reactions import ReactionKind
from protocol.standing import Standing, ToldStanding
from storage.counts import marks_join
from storage.database import Database, Row, Transaction
from storage.standing import told_standing
from storage.users import LiteRow, lite_columns, lite_object


class PostRow(LiteRow):
    """A post with its author, mentions and the viewer's relation to the author."""

    id: int
    author_id: int
    text: str
    visibility: Visibility
    circle_id: int | None
    hashtags: list[str]
    mention_ids: list[int]
    mentions: str  # JSON
    version: int
    reactions: str  # JSON
    comment_count: int
    share_count: int
    save_count: int
    view_count: int
    counts_version: int
    hidden_counts: str | None  # JSON: field → number to subtract for the viewer
    media: str | None  # JSON of a list of `ShownMediaRow`
    saved: bool
    shared_post_id: int | None
    shared: str | None  # JSON; None also if the viewer may not see that post
    mutes_shared: bool  # the viewer mutes posts of its author
    edited_at: datetime | None
    standing: Standing
    told_standing: ToldStanding
    labels: list[Label]
    chosen_visibility: Visibility | None  # of what is withheld: what its author chose
    is_label_hidden: bool  # the viewer hides one of its labels
    author_is_private: bool
    author_is_large: bool
    author_is_creator: bool
    follows: bool
    followed_by: bool
    blocks: bool
    blocked_by: bool
    mutes_posts: bool
    reaction: ReactionKind | None  # the viewer's


class FanoutRow(TypedDict):
    """A post in any status, and what fan-out must know of its author."""

    id: int
    author_id: int
    status: str
    visibility: Visibility
    circle_id: int | None
    mention_ids: list[int]
    labels: list[Label]
    is_large: bool
    is_private: bool
    follower_count: int
    original_author_id: int | None  # of a share


# Those of the table: a column that a migration adds must not change the result of prepared statements.
_COLUMNS = ", ".join(
    f"w.{column}"
    for column in (
        "id", "author_id", "text", "visibility", "circle_id", "hashtags", "mention_ids", "version", "reactions",
        "comment_count", "share_count", "save_count", "view_count", "counts_version", "shared_post_id", "edited_at",
        "standing", "labels", "chosen_visibility",
    )
)  # fmt: skip
_AUTHORS = "(SELECT coalesce(array_agg(DISTINCT author_id), '{}') FROM wanted)"
_MENTIONS = f"""
    (SELECT coalesce(jsonb_agg({lite_object("m")} ORDER BY m.username), '[]')
     FROM users m WHERE m.id = ANY (%s.mention_ids) AND m.status = 'active')
"""
# Each is called once for all posts.
_MEDIA = "(SELECT shown_media('post', ARRAY (SELECT id FROM wanted)))"
_SHARED_MEDIA = """
    (SELECT shown_media('post', ARRAY (SELECT shared_post_id FROM wanted WHERE shared_post_id IS NOT NULL)))
"""
# The row policies decide whether the viewer may see it. Without a viewer, it is what everybody may see.
_SHARED = f"""
    SELECT o.author_id, jsonb_build_object(
        'id', o.id, 'author', {lite_object("a")}, 'text', o.text, 'hashtags', o.hashtags,
        'mentions', {_MENTIONS % "o"}, 'labels', o.labels,
        'visibility', coalesce(o.chosen_visibility, o.visibility), 'version', o.version, 'edited_at', o.edited_at,
        'media', {_SHARED_MEDIA} -> o.id::text
    ) AS shared
    FROM posts o JOIN users a ON a.id = o.author_id AND a.status = 'active'
    WHERE o.id = w.shared_post_id AND o.status = 'published'
      AND (viewer_id() IS NOT NULL OR o.visibility = 'public' AND NOT a.is_private)
"""
LOAD = f"""
    SELECT {_COLUMNS}, {lite_columns("u")}, u.is_private AS author_is_private,
           {told_standing("w", "author_id")} AS told_standing,
           viewer_hides(w.labels) AS is_label_hidden,
           u.is_large AS author_is_large, u.role = 'creator' AS author_is_creator,
           coalesce(r.follows, false) AS follows, coalesce(r.followed_by, false) AS followed_by,
           coalesce(r.blocks, false) AS blocks, coalesce(r.blocked_by, false) AS blocked_by,
           coalesce(r.mutes_posts, false) AS mutes_posts,
           {_MENTIONS % "w"} AS mentions, o.shared, {_MEDIA} -> w.id::text AS media,
           v.reaction, v.is_saved AS saved, v.hidden AS hidden_counts,
           EXISTS (SELECT FROM mutes m WHERE m.user_id = viewer_id() AND m.muted_id = o.author_id
                                         AND m.kind IN ('all', 'posts') AND (m.until IS NULL OR m.until > now()))
               AS mutes_shared
    FROM wanted w
    JOIN users u ON u.id = w.author_id AND u.status = 'active'
    LEFT JOIN relations({_AUTHORS}) r ON r.other_id = w.author_id
    {marks_join("post", "wanted w")}
    LEFT JOIN LATERAL ({_SHARED}) o ON true
    ORDER BY w.id DESC
"""


async def insert(
    tx: Transaction,
    *,
    id: int,
    author_id: int,
    text: str,
    visibility: str,
    circle_id: int | None,
    reply_policy: str,
    hashtags: Sequence[str],
    topics: Sequence[str],
    mention_ids: Sequence[int],
    shared_post_id: int | None = None,
) -> None:
    await tx.execute(
        """INSERT INTO posts
            (id, author_id, text, visibility, circle_id, reply_policy, hashtags, topics, mention_ids, shared_post_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        id,
        author_id,
        text,
        visibility,
        circle_id,
        reply_policy,
        hashtags,
        topics,
        mention_ids,
        shared_post_id,
    )
    await _insert_mentions(tx, id, author_id, mention_ids)


async def _insert_mentions(tx: Transaction, post_id: int, author_id: int, user_ids: Sequence[int]) -> None:
    if user_ids:
        await tx.execute(
            """INSERT INTO post_mentions (post_id, author_id, user_id) SELECT $1, $2, unnest($3::bigint[])
            ON CONFLICT DO NOTHING""",
            post_id,
            author_id,
            user_ids,
        )


async def load(tx: Transaction, post_ids: Sequence[int]) -> list[PostRow]:
    """Those that the viewer may see, newest first."""
    rows = await tx.fetch(
        "WITH wanted AS MATERIALIZED (SELECT * FROM posts WHERE id = ANY ($1) AND status = 'published')" + LOAD,
        post_ids,
    )
    return cast("list[PostRow]", rows)


async def load_of_author(tx: Transaction, author_id: int, before: int, limit: int) -> list[PostRow]:
    rows = await tx.fetch(
        """WITH wanted AS MATERIALIZED (SELECT * FROM posts WHERE author_id = $1 AND status = 'published'
            AND id < $2 ORDER BY id DESC LIMIT $3)"""
        + LOAD,
        author_id,
        before,
        limit,
    )
    return cast("list[PostRow]", rows)


class Latest(NamedTuple):
    """Part of a feed: its visible posts, how many posts were considered, and the oldest id of these."""

    rows: list[PostRow]
    candidates: int
    oldest: int


async def load_latest(tx: Transaction, stored: Sequence[int], before: int, limit: int) -> Latest:
    """The newest `limit` posts with ids below `before`, of the stored feed and of followed large authors.

    Posts that the viewer has hidden are considered, and left out.
    """
    fetched = await tx.fetch(
        f"""WITH candidates AS MATERIALIZED (
            SELECT id FROM (SELECT unnest($1::bigint[]) AS id UNION SELECT large_author_post_ids($2, $3)) c
            ORDER BY id DESC LIMIT $3),
        wanted AS MATERIALIZED (
            SELECT * FROM posts p WHERE p.id = ANY (ARRAY (SELECT id FROM candidates)) AND p.status = 'published'
            AND NOT EXISTS (SELECT FROM feed_hides h WHERE h.user_id = viewer_id()
                                                       AND h.post_id = coalesce(p.shared_post_id, p.id)))
        SELECT * FROM (SELECT count(*) AS candidates, coalesce(min(id), 0) AS oldest FROM candidates) looked_at
        LEFT JOIN ({LOAD}) page ON true ORDER BY page.id DESC""",
        stored,
        before,
        limit,
    )
    rows = [cast("PostRow", row) for row in fetched if row["id"] is not None]
    return Latest(rows, fetched[0]["candidates"], fetched[0]["oldest"])


async def originals_shared_above(tx: Transaction, stored: Sequence[int], before: int, limit: int) -> set[int]:
    """The posts that shares in the viewer's feed with ids from `before` up show. limit: of posts of large authors."""
    rows = await tx.fetch("SELECT originals_shared_above($1, $2, $3)", stored, before, limit)
    return {row[0] for row in rows}


async def lock_own(tx: Transaction, post_id: int, author_id: int) -> Row | None:
    """version, text and mention_ids of the viewer's own published post."""
    return await tx.fetchrow(
        """SELECT version, text, mention_ids FROM posts WHERE id = $1 AND author_id = $2 AND status = 'published'
        FOR UPDATE""",
        post_id,
        author_id,
    )


async def was_deleted(tx: Transaction, post_id: int, author_id: int) -> bool:
    """Whether the post is the viewer's own and has been deleted."""
    return bool(
        await tx.fetchval(
            "SELECT true FROM posts WHERE id = $1 AND author_id = $2 AND status = 'deleted'", post_id, author_id
        )
    )


async def edit(
    tx: Transaction,
    *,
    id: int,
    author_id: int,
    text: str,
    hashtags: Sequence[str],
    topics: Sequence[str],
    mention_ids: Sequence[int],
) -> None:
    await tx.execute(
        """UPDATE posts SET text = $2, hashtags = $3, mention_ids = $4, topics = $5, version = version + 1,
            edited_at = now()
        WHERE id = $1""",
        id,
        text,
        hashtags,
        mention_ids,
        topics,
    )
    await tx.execute("DELETE FROM post_mentions WHERE post_id = $1 AND user_id <> ALL ($2)", id, mention_ids)
    await _insert_mentions(tx, id, author_id, mention_ids)


async def delete(tx: Transaction, post_id: int) -> None:
    await tx.execute(
        "UPDATE posts SET status = 'deleted', deleted_at = now(), version = version + 1 WHERE id = $1",
        post_id,
    )
    await tx.execute("DELETE FROM post_mentions WHERE post_id = $1", post_id)


async def for_fanout(tx: Transaction, post_id: int) -> FanoutRow | None:
    """For workers."""
    return next(iter(await many_for_fanout(tx, [post_id])), None)


async def many_for_fanout(tx: Transaction, post_ids: Sequence[int]) -> list[FanoutRow]:
    """In the order of their ids. For workers."""
    rows = await tx.fetch(
        """SELECT p.id, p.author_id, p.status, p.visibility, p.circle_id, p.mention_ids, p.labels,
            u.is_large, u.is_private, u.follower_count,
            (SELECT o.author_id FROM posts o WHERE o.id = p.shared_post_id) AS original_author_id
        FROM posts p JOIN users u ON u.id = p.author_id AND u.status = 'active'
        WHERE p.id = ANY ($1) ORDER BY p.id""",
        post_ids,
    )
    return cast("list[FanoutRow]", rows)


async def deleted(database: Database, post_ids: Sequence[int]) -> list[int]:
    """Those that are deleted. For workers."""
    rows = await database.fetch("SELECT id FROM posts WHERE id = ANY ($1) AND status <> 'published'", post_ids)
    return [row["id"] for row in rows]


async def ids_of_author(
    tx: Transaction, author_id: int, reader_id: int, limit: int, *, naming_reader: bool = True
) -> list[int]:
    """The author's newest posts that a follower may see. For workers.

    naming_reader: whether posts that mention the reader are included.
    """
    rows = await tx.fetch(
        """SELECT id FROM posts p WHERE author_id = $1 AND status = 'published' AND ($4 OR $2 <> ALL (mention_ids))
            AND (visibility IN ('public', 'followers') OR visibility = 'circle' AND EXISTS (
                SELECT FROM circle_members m WHERE m.circle_id = p.circle_id AND m.user_id = $2
                AND m.owner_id = p.author_id))
        ORDER BY id DESC LIMIT $3""",
        author_id,
        reader_id,
        limit,
        naming_reader,
    )
    return [row["id"] for row in rows]


async def lock_shares(tx: Transaction, author_id: int) -> None:
    """Let the user make one share at a time."""
    await tx.execute("SELECT hold('shares', $1)", author_id)


async def plain_share(tx: Transaction, author_id: int, original_id: int) -> int | None:
    """The user's share of that post without a text."""
    found: int | None = await tx.fetchval(
        """SELECT id FROM posts WHERE shared_post_id = $2 AND author_id = $1 AND text = '' AND status = 'published'
        ORDER BY id LIMIT 1""",
        author_id,
        original_id,
    )
    return found


async def feed_ids(tx: Transaction, limit: int) -> list[int]:
    """The post ids that the viewer's feed is rebuilt from, newest first."""
    return [row[0] for row in await tx.fetch("SELECT inbox_post_ids($1)", limit)]
