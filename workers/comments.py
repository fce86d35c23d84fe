"""Reactions to events of comments: pushes to the clients that have the post open.

A push shows one comment, and its author is the actor: nodes do not send it to users who hide the author.
"""

from domain.post_channels import POST
from domain.subject_channels import COMMENT
from protocol.comments import CommentCreated, CommentDeleted, CommentEdited
from protocol.events import CommentCreatedEvent, CommentDeletedEvent, CommentEditedEvent
from storage import comments, posts, present
from workers.by_age import by_age
from workers.job import Job, consumes


@consumes(CommentCreatedEvent, group="comments")
async def announce_comment(job: Job, event: CommentCreatedEvent) -> None:
    """Safe to repeat: a channel takes a push with the same id once."""
    await _show(job, event, CommentCreated, f"comment.created:{event.comment_id}")


@consumes(CommentEditedEvent, group="comments")
async def announce_edit(job: Job, event: CommentEditedEvent) -> None:
    await _show(job, event, CommentEdited, f"comment.edited:{job.event_id}")


@consumes(CommentDeletedEvent, group="comments")
async def announce_deletion(job: Job, event: CommentDeletedEvent) -> None:
    async with job.tools.database.transaction() as tx:
        post = await posts.for_fanout(tx, event.post_id)
        is_withheld = await comments.is_withheld(tx, event.comment_id)
    if post is None or post["status"] != "published":
        return
    deleted = CommentDeleted(
        id=f"comment.deleted:{event.comment_id}", post_id=str(event.post_id), comment_id=str(event.comment_id)
    )
    await job.tools.broadcaster.publish(
        POST.channel(event.post_id),
        deleted,
        actor_id=event.author_id,
        only_to=event.author_id if is_withheld else 0,
    )


async def _show(
    job: Job,
    event: CommentCreatedEvent | CommentEditedEvent,
    kind: type[CommentCreated] | type[CommentEdited],
    push_id: str,
) -> None:
    """Push the comment as it is now, unless it or the post is deleted; one that is withheld to its author alone."""
    async with job.tools.database.transaction() as tx:
        post = await posts.for_fanout(tx, event.post_id)
        row = await comments.load(tx, event.comment_id)
    if post is None or post["status"] != "published" or row is None:
        return
    push = kind(id=push_id, comment=present.comment_for_all(row, job.tools.media.shown_to(None)))
    for version, ages in by_age(push, "comment"):
        await job.tools.broadcaster.publish(
            POST.channel(event.post_id),
            version,
            actor_id=event.author_id,
            about=COMMENT.channel(event.comment_id),
            only_to=event.author_id if row["is_withheld"] else 0,
            ages=ages,
        )
