"""Enforcement: what viewers already have follows the decisions of moderation.

The decision's own transaction has changed what calls answer: see storage/functions/enforcement.sql. These reactions
bring feeds, search, trends, notifications and open clients in line with it. They read what the standing decisions have
made of the target, so they are safe to repeat, and undoing a decision needs no other code.
"""

from domain.post_channels import POST
from domain.told_of import COMMENT
from protocol.comments import CommentCreated, CommentDeleted, CommentEdited
from protocol.events import DecisionEndedEvent, DecisionMadeEvent
from protocol.pushes import Push
from storage import comments, enforcement, present
from workers import enforced_notifications, enforced_posts, enforced_rooms
from workers.chats import settle_message
from workers.job import Job, consumes
from workers.notifications_of_posts import tell_of_written_comment

_WITHHOLDING = frozenset({"shadow", "hold", "remove"})


@consumes(DecisionMadeEvent, group="enforcement")
async def enforce_decision(job: Job, event: DecisionMadeEvent) -> None:
    """Bring everything in line with a decision that was made."""
    await _settle(job, event, may_restore=event.action == "approve")


@consumes(DecisionEndedEvent, group="enforcement")
async def lift_decision(job: Job, event: DecisionEndedEvent) -> None:
    """Bring everything in line with what the other decisions leave."""
    await _settle(job, event, may_restore=event.action in _WITHHOLDING)


async def _settle(job: Job, event: DecisionMadeEvent | DecisionEndedEvent, *, may_restore: bool) -> None:
    match event.target_type:
        case "post":
            await enforced_posts.settle(job, event.target_id, may_restore=may_restore)
        case "comment":
            await _settle_comment(job, event.target_id, may_restore=may_restore)
        case "message":
            await settle_message(job, event.target_id, event.target_seq)
        case "media":
            await _settle_file(job, event.target_id)
        case "room":
            await enforced_rooms.settle(job, event.target_id)
        case "room_message":
            await enforced_rooms.settle_message(job, event.target_id, event.decision_id)
        case "user":
            # The change of the account's status has ended its sessions. Nobody watches its posts or its rooms any more.
            await job.tools.broadcaster.close(event.target_id, "all")


async def _settle_comment(job: Job, comment_id: int, *, may_restore: bool) -> None:
    async with job.tools.database.transaction() as tx:
        found = await enforcement.comment(tx, comment_id)
        row = await comments.load(tx, comment_id)
    if found is None:
        return
    channel, author_id = POST.channel(found["post_id"]), found["author_id"]
    told = {*found["mention_ids"], found["post_author_id"], found["parent_author_id"] or 0} - {author_id, 0}
    if found["hidden"]:
        deleted = CommentDeleted(
            id=f"comment.deleted:{comment_id}:{found['withheld_by']}",
            post_id=str(found["post_id"]),
            comment_id=str(comment_id),
        )
        await job.tools.broadcaster.publish(channel, deleted, actor_id=author_id, not_to=author_id)
    elif row is not None:
        shown = present.comment_for_all(row, job.tools.media.shown_to(None))
        push: Push = CommentEdited(id=f"comment.edited:{job.event_id}", comment=shown)
        if may_restore and found["withheld_by"] is not None:
            push = CommentCreated(id=f"comment.created:{comment_id}:{found['withheld_by']}", comment=shown)
            await tell_of_written_comment(job, comment_id)
        await job.tools.broadcaster.publish(channel, push, actor_id=author_id, about=COMMENT.channel(comment_id))
    await enforced_notifications.settle(job, told, "comment", comment_id)


async def _settle_file(job: Job, media_id: int) -> None:
    """Show what uses the file without it, or with it again."""
    async with job.tools.database.transaction() as tx:
        file = await enforcement.file(tx, media_id)
    if file is None or file["target_id"] is None:
        return
    match file["target_type"]:
        case "post":
            await enforced_posts.show(job, file["target_id"], not_to=file["owner_id"])
        case "comment":
            await _show_comment(job, file["target_id"], not_to=file["owner_id"])
        case "message":
            assert file["target_seq"] is not None
            await settle_message(job, file["target_id"], file["target_seq"])


async def _show_comment(job: Job, comment_id: int, not_to: int) -> None:
    async with job.tools.database.transaction() as tx:
        row = await comments.load(tx, comment_id)
    if row is not None and not row["is_withheld"]:
        shown = present.comment_for_all(row, job.tools.media.shown_to(None))
        push = CommentEdited(id=f"comment.edited:{job.event_id}", comment=shown)
        await job.tools.broadcaster.publish(
            POST.channel(row["post_id"]), push, actor_id=not_to, about=COMMENT.channel(comment_id), not_to=not_to
        )
