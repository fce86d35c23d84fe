"""Notifications about withheld content: they leave open lists, and return when the decision ends."""

from collections.abc import Collection

from protocol.notifications import NotificationChanged, NotificationRemoved, TargetType
from protocol.pushes import Push
from senders.view import notification
from storage import enforcement, notifications
from workers.job import Job
from workers.notification_lists import count
from workers.notifications import load_recipients


async def settle(job: Job, user_ids: Collection[int], target_type: TargetType, target_id: int) -> None:
    """Push to these users how they see their notifications about the target now."""
    async with job.tools.database.transaction() as tx:
        pairs = await enforcement.recheck_notifications(tx, sorted(user_ids), target_type, target_id)
        if not pairs:
            return
        people = await load_recipients(tx, [user_id for user_id, _ in pairs])
        shown = {row["id"]: row for row in await notifications.load_shown(tx, pairs)}
    for user_id, notification_id in pairs:
        act, row = f"{job.event_id}:{notification_id}", shown.get(notification_id)
        push: Push = NotificationRemoved(id=f"notification.removed:{act}", ids=[str(notification_id)])
        if user_id not in people:
            continue
        if row is not None:
            push = NotificationChanged(
                id=f"notification.changed:{act}", notification=notification(row, people[user_id].locale)
            )
        await job.tools.broadcaster.publish_to_users([user_id], push)
    await count(job, *{user_id for user_id, _ in pairs})
