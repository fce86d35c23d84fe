"""Pushes about a departure from a live room: to the user who leaves, and to the others."""

import secrets

from channels.broadcaster import Broadcaster
from domain.room_rules import ON_STAGE
from protocol.live_rooms import RemovalReason, Role, RoomLeft, RoomRemoved
from stage import room_channel
from stage.room_channel import LIVE_ROOM

SMALL_ROOM = 200  # below it, the room is told of each listener
ANY_TIME = 2**62


async def put_out(
    broadcaster: Broadcaster,
    room_id: int,
    user_id: int,
    reason: RemovalReason,
    *,
    cause: str = "",
    before: int = ANY_TIME,
    is_told: bool = True,
) -> None:
    """Take the user's sockets out on all nodes and tell them why; once for each `cause`. Raises RedisError.

    before: by the roster's clock; a user who entered after it stays.
    """
    await room_channel.put_out(broadcaster, user_id, room_id, before)
    if not is_told:
        return
    push_id = f"room.removed:{room_id}:{user_id}:{cause or secrets.token_hex(6)}"
    removed = RoomRemoved(id=push_id, room_id=str(room_id), reason=reason)
    await broadcaster.publish_to_users([user_id], removed)


async def tell_left(broadcaster: Broadcaster, room_id: int, user_id: int, inside: int, role: Role) -> None:
    """Tell the room that a user left, if `is_told_of` says so. Raises RedisError."""
    if is_told_of(role, inside):
        push_id = f"room.left:{room_id}:{user_id}:{secrets.token_hex(6)}"
        left = RoomLeft(id=push_id, room_id=str(room_id), user_id=str(user_id))
        await broadcaster.publish(LIVE_ROOM.channel(room_id), left, actor_id=user_id)


def is_told_of(role: Role, inside: int) -> bool:
    """Whether the room is told when a user with that role enters or leaves."""
    return role in ON_STAGE or inside < SMALL_ROOM
