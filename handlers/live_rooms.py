"""Live rooms: create, list, start, join, leave and close. `room_stage` and `room_chat` have the acts inside a room."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from msgspec import UNSET

from domain import room_rules
from handlers.call import Call
from handlers.chosen_audience import chosen_audience
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from handlers.room_access import (
    REFUSALS,
    admitted,
    allow,
    changed,
    check_version,
    is_repetition,
    locked,
    note,
    standing,
)
from handlers.screening import screen, settle
from protocol import errors
from protocol.cursors import Cursors
from protocol.events import RoomClosedEvent
from protocol.limits import Limit
from protocol.live_rooms import (
    DEFAULT_CAPACITY,
    CreateRoom,
    JoinedRoom,
    ListParticipants,
    ListRooms,
    Participant,
    ParticipantPage,
    Room,
    RoomPage,
    RoomRef,
    UpdateRoom,
    VersionedRoomRef,
)
from protocol.room_chat import RoomMessage
from protocol.room_digests import RoomDigest
from protocol.rpc import Nothing, methods
from stage import view
from stage.room_channel import LIVE_ROOM
from stage.roster import FIRST_LISTENERS, NOBODY, Look
from stage.succession import replace_host
from storage import live_rooms, present, room_messages
from storage.database import Transaction
from storage.live_rooms import RoomRow, RoomUserRow

MOST_AHEAD = timedelta(days=365)


@methods.rpc("room.create", limit=Limit("room", "30/hour", "room.create by user"))
async def create_room(call: Call, request: CreateRoom, tx: Transaction) -> Room:
    """Create a scheduled room with the caller as its host; room.start makes it live."""
    seen_by, circle_id = await chosen_audience(tx, request.visibility, request.circle_id)
    now = call.services.now()
    if request.starts_at is not None and not now - timedelta(minutes=1) < request.starts_at < now + MOST_AHEAD:
        raise errors.invalid("starts_at", "is in the past, or more than a year ahead")
    room_id = call.services.ids.mint()
    verdict = await screen(call, tx, "room", room_id, [("topic", request.topic)])
    await live_rooms.insert(
        tx,
        id=room_id,
        owner_id=call.viewer.id,
        topic=request.topic,
        visibility=seen_by,
        circle_id=circle_id,
        capacity=request.capacity or DEFAULT_CAPACITY,
        slow_mode_s=request.slow_mode_s or 0,
        starts_at=request.starts_at,
    )
    await settle(call, tx, verdict, "room", room_id)
    return await show_room(call, tx, room_id)


@methods.rpc("room.update")
async def update_room(call: Call, request: UpdateRoom, tx: Transaction) -> Room:
    """Change topic, capacity or slow mode of a room that is still at that version. A lower capacity removes nobody."""
    room = await locked(call, tx, request.room_id)
    allow("update", room)
    current = {"topic": room["topic"], "capacity": room["capacity"], "slow_mode_s": room["slow_mode_s"]}
    asked = {name: value for name in current if (value := getattr(request, name)) is not UNSET}
    if is_repetition(room, request.version) and current | asked == current:
        return await show_room(call, tx, room["id"])
    check_version(room, request.version)
    topic = [("topic", asked.get("topic", ""))]
    verdict = await screen(call, tx, "room", room["id"], topic, is_edit=True) if "topic" in asked else None
    await live_rooms.update(tx, room["id"], asked.get("topic"), asked.get("capacity"), asked.get("slow_mode_s"))
    await settle(call, tx, verdict, "room", room["id"])
    await changed(call, tx, room["id"], "updated")
    return await show_room(call, tx, room["id"])


@methods.rpc("room.list", reads=True)
async def list_rooms(call: Call, request: ListRooms, tx: Transaction) -> RoomPage:
    """Rooms that the caller may see, newest first. Without `state`, those that have not ended."""
    limit, scope = request.limit or DEFAULT_LIMIT, request.state or ""
    rows = await live_rooms.load_page(tx, request.state, page_start(call, scope, request.cursor), limit)
    items = await _show_rows(call, tx, rows)
    cursor = cursor_after(call, scope, [row["id"] for row in rows], limit)
    return RoomPage(items=items, next_cursor=cursor)


@methods.rpc("room.get", reads=True)
async def get_room(call: Call, request: RoomRef, tx: Transaction) -> Room:
    """One room."""
    return await show_room(call, tx, int(request.room_id))


@methods.rpc("room.start")
async def start_room(call: Call, request: VersionedRoomRef, tx: Transaction) -> Room:
    """Make a scheduled room live. Repeating it changes nothing."""
    room = await locked(call, tx, request.room_id)
    if room["state"] == "live" and room["role"] == "host":
        return await show_room(call, tx, room["id"])
    allow("start", room)
    check_version(room, request.version)
    await live_rooms.start(tx, room["id"])
    await changed(call, tx, room["id"], "started")
    call.after_commit(lambda: call.services.roster.show_host(room["id"], room["host_id"]))
    call.after_commit(lambda: call.services.roster.watch_out(room["id"]))
    return await show_room(call, tx, room["id"])


@methods.rpc("room.close")
async def close_room(call: Call, request: VersionedRoomRef, tx: Transaction) -> Room:
    """End a room for everybody. Repeating it changes nothing."""
    room = await locked(call, tx, request.room_id)
    if room["state"] == "ended" and room["role"] == "host":
        return await show_room(call, tx, room["id"])
    allow("close", room)
    check_version(room, request.version)
    await live_rooms.close(tx, room["id"])
    await call.services.outbox.add(tx, RoomClosedEvent(room_id=room["id"]))
    await note(call, tx, "room.close", room["id"])
    return await show_room(call, tx, room["id"])


@methods.rpc("room.join", limit=Limit("room_join", "60/minute", "room.join by user"), shed="read")
async def join_room(call: Call, request: RoomRef) -> JoinedRoom:
    """Join a room on this socket. Returns the room as it is; pushes about it follow."""
    room_id, viewer_id, services = int(request.room_id), call.viewer.id, call.services
    channel = LIVE_ROOM.channel(room_id)
    me = admitted(await services.room_entries.standing(room_id, viewer_id))
    room_rules.check("join", me["state"], me["role"])
    try:
        recorded = await call.socket.watch({channel: me["owner_id"]})
        entered = await services.attendance.enter(
            room_id,
            viewer_id,
            me["role"],
            me["version"],
            me["capacity"],
            user=present.user_lite(me, viewer_id),
        )
        if entered.refused is not None:
            raise errors.failed_precondition(REFUSALS[entered.refused])
        await recorded
        look = entered.look
        scene = await services.room_entries.scene(room_id, viewer_id, frozenset((*view.named(look), *look.page)))
        if scene is None or scene.room["state"] != "live":
            raise errors.failed_precondition("the room has ended")
        await services.attendance.begin_turn(room_id, viewer_id, me["role"])  # last, because it locks the room
        if not call.socket.is_in(channel):
            raise errors.failed_precondition(REFUSALS["kicked"])  # removed while this call ran
    except BaseException:
        await call.socket.unwatch(channel)
        raise
    return JoinedRoom(
        room=view.shown(scene.room, look, scene.users),
        role=me["role"],
        muted=me["is_muted"],
        participants=_first_page(look, scene.users),
        next_cursor=_next_participants(call, room_id, look, FIRST_LISTENERS),
        recent_messages=[present.room_message(message) for message in scene.messages],
        offset=look.offset,
    )


@methods.rpc("room.leave", limit=None, shed="vital")
async def leave_room(call: Call, request: RoomRef, tx: Transaction) -> Nothing:
    """Leave a room on this device. A host who leaves is replaced at once. Repeating it changes nothing."""
    channel, viewer = LIVE_ROOM.channel(int(request.room_id)), call.viewer
    if await call.socket.leave(channel):
        await call.services.attendance.leave(int(request.room_id), viewer.id)
        await _hand_over(call, tx, int(request.room_id))
    leave_device = call.services.broadcaster.leave_device
    call.after_commit(lambda: leave_device(viewer.id, channel, viewer.session_id, call.socket.connected_at))
    return Nothing()


@methods.rpc("room.participants", reads=True)
async def list_participants(call: Call, request: ListParticipants, tx: Transaction) -> ParticipantPage:
    """Users in the room: the whole stage, then listeners in the order in which they joined."""
    room = await standing(call, tx, request.room_id)
    limit = request.limit or DEFAULT_LIMIT
    cursors: Cursors = call.services.cursors
    place = cursors.open(call.viewer.id, f"{call.method}:{request.room_id}", request.cursor)
    look = await call.services.roster.look(room["id"], int(place or 0), limit)
    users = await live_rooms.room_users(tx, room["id"], list({*view.named(look), *look.page}))
    if place is None:
        items = _first_page(look, users)
    else:
        items = view.participants([user_id for user_id in look.page if user_id not in look.stage], look, users)
    return ParticipantPage(items=items, next_cursor=_next_participants(call, room["id"], look, limit))


@methods.rpc("room.digest", reads=True)
async def get_digest(call: Call, request: RoomRef, tx: Transaction) -> RoomDigest:
    """The digest of a room that has ended, available a moment after its end."""
    room = await standing(call, tx, request.room_id)
    body = await live_rooms.digest(tx, room["id"])
    if body is None:
        raise errors.failed_precondition(f"the room is {room['state']}: its digest is made after its end")
    return await _seen_by_viewer(tx, room["id"], msgspec.json.decode(body, type=RoomDigest))


async def show_room(call: Call, tx: Transaction, room_id: int) -> Room:
    row = await live_rooms.load(tx, room_id)
    if row is None:
        raise errors.not_found("room")
    look = await call.services.roster.look(room_id) if row["state"] == "live" else NOBODY
    return view.shown(row, look, await live_rooms.room_users(tx, room_id, view.named(look)))


async def show_rooms(call: Call, tx: Transaction, room_ids: Sequence[int]) -> list[Room]:
    """The rooms among them that the caller may see."""
    return await _show_rows(call, tx, await live_rooms.load_many(tx, room_ids))


async def _show_rows(call: Call, tx: Transaction, rows: Sequence[RoomRow]) -> list[Room]:
    looks = await call.services.roster.look_at({row["id"]: 0 for row in rows if row["state"] == "live"})
    users = await live_rooms.users_of_rooms(tx, {room_id: view.named(look) for room_id, look in looks.items()})
    return [view.shown(row, looks.get(row["id"], NOBODY), users.get(row["id"], {})) for row in rows]


async def _hand_over(call: Call, tx: Transaction, room_id: int) -> None:
    """Replace the host if the caller is host and has left on all devices."""
    if not await _is_host(call, tx, room_id):
        return
    await live_rooms.lock(tx, room_id)
    if not await _is_host(call, tx, room_id):  # no longer, since another transaction had the lock
        return
    heir_id = await replace_host(tx, call.services.roster, call.services.outbox, room_id, call.viewer.id)
    if heir_id is not None:
        await note(call, tx, "room.hand_over", room_id, to=heir_id)


async def _is_host(call: Call, tx: Transaction, room_id: int) -> bool:
    row = await live_rooms.standing(tx, room_id, call.viewer.id)
    return row is not None and row["role"] == "host" and row["state"] == "live"


def _first_page(look: Look, users: Mapping[int, RoomUserRow]) -> list[Participant]:
    listeners = [user_id for user_id in look.page if user_id not in look.stage]
    return view.participants([*look.stage, *listeners], look, users)


def _next_participants(call: Call, room_id: int, look: Look, limit: int) -> str | None:
    if len(look.page) < limit:
        return None
    last = next(reversed(look.page.values()))
    return call.services.cursors.seal(call.viewer.id, f"room.participants:{room_id}", str(last))


async def _seen_by_viewer(tx: Transaction, room_id: int, digest: RoomDigest) -> RoomDigest:
    """The digest without users whom the viewer may not see, and without messages deleted since."""
    messages = [*digest.summary, *(top.message for top in digest.top_messages)]
    named = {message.sender.id for message in messages} | {speaker.user.id for speaker in digest.speakers}
    seen = {str(user_id) for user_id in await live_rooms.room_users(tx, room_id, [int(user_id) for user_id in named])}
    kept = {
        str(message_id)
        for message_id in await room_messages.remaining(tx, room_id, [int(each.id) for each in messages])
    }

    def is_shown(message: RoomMessage) -> bool:
        return message.sender.id in seen and message.id in kept

    return msgspec.structs.replace(
        digest,
        speakers=[speaker for speaker in digest.speakers if speaker.user.id in seen],
        top_messages=[top for top in digest.top_messages if is_shown(top.message)],
        summary=[message for message in digest.summary if is_shown(message)],
    )
