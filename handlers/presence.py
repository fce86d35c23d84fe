"""Presence and typing: the status of users, and the users whom they watch."""

from collections.abc import Sequence

from domain.chat_channels import CHAT
from domain.post_channels import POST
from handlers.call import Call
from handlers.screening import screen, settle
from presence.presence_channel import PRESENCE
from presence.reports import Chosen
from presence.typing_indicators import Place
from presence.view import unknown
from protocol import errors
from protocol.limits import Limit
from protocol.presence import PresenceList, SetPresence, Typing, WatchPresence
from protocol.rpc import Nothing, methods
from stage.room_channel import LIVE_ROOM
from storage import users
from storage.database import Transaction


@methods.rpc("presence.set", limit=Limit("presence", "60/minute", "presence.set by user"), shed="minor")
async def set_presence(call: Call, request: SetPresence, tx: Transaction) -> Nothing:
    """Set the status and text that others see, for all devices, until it is set again."""
    text = request.text or ""
    if text:
        verdict = await screen(call, tx, "profile", call.services.ids.mint(), [("text", text)], is_edit=True)
        await settle(call, tx, verdict, None, call.viewer.id)
    version = await users.choose_presence(tx, call.viewer.id, request.status, text)
    # Before the commit: once the call has answered "invisible", no watcher may still see the user.
    await call.services.presence.choose(call.viewer.id, Chosen(request.status, text, version))
    return Nothing()


@methods.rpc("presence.watch", limit=Limit("watch", "120/minute", "presence.watch by user"), shed="read")
async def watch(call: Call, request: WatchPresence, tx: Transaction) -> PresenceList:
    """The presence of these users now; pushes of changes follow. Users whom the caller may not watch are offline."""
    asked = list(dict.fromkeys(map(int, request.user_ids)))
    allowed = await users.may_watch(tx, [(user_id, call.viewer.id) for user_id in asked])
    channels = {PRESENCE.channel(user_id): user_id for user_id, _ in allowed}
    still: set[str] = {channel for channel in channels if call.socket.is_in(channel)}
    try:
        recorded = await call.socket.watch(channels)
        await recorded
        # Checked again after subscribing: a right that was lost before could not evict this socket yet.
        still = {PRESENCE.channel(user_id) for user_id, _ in await users.may_watch(tx, allowed)}
    finally:
        for channel in channels.keys() - still:
            await call.socket.unwatch(channel)
    found = await call.services.presence.look([channels[channel] for channel in channels.keys() & still])
    return PresenceList(items=[found.get(user_id) or unknown(user_id) for user_id in asked])


@methods.rpc("presence.unwatch", limit=None, shed="read")
async def unwatch(call: Call, request: WatchPresence) -> Nothing:
    """Stop watching these users. Repeating it changes nothing."""
    for user_id in map(int, request.user_ids):
        await call.socket.unwatch(PRESENCE.channel(user_id))
    return Nothing()


@methods.rpc("typing.start", limit=None, shed="minor")
async def start_typing(call: Call, request: Typing) -> Nothing:
    """The caller is typing. It expires after 6 s unless it is repeated."""
    call.services.typing.start(call.viewer.id, *await _place(call, request))
    return Nothing()


@methods.rpc("typing.stop", limit=None, shed="minor")
async def stop_typing(call: Call, request: Typing) -> Nothing:
    """The caller is no longer typing. Repeating it changes nothing."""
    call.services.typing.stop(call.viewer.id, *await _place(call, request))
    return Nothing()


async def _place(call: Call, request: Typing) -> tuple[Place, Sequence[int]]:
    """Return the place in which the caller types, and in a chat the users who get the push.

    Raises NOT_FOUND for a chat in which the caller may not write, and FAILED_PRECONDITION for another place whose
    pushes do not reach this socket.
    """
    if sum(each is not None for each in (request.chat_id, request.room_id, request.post_id)) != 1:
        raise errors.invalid("room_id", "give one of chat_id, room_id and post_id")
    if request.chat_id is not None:
        chat_id = int(request.chat_id)
        audience = await call.services.typing_audiences.of(call.viewer.id, chat_id)
        if audience is None:
            raise errors.not_found("chat")
        return Place(CHAT.channel(chat_id), chat_id=str(chat_id)), audience
    if request.room_id is not None:
        room_id = int(request.room_id)
        place, missing = Place(LIVE_ROOM.channel(room_id), room_id=str(room_id)), "join the room first"
    else:
        post_id = int(request.post_id or 0)
        place, missing = Place(POST.channel(post_id), post_id=str(post_id)), "watch the post first"
    if not call.socket.is_in(place.channel):
        raise errors.failed_precondition(missing)
    return place, ()
