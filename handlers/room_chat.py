"""The chat of a live room: messages and reactions."""

from datetime import timedelta

from domain import room_rules
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from handlers.room_access import note, standing
from handlers.screening import screen, settle
from protocol import emojis, errors
from protocol.events import RoomMessageDeletedEvent, RoomMessageSentEvent
from protocol.limits import Limit
from protocol.room_chat import (
    DeleteRoomMessage,
    ListRoomMessages,
    ReactInRoom,
    RoomMessage,
    RoomMessagePage,
    SendToRoom,
)
from protocol.rpc import Nothing, methods
from protocol.timestamps import to_wire
from stage.room_channel import LIVE_ROOM
from storage import present, room_messages
from storage.database import Transaction
from storage.snowflakes import minted_at

UNHEARD_OF = timedelta(minutes=1)  # an older message must be known to the roster


@methods.rpc("room.send", limit=Limit("room_message", "120/minute", "room.send by user"))
async def send_message(call: Call, request: SendToRoom, tx: Transaction) -> RoomMessage:
    """Send a message to the room. In slow mode, a listener may send one per interval."""
    room = await standing(call, tx, request.room_id)
    room_rules.check("send", room["state"], room["role"])
    _check_inside(call, room["id"])
    if room["is_muted"]:
        raise errors.permission_denied("you are muted in this room")
    viewer_id, roster = call.viewer.id, call.services.roster
    if room["slow_mode_s"] and room["role"] == "listener":
        wait_ms = await roster.hit_slow_mode(room["id"], viewer_id, room["slow_mode_s"])
        if wait_ms:
            raise errors.exhausted(f"slow mode: one message in {room['slow_mode_s']} s", wait_ms)
        call.after_refusal(lambda: roster.undo_slow_mode(room["id"], viewer_id))
    message_id = call.services.ids.mint()
    verdict = await screen(call, tx, "room_message", message_id, [("text", request.text)])
    await settle(call, tx, verdict, None, message_id)
    await room_messages.insert(tx, id=message_id, room_id=room["id"], sender_id=viewer_id, text=request.text)
    await call.services.outbox.add(tx, RoomMessageSentEvent(room_id=room["id"], message_id=message_id))
    return RoomMessage(
        id=str(message_id),
        room_id=request.room_id,
        sender=present.viewer_lite(room),
        text=request.text,
        created_at=to_wire(minted_at(message_id)),
    )


@methods.rpc("room.messages", reads=True)
async def list_messages(call: Call, request: ListRoomMessages, tx: Transaction) -> RoomMessagePage:
    """Messages of the room, newest first. The newest 1,000 of each room are kept."""
    room = await standing(call, tx, request.room_id)
    limit = request.limit or DEFAULT_LIMIT
    rows = await room_messages.load_page(tx, room["id"], page_start(call, request.room_id, request.cursor), limit)
    cursor = cursor_after(call, request.room_id, [row["id"] for row in rows], limit)
    return RoomMessagePage(items=[present.room_message(row) for row in rows], next_cursor=cursor)


@methods.rpc("room.delete_message")
async def delete_message(call: Call, request: DeleteRoomMessage, tx: Transaction) -> Nothing:
    """Delete the caller's own message, or any as host or cohost. Repeating it changes nothing."""
    room = await standing(call, tx, request.room_id)
    message_id = int(request.message_id)
    message = await room_messages.load(tx, room["id"], message_id)
    if message is None:
        raise errors.not_found("message")
    is_own = message["sender_id"] == call.viewer.id
    is_hidden = message["is_deleted"] or not message["is_shown"]
    if is_hidden and not is_own and room["role"] not in room_rules.MODERATORS:
        raise errors.not_found("message")
    if message["is_deleted"]:
        return Nothing()
    sender_id = message["sender_id"]
    if not is_own:
        room_rules.check("delete_message", room["state"], room["role"])
        await note(call, tx, "room.delete_message", room["id"], message_id=message_id, sender_id=sender_id)
    await room_messages.delete(tx, message_id)
    event = RoomMessageDeletedEvent(room_id=room["id"], message_id=message_id, sender_id=sender_id)
    await call.services.outbox.add(tx, event)
    call.after_commit(lambda: call.services.roster.forget_message(room["id"], message_id))
    return Nothing()


@methods.rpc("room.react", limit=None, shed="minor")
async def react(call: Call, request: ReactInRoom) -> Nothing:
    """React to the room or to one of its messages. Pushed once a second, summed up for all users."""
    room_id = int(request.room_id)
    _check_inside(call, room_id)
    if emojis.can_spell(request.emoji):
        # A muted user could write with these, so the database must be asked. Other emoji do without a query.
        async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
            room = await standing(call, tx, request.room_id)
        if room["is_muted"]:
            raise errors.permission_denied("you are muted in this room")
    if request.message_id is not None and not await _may_be_reacted_to(call, room_id, int(request.message_id)):
        raise errors.not_found("message")
    call.services.pulse.react(room_id, request.emoji, int(request.message_id or 0))
    return Nothing()


async def _may_be_reacted_to(call: Call, room_id: int, message_id: int) -> bool:
    """Whether there is such a message. The roster may not know those of the last minute yet: ask the database then."""
    if await call.services.roster.has_message(room_id, message_id):
        return True
    if call.services.now() - minted_at(message_id) > UNHEARD_OF:
        return False
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        is_there = bool(await room_messages.remaining(tx, room_id, [message_id]))
    if is_there:
        await call.services.roster.note_messages(room_id, [message_id])  # else the reaction would not count for it
    return is_there


def _check_inside(call: Call, room_id: int) -> None:
    """Raises FAILED_PRECONDITION unless the caller has joined on this socket."""
    if not call.socket.is_in(LIVE_ROOM.channel(room_id)):
        raise errors.failed_precondition("join the room first")
