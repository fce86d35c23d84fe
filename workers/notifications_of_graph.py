"""Notifications of follows, and what blocks and mutes hide of notifications."""

from protocol.events import BlockedEvent, FollowChangedEvent, MuteChangedEvent, UnblockedEvent
from storage import graph
from storage.notifications import Cause
from workers.job import Job, consumes
from workers.notification_lists import count, recheck
from workers.notifications import notify


@consumes(FollowChangedEvent, group="notifications")
async def notify_of_follow(job: Job, event: FollowChangedEvent) -> None:
    """A follow, a request or an acceptance that still stands; the end of a follow takes it out of its notification."""
    follower_id, followee_id = event.follower_id, event.followee_id
    follow = Cause("follow", "user", followee_id, follower_id)
    await recheck(job, follow, followee_id)
    async with job.tools.database.transaction() as tx:
        status = await graph.follow_status(tx, follower_id, followee_id)
    match (event.change, status):
        case ("requested", "pending"):
            await notify(job, Cause("follow_request", "user", follower_id, follower_id), [followee_id])
        case ("followed", "active"):
            await notify(job, follow, [followee_id])
        case ("accepted", "active"):
            await notify(job, Cause("acceptance", "user", followee_id, followee_id), [follower_id])


@consumes(BlockedEvent, group="notifications")
async def count_after_block(job: Job, event: BlockedEvent) -> None:
    """A block also ends the follows of the two users."""
    for follower_id, followee_id in ((event.blocker_id, event.blocked_id), (event.blocked_id, event.blocker_id)):
        await recheck(job, Cause("follow", "user", followee_id, follower_id), followee_id)
    await count(job, event.blocker_id, event.blocked_id)


@consumes(UnblockedEvent, group="notifications")
async def count_after_unblock(job: Job, event: UnblockedEvent) -> None:
    await count(job, event.blocker_id, event.blocked_id)


@consumes(MuteChangedEvent, group="notifications")
async def count_after_mute(job: Job, event: MuteChangedEvent) -> None:
    await count(job, event.user_id)
