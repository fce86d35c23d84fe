"""Counts of posts and comments: folding the changes that triggers have recorded, and comparing counts with rows.

For workers. Transactions that change counts or push them hold one lock (`take_turn`), so that of two workers, the one
that commits last also pushes last.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict, cast

from protocol.moderation import Label
from storage.database import Database, Transaction

Kind = Literal["post", "comment"]
RECOUNTED = ("post", "comment", "written")  # reactions to posts, reactions to comments, comments
KINDS: tuple[Kind, ...] = ("post", "comment")


class CountsRow(TypedDict):
    """Counts of a post, as `present.post_counts` reads them."""

    reactions: str  # JSON
    comment_count: int
    share_count: int
    save_count: int
    view_count: int
    hidden_counts: str | None  # JSON: field → number to subtract for the viewer


class CountedPost(CountsRow):
    id: int
    counts_version: int


class CountedComment(TypedDict):
    id: int
    post_id: int
    author_id: int
    reply_count: int
    reactions: str  # JSON
    counts_version: int
    hidden_counts: str | None  # JSON: field → number to subtract for the viewer


class UnpushedPost(CountedPost):
    own_to: list[int]  # users who count comments of theirs that others do not see, at most 1,000


class UnpushedComment(CountedComment):
    is_withheld: bool  # its author alone sees it
    labels: list[Label]


class Unpushed(NamedTuple):
    """Counts that have not been pushed to clients yet, and the number of their targets."""

    posts: list[UnpushedPost]
    comments: list[UnpushedComment]
    targets: int


class Drift(NamedTuple):
    """A count that differs from its rows. field: a kind of reaction, or comments, replies, shares, saves, views."""

    target_id: int
    field: str
    stored: int
    expected: int


def marks_join(kind: Kind, rows: str) -> str:
    """SQL that joins `viewer_marks` of posts or comments as `v`: the viewer's reaction, and what is hidden.

    rows: a common table with ids, and the alias under which it is joined, as in "wanted w".
    """
    table, _, alias = rows.partition(" ")
    return f"LEFT JOIN viewer_marks('{kind}', ARRAY (SELECT id FROM {table})) v ON v.target_id = {alias}.id"


async def has_work(database: Database) -> bool:
    """Whether there are changes to fold, counts to push, or views to move into a sketch."""
    [row] = await database.fetch("SELECT counts_wait()")
    return bool(row[0])


async def take_turn(tx: Transaction) -> bool:
    """Take the lock until the transaction ends. Returns False while another transaction has it."""
    return bool(await tx.fetchval("SELECT take_counts_turn()"))


async def fold(tx: Transaction, limit: int) -> int:
    """Fold up to `limit` changes, oldest first, and return how many. Call it after `take_turn`."""
    folded: int = await tx.fetchval("SELECT fold_counts($1)", limit)
    return folded


async def load(tx: Transaction, post_ids: Sequence[int]) -> list[CountedPost]:
    """The counts of those posts that the viewer may see. Without a viewer, nothing is hidden."""
    rows = await tx.fetch(
        f"""WITH wanted AS MATERIALIZED (SELECT * FROM posts WHERE id = ANY ($1) AND status = 'published')
        SELECT w.id, w.reactions, w.comment_count, w.share_count, w.save_count, w.view_count, w.counts_version,
            v.hidden AS hidden_counts
        FROM wanted w {marks_join("post", "wanted w")}""",
        post_ids,
    )
    return cast("list[CountedPost]", rows)


async def load_of_comments(tx: Transaction, comment_ids: Sequence[int]) -> list[CountedComment]:
    """The counts of those comments that the viewer may see."""
    rows = await tx.fetch(
        f"""WITH wanted AS MATERIALIZED (SELECT * FROM comments WHERE id = ANY ($1) AND status = 'published')
        SELECT w.id, w.post_id, w.author_id, shown_replies(w.id) AS reply_count, w.reactions, w.counts_version,
            v.hidden AS hidden_counts
        FROM wanted w {marks_join("comment", "wanted w")}""",
        comment_ids,
    )
    return cast("list[CountedComment]", rows)


async def take_unpushed(tx: Transaction, limit: int) -> Unpushed:
    """Counts to push now, of posts and comments that are not deleted. Call it after `take_turn`."""
    taken = await tx.fetch(
        """DELETE FROM counts_unpushed WHERE (target_type, target_id) IN (
            SELECT target_type, target_id FROM counts_unpushed LIMIT $1) RETURNING target_type, target_id""",
        limit,
    )
    ids: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for row in taken:
        ids[row["target_type"]].append(row["target_id"])
    posts, comments = [], []
    if ids["post"]:
        posts = await tx.fetch(
            """SELECT p.id, p.reactions, p.comment_count, p.share_count, p.save_count, p.view_count, p.counts_version,
                NULL AS hidden_counts, ARRAY (
                    SELECT DISTINCT c.author_id FROM comments c
                    WHERE c.post_id = p.id AND c.status = 'published'
                      AND c.standing IN ('shadowed', 'held', 'removed') -- as the index says it
                    LIMIT 1000) AS own_to
            FROM posts p WHERE p.id = ANY ($1) AND p.status = 'published'""",
            ids["post"],
        )
    if ids["comment"]:
        comments = await tx.fetch(
            """SELECT id, post_id, author_id, reply_count, reactions, counts_version, NULL AS hidden_counts,
                NOT is_shown(standing) AS is_withheld, labels
            FROM comments WHERE id = ANY ($1) AND status = 'published'""",
            ids["comment"],
        )
    return Unpushed(cast("list[UnpushedPost]", posts), cast("list[UnpushedComment]", comments), len(taken))


async def backlog(tx: Transaction) -> tuple[int, float]:
    """The number of changes to fold (counted up to 100,000) and the age of the oldest, in seconds."""
    row = await tx.fetchrow("SELECT unfolded, age FROM counts_backlog()")
    assert row is not None
    return row["unfolded"], row["age"]


# ---------------------------------------------------------------------------------------------- comparing


async def targets(tx: Transaction, kind: Kind) -> int:
    """How many there are."""
    found: int = await tx.fetchval("SELECT count(*) FROM posts" if kind == "post" else "SELECT count(*) FROM comments")
    return found


async def targets_after(tx: Transaction, kind: Kind, after: int, limit: int) -> list[int]:
    """Ids of the next targets, in their order."""
    table = "posts" if kind == "post" else "comments"
    rows = await tx.fetch(f"SELECT id FROM {table} WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
    return [row["id"] for row in rows]


async def drift(tx: Transaction, kind: Kind, ids: Sequence[int]) -> list[Drift]:
    """Counts of these targets that differ from their rows. Exact, also while calls and workers run."""
    return [Drift(*row) for row in await tx.fetch("SELECT * FROM counts_drift($1, $2)", kind, ids)]


async def repair(tx: Transaction, kind: Kind, ids: Sequence[int]) -> list[Drift]:
    """Note a change for each of these differences, which the next fold adds to the count. Returns them."""
    return [Drift(*row) for row in await tx.fetch("SELECT * FROM counts_repair($1, $2)", kind, ids)]


async def recount(tx: Transaction, user_id: int, kind: str, before: int, limit: int) -> int | None:
    """Let a page of the user's rows of that kind of RECOUNTED count, as the user's status says.

    Returns where the next page begins, or None at the end.
    """
    last: int | None = await tx.fetchval("SELECT recount($1, $2, $3, $4)", user_id, kind, before, limit)
    return last
