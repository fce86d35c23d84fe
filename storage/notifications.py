"""Notifications: create them, and load them as their user may see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypedDict, cast

from protocol.notifications import Kind, TargetType
from storage.database import Transaction
from storage.users import lite_object

KEEP = "90 days"
MOST_OF_A_USER = 1_000  # in the list, and as many that a policy keeps back


class NotificationRow(TypedDict):
    """A notification that its user may see.

    `actors` is the JSON of user-lites, the newest first. `message` is the text of a system message, the facts of a
    decision, or the outcome of an appeal or a report.
    """

    id: int
    user_id: int
    kind: Kind
    target_type: TargetType
    target_id: int
    actors: str
    actor_count: int
    first_at: datetime
    updated_at: datetime
    seen_at: datetime | None
    read_at: datetime | None
    message: str | None


class NotifiedRow(TypedDict):
    """A user who is notified of an event. A filtered notification is stored, but not sent."""

    user_id: int
    notification_id: int
    place: str
    is_new: bool


class Cause(NamedTuple):
    """The reason to notify users. Each user is notified once of a cause. `actor_id` is 0 without an actor."""

    kind: Kind
    target_type: TargetType
    target_id: int
    actor_id: int


_LOCALE = "coalesce((SELECT locale FROM accounts WHERE user_id = viewer_id()), 'ar-EG')"
_STORED = ("id", "user_id", "kind", "target_type", "target_id", "first_at", "updated_at", "seen_at", "read_at")
_SHOWN = f"""
    SELECT {", ".join(f"(s.found).{column}" for column in _STORED)}, s.shown_count AS actor_count,
           (SELECT coalesce(jsonb_agg({lite_object("a")} ORDER BY a.ordinality), '[]')
            FROM unnest(s.actors) WITH ORDINALITY AS a) AS actors,
           CASE WHEN (s.found).target_type = 'system_message' THEN (
               SELECT m.text FROM system_messages m WHERE m.id = (s.found).target_id)
               WHEN (s.found).kind IN ('account', 'report')
                   THEN %s((s.found).target_type, (s.found).target_id) END AS message
"""


async def notify(
    tx: Transaction, event_id: int, cause: Cause, user_ids: Sequence[int], new_ids: Sequence[int]
) -> list[NotifiedRow]:
    """Notify each user once of the cause, except users who may not see it or hide its actor. For workers.

    new_ids: an unused id for each of the users.
    """
    rows = await tx.fetch("SELECT * FROM notify($1, $2, $3, $4, $5, $6, $7)", event_id, *cause, user_ids, new_ids)
    return cast("list[NotifiedRow]", rows)


async def recheck(tx: Transaction, cause: Cause, user_id: int) -> int | None:
    """Take the actor out of the user's notification if the reaction or follow has ended, or back if it stands again.

    Returns the notification if it is in the list and has changed. For workers.
    """
    changed: int | None = await tx.fetchval("SELECT recheck_cause($1, $2, $3, $4, $5)", *cause, user_id)
    return changed


async def notified_lately(tx: Transaction, event_id: int, cause: Cause, user_ids: Sequence[int]) -> list[NotifiedRow]:
    """Return the users whom the event notified less than ten minutes ago: their pushes may have been lost."""
    rows = await tx.fetch("SELECT * FROM told_lately($1, $2, $3, $4, $5, $6)", event_id, *cause, user_ids)
    return cast("list[NotifiedRow]", rows)


async def load_shown(tx: Transaction, pairs: Sequence[tuple[int, int]]) -> list[NotificationRow]:
    """Notifications, each as its user may see it. pairs: the user and the notification. For workers."""
    rows = await tx.fetch(
        f"""{_SHOWN % "moderation_notice"} FROM unnest($1::bigint[], $2::bigint[]) AS pair (person, id)
        CROSS JOIN LATERAL notifications_shown_to(pair.person, ARRAY [pair.id]) s""",
        [user_id for user_id, _ in pairs],
        [notification_id for _, notification_id in pairs],
    )
    return cast("list[NotificationRow]", rows)


async def unseen_counts(tx: Transaction, user_ids: Sequence[int]) -> dict[int, int]:
    """The number of unseen notifications by user, counted up to 100. For workers."""
    rows = await tx.fetch("SELECT person, unseen_count_of(person) FROM unnest($1::bigint[]) AS person", user_ids)
    return {row["person"]: row["unseen_count_of"] for row in rows}


class Page(NamedTuple):
    """The visible ones of the notifications that were looked at, and the id of the oldest of these.

    `last_id` is None at the end of the list. `unseen_count` counts up to 100.
    """

    rows: list[NotificationRow]
    last_id: int | None
    unseen_count: int
    locale: str


async def load_page(tx: Transaction, place: Literal["list", "filtered"], before: int, limit: int) -> Page:
    """The viewer's notifications in that place, newest first."""
    fetched = await tx.fetch(
        f"""WITH page AS MATERIALIZED (
            SELECT id FROM notifications WHERE user_id = viewer_id() AND place = '{place}' AND id < $1
            ORDER BY id DESC LIMIT $2)
        SELECT * FROM (
            SELECT count(*) AS looked_at, min(id) AS last_id, unseen_count() AS unseen_count, {_LOCALE} AS locale
            FROM page) head
        LEFT JOIN ({_SHOWN % "own_moderation_notice"}
            FROM notifications_shown(ARRAY (SELECT id FROM page)) s) shown ON true
        ORDER BY shown.id DESC""",
        before,
        limit,
    )
    head = fetched[0]
    rows = [cast("NotificationRow", row) for row in fetched if row["id"] is not None]
    last_id = head["last_id"] if head["looked_at"] == limit else None
    return Page(rows, last_id, head["unseen_count"], head["locale"])


async def load_own(tx: Transaction, ids: Sequence[int]) -> tuple[list[NotificationRow], str]:
    """Those of the viewer's notifications, the oldest first, and the viewer's locale."""
    rows = await tx.fetch(f"{_SHOWN % 'own_moderation_notice'} FROM notifications_shown($1) s ORDER BY 1", ids)
    return [cast("NotificationRow", row) for row in rows], await tx.fetchval(f"SELECT {_LOCALE}")


async def unseen_count(tx: Transaction) -> int:
    """The viewer's unseen notifications, counted up to 100."""
    count: int = await tx.fetchval("SELECT unseen_count()")
    return count


async def decisions(tx: Transaction, notification_id: int) -> str | None:
    """The JSON of the decisions about the viewer's notification; None if there is no such notification."""
    found: str | None = await tx.fetchval("SELECT decisions FROM notifications WHERE id = $1", notification_id)
    return found


async def see(tx: Transaction, up_to_id: int) -> list[int]:
    """Mark it and all older ones as seen. Returns the ids of those that were unseen."""
    return [row[0] for row in await tx.fetch("SELECT see_notifications($1)", up_to_id)]


async def read(tx: Transaction, ids: Sequence[int]) -> list[int]:
    """Returns the ids of those that were unread."""
    return [row[0] for row in await tx.fetch("SELECT read_notifications($1)", ids)]


async def settle_filtered(tx: Transaction, ids: Sequence[int], *, accepted: bool) -> list[int]:
    """Move notifications that the policy kept back into the list, or delete them. Returns their ids."""
    return [row[0] for row in await tx.fetch("SELECT settle_filtered($1, $2)", ids, accepted)]


async def forget_old(tx: Transaction, limit: int) -> int:
    """Delete notifications that are too old. Returns how many."""
    return await _delete(
        tx,
        f"""notifications WHERE id = ANY (ARRAY (
            SELECT id FROM notifications WHERE id < snowflake_at(now() - interval '{KEEP}')
                AND (place <> 'push' OR updated_at < now() - interval '{KEEP}') ORDER BY id LIMIT $1))""",
        limit,
    )


async def forget_old_causes(tx: Transaction, limit: int) -> int:
    """Delete causes of notifications that are too old. Returns how many."""
    return await _delete(
        tx,
        f"""notification_causes WHERE ctid IN (
            SELECT ctid FROM notification_causes WHERE created_at < now() - interval '{KEEP}' LIMIT $1)""",
        limit,
    )


async def forget_surplus(tx: Transaction, limit: int) -> int:
    """Delete the oldest notifications of users who were notified lately and have too many. Returns how many."""
    return await _delete(
        tx,
        f"""notifications WHERE id = ANY (ARRAY (
            SELECT n.id FROM (
                SELECT DISTINCT user_id FROM notifications WHERE id > snowflake_at(now() - interval '1 hour')) lately
            CROSS JOIN LATERAL (
                (SELECT id FROM notifications WHERE user_id = lately.user_id AND place = 'list'
                 ORDER BY id DESC OFFSET {MOST_OF_A_USER})
                UNION ALL
                (SELECT id FROM notifications WHERE user_id = lately.user_id AND place = 'filtered'
                 ORDER BY id DESC OFFSET {MOST_OF_A_USER})) n
            LIMIT $1))""",
        limit,
    )


async def _delete(tx: Transaction, what: str, limit: int) -> int:
    status = await tx.execute(f"DELETE FROM {what}", limit)
    return int(status.split()[-1])
