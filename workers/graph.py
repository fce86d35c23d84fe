"""Reactions to changes of the graph: feeds, subscriptions to authors, hiding, and pushes.

Each reaction reads the present state and applies it, so a late or repeated event does no harm.
"""

from channels.messages import HidingChanged
from domain import audience
from domain.post_channels import AUTHOR
from domain.subject_channels import PERSON
from protocol.events import AccessNarrowedEvent, BlockedEvent, FollowChangedEvent, MuteChangedEvent, UnblockedEvent
from protocol.pushes import Push
from protocol.users import GraphAccepted, GraphFollowed, GraphRequested
from storage import graph, posts, present, users
from storage.database import Transaction
from storage.feeds import BACKFILL, LONGEST
from workers.fanout import PAGE
from workers.job import Job, consumes


@consumes(FollowChangedEvent, group="graph")
async def react_to_follow(job: Job, event: FollowChangedEvent) -> None:
    """Update the follower's feed and subscriptions and the followee's size class, and push to the affected user."""
    await _settle_size(job, event.followee_id)
    await _settle_listening(job, event.follower_id, event.followee_id)
    if event.change == "ended":
        await job.tools.broadcaster.evict([event.follower_id], event.followee_id)
    async with job.tools.database.transaction() as tx:
        status = await graph.follow_status(tx, event.follower_id, event.followee_id)
        found = await _push_of(tx, job, event, status)
    if found is not None:
        user_id, doer_id, push = found
        await job.tools.broadcaster.publish_to_users([user_id], push, actor_id=doer_id, about=PERSON.channel(doer_id))


@consumes(BlockedEvent, group="graph")
async def react_to_block(job: Job, event: BlockedEvent) -> None:
    """Remove both users' posts from each other's feed, and stop pushes between them."""
    for reader_id, author_id in ((event.blocker_id, event.blocked_id), (event.blocked_id, event.blocker_id)):
        await _settle_hiding(job, reader_id, author_id)
        await _settle_size(job, author_id)
        await _settle_listening(job, reader_id, author_id)
        await job.tools.broadcaster.evict([reader_id], author_id)


@consumes(UnblockedEvent, group="graph")
async def react_to_unblock(job: Job, event: UnblockedEvent) -> None:
    """Allow pushes between the two users again. Follows that the block ended are not restored."""
    await _settle_hiding(job, event.blocker_id, event.blocked_id)
    await _settle_hiding(job, event.blocked_id, event.blocker_id)


@consumes(AccessNarrowedEvent, group="graph")
async def react_to_narrowing(job: Job, event: AccessNarrowedEvent) -> None:
    """Evict users who watch posts that they may no longer see. Those who still may subscribe again."""
    if event.user_ids:
        await job.tools.broadcaster.evict(event.user_ids, event.owner_id)
    else:
        await job.tools.broadcaster.close(event.owner_id, event.to)


@consumes(MuteChangedEvent, group="graph")
async def react_to_mute(job: Job, event: MuteChangedEvent) -> None:
    await _settle_hiding(job, event.user_id, event.muted_id)
    await _settle_listening(job, event.user_id, event.muted_id)


async def _settle_listening(job: Job, reader_id: int, author_id: int) -> None:
    """Fill the feed and subscribe the sockets of a reader who follows and has not muted the author; else undo it."""
    async with job.tools.database.transaction() as tx:
        listens = await graph.listens(tx, reader_id, author_id)
        is_large = await users.is_large(tx, author_id)
        # Posts that mention the reader stay in the feed without a follow.
        newest = await posts.ids_of_author(
            tx, author_id, reader_id, BACKFILL if listens else LONGEST, naming_reader=listens
        )
    if not listens:
        await job.tools.feeds.remove([reader_id], newest)
        await job.tools.broadcaster.leave([reader_id], AUTHOR.channel(author_id))
    elif is_large:
        await job.tools.broadcaster.join([reader_id], AUTHOR.channel(author_id), author_id)
    else:
        await job.tools.feeds.backfill(reader_id, newest)


async def _settle_hiding(job: Job, user_id: int, actor_id: int) -> None:
    """Send to nodes until when the user's sockets must not get pushes about the actor."""
    async with job.tools.database.transaction() as tx:
        # Published under the lock: of two concurrent jobs, the one that reads last also publishes last.
        await graph.lock_pair(tx, user_id, actor_id)
        until, posts_until = await graph.hidden_until(tx, user_id, actor_id)
        await job.tools.broadcaster.change_hiding(HidingChanged([user_id], actor_id, until, posts_until))


async def _settle_size(job: Job, author_id: int) -> None:
    """Make the author large or small again when the number of followers has crossed a threshold."""
    async with job.tools.database.transaction() as tx:
        becomes_large = await users.size_change(tx, author_id, audience.LARGE_FROM, audience.SMALL_BELOW)
        newest = await posts.ids_of_author(tx, author_id, author_id, BACKFILL)
    if becomes_large is None:
        return
    channel = AUTHOR.channel(author_id)
    async for followers in graph.follower_pages(job.tools.database, author_id, PAGE):
        if becomes_large:
            await job.tools.broadcaster.join(followers, channel, author_id)
            continue
        for follower_id in followers:
            await job.tools.feeds.backfill(follower_id, newest)
        await job.tools.broadcaster.leave(followers, channel)
    # Last: if this job dies before it, its repetition does all the work again.
    async with job.tools.database.transaction() as tx:
        await users.set_large(tx, author_id, becomes_large)


async def _push_of(
    tx: Transaction, job: Job, event: FollowChangedEvent, status: str | None
) -> tuple[int, int, Push] | None:
    """The user to push to, the user who acted, and the push; None if the state has changed since the event."""
    kind: type[GraphRequested] | type[GraphFollowed] | type[GraphAccepted]
    match (event.change, status):
        case ("requested", "pending"):
            recipient_id, doer_id, kind = event.followee_id, event.follower_id, GraphRequested
        case ("followed", "active"):
            recipient_id, doer_id, kind = event.followee_id, event.follower_id, GraphFollowed
        case ("accepted", "active"):
            recipient_id, doer_id, kind = event.follower_id, event.followee_id, GraphAccepted
        case _:
            return None
    doer = (await users.load_lite(tx, [doer_id])).get(doer_id)
    if doer is None:
        return None
    return recipient_id, doer_id, kind(id=f"{kind.event}:{job.event_id}", user=present.user_lite(doer, doer_id))
