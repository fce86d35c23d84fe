"""Notifications of chats, live rooms, sessions, and messages of the operator: their causes and recipients."""

from prometheus_client import Counter

from protocol.events import (
    ChatChangedEvent,
    ChatMarkedEvent,
    ChatMessagesSentEvent,
    RoomChangedEvent,
    RoomInvitedEvent,
    SessionsEndedEvent,
    SessionStartedEvent,
    SystemMessageSentEvent,
)
from storage import chat_notifications, graph, live_rooms, system_messages
from storage.notifications import Cause
from workers.job import Job, consumes
from workers.notifications import PAGE, notify

MOST_FOLLOWERS_NOTIFIED = 10_000  # of a live room, the newest followers

CUT = Counter("daira_notification_audiences_cut_total", "Events of which not all followers were notified")


@consumes(ChatChangedEvent, group="notifications")
async def notify_of_group(job: Job, event: ChatChangedEvent) -> None:
    """Users for whom a group waits as a request."""
    if event.change in ("opened", "added"):
        async with job.tools.database.transaction() as tx:
            requested = await chat_notifications.requests_of_group(tx, event.chat_id, event.user_ids)
        await notify(job, Cause("chat_request", "chat", event.chat_id, event.actor_id), requested)


@consumes(ChatMessagesSentEvent, group="notifications")
async def notify_of_messages(job: Job, event: ChatMessagesSentEvent) -> None:
    """Notify a user for whom the chat waits as a request, and schedule pushes to members who do not read it."""
    due_at = job.tools.now() + job.tools.delays.push
    async with job.tools.database.transaction() as tx:
        request = await chat_notifications.request_by_message(tx, event.chat_id, event.first_seq)
        if not job.is_repeated:
            await chat_notifications.schedule(tx, event.chat_id, event.last_seq, due_at)
    if request is not None:
        await notify(job, Cause("chat_request", "chat", event.chat_id, request.sender_id), request.user_ids)


@consumes(ChatMarkedEvent, group="notifications")
async def dismiss_read_messages(job: Job, event: ChatMarkedEvent) -> None:
    async with job.tools.database.transaction() as tx:
        await chat_notifications.dismiss(tx, event.chat_id, event.user_id)


@consumes(RoomInvitedEvent, group="notifications")
async def notify_of_invitation(job: Job, event: RoomInvitedEvent) -> None:
    async with job.tools.database.transaction() as tx:
        has_ended = await live_rooms.has_ended(tx, event.room_id)
    if not has_ended:
        await notify(job, Cause("room_invitation", "room", event.room_id, event.actor_id), event.user_ids)


@consumes(RoomChangedEvent, group="notifications")
async def notify_of_live_room(job: Job, event: RoomChangedEvent) -> None:
    """Users who followed the host before the room started and may see it, while it is live."""
    if event.change != "started":
        return
    notified = 0
    async for followers in graph.follower_pages(job.tools.database, event.actor_id, PAGE, before=job.event_id):
        async with job.tools.database.transaction() as tx:
            state = (await live_rooms.states(tx, [event.room_id])).get(event.room_id)
        if state != "live":
            return
        if notified == MOST_FOLLOWERS_NOTIFIED:
            CUT.inc()
            return
        await notify(job, Cause("room_live", "room", event.room_id, event.actor_id), followers)
        notified += PAGE


@consumes(SessionsEndedEvent, group="notifications")
async def notify_of_new_password(job: Job, event: SessionsEndedEvent) -> None:
    if event.reason == "password_changed":
        await notify(job, Cause("security", "password", job.event_id, 0), [event.user_id])


@consumes(SessionStartedEvent, group="notifications")
async def notify_of_new_device(job: Job, event: SessionStartedEvent) -> None:
    if event.is_new_device:
        await notify(job, Cause("security", "session", event.session_id, 0), [event.user_id])


@consumes(SystemMessageSentEvent, group="notifications")
async def notify_of_system_message(job: Job, event: SystemMessageSentEvent) -> None:
    async with job.tools.database.transaction() as tx:
        user_ids = await system_messages.recipients(tx, event.first_id, event.last_id)
    await notify(job, Cause("system", "system_message", event.message_id, 0), user_ids)
