"""Enforcement: what viewers already have follows the decisions of moderation.

The decision's own transaction has changed what calls answer: see storage/functions/enforcement.sql. These reactions
bring feeds, search, trends, notifications and open clients in line with it. They read what the standing decisions have
made of the target, so they are safe to repeat, and undoing a decision needs no other code.
"""

from collections.abc import Set
from typing import Unpack

from channels.messages import Ages, Recipients
from domain.labels import are_for_adults
from domain.post_channels import POST
from domain.subject_channels import COMMENT
from protocol.comments import CommentCreated, CommentDeleted, CommentEdited
from protocol.events import DecisionEndedEvent, DecisionMadeEvent
from protocol.moderation import WITHHOLDING, Action
from storage import comments, enforcement, present
from storage.comments import CommentRow
from storage.enforcement import EnforcedCommentRow
from workers import enforced_notifications, enforced_posts, enforced_rooms
from workers.by_age import by_age
from workers.chats import settle_message
from workers.job import Job, consumes
from workers.notifications_of_posts import notify_of_written_comment

_RESTRICTING: frozenset[Action] = WITHHOLDING.union({"label"})


@consumes(DecisionMadeEvent, group="enforcement")
async def enforce_decision(job: Job, event: DecisionMadeEvent) -> None:
    """Bring everything in line with a decision that was made."""
    await _settle(job, event, ended=_RESTRICTING if event.action == "approve" else frozenset())


@consumes(DecisionEndedEvent, group="enforcement")
async def lift_decision(job: Job, event: DecisionEndedEvent) -> None:
    """Bring everything in line with what the other decisions leave."""
    await _settle(job, event, ended=_RESTRICTING & {event.action})


async def _settle(job: Job, event: DecisionMadeEvent | DecisionEndedEvent, *, ended: Set[Action]) -> None:
    """ended: restrictions that the event may have ended."""
    match event.target_type:
        case "post":
            await enforced_posts.settle(job, event.target_id, ended)
        case "comment":
            await _settle_comment(job, event.target_id, ended)
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


async def _settle_comment(job: Job, comment_id: int, ended: Set[Action]) -> None:
    async with job.tools.database.transaction() as tx:
        found = await enforcement.comment(tx, comment_id)
        row = await comments.load(tx, comment_id)
    if found is None:
        return
    author_id = found["author_id"]
    recipients = {*found["mention_ids"], found["post_author_id"], found["parent_author_id"] or 0} - {author_id, 0}
    if found["hidden"]:
        await _take_comment_away(job, found, comment_id, found["withheld_by"], not_to=author_id)
    elif row is not None and ended & WITHHOLDING and found["withheld_by"] is not None:
        await _show_comment(job, row, CommentCreated, f"{comment_id}:{found['withheld_by']}")
        await notify_of_written_comment(job, comment_id)
    elif row is not None:
        if are_for_adults(found["labels"]):
            await _take_comment_away(job, found, comment_id, found["kept_by"], ages="minors")
        elif "label" in ended and found["kept_by"] is not None:
            await _show_comment(job, row, CommentCreated, f"{comment_id}:{found['kept_by']}", to="minors")
        await _show_comment(job, row, CommentEdited, str(job.event_id))
    await enforced_notifications.settle(job, recipients, "comment", comment_id)


async def _take_comment_away(
    job: Job, found: EnforcedCommentRow, comment_id: int, cause: int | None, **recipients: Unpack[Recipients]
) -> None:
    deleted = CommentDeleted(
        id=f"comment.deleted:{comment_id}:{cause}", post_id=str(found["post_id"]), comment_id=str(comment_id)
    )
    channel, author_id = POST.channel(found["post_id"]), found["author_id"]
    await job.tools.broadcaster.publish(channel, deleted, actor_id=author_id, **recipients)


async def _show_comment(
    job: Job,
    row: CommentRow,
    kind: type[CommentCreated] | type[CommentEdited],
    cause: str,
    *,
    to: Ages = "all",
    not_to: int = 0,
) -> None:
    assert row["author_id"] is not None
    push = kind(id=f"{kind.event}:{cause}", comment=present.comment_for_all(row, job.tools.media.shown_to(None)))
    channel, about = POST.channel(row["post_id"]), COMMENT.channel(row["id"])
    for version, ages in by_age(push, "comment", to):
        await job.tools.broadcaster.publish(
            channel, version, actor_id=row["author_id"], about=about, not_to=not_to, ages=ages
        )


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
            async with job.tools.database.transaction() as tx:
                row = await comments.load(tx, file["target_id"])
            if row is not None and not row["is_withheld"]:
                await _show_comment(job, row, CommentEdited, str(job.event_id), not_to=file["owner_id"])
        case "message":
            assert file["target_seq"] is not None
            await settle_message(job, file["target_id"], file["target_seq"])
