"""Live rooms: push changes to the users inside."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from domain import room_rules
from domain.subject_channels import PERSON
from protocol.events import (
    RoomChangedEvent,
    RoomClosedEvent,
    RoomInvitedEvent,
    RoomMessageDeletedEvent,
    RoomMessageSentEvent,
    RoomRemovedEvent,
    RoomUnbannedEvent,
)
from protocol.live_rooms import RoomAudience, RoomClosed, RoomInvited
from protocol.room_chat import RoomMessaged, RoomMessageDeleted
from protocol.room_stage import RoomRoleChanged
from stage import departures, room_channel, turns, view
from stage.room_channel import LIVE_ROOM
from stage.roster import NOBODY
from storage import enforcement, graph, live_rooms, present, room_messages
from workers.job import Job, Tools, consumes, consumes_many

PAGE = 500


@consumes(RoomChangedEvent, group="rooms")
async def announce_change(job: Job, event: RoomChangedEvent) -> None:
    """Write the role into the roster, push it to the user who got it, and push a snapshot of the room."""
    tools = job.tools
    concerned = {event.user_id, event.actor_id if event.change == "host" else 0} - {0}
    for user_id in concerned:
        await _settle_role(job, event.room_id, user_id)
    if event.change == "host":
        await show_host(tools, event.room_id, str(job.event_id))
    await view.publish(tools.database, tools.roster, tools.broadcaster, event.room_id, str(job.event_id))


@consumes_many(RoomMessageSentEvent, group="rooms")
async def announce_messages(jobs: Sequence[Job], events: Sequence[RoomMessageSentEvent]) -> None:
    """Push the messages in their order. All that wait are read together, and a room with many is trimmed once."""
    tools = jobs[0].tools
    sent: defaultdict[int, list[int]] = defaultdict(list)
    for event in events:
        sent[event.room_id].append(event.message_id)
    async with tools.database.transaction() as tx:
        rows = await room_messages.load_for_workers(tx, [event.message_id for event in events])
        await room_messages.trim(tx, list(sent))
    for room_id, message_ids in sent.items():
        await tools.roster.note_messages(room_id, [each for each in message_ids if each in rows])
    for event in events:
        if (row := rows.get(event.message_id)) is not None:
            push = RoomMessaged(
                id=f"room.message:{event.message_id}", room_id=str(event.room_id), message=present.room_message(row)
            )
            room, sender_id = LIVE_ROOM.channel(event.room_id), row["sender_id"]
            await tools.broadcaster.publish(room, push, actor_id=sender_id, about=PERSON.channel(sender_id))


@consumes(RoomMessageDeletedEvent, group="rooms")
async def announce_deletion(job: Job, event: RoomMessageDeletedEvent) -> None:
    await take_message_back(job, event.room_id, event.message_id, event.sender_id, cause="")


async def take_message_back(job: Job, room_id: int, message_id: int, sender_id: int, *, cause: str) -> None:
    """Push to users inside that the message was deleted. cause: makes the push different from an earlier one."""
    push = RoomMessageDeleted(
        id=f"room.message_deleted:{message_id}{cause}", room_id=str(room_id), message_id=str(message_id)
    )
    await job.tools.roster.forget_message(room_id, message_id)
    # Not to users who block or mute the sender: they never saw the message.
    await job.tools.broadcaster.publish(LIVE_ROOM.channel(room_id), push, actor_id=sender_id)


@consumes(RoomInvitedEvent, group="rooms")
async def announce_invitation(job: Job, event: RoomInvitedEvent) -> None:
    found = await view.for_all(job.tools.database, job.tools.roster, event.room_id)
    async with job.tools.database.transaction() as tx:
        seeing = await live_rooms.who_see(tx, event.room_id, event.user_ids)
    if found is not None and found[0].state != "ended":
        push = RoomInvited(id=f"room.invited:{job.event_id}", room=found[0])
        await job.tools.broadcaster.publish_to_users(
            seeing, push, actor_id=event.actor_id, about=LIVE_ROOM.channel(event.room_id)
        )


@consumes(RoomRemovedEvent, group="rooms")
async def remove_user(job: Job, event: RoomRemovedEvent) -> None:
    """Repeat what the call did, should its node have failed. A user who has rejoined since a kick stays."""
    tools, room_id, user_id = job.tools, event.room_id, event.user_id
    async with tools.database.transaction() as tx:
        room = await live_rooms.load_for_all(tx, room_id)
        ban = await live_rooms.ban_of(tx, room_id, user_id)
    if room is None or (event.reason == "banned" and ban is None):
        return  # the ban has been lifted since
    removed = await tools.roster.remove(
        room_id, user_id, event.reason, room["version"],
        until=ban["until"] if ban else None,
        before=event.joined or 0,
    )  # fmt: skip
    if ban is not None:
        await _pardon_unless_banned(tools, room_id, user_id)  # the ban may have been lifted since it was read
    if removed.outcome == "back":
        return
    await departures.remove_user(
        tools.broadcaster, room_id, user_id, event.reason, cause=str(job.event_id), before=removed.before,
        notify=event.joined is not None or removed.outcome == "out",
    )  # fmt: skip
    if removed.outcome == "out":
        await departures.publish_left(tools.broadcaster, room_id, user_id, removed.inside, removed.role)
        count = RoomAudience(id=f"room.audience:{job.event_id}", room_id=str(room_id), count=removed.inside)
        await tools.broadcaster.publish(LIVE_ROOM.channel(room_id), count)
        await view.publish(tools.database, tools.roster, tools.broadcaster, room_id, str(job.event_id))


@consumes(RoomUnbannedEvent, group="rooms")
async def let_in_again(job: Job, event: RoomUnbannedEvent) -> None:
    """Repeat what the call did, should its node have failed."""
    await _pardon_unless_banned(job.tools, event.room_id, event.user_id)


@consumes(RoomClosedEvent, group="rooms")
async def announce_close(job: Job, event: RoomClosedEvent) -> None:
    tools = job.tools
    async with tools.database.transaction() as tx:
        row = await live_rooms.load_for_all(tx, event.room_id)
        standing = await enforcement.room(tx, event.room_id)
    await tools.roster.finish(event.room_id)
    if row is not None:
        room = LIVE_ROOM.channel(event.room_id)
        shown = view.shown(row, NOBODY, {})
        if standing is not None and standing["hidden"]:
            shown = msgspec.structs.replace(shown, topic="")  # moderation has taken it away
        push = RoomClosed(id=f"room.closed:{event.room_id}", room=shown)
        await tools.broadcaster.publish(room, push)
        await tools.broadcaster.empty(room)


async def _pardon_unless_banned(tools: Tools, room_id: int, user_id: int) -> None:
    async with tools.database.transaction() as tx:
        ban = await live_rooms.ban_of(tx, room_id, user_id)
    if ban is None:
        await tools.roster.pardon(room_id, user_id)


async def show_host(tools: Tools, room_id: int, cause: str) -> None:
    """Remove users who have a block with the new host, then show the host to the room.

    In this order, so that none of them sees who the host is.
    """
    async with tools.database.transaction() as tx:
        room = await live_rooms.load_for_all(tx, room_id)
        if room is None:
            return
        strangers = await graph.blocked_either_way(tx, room["host_id"])
        inside: set[int] = set()
        for start in range(0, len(strangers), PAGE):
            inside |= await tools.roster.are_inside(room_id, strangers[start : start + PAGE])
        stay = await live_rooms.may_stay(tx, [(room_id, user_id) for user_id in inside])  # its owner may
    for user_id in inside - {user_id for _, user_id in stay}:
        await departures.remove_user(tools.broadcaster, room_id, user_id, "access", cause=cause)
    await tools.roster.show_host(room_id, room["host_id"])


async def _settle_role(job: Job, room_id: int, user_id: int) -> None:
    async with job.tools.database.transaction() as tx:
        room = await live_rooms.standing(tx, room_id, user_id)
        sees = bool(await live_rooms.who_see(tx, room_id, [user_id]))
    if room is None:
        return
    role, version, channel = room["role"], room["version"], LIVE_ROOM.channel(room_id)
    await job.tools.roster.set_role(room_id, user_id, role, version)
    if role in room_rules.ON_STAGE:  # a user who left before the roster got the role left as a listener
        async with job.tools.database.transaction() as tx:
            await turns.end(tx, job.tools.roster, room_id, user_id)
    await room_channel.change_role(job.tools.broadcaster, room_id, user_id, role, version)
    if role == "listener":
        await job.tools.broadcaster.recheck([user_id], channel)  # they may have been allowed in by that role alone
    if not sees and not await job.tools.roster.are_inside(room_id, [user_id]):
        return  # the push would reveal a room that they may not see
    changed = RoomRoleChanged(
        id=f"room.role_changed:{job.event_id}:{user_id}",
        room_id=str(room_id),
        role=role,
        muted=room["is_muted"],
    )
    await job.tools.broadcaster.publish_to_users([user_id], changed)
