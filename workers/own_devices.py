"""Pushes to the other devices of a user, about what the user did on one of them."""

from protocol.events import PostEngagementEvent, ReactionSetEvent, ReactionUnsetEvent
from protocol.reactions import ReactionChanged
from protocol.saves import SaveChanged
from storage import reactions, saves
from workers.job import Job, consumes


@consumes(ReactionSetEvent, group="own-devices")
async def announce_reaction(job: Job, event: ReactionSetEvent) -> None:
    await _announce(job, event)


@consumes(ReactionUnsetEvent, group="own-devices")
async def announce_withdrawal(job: Job, event: ReactionUnsetEvent) -> None:
    await _announce(job, event)


async def _announce(job: Job, event: ReactionSetEvent | ReactionUnsetEvent) -> None:
    """Push the present reaction. Events of one user run in order, so the last push has the last reaction."""
    kind = await reactions.kind_of(job.tools.database, event.target_type, event.target_id, event.user_id)
    changed = ReactionChanged(
        id=f"reaction.changed:{job.event_id}",
        target_type=event.target_type,
        target_id=str(event.target_id),
        kind=kind,
    )
    await job.tools.broadcaster.publish_to_users([event.user_id], changed)


@consumes(PostEngagementEvent, group="own-devices")
async def announce_save(job: Job, event: PostEngagementEvent) -> None:
    """Push whether the post is saved now, and where."""
    if event.action not in ("save", "unsave"):
        return
    found = await saves.find(job.tools.database, event.user_id, event.post_id)
    collection_id = None if found is None else found["collection_id"]
    changed = SaveChanged(
        id=f"save.changed:{job.event_id}",
        post_id=str(event.post_id),
        saved=found is not None,
        collection_id=None if collection_id is None else str(collection_id),
    )
    await job.tools.broadcaster.publish_to_users([event.user_id], changed)
