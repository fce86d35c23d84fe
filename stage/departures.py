"""Pushes about a departure from a live room: to the user who leaves, and to the others."""

import secrets

from channels.broadcaster import Broadcaster
from domain.room_rules import ON_STAGE
from protocol.live_rooms import RemovalReason, Role, RoomLeft, RoomRemoved
from stage import room_channel
from stage.room_channel import LIVE_ROOM

SMALL_ROOM = 200  # users: smaller rooms get a push about each listener who enters or leaves
ANY_TIME = 2**62


async def remove_user(
    broadcaster: Broadcaster,
    room_id: int,
    user_id: int,
    reason: RemovalReason,
    *,
    cause: str = "",
    before: int = ANY_TIME,
    notify: bool = True,
) -> None:
    """Remove the user's sockets from the room on all nodes. Raises RedisError.

    before: by the roster's clock; a user who entered after it stays. notify: whether `room.removed` is pushed to the
    user, once for each `cause`.
    """
    await room_channel.eject_sockets(broadcaster, room_id, user_id, before)
    if not notify:
        return
    push_id = f"room.removed:{room_id}:{user_id}:{cause or secrets.token_hex(6)}"
    removed = RoomRemoved(id=push_id, room_id=str(room_id), reason=reason)
    await broadcaster.publish_to_users([user_id], removed)


async def publish_left(broadcaster: Broadcaster, room_id: int, user_id: int, inside: int, role: Role) -> None:
    """Push to the room that a user left, if `is_announced` says so. Raises RedisError."""
    if is_announced(role, inside):
        push_id = f"room.left:{room_id}:{user_id}:{secrets.token_hex(6)}"
        left = RoomLeft(id=push_id, room_id=str(room_id), user_id=str(user_id))
        await broadcaster.publish(LIVE_ROOM.channel(room_id), left, actor_id=user_id)


def is_announced(role: Role, inside: int) -> bool:
    """Whether the room gets a push when a user with that role enters or leaves. inside: users in the room."""
    return role in ON_STAGE or inside < SMALL_ROOM
