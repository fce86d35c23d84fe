"""Live rooms: push changes to the users inside, and keep rooms whose host or stage is gone.

The keeper gives such a room a new host, or ends it.
"""

import asyncio
import time

import structlog

from domain import room_rules
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
from stage.roster import NOBODY, Absence
from storage import audit, graph, live_rooms, present, room_messages
from storage.database import Row, Transaction
from storage.reach import OUT_OF_REACH
from workers.job import Job, Tools, consumes

HOST_GRACE_S = 20.0
EMPTY_STAGE_S = 300.0
LOOK_EVERY_S = 0.5
FIND_EVERY_S = 60.0  # finds rooms whose due time was lost with Redis
LATER_S = 10.0
PAGE = 500

log = structlog.get_logger()


@consumes(RoomChangedEvent, group="rooms")
async def announce_change(job: Job, event: RoomChangedEvent) -> None:
    """Write the role into the roster, tell the user who got it, and push the room as it is now."""
    tools = job.tools
    concerned = {event.user_id, event.actor_id if event.change == "host" else 0} - {0}
    for user_id in concerned:
        await _settle_role(job, event.room_id, user_id)
    if event.change == "host":
        await _show_host(tools, event.room_id, str(job.event_id))
    await view.tell(tools.database, tools.roster, tools.broadcaster, event.room_id, str(job.event_id))


@consumes(RoomMessageSentEvent, group="rooms")
async def announce_message(job: Job, event: RoomMessageSentEvent) -> None:
    async with job.tools.database.transaction() as tx:
        row = await room_messages.load_for_workers(tx, event.message_id)
        await room_messages.trim(tx, event.room_id)
    if row is not None:
        await job.tools.roster.note_message(event.room_id, event.message_id)
        push = RoomMessaged(
            id=f"room.message:{event.message_id}", room_id=str(event.room_id), message=present.room_message(row)
        )
        await job.tools.broadcaster.publish(LIVE_ROOM.channel(event.room_id), push, actor_id=row["sender_id"])


@consumes(RoomMessageDeletedEvent, group="rooms")
async def announce_deletion(job: Job, event: RoomMessageDeletedEvent) -> None:
    push = RoomMessageDeleted(
        id=f"room.message_deleted:{event.message_id}", room_id=str(event.room_id), message_id=str(event.message_id)
    )
    await job.tools.roster.forget_message(event.room_id, event.message_id)
    # Not to users who block or mute the sender: they never saw the message.
    await job.tools.broadcaster.publish(LIVE_ROOM.channel(event.room_id), push, actor_id=event.sender_id)


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
async def send_out(job: Job, event: RoomRemovedEvent) -> None:
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
    await departures.put_out(
        tools.broadcaster, room_id, user_id, event.reason, cause=str(job.event_id), before=removed.before,
        is_told=event.joined is not None or removed.outcome == "out",
    )  # fmt: skip
    if removed.outcome == "out":
        await departures.tell_left(tools.broadcaster, room_id, user_id, removed.inside, removed.role)
        count = RoomAudience(id=f"room.audience:{job.event_id}", room_id=str(room_id), count=removed.inside)
        await tools.broadcaster.publish(LIVE_ROOM.channel(room_id), count)
        await view.tell(tools.database, tools.roster, tools.broadcaster, room_id, str(job.event_id))


@consumes(RoomUnbannedEvent, group="rooms")
async def let_in_again(job: Job, event: RoomUnbannedEvent) -> None:
    """Repeat what the call did, should its node have failed."""
    await _pardon_unless_banned(job.tools, event.room_id, event.user_id)


@consumes(RoomClosedEvent, group="rooms")
async def announce_close(job: Job, event: RoomClosedEvent) -> None:
    tools = job.tools
    async with tools.database.transaction() as tx:
        row = await live_rooms.load_for_all(tx, event.room_id)
    await tools.roster.finish(event.room_id)
    if row is not None:
        room = LIVE_ROOM.channel(event.room_id)
        push = RoomClosed(id=f"room.closed:{event.room_id}", room=view.shown(row, NOBODY, {}))
        await tools.broadcaster.publish(room, push)
        await tools.broadcaster.empty(room)


async def _pardon_unless_banned(tools: Tools, room_id: int, user_id: int) -> None:
    async with tools.database.transaction() as tx:
        ban = await live_rooms.ban_of(tx, room_id, user_id)
    if ban is None:
        await tools.roster.pardon(room_id, user_id)


async def _show_host(tools: Tools, room_id: int, cause: str) -> None:
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
        await departures.put_out(tools.broadcaster, room_id, user_id, "access", cause=cause)
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
    await room_channel.change_role(job.tools.broadcaster, user_id, room_id, role, version)
    if role == "listener":
        await job.tools.broadcaster.doubt([user_id], channel)  # they may have been allowed in by that role alone
    if not sees and not await job.tools.roster.are_inside(room_id, [user_id]):
        return  # the push would reveal a room that they may not see
    told = RoomRoleChanged(
        id=f"room.role_changed:{job.event_id}:{user_id}",
        room_id=str(room_id),
        role=role,
        muted=room["is_muted"],
    )
    await job.tools.broadcaster.publish_to_users([user_id], told)


# ---------------------------------------------------------------------------------------------- the keeper


async def keep_rooms(tools: Tools, stop: asyncio.Event) -> None:
    """Check rooms whose host or stage is gone, until `stop` is set."""
    find_at = 0.0
    while not stop.is_set():
        try:
            if time.monotonic() > find_at:
                await _find_live(tools)
                find_at = time.monotonic() + FIND_EVERY_S
            for room_id, due in (await tools.roster.due(time.time(), PAGE)).items():
                await _look_after_safely(tools, room_id, due)
        except OUT_OF_REACH as error:
            log.warning("live rooms could not be checked", error=f"{type(error).__name__}: {error}")
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue


async def _find_live(tools: Tools) -> None:
    last = 0
    while True:
        async with tools.database.transaction() as tx:
            page = await live_rooms.live_after(tx, last, PAGE)
        looks = await tools.roster.look_at(dict.fromkeys(page, 0))
        for room_id, host_id in page.items():
            look = looks[room_id]
            if host_id not in look.stage:
                await tools.roster.watch_out(room_id)
            if look.host_id != host_id:  # Redis has lost the host of this room
                await _show_host(tools, room_id, f"sweep-{host_id}")
        if len(page) < PAGE:
            return
        last = max(page)


async def _look_after_safely(tools: Tools, room_id: int, due: str) -> None:
    """`_look_after`, but an error is logged and the room checked again later, so that others are not delayed."""
    try:
        await _look_after(tools, room_id, due)
    except Exception as error:
        log.warning("a live room could not be checked", room_id=room_id, error=f"{type(error).__name__}: {error}")
        await tools.roster.looked(room_id, due, time.time() + LATER_S)


async def _look_after(tools: Tools, room_id: int, due: str) -> None:
    """Give the room a new host or end it if it is time, else note when to check it again."""
    again = None
    async with tools.database.transaction() as tx:
        room = await live_rooms.lock_live(tx, room_id)
        if room is None and await live_rooms.states(tx, [room_id]) == {room_id: "live"}:
            return  # another keeper has locked it
        if room is not None:
            absence = await tools.roster.absence(room_id, room["host_id"])
            again = _look_again_at(absence)
            if absence.stage_s is not None and absence.stage_s >= EMPTY_STAGE_S:
                await live_rooms.close(tx, room_id)
                await tools.outbox.add(tx, RoomClosedEvent(room_id=room_id))
                await _note(tools, tx, "room.close", room, reason="nobody on the stage")
            elif absence.host_s is not None and absence.host_s >= HOST_GRACE_S:
                await _succeed(tools, tx, room)
    await tools.roster.looked(room_id, due, again)


async def _succeed(tools: Tools, tx: Transaction, room: Row) -> None:
    """Make the oldest cohost inside host, else the oldest speaker, else nobody."""
    stage = await live_rooms.stage_roles(tx, room["id"])
    inside = await tools.roster.are_inside(room["id"], [user_id for user_id, _ in stage])
    heir_id = room_rules.successor([pair for pair in stage if pair[0] in inside])
    if heir_id is not None:
        await live_rooms.transfer_host(tx, room["id"], room["host_id"], heir_id)
        event = RoomChangedEvent(room_id=room["id"], actor_id=room["host_id"], user_id=heir_id, change="host")
        await tools.outbox.add(tx, event)
        await _note(tools, tx, "room.hand_over", room, to=heir_id)


def _look_again_at(absence: Absence) -> float | None:
    """When to check the room again (s since 1970); None while its host and stage are present."""
    waits = []
    if absence.host_s is not None and absence.host_s < HOST_GRACE_S:
        waits.append(HOST_GRACE_S - absence.host_s)
    if absence.stage_s is not None:
        waits.append(max(EMPTY_STAGE_S - absence.stage_s, 0))
    return time.time() + min(waits) if waits else None


async def _note(tools: Tools, tx: Transaction, action: str, room: Row, **changes: object) -> None:
    """Add an audit row without an actor."""
    await audit.add(
        tx,
        id=tools.ids.mint(),
        actor_id=None,
        action=action,
        resource=f"room:{room['id']}",
        ip=None,
        user_agent=None,
        **changes,
    )
