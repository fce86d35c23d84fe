"""Search: what workers index, what viewers may see of what engines find, and users' recent searches."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict, cast

from protocol.live_rooms import RoomState
from storage.database import Database, Transaction
from storage.search_engine import DocumentKind

MOST_RECENT = 50
LONGEST_FOLDED = 1_000  # characters of a folded search; folding makes 18 letters of one ‹ﷺ›
MOST_FOLLOWED = 500  # whom the viewer has followed last, whose names are searched apart
FIRST_AUTHORS = 20  # of a word or hashtag, by people
BEGINNING = 200  # characters of a post that it is ranked by; `visible_posts` knows it too

SearchPlace = tuple[DocumentKind, int, str]  # in the order of what was found: kind, id and title of a document


class IndexedPost(NamedTuple):
    id: int
    author_id: int
    text: str
    hashtags: Sequence[str]
    is_open: bool  # everybody may read it, and its author is not new


class IndexedUser(NamedTuple):
    id: int
    username: str
    display_name: str
    follower_count: int


class IndexedRoom(NamedTuple):
    id: int
    topic: str
    state: RoomState


class Use(NamedTuple):
    """Uses of a word or hashtag by an author. shown: as it is written."""

    author_id: int
    id: int
    shown: str
    amount: int


class Used(NamedTuple):
    """A word or hashtag as it is shown, how often it was used, and by how many people, up to FIRST_AUTHORS."""

    id: int
    shown: str
    uses: int
    people: int


class FoundPostRow(TypedDict):
    """A post that the viewer may see among those found."""

    id: int
    author_id: int
    text: str  # the first BEGINNING characters
    engagement: int
    affinity: float  # of the viewer to the author, 0…1


class FoundUserRow(TypedDict):
    """A user whom the viewer may find."""

    id: int
    username: str
    display_name: str
    avatar_url: str | None
    is_verified: bool
    follower_count: int
    mutes: bool
    affinity: float  # of the viewer, 0…1


class FoundRoomRow(TypedDict):
    """A room that the viewer may see."""

    id: int
    topic: str
    state: RoomState


class RecentRow(TypedDict):
    q: str
    searched_at: datetime


# ---------------------------------------------------------------------------------------------------- for workers

# Limited, held and removed posts have no document. Shadowed ones have one, which their author alone finds.

_POSTS = """
    SELECT p.id, p.author_id, p.text, p.hashtags, p.visibility = 'public' AND NOT u.is_private
        AND u.status = 'active' AND u.created_at <= now() - interval '72 hours' AS is_open
    FROM posts p JOIN users u ON u.id = p.author_id
    WHERE p.status = 'published' AND p.standing IN ('visible', 'shadowed') AND
"""
_USERS = "SELECT id, username, display_name, follower_count FROM users WHERE status = 'active' AND"
_ROOMS = "SELECT id, topic, state FROM rooms WHERE standing IN ('visible', 'shadowed') AND"


async def posts_to_index(database: Database, ids: Sequence[int]) -> list[IndexedPost]:
    """In the order of their ids, without those that are deleted or not to be found."""
    return [IndexedPost(*row) for row in await database.fetch(f"{_POSTS} p.id = ANY ($1) ORDER BY p.id", ids)]


async def users_to_index(database: Database, ids: Sequence[int]) -> list[IndexedUser]:
    """Without those whose account is not active."""
    return [IndexedUser(*row) for row in await database.fetch(f"{_USERS} id = ANY ($1)", ids)]


async def rooms_to_index(database: Database, ids: Sequence[int]) -> list[IndexedRoom]:
    return [IndexedRoom(*row) for row in await database.fetch(f"{_ROOMS} id = ANY ($1)", ids)]


async def posts_after(database: Database, after: int, limit: int) -> list[IndexedPost]:
    rows = await database.fetch(f"{_POSTS} p.id > $1 ORDER BY p.id LIMIT $2", after, limit)
    return [IndexedPost(*row) for row in rows]


async def users_after(database: Database, after: int, limit: int) -> list[IndexedUser]:
    rows = await database.fetch(f"{_USERS} id > $1 ORDER BY id LIMIT $2", after, limit)
    return [IndexedUser(*row) for row in rows]


async def rooms_after(database: Database, after: int, limit: int) -> list[IndexedRoom]:
    rows = await database.fetch(f"{_ROOMS} id > $1 ORDER BY id LIMIT $2", after, limit)
    return [IndexedRoom(*row) for row in rows]


async def uses_after(database: Database, after: int, limit: int) -> list[Used]:
    rows = await database.fetch(
        """SELECT id, shown, uses, cardinality(author_ids) FROM search_uses WHERE id > $1 ORDER BY id LIMIT $2""",
        after,
        limit,
    )
    return [Used(*row) for row in rows]


async def estimated_rows(database: Database) -> int:
    """About how many rows the functions above return altogether."""
    [row] = await database.fetch(
        """SELECT sum(greatest(reltuples, 0))::bigint FROM pg_class
        WHERE oid = ANY (ARRAY ['users', 'rooms', 'search_uses', 'posts']::regclass[])"""
    )
    total: int = row[0]
    return total


async def count_uses(database: Database, uses: Sequence[Use]) -> list[Used]:
    """Returns the new counts, one for each word or hashtag."""
    if not uses:
        return []
    rows = await database.fetch(
        """INSERT INTO search_uses AS s (id, shown, uses, author_ids)
        SELECT w.id, min(w.shown), sum(w.amount), (array_agg(DISTINCT w.author_id))[:$5]
        FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[]) w (author_id, id, shown, amount)
        GROUP BY w.id ORDER BY w.id
        ON CONFLICT (id) DO UPDATE SET uses = s.uses + EXCLUDED.uses,
            author_ids = CASE WHEN cardinality(s.author_ids) >= $5 OR s.author_ids @> EXCLUDED.author_ids
                THEN s.author_ids
                ELSE (ARRAY (SELECT DISTINCT unnest(s.author_ids || EXCLUDED.author_ids)))[:$5] END
        RETURNING s.id, s.shown, s.uses, cardinality(s.author_ids)""",
        *map(list, zip(*uses, strict=True)),
        FIRST_AUTHORS,
    )
    return [Used(*row) for row in rows]


# ---------------------------------------------------------------------------------------------------- for viewers


async def found_posts(tx: Transaction, ids: Sequence[int]) -> list[FoundPostRow]:
    """Those that lists may show to the viewer and that are not limited."""
    return cast("list[FoundPostRow]", await tx.fetch("SELECT * FROM found_posts($1)", ids))


async def found_users(tx: Transaction, ids: Sequence[int]) -> list[FoundUserRow]:
    """Those with an active account, without a block in either direction."""
    return cast("list[FoundUserRow]", await tx.fetch("SELECT * FROM found_users($1)", ids))


async def suggestible_users(tx: Transaction, ids: Sequence[int]) -> list[FoundUserRow]:
    """Those of `found_users` whom the viewer follows, or who may be suggested to strangers: no minors, nobody new."""
    rows = await tx.fetch("SELECT * FROM found_users(ARRAY (SELECT suggestible_ids($1)))", ids)
    return cast("list[FoundUserRow]", rows)


async def found_rooms(tx: Transaction, ids: Sequence[int]) -> list[FoundRoomRow]:
    """Those that the viewer may see, without those of others whose labels the viewer hides."""
    rows = await tx.fetch(
        """SELECT id, topic, state FROM rooms
        WHERE id = ANY ($1) AND (viewer_id() IN (owner_id, host_id)
            OR standing <> 'limited' AND NOT viewer_hides(labels))""",
        ids,
    )
    return cast("list[FoundRoomRow]", rows)


async def found_hashtags(tx: Transaction, tags: Sequence[str]) -> set[str]:
    """Those, by their terms, that one of the newest posts with them shows to the viewer."""
    rows = await tx.fetch("SELECT found_hashtags($1)", tags)
    return {row[0] for row in rows}


async def likely_ids(tx: Transaction, username: str) -> list[int]:
    """The users whom the viewer has followed last, and the one with exactly that username, without regard to case."""
    rows = await tx.fetch(
        """(SELECT followee_id FROM follows WHERE follower_id = viewer_id() AND status = 'active'
            ORDER BY id DESC LIMIT $1)
        UNION ALL SELECT id FROM users WHERE username_key = lower($2)""",
        MOST_FOLLOWED,
        username,
    )
    return [row[0] for row in rows]


async def remember(tx: Transaction, user_id: int, folded: str, q: str) -> None:
    """Keep the search as the user's newest, and at most MOST_RECENT.

    The commit does not wait for the disk, because the search waits for it: a crash may lose the last ones.
    """
    await tx.execute(
        """INSERT INTO recent_searches (user_id, folded, q)
        SELECT $1, $2, $3 WHERE set_config('synchronous_commit', 'off', true) = 'off'
        ON CONFLICT (user_id, folded) DO UPDATE SET q = EXCLUDED.q, searched_at = clock_timestamp()""",
        user_id,
        folded[:LONGEST_FOLDED],
        q,
    )
    await tx.execute(
        """DELETE FROM recent_searches WHERE user_id = $1 AND searched_at <= (
            SELECT searched_at FROM recent_searches WHERE user_id = $1 ORDER BY searched_at DESC OFFSET $2 LIMIT 1)""",
        user_id,
        MOST_RECENT,
    )


async def recent(tx: Transaction, user_id: int) -> list[RecentRow]:
    """Newest first."""
    rows = await tx.fetch(
        "SELECT q, searched_at FROM recent_searches WHERE user_id = $1 ORDER BY searched_at DESC LIMIT $2",
        user_id,
        MOST_RECENT,
    )
    return cast("list[RecentRow]", rows)


async def forget(tx: Transaction, user_id: int, folded: str | None) -> None:
    """Remove that search, or all of them."""
    await tx.execute(
        "DELETE FROM recent_searches WHERE user_id = $1 AND ($2::text IS NULL OR folded = $2)",
        user_id,
        folded and folded[:LONGEST_FOLDED],
    )
