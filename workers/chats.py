"""Chats: push messages, marks and changes to the members who are online.

A push names the member who caused it, so that nodes keep it from users who hide that member, and the message or the
chat, so that a replay leaves it out for users who no longer see that.
"""

import asyncio
from collections.abc import Collection

from channels.messages import Ages
from domain.chat_channels import CHAT
from domain.chat_rules import RECEIPTS_UP_TO
from domain.labels import are_for_adults
from domain.subject_channels import message_channel
from protocol.chat_members import ChatMarked
from protocol.chat_messages import ChatMessaged, ChatMessageDeleted, ChatMessageEdited, ChatMessageReacted
from protocol.chats import ChatMembershipChanged, ChatUpdated
from protocol.events import ChatChangedEvent, ChatMarkedEvent, ChatMessageChangedEvent, ChatMessagesSentEvent
from protocol.pushes import Push
from storage import chat_members, chat_messages, chats, graph, present, present_chats
from storage.database import Transaction
from workers.by_age import by_age
from workers.job import Job, consumes

MOST_AT_ONCE = 200  # messages, as many as one transaction sends


@consumes(ChatMessagesSentEvent, group="chats")
async def announce_messages(job: Job, event: ChatMessagesSentEvent) -> None:
    """Push these messages, and those after them: the further behind, the more at once.

    Later events of messages that were pushed already have nothing to do.
    """
    if job.tools.pushed.includes(event.chat_id, event.last_seq):
        return
    members, rows = await chat_messages.for_push(job.tools.database, event.chat_id, event.first_seq, MOST_AT_ONCE)
    online = await job.tools.locations.online(list(members))
    show = job.tools.media.shown_to(None)
    # Started in the order of `seq`, and Redis gets them in that order.
    await asyncio.gather(
        *(
            _push(
                job,
                event.chat_id,
                [user_id for user_id in online if members[user_id] <= row["seq"] and sees(row, user_id)],
                ChatMessaged(id=f"chat.message:{event.chat_id}:{row['seq']}", message=present_chats.message(row, show)),
                actor_id=row["sender_id"],
                about=message_channel(event.chat_id, row["seq"]),
            )
            for row in rows
        )
    )
    job.tools.pushed.note(event.chat_id, rows[-1]["seq"])


@consumes(ChatChangedEvent, group="chats")
async def announce_change(job: Job, event: ChatChangedEvent) -> None:
    """Push to members whose own state changed, and push the chat to all active members."""
    async with job.tools.database.transaction() as tx:
        chat = await chats.load_for_workers(tx, event.chat_id)
        changed = await chat_members.own_for_workers(tx, event.chat_id, event.user_ids)
        members = await chat_members.active_for_workers(tx, event.chat_id)
    for row in changed:
        if row["state"] != "left" and not members:
            continue  # a block hides the direct chat
        push = ChatMembershipChanged(
            id=f"chat.membership_changed:{job.event_id}:{row['user_id']}",
            chat_id=str(event.chat_id),
            role=row["role"],
            state=row["state"],
            muted_until=present.optional_time(row["muted_until"]),
        )
        await job.tools.broadcaster.publish_to_users([row["user_id"]], push)
    if chat is not None:
        updated = ChatUpdated(id=f"chat.updated:{job.event_id}", chat=present_chats.chat(chat))
        await _push(job, event.chat_id, await job.tools.locations.online(list(members)), updated)


@consumes(ChatMessageChangedEvent, group="chats")
async def announce_message_change(job: Job, event: ChatMessageChangedEvent) -> None:
    async with job.tools.database.transaction() as tx:
        members = await chat_members.active_for_workers(tx, event.chat_id)
        rows = await chat_messages.range_for_workers(tx, event.chat_id, event.seq, event.seq)
        if not rows:
            return
        sender_id = rows[0]["sender_id"]
        push = await _push_of(tx, job, event, rows[0])
        hiding = await graph.who_hide(tx, sender_id, list(members))
    seeing = [
        user_id
        for user_id, first_seq in members.items()
        if first_seq <= event.seq and user_id not in hiding and sees(rows[0], user_id)
    ]
    if push is not None:
        about = message_channel(event.chat_id, event.seq)
        online = await job.tools.locations.online(seeing)
        await _push(job, event.chat_id, online, push, actor_id=event.actor_id, about=about)


@consumes(ChatMarkedEvent, group="chats")
async def announce_marks(job: Job, event: ChatMarkedEvent) -> None:
    """Push to the member's own devices, and to the others in a chat of at most 300 members, but not of a request."""
    async with job.tools.database.transaction() as tx:
        own = await chat_members.own_for_workers(tx, event.chat_id, [event.user_id])
        members = await chat_members.active_for_workers(tx, event.chat_id)
    if not own:
        return
    push = ChatMarked(
        id=f"chat.marked:{job.event_id}",
        chat_id=str(event.chat_id),
        user_id=str(event.user_id),
        received_seq=own[0]["received_seq"],
        read_seq=own[0]["read_seq"],
    )
    is_shown = event.user_id in members and len(members) <= RECEIPTS_UP_TO
    await _push(job, event.chat_id, members if is_shown else [event.user_id], push, actor_id=event.user_id)


async def settle_message(job: Job, chat_id: int, seq: int) -> None:
    """Show the message as moderation lets its readers see it: to them, one that is withheld is deleted."""
    async with job.tools.database.transaction() as tx:
        members = await chat_members.active_for_workers(tx, chat_id)
        rows = await chat_messages.range_for_workers(tx, chat_id, seq, seq)
        if not rows or rows[0]["is_deleted"]:
            return
        sender_id = rows[0]["sender_id"]
        hiding = await graph.who_hide(tx, sender_id, list(members))
    deleted = ChatMessageDeleted(id=f"chat.deleted:{job.event_id}", chat_id=str(chat_id), seq=seq)
    others = [
        user_id
        for user_id, first_seq in members.items()
        if first_seq <= seq and user_id not in hiding and user_id != sender_id
    ]
    online = await job.tools.locations.online(others)
    if rows[0]["is_withheld"]:
        await _push(job, chat_id, online, deleted, actor_id=sender_id)
        return
    message = present_chats.message(rows[0], job.tools.media.shown_to(None))
    edited = ChatMessageEdited(id=f"chat.edited:{job.event_id}", message=message)
    await _push(job, chat_id, online, edited, actor_id=sender_id)
    if are_for_adults(rows[0]["labels"]):
        await _push(job, chat_id, online, deleted, actor_id=sender_id, ages="minors")


def sees(row: chat_messages.StoredMessageRow, user_id: int) -> bool:
    """Whether moderation lets the member see the message: only the sender sees a withheld one."""
    return not row["is_withheld"] or row["sender_id"] == user_id


async def _push_of(
    tx: Transaction, job: Job, event: ChatMessageChangedEvent, row: chat_messages.ChatMessageRow
) -> Push | None:
    """The push of the change; None if the message was deleted since, which has a push of its own."""
    push_id, chat_id = f"chat.{event.change}:{job.event_id}", str(event.chat_id)
    if row["is_deleted"]:
        deleted = ChatMessageDeleted(id=push_id, chat_id=chat_id, seq=event.seq)
        return deleted if event.change == "deleted" else None
    if event.change == "reacted":
        given = await chat_messages.reaction_for_workers(tx, event.chat_id, event.seq, event.actor_id)
        return ChatMessageReacted(id=push_id, chat_id=chat_id, seq=event.seq, user_id=str(event.actor_id), emoji=given)
    return ChatMessageEdited(id=push_id, message=present_chats.message(row, job.tools.media.shown_to(None)))


async def _push(
    job: Job,
    chat_id: int,
    user_ids: Collection[int],
    push: Push,
    *,
    actor_id: int = 0,
    about: str = "",
    ages: Ages = "all",
) -> None:
    """about: the channel of the push's subject, if that is not the chat."""
    shows_message = isinstance(push, ChatMessaged | ChatMessageEdited)
    for version, seeing in by_age(push, "message") if shows_message else [(push, ages)]:
        await job.tools.broadcaster.publish_to_users(
            list(user_ids), version, actor_id=actor_id, about=about or CHAT.channel(chat_id), ages=seeing
        )
