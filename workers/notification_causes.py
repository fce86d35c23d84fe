"""Causes of notifications: which event tells whom of what."""

from prometheus_client import Counter

from protocol.events import (
    BlockedEvent,
    ChatChangedEvent,
    ChatMarkedEvent,
    ChatMessagesSentEvent,
    CommentCreatedEvent,
    CommentEditedEvent,
    FollowChangedEvent,
    MuteChangedEvent,
    PostCreatedEvent,
    PostEditedEvent,
    ReactionSetEvent,
    ReactionUnsetEvent,
    RoomChangedEvent,
    RoomInvitedEvent,
    SessionsEndedEvent,
    SessionStartedEvent,
    SystemMessageSentEvent,
    UnblockedEvent,
)
from protocol.notifications import Kind
from storage import chat_notifications, graph, live_rooms, notification_targets, posts, system_messages
from storage.notifications import Cause
from workers.job import Job, consumes
from workers.notification_lists import count, recheck
from workers.notifications import PAGE, tell

MOST_FOLLOWERS_TOLD = 10_000  # of a live room, the newest followers

CUT = Counter("daira_notification_audiences_cut_total", "Events of which not all followers were notified")


@consumes(FollowChangedEvent, group="notifications")
async def tell_of_follow(job: Job, event: FollowChangedEvent) -> None:
    """A follow, a request or an acceptance that still stands; the end of a follow takes it out of its notification."""
    follower_id, followee_id = event.follower_id, event.followee_id
    follow = Cause("follow", "user", followee_id, follower_id)
    await recheck(job, follow, followee_id)
    async with job.tools.database.transaction() as tx:
        status = await graph.follow_status(tx, follower_id, followee_id)
    match (event.change, status):
        case ("requested", "pending"):
            await tell(job, Cause("follow_request", "user", follower_id, follower_id), [followee_id])
        case ("followed", "active"):
            await tell(job, follow, [followee_id])
        case ("accepted", "active"):
            await tell(job, Cause("acceptance", "user", followee_id, followee_id), [follower_id])


@consumes(PostCreatedEvent, group="notifications")
async def tell_of_post(job: Job, event: PostCreatedEvent) -> None:
    """The author of what a new post shares, and users whom it mentions: each once."""
    mentioned = await _mentioned(job, event.post_id)
    async with job.tools.database.transaction() as tx:
        shared_author_id = await notification_targets.author_of_shared_post(tx, event.post_id)
    if shared_author_id is not None:
        await tell(job, Cause("share", "post", event.post_id, event.author_id), [shared_author_id])
    others = [user_id for user_id in mentioned if user_id != shared_author_id]
    await tell(job, Cause("mention", "post", event.post_id, event.author_id), others)


@consumes(PostEditedEvent, group="notifications")
async def tell_of_edit(job: Job, event: PostEditedEvent) -> None:
    """Users whom an edit mentions for the first time."""
    named = [user_id for user_id in await _mentioned(job, event.post_id) if user_id in event.named]
    await tell(job, Cause("mention", "post", event.post_id, event.author_id), named)


@consumes(ReactionSetEvent, group="notifications")
async def tell_of_reaction(job: Job, event: ReactionSetEvent) -> None:
    found = await notification_targets.author_to_tell_of_reaction(
        job.tools.database, job.event_id, event.target_type, event.target_id, event.user_id
    )
    if found is None:
        return
    cause = Cause("reaction", event.target_type, event.target_id, event.user_id)
    if found.was_withdrawn:
        await recheck(job, cause, found.author_id)
    else:
        await tell(job, cause, [found.author_id])


@consumes(ReactionUnsetEvent, group="notifications")
async def take_out_reaction(job: Job, event: ReactionUnsetEvent) -> None:
    author_id = await notification_targets.author(job.tools.database, event.target_type, event.target_id)
    if author_id is not None:
        await recheck(job, Cause("reaction", event.target_type, event.target_id, event.user_id), author_id)


@consumes(CommentCreatedEvent, group="notifications")
async def tell_of_comment(job: Job, event: CommentCreatedEvent) -> None:
    """The author of the comment that it replies to, users whom it mentions, and the author of the post: each once."""
    async with job.tools.database.transaction() as tx:
        comment = await notification_targets.comment(tx, event.comment_id)
    if comment is None:
        return
    parent_author_id = comment["parent_author_id"]
    replied_to = set() if parent_author_id is None else {parent_author_id}
    mentioned = {*comment["mention_ids"]} - replied_to
    others = {comment["post_author_id"]} - replied_to - mentioned
    kinds: tuple[tuple[Kind, set[int]], ...] = (("reply", replied_to), ("mention", mentioned), ("comment", others))
    for kind, user_ids in kinds:
        await tell(job, Cause(kind, "comment", event.comment_id, event.author_id), sorted(user_ids))


@consumes(CommentEditedEvent, group="notifications")
async def tell_of_edited_comment(job: Job, event: CommentEditedEvent) -> None:
    """Users whom an edit mentions for the first time."""
    async with job.tools.database.transaction() as tx:
        comment = await notification_targets.comment(tx, event.comment_id)
    if comment is not None:
        named = [user_id for user_id in comment["mention_ids"] if user_id in event.named]
        await tell(job, Cause("mention", "comment", event.comment_id, event.author_id), named)


@consumes(ChatChangedEvent, group="notifications")
async def tell_of_group(job: Job, event: ChatChangedEvent) -> None:
    """Users for whom a group waits as a request."""
    if event.change in ("opened", "added"):
        async with job.tools.database.transaction() as tx:
            requested = await chat_notifications.requests_of_group(tx, event.chat_id, event.user_ids)
        await tell(job, Cause("chat_request", "chat", event.chat_id, event.actor_id), requested)


@consumes(ChatMessagesSentEvent, group="notifications")
async def tell_of_messages(job: Job, event: ChatMessagesSentEvent) -> None:
    """A user for whom the chat waits as a request, and devices of members who do not read it meanwhile."""
    due_at = job.tools.now() + job.tools.delays.push
    async with job.tools.database.transaction() as tx:
        request = await chat_notifications.request_by_message(tx, event.chat_id, event.first_seq)
        if not job.is_repeated:
            await chat_notifications.schedule(tx, event.chat_id, event.last_seq, due_at)
    if request is not None:
        await tell(job, Cause("chat_request", "chat", event.chat_id, request.sender_id), request.user_ids)


@consumes(ChatMarkedEvent, group="notifications")
async def dismiss_read_messages(job: Job, event: ChatMarkedEvent) -> None:
    async with job.tools.database.transaction() as tx:
        await chat_notifications.dismiss(tx, event.chat_id, event.user_id)


@consumes(RoomInvitedEvent, group="notifications")
async def tell_of_invitation(job: Job, event: RoomInvitedEvent) -> None:
    async with job.tools.database.transaction() as tx:
        has_ended = await live_rooms.has_ended(tx, event.room_id)
    if not has_ended:
        await tell(job, Cause("room_invitation", "room", event.room_id, event.actor_id), event.user_ids)


@consumes(RoomChangedEvent, group="notifications")
async def tell_of_live_room(job: Job, event: RoomChangedEvent) -> None:
    """Users who followed the host before the room started and may see it, while it is live."""
    if event.change != "started":
        return
    told = 0
    async for followers in graph.follower_pages(job.tools.database, event.actor_id, PAGE, before=job.event_id):
        async with job.tools.database.transaction() as tx:
            state = (await live_rooms.states(tx, [event.room_id])).get(event.room_id)
        if state != "live":
            return
        if told == MOST_FOLLOWERS_TOLD:
            CUT.inc()
            return
        await tell(job, Cause("room_live", "room", event.room_id, event.actor_id), followers)
        told += PAGE


@consumes(SessionsEndedEvent, group="notifications")
async def tell_of_new_password(job: Job, event: SessionsEndedEvent) -> None:
    if event.reason == "password_changed":
        await tell(job, Cause("security", "password", job.event_id, 0), [event.user_id])


@consumes(SessionStartedEvent, group="notifications")
async def tell_of_new_device(job: Job, event: SessionStartedEvent) -> None:
    if event.is_new_device:
        await tell(job, Cause("security", "session", event.session_id, 0), [event.user_id])


@consumes(SystemMessageSentEvent, group="notifications")
async def tell_of_system_message(job: Job, event: SystemMessageSentEvent) -> None:
    async with job.tools.database.transaction() as tx:
        user_ids = await system_messages.recipients(tx, event.first_id, event.last_id)
    await tell(job, Cause("system", "system_message", event.message_id, 0), user_ids)


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


async def _mentioned(job: Job, post_id: int) -> list[int]:
    """The users whom the post mentions."""
    async with job.tools.database.transaction() as tx:
        post = await posts.for_fanout(tx, post_id)
    return [] if post is None or post["status"] != "published" else post["mention_ids"]
