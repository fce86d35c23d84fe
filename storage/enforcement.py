"""The standing of things, for the workers that bring feeds, search and clients in line with it."""

from collections.abc import Sequence
from typing import TypedDict, cast

from protocol.moderation import Label
from protocol.notifications import TargetType
from protocol.standing import Standing
from storage.database import Transaction
from storage.posts import FanoutRow


class _StandingRow(TypedDict):
    """`withheld_by`: the newest decision that withheld it from others, if one ever did. `kept_by`: the newest whose
    labels kept it from users below 18.
    """

    standing: Standing
    labels: list[Label]
    withheld_by: int | None
    kept_by: int | None


class EnforcedPostRow(FanoutRow, _StandingRow):
    """A published post. Its visibility is what its author chose."""

    hidden: bool  # its author alone sees it


class EnforcedCommentRow(_StandingRow):
    """A published comment, with the users who may have been notified of it."""

    post_id: int
    author_id: int
    mention_ids: list[int]
    post_author_id: int
    parent_author_id: int | None
    hidden: bool


class EnforcedRoomRow(TypedDict):
    owner_id: int
    hidden: bool
    ended: bool


class EnforcedRoomMessageRow(TypedDict):
    room_id: int
    sender_id: int
    is_removed: bool


class EnforcedFileRow(TypedDict):
    owner_id: int
    target_type: str | None
    target_id: int | None
    target_seq: int | None


_WITHHELD = "NOT is_shown({0}.standing) AS hidden, {0}.standing, {0}.labels"


async def post(tx: Transaction, post_id: int) -> EnforcedPostRow | None:
    row = await tx.fetchrow(
        f"""SELECT p.id, p.author_id, p.status, coalesce(p.chosen_visibility, p.visibility) AS visibility,
            coalesce(p.chosen_circle_id, p.circle_id) AS circle_id, p.mention_ids,
            u.is_large, u.is_private, u.follower_count,
            (SELECT o.author_id FROM posts o WHERE o.id = p.shared_post_id) AS original_author_id,
            {_WITHHELD.format("p")}, withheld_by('post', p.id, 0) AS withheld_by,
            kept_from_minors_by('post', p.id) AS kept_by
        FROM posts p JOIN users u ON u.id = p.author_id AND u.status = 'active'
        WHERE p.id = $1 AND p.status = 'published'""",
        post_id,
    )
    return cast("EnforcedPostRow | None", row)


async def comment(tx: Transaction, comment_id: int) -> EnforcedCommentRow | None:
    row = await tx.fetchrow(
        f"""SELECT c.post_id, c.author_id, c.mention_ids, p.author_id AS post_author_id,
            (SELECT parent.author_id FROM comments parent WHERE parent.id = c.parent_id) AS parent_author_id,
            {_WITHHELD.format("c")}, withheld_by('comment', c.id, 0) AS withheld_by,
            kept_from_minors_by('comment', c.id) AS kept_by
        FROM comments c JOIN posts p ON p.id = c.post_id AND p.status = 'published'
        WHERE c.id = $1 AND c.status = 'published'""",
        comment_id,
    )
    return cast("EnforcedCommentRow | None", row)


async def file(tx: Transaction, media_id: int) -> EnforcedFileRow | None:
    row = await tx.fetchrow("SELECT owner_id, target_type, target_id, target_seq FROM media WHERE id = $1", media_id)
    return cast("EnforcedFileRow | None", row)


async def room(tx: Transaction, room_id: int) -> EnforcedRoomRow | None:
    row = await tx.fetchrow(
        "SELECT owner_id, NOT is_shown(standing) AS hidden, state = 'ended' AS ended FROM rooms WHERE id = $1", room_id
    )
    return cast("EnforcedRoomRow | None", row)


async def room_message(tx: Transaction, message_id: int) -> EnforcedRoomMessageRow | None:
    row = await tx.fetchrow("SELECT room_id, sender_id, is_removed FROM room_messages WHERE id = $1", message_id)
    return cast("EnforcedRoomMessageRow | None", row)


async def recheck_notifications(
    tx: Transaction, user_ids: Sequence[int], target_type: TargetType, target_id: int
) -> list[tuple[int, int]]:
    """Pairs (user, notification): what these users have in their lists about the target, whether they see it or not.

    Devices dismiss what they may not see any more.
    """
    rows = await tx.fetch("SELECT * FROM recheck_notifications($1, $2, $3)", user_ids, target_type, target_id)
    return [(row["user_id"], row["notification_id"]) for row in rows]
