"""The stage of a live room: hands, roles, moderation, voice. Rights are in `domain.room_rules`."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from domain import room_rules
from handlers.call import Call
from handlers.room_access import allow, changed, check_version, is_repetition, locked, note, standing
from protocol import errors
from protocol.events import RoomInvitedEvent, RoomRemovedEvent, RoomUnbannedEvent
from protocol.limits import Limit
from protocol.live_rooms import Role, RoomRef
from protocol.room_stage import (
    BanFromRoom,
    InviteToRoom,
    KickFromRoom,
    MediaToken,
    MuteInRoom,
    RaiseHand,
    RoomMember,
    SetRole,
)
from protocol.rpc import Nothing, methods
from protocol.timestamps import to_wire
from stage import departures, turns
from storage import live_rooms, present, room_turns, users
from storage.database import Transaction
from storage.live_rooms import StandingRow

LONGEST_BAN = timedelta(days=3_650)
INVITE = Limit("invite", "500/24 hour", "users invited to rooms, by inviter, counted one by one")


@methods.rpc("room.raise_hand")
async def raise_hand(call: Call, request: RaiseHand, tx: Transaction) -> Nothing:
    """Raise or lower the caller's hand. Hands stay in the order of raising. Repeating it changes nothing."""
    room = await standing(call, tx, request.room_id)
    if request.raised:
        room_rules.check("raise_hand", room["state"], room["role"])
    if not await call.services.roster.raise_hand(room["id"], call.viewer.id, raised=request.raised):
        raise errors.failed_precondition("join the room first")
    call.services.pulse.request(room["id"])
    return Nothing()


@methods.rpc("room.set_role")
async def set_role(call: Call, request: SetRole, tx: Transaction) -> Nothing:
    """Make a user cohost, speaker or listener. Any user may step down without a right."""
    if int(request.user_id) == call.viewer.id:
        return await _step_down(call, request, tx)
    room, target = await _target(call, tx, request.room_id, "set_role", request.user_id)
    room_rules.check_grant(room["role"], request.role)
    if target.role == request.role and is_repetition(room, request.version):
        return Nothing()
    check_version(room, request.version)
    if target.role != request.role:
        if request.role != "listener":
            _check_takes_part(target)
        await _give_role(call, tx, room["id"], target.id, request.role)
        await note(call, tx, "room.set_role", room["id"], user_id=target.id, role=request.role, before=target.role)
    return Nothing()


@methods.rpc("room.transfer_host")
async def transfer_host(call: Call, request: RoomMember, tx: Transaction) -> Nothing:
    """Make a user in the room its host; the caller becomes a cohost. Repeating it changes nothing."""
    room = await locked(call, tx, request.room_id)
    if room["role"] == "cohost" and int(request.user_id) == room["host_id"]:
        return Nothing()
    room, target = await _target(call, tx, request.room_id, "transfer_host", request.user_id)
    check_version(room, request.version)
    _check_takes_part(target)
    await live_rooms.transfer_host(tx, room["id"], call.viewer.id, target.id)
    await turns.begin(tx, call.services.roster, room["id"], target.id)
    await changed(call, tx, room["id"], "host", target.id)
    await note(call, tx, "room.transfer_host", room["id"], to=target.id)
    return Nothing()


@methods.rpc("room.mute")
async def mute(call: Call, request: MuteInRoom, tx: Transaction) -> Nothing:
    """Mute or unmute a user, who may then neither speak nor write. Also works for a user with a role who has left."""
    room, target = await _target(call, tx, request.room_id, "mute", request.user_id)
    if target.is_muted == request.muted and is_repetition(room, request.version):
        return Nothing()
    check_version(room, request.version)
    if not target.has_place:
        _check_inside(target)
    await live_rooms.set_muted(tx, room["id"], target.id, request.muted)
    await live_rooms.touch(tx, room["id"])
    await changed(call, tx, room["id"], "muted", target.id)
    await note(call, tx, "room.mute", room["id"], user_id=target.id, muted=request.muted)
    return Nothing()


@methods.rpc("room.kick")
async def kick(call: Call, request: KickFromRoom, tx: Transaction) -> Nothing:
    """Remove a user from the room on all devices. The user may join again. Repeating it changes nothing."""
    room, target = await _target(call, tx, request.room_id, "kick", request.user_id)
    if not target.is_inside and await call.services.roster.was_kicked(room["id"], target.id):
        return Nothing()
    _check_inside(target)
    version = room["version"]
    if target.role != "listener":
        version = await _give_role(call, tx, room["id"], target.id, "listener")
    await room_turns.end(tx, room["id"], target.id)
    await _remove(call, tx, room["id"], target.id, "kicked", version)
    await note(call, tx, "room.kick", room["id"], user_id=target.id, reason=request.reason)
    return Nothing()


@methods.rpc("room.ban")
async def ban(call: Call, request: BanFromRoom, tx: Transaction) -> Nothing:
    """Remove a user from the room on all devices, and refuse further joins until a time or for good."""
    now = call.services.now()
    if request.until is not None and not now < request.until < now + LONGEST_BAN:
        raise errors.invalid("until", "is in the past, or more than ten years ahead")
    room, target = await _target(call, tx, request.room_id, "ban", request.user_id)
    await live_rooms.ban(tx, room["id"], target.id, call.viewer.id, request.reason, request.until)
    await room_turns.end(tx, room["id"], target.id)
    version = await live_rooms.touch(tx, room["id"])
    await changed(call, tx, room["id"], "updated")
    await _remove(call, tx, room["id"], target.id, "banned", version, request.until)
    until = to_wire(request.until) if request.until else None
    await note(call, tx, "room.ban", room["id"], user_id=target.id, reason=request.reason, until=until)
    return Nothing()


@methods.rpc("room.unban")
async def unban(call: Call, request: RoomMember, tx: Transaction) -> Nothing:
    """Let a banned user join again. Repeating it changes nothing."""
    room = await locked(call, tx, request.room_id)
    allow("unban", room)
    check_version(room, request.version)
    user_id = int(request.user_id)
    if await live_rooms.unban(tx, room["id"], user_id):
        await note(call, tx, "room.unban", room["id"], user_id=user_id)
    # Also without a ban: the roster may not know yet that it has ended.
    await call.services.outbox.add(tx, RoomUnbannedEvent(room_id=room["id"], user_id=user_id))
    call.after_commit(lambda: call.services.roster.pardon(room["id"], user_id))
    return Nothing()


@methods.rpc("room.invite", counts=(INVITE,))
async def invite(call: Call, request: InviteToRoom, tx: Transaction) -> Nothing:
    """Invite users, who may then see and join the room whatever its visibility.

    Two kinds of users are left out silently: those who have a block with the caller, and those who have had the most
    invitations from users they do not follow today.
    """
    room = await locked(call, tx, request.room_id)
    allow("invite", room)
    seen = await users.load(tx, list(dict.fromkeys(map(int, request.user_ids))))
    invited = await live_rooms.invite(tx, room["id"], call.viewer.id, [each for each in seen if each != call.viewer.id])
    if invited:
        await call.services.limits.hit(INVITE.name, call.viewer.id, len(invited))
        event = RoomInvitedEvent(room_id=room["id"], actor_id=call.viewer.id, user_ids=tuple(invited))
        await call.services.outbox.add(tx, event)
        await note(call, tx, "room.invite", room["id"], user_ids=invited)
    return Nothing()


@methods.rpc("room.media_token")
async def media_token(call: Call, request: RoomRef, tx: Transaction) -> MediaToken:
    """A token for LiveKit: to speak or only to listen, as the caller's role allows."""
    tokens = call.services.voice_tokens
    if tokens is None:
        raise errors.failed_precondition("voice is not set up on this server")
    room = await standing(call, tx, request.room_id)
    room_rules.check("media_token", room["state"], room["role"])
    if not await call.services.roster.are_inside(room["id"], [call.viewer.id]):
        raise errors.failed_precondition("join the room first")
    token, expires_at = tokens.mint(
        room_id=room["id"],
        user_id=call.viewer.id,
        name=present.viewer_lite(room).display_name,
        role=room["role"],
        muted=room["is_muted"],
        now=call.services.now(),
    )
    return MediaToken(url=tokens.url, token=token, expires_at=to_wire(expires_at))


class _Target(NamedTuple):
    """The target user of an act of moderation; see `room_target` in storage/functions/room_stage.sql."""

    id: int
    role: Role
    is_muted: bool
    is_banned: bool
    has_place: bool
    may_enter: bool
    is_inside: bool


async def _target(
    call: Call, tx: Transaction, room_id: str, action: room_rules.Action, user_id: str
) -> tuple[StandingRow, _Target]:
    """The locked room and the target. Raises NOT_FOUND, and what `locked` and `allow` raise.

    A user who blocks the moderator can be moderated if inside the room or with a place in it. Otherwise the answer is
    the same as for a user who does not exist.
    """
    room = await locked(call, tx, room_id)
    allow(action, room)
    row = await live_rooms.target(tx, room["id"], int(user_id))
    is_inside = bool(await call.services.roster.are_inside(room["id"], [int(user_id)]))
    if row is None or (row["hides"] and not (row["has_place"] or is_inside)):
        raise errors.not_found("user")
    allow(action, room, row["role"])
    target = _Target(
        row["id"], row["role"], row["is_muted"], row["is_banned"], row["has_place"], row["may_enter"], is_inside
    )
    return room, target


def _check_takes_part(target: _Target) -> None:
    """Only a user who is inside, and still may be, can be put on the stage or made host. Raises if not."""
    if not target.may_enter:
        raise errors.not_found("user")
    if target.is_banned:
        raise errors.failed_precondition("the user is banned from the room")
    _check_inside(target)


def _check_inside(target: _Target) -> None:
    if not target.is_inside:
        raise errors.failed_precondition("the user is not in the room")


async def _remove(
    call: Call,
    tx: Transaction,
    room_id: int,
    user_id: int,
    reason: Literal["kicked", "banned"],
    version: int,
    until: datetime | None = None,
) -> None:
    """Remove the user from the roster and the channel after the commit; workers repeat it, should this node fail.

    A user who joins at this moment is removed, too. Only a user who was inside gets room.removed.
    """
    services = call.services
    joined = (await services.roster.joined(room_id, [user_id])).get(user_id)
    event = RoomRemovedEvent(room_id=room_id, user_id=user_id, reason=reason, joined=joined)
    event_id = await services.outbox.add(tx, event)

    async def remove_now() -> None:
        removed = await services.roster.remove(room_id, user_id, reason, version, until=until)
        if removed.outcome == "out":
            await services.attendance.after_leaving(room_id, user_id, removed.inside, removed.role)
        await departures.remove_user(
            services.broadcaster, room_id, user_id, reason, cause=str(event_id), before=removed.before,
            notify=joined is not None or removed.outcome == "out",
        )  # fmt: skip

    call.after_commit(remove_now)


async def _give_role(call: Call, tx: Transaction, room_id: int, user_id: int, role: Role) -> int:
    """Returns the version of the room after the change."""
    await live_rooms.set_role(tx, room_id, user_id, role)
    version = await live_rooms.touch(tx, room_id)
    if role not in room_rules.ON_STAGE:
        await room_turns.end(tx, room_id, user_id)
    else:
        await turns.begin(tx, call.services.roster, room_id, user_id)
    await changed(call, tx, room_id, "role", user_id)
    # Now, so that the caller's next call finds the role in the roster. Workers repeat it, should this node fail.
    call.after_commit(lambda: call.services.roster.set_role(room_id, user_id, role, version))
    return version


async def _step_down(call: Call, request: SetRole, tx: Transaction) -> Nothing:
    await room_turns.lock(tx, int(request.room_id))
    room = await standing(call, tx, request.room_id)
    if room["role"] == "host":
        raise errors.failed_precondition("the host must transfer the room first")
    if request.role != "listener" and request.role != room["role"]:
        raise errors.permission_denied("users cannot promote themselves")
    if room["state"] == "ended":
        raise errors.failed_precondition("the room has ended")
    if request.role == room["role"] and is_repetition(room, request.version):
        return Nothing()
    check_version(room, request.version)
    if request.role != room["role"] and await live_rooms.step_down(tx, room["id"]) is not None:
        await changed(call, tx, room["id"], "role", call.viewer.id)
    return Nothing()
