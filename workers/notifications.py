"""Notifications: push to users' sockets at once what others did, and send it to their devices later if it stays unseen.

`notify` is safe to repeat: a user is notified once of each cause, however often its event is delivered.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec

from domain.notification_rules import Recipient, decide
from domain.post_channels import POST
from domain.subject_channels import COMMENT, PERSON
from protocol.notifications import Decision, NotificationCounted, NotificationCreated
from senders.view import notification
from storage import notification_deliveries, notifications
from storage.database import Transaction
from storage.notification_deliveries import Channel, RecipientRow
from storage.notifications import Cause, NotificationRow, NotifiedRow
from storage.snowflakes import minted_at
from workers.job import Job, Tools

PAGE = 500
OLDEST = timedelta(days=90)  # older causes have been deleted, so a replay must not find their events


async def notify(job: Job, cause: Cause, user_ids: Sequence[int]) -> None:
    """Notify each of the users once of the cause. Users who may not see it, or who hide its actor, are left out.

    A repeated event creates no notifications. It pushes again those that it created in the last ten minutes.
    """
    if minted_at(job.event_id) < datetime.now(UTC) - OLDEST:
        return
    distinct = list(dict.fromkeys(user_ids))
    for start in range(0, len(distinct), PAGE):
        await _notify_page(job, cause, distinct[start : start + PAGE])


async def _notify_page(job: Job, cause: Cause, user_ids: list[int]) -> None:
    tools = job.tools
    online = await tools.locations.online(user_ids)
    async with tools.database.transaction() as tx:
        rows = [row for row in await _store(job, tx, cause, user_ids) if row["place"] == "list"]
        if not rows:
            return
        users = await load_recipients(tx, [row["user_id"] for row in rows])
        rows = [row for row in rows if row["user_id"] in users]  # a suspended user finds it later
        await _schedule(tools, tx, cause, [row for row in rows if row["is_new"]], users, online)
        pushed = [row for row in rows if row["user_id"] in online and users[row["user_id"]].wants(cause.kind, "socket")]
        shown = await notifications.load_shown(tx, [(row["user_id"], row["notification_id"]) for row in pushed])
        counts = await notifications.unseen_counts(tx, [row["user_id"] for row in shown])
    await asyncio.gather(
        *(_push(tools, cause, row, users[row["user_id"]].locale, counts[row["user_id"]]) for row in shown)
    )


async def _store(job: Job, tx: Transaction, cause: Cause, user_ids: list[int]) -> list[NotifiedRow]:
    if job.is_repeated:
        return await notifications.notified_lately(tx, job.event_id, cause, user_ids)
    return await notifications.notify(tx, job.event_id, cause, user_ids, [job.tools.ids.mint() for _ in user_ids])


async def _schedule(
    tools: Tools, tx: Transaction, cause: Cause, rows: list[NotifiedRow], users: dict[int, Recipient], online: set[int]
) -> None:
    """Decide about each new notification, and schedule what is sent later."""
    decided: dict[int, list[Decision]] = {}
    due: list[tuple[int, Channel, int, datetime]] = []
    for row in rows:
        to = users[row["user_id"]]
        rulings = decide(cause.kind, to, tools.delays, tools.now(), is_online=to.user_id in online)
        decided[row["notification_id"]] = [ruling.shown() for ruling in rulings]
        due += [
            (row["notification_id"], cast("Channel", ruling.channel), to.user_id, ruling.at)
            for ruling in rulings
            if ruling.is_due_later
        ]
    if decided:
        await notification_deliveries.schedule(tx, decided, due)


async def _push(tools: Tools, cause: Cause, row: NotificationRow, locale: str, unseen_count: int) -> None:
    # The same id when the event is repeated: the user's inbox takes it once.
    act = f"{row['id']}:{cause.actor_id}"
    created = NotificationCreated(id=f"notification.created:{act}", notification=notification(row, locale))
    counted = NotificationCounted(id=f"notification.counted:{act}", unseen_count=unseen_count)
    await tools.broadcaster.publish_to_users([row["user_id"]], created, actor_id=cause.actor_id, about=_about(cause))
    await tools.broadcaster.publish_to_users([row["user_id"]], counted)


def _about(cause: Cause) -> str:
    """The channel of what the notification is about: moderation may withhold it before a client reconnects."""
    match cause.kind, cause.target_type:
        case "mention" | "comment" | "reply" | "share", "post":
            return POST.channel(cause.target_id)
        case "mention" | "comment" | "reply", "comment":
            return COMMENT.channel(cause.target_id)
        case _:
            return PERSON.channel(cause.actor_id) if cause.actor_id else ""


async def load_recipients(tx: Transaction, user_ids: Sequence[int]) -> dict[int, Recipient]:
    rows = await notification_deliveries.load_recipients(tx, user_ids)
    return {user_id: _recipient(row) for user_id, row in rows.items()}


def _recipient(row: RecipientRow) -> Recipient:
    return Recipient(
        user_id=row["user_id"],
        timezone=row["timezone"],
        locale=row["locale"],
        channels=msgspec.json.decode(row["channels"], type=dict[str, dict[str, bool]]),
        quiet_from=row["quiet_from"],
        quiet_until=row["quiet_until"],
        has_push=row["has_push"],
        has_email=row["has_email"],
    )
