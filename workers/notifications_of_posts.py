"""Notifications of posts, comments and reactions: their recipients, and what withdraws them."""

from collections.abc import Sequence

from protocol.events import (
    CommentCreatedEvent,
    CommentEditedEvent,
    PostCreatedEvent,
    PostEditedEvent,
    ReactionSetEvent,
    ReactionUnsetEvent,
)
from protocol.notifications import Kind
from storage import notification_targets, posts
from storage.notification_targets import PostTargets
from storage.notifications import Cause
from workers.job import Job, consumes, consumes_many
from workers.notification_lists import recheck
from workers.notifications import notify


@consumes_many(PostCreatedEvent, group="notifications")
async def notify_of_posts(jobs: Sequence[Job], events: Sequence[PostCreatedEvent]) -> None:
    """The author of what a new post shares, and users whom it mentions: each once."""
    targets = await notification_targets.of_posts(jobs[0].tools.database, [event.post_id for event in events])
    for job, event in zip(jobs, events, strict=True):
        if (target := targets.get(event.post_id)) is not None:
            await _notify_of_post(job, event.post_id, event.author_id, target)


async def notify_of_post(job: Job, post_id: int, author_id: int) -> None:
    """The same of a post that was withheld from others when it was written."""
    targets = await notification_targets.of_posts(job.tools.database, [post_id])
    if (target := targets.get(post_id)) is not None:
        await _notify_of_post(job, post_id, author_id, target)


async def _notify_of_post(job: Job, post_id: int, author_id: int, target: PostTargets) -> None:
    if target.shared_author_id is not None:
        await notify(job, Cause("share", "post", post_id, author_id), [target.shared_author_id])
    others = [user_id for user_id in target.mention_ids if user_id != target.shared_author_id]
    await notify(job, Cause("mention", "post", post_id, author_id), others)


@consumes(PostEditedEvent, group="notifications")
async def notify_of_edit(job: Job, event: PostEditedEvent) -> None:
    """Users whom an edit mentions for the first time."""
    named = [user_id for user_id in await _mentioned(job, event.post_id) if user_id in event.named]
    await notify(job, Cause("mention", "post", event.post_id, event.author_id), named)


@consumes(ReactionSetEvent, group="notifications")
async def notify_of_reaction(job: Job, event: ReactionSetEvent) -> None:
    found = await notification_targets.recipient_of_reaction(
        job.tools.database, job.event_id, event.target_type, event.target_id, event.user_id
    )
    if found is None:
        return
    cause = Cause("reaction", event.target_type, event.target_id, event.user_id)
    if found.was_withdrawn:
        await recheck(job, cause, found.author_id)
    else:
        await notify(job, cause, [found.author_id])


@consumes(ReactionUnsetEvent, group="notifications")
async def take_out_reaction(job: Job, event: ReactionUnsetEvent) -> None:
    author_id = await notification_targets.author(job.tools.database, event.target_type, event.target_id)
    if author_id is not None:
        await recheck(job, Cause("reaction", event.target_type, event.target_id, event.user_id), author_id)


@consumes(CommentCreatedEvent, group="notifications")
async def notify_of_comment(job: Job, event: CommentCreatedEvent) -> None:
    """The author of the comment that it replies to, users whom it mentions, and the author of the post: each once."""
    await notify_of_written_comment(job, event.comment_id)


async def notify_of_written_comment(job: Job, comment_id: int) -> None:
    """The same of a comment that was withheld from others when it was written."""
    async with job.tools.database.transaction() as tx:
        comment = await notification_targets.comment(tx, comment_id)
    if comment is None:
        return
    parent_author_id = comment["parent_author_id"]
    replied_to = set() if parent_author_id is None else {parent_author_id}
    mentioned = {*comment["mention_ids"]} - replied_to
    others = {comment["post_author_id"]} - replied_to - mentioned
    kinds: tuple[tuple[Kind, set[int]], ...] = (("reply", replied_to), ("mention", mentioned), ("comment", others))
    for kind, user_ids in kinds:
        await notify(job, Cause(kind, "comment", comment_id, comment["author_id"]), sorted(user_ids))


@consumes(CommentEditedEvent, group="notifications")
async def notify_of_edited_comment(job: Job, event: CommentEditedEvent) -> None:
    """Users whom an edit mentions for the first time."""
    async with job.tools.database.transaction() as tx:
        comment = await notification_targets.comment(tx, event.comment_id)
    if comment is not None:
        named = [user_id for user_id in comment["mention_ids"] if user_id in event.named]
        await notify(job, Cause("mention", "comment", event.comment_id, event.author_id), named)


async def _mentioned(job: Job, post_id: int) -> list[int]:
    """The users whom the post mentions."""
    async with job.tools.database.transaction() as tx:
        post = await posts.for_fanout(tx, post_id)
    return [] if post is None or post["status"] != "published" else post["mention_ids"]
