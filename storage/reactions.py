"""Reactions: one row per user and target."""

from collections.abc import Sequence
from typing import NamedTuple, cast, get_args

from protocol.reactions import ReactionKind, TargetType
from storage.database import Database, Transaction
from storage.users import LiteRow, lite_columns

KINDS = get_args(ReactionKind)


class ReactionRow(LiteRow):
    """A reaction with user-lite columns of its user."""

    id: int
    kind: ReactionKind
    user_id: int


class SetOutcome(NamedTuple):
    post_id: int
    is_new: bool  # False if the user had set this kind before


async def set_kind(
    tx: Transaction, *, id: int, target_type: TargetType, target_id: int, user_id: int, kind: ReactionKind
) -> SetOutcome | None:
    """None if the viewer may not see the target."""
    row = await tx.fetchrow(
        """WITH target AS MATERIALIZED (SELECT target_post($2, $3) AS post_id),
        changed AS (
            INSERT INTO reactions (target_type, target_id, user_id, kind, id)
            SELECT $2, $3, $4, $5, $1 FROM target WHERE post_id IS NOT NULL
            ON CONFLICT (target_type, target_id, user_id) DO UPDATE SET kind = excluded.kind, id = excluded.id
            WHERE reactions.kind <> excluded.kind
            RETURNING true)
        SELECT post_id, EXISTS (SELECT FROM changed) AS is_new FROM target WHERE post_id IS NOT NULL""",
        id,
        target_type,
        target_id,
        user_id,
        kind,
    )
    return None if row is None else SetOutcome(row["post_id"], row["is_new"])


async def unset(tx: Transaction, target_type: TargetType, target_id: int, user_id: int) -> bool:
    """Returns False if there was none."""
    return bool(
        await tx.fetchval(
            "DELETE FROM reactions WHERE target_type = $1 AND target_id = $2 AND user_id = $3 RETURNING true",
            target_type,
            target_id,
            user_id,
        )
    )


async def is_visible(tx: Transaction, target_type: TargetType, target_id: int) -> bool:
    """Whether the viewer may see the target."""
    return bool(await tx.fetchval("SELECT target_post($1, $2) IS NOT NULL", target_type, target_id))


async def load_page(
    tx: Transaction, target_type: TargetType, target_id: int, kinds: Sequence[str], before: int, limit: int
) -> list[ReactionRow]:
    """Newest first, without those of users whom the viewer may not see or mutes."""
    rows = await tx.fetch(
        f"""SELECT r.id, r.kind, r.user_id, {lite_columns("(r.person)")}
        FROM reactions_to($1, $2, $3, $4, $5) r""",
        target_type,
        target_id,
        kinds,
        before,
        limit,
    )
    return cast("list[ReactionRow]", rows)


async def kind_of(database: Database, target_type: TargetType, target_id: int, user_id: int) -> ReactionKind | None:
    """For workers."""
    rows = await database.fetch(
        "SELECT kind FROM reactions WHERE target_type = $1 AND target_id = $2 AND user_id = $3",
        target_type,
        target_id,
        user_id,
    )
    return cast("ReactionKind", rows[0]["kind"]) if rows else None
