"""Lists of notifications that users have open: push what has changed in them."""

from protocol.notifications import NotificationChanged, NotificationCounted, NotificationRemoved
from protocol.pushes import Push
from senders.view import notification
from storage import notifications
from storage.notifications import Cause
from workers.job import Job
from workers.notifications import load_recipients


async def recheck(job: Job, cause: Cause, user_id: int) -> None:
    """Take the actor out of the user's notification if the reaction or follow has ended, or back if it stands again.

    Pushes the notification as it is then, or that the user sees it no longer.
    """
    async with job.tools.database.transaction() as tx:
        changed = await notifications.recheck(tx, cause, user_id)
        if changed is None:
            return
        to = (await load_recipients(tx, [user_id])).get(user_id)
        rows = await notifications.load_shown(tx, [(user_id, changed)])
    if to is not None and to.wants(cause.kind, "socket"):
        act = f"{job.event_id}:{changed}"
        push: Push = NotificationRemoved(id=f"notification.removed:{act}", ids=[str(changed)])
        if rows:
            push = NotificationChanged(id=f"notification.changed:{act}", notification=notification(rows[0], to.locale))
        await job.tools.broadcaster.publish_to_users([user_id], push)
    await count(job, user_id)


async def count(job: Job, *user_ids: int) -> None:
    """Push how many notifications are unseen: some have been hidden, or are back."""
    async with job.tools.database.transaction() as tx:
        counts = await notifications.unseen_counts(tx, user_ids)
    for user_id, unseen_count in counts.items():
        push = NotificationCounted(id=f"notification.counted:{job.event_id}:{user_id}", unseen_count=unseen_count)
        await job.tools.broadcaster.publish_to_users([user_id], push)
