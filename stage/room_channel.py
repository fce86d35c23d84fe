"""The channel of a live room: sockets of the users who are inside."""

from collections.abc import Mapping, Sequence

import msgspec

from channels.broadcaster import Broadcaster
from channels.kinds import Kind, Membership
from protocol.live_rooms import Role
from storage import live_rooms
from storage.database import Transaction


async def _may_stay(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    found = await live_rooms.may_stay(tx, [(LIVE_ROOM.id_of(channel), user_id) for user_id, channel in memberships])
    return {(user_id, LIVE_ROOM.channel(room_id)): stay for (room_id, user_id), stay in found.items()}


async def _ended_among(tx: Transaction, channels: Sequence[str]) -> set[str]:
    ended = await live_rooms.ended_among(tx, [LIVE_ROOM.id_of(channel) for channel in channels])
    return {LIVE_ROOM.channel(room_id) for room_id in ended}


LIVE_ROOM = Kind(
    "live",
    on_change="recheck",
    may_be_in=_may_stay,
    owner_decides=False,  # the host does, who may be another user than the owner
    most_per_socket=10,
    ended_among=_ended_among,
)


# The tag keeps its older name: during a deployment, nodes of both versions run.
class Ejected(msgspec.Struct, frozen=True, tag="put_out"):
    """The user's sockets leave, unless the user came in after that clock of the roster."""

    before: int


class RoleChanged(msgspec.Struct, frozen=True, tag="role"):
    """The user has that role since that version of the room."""

    role: Role
    version: int


Note = Ejected | RoleChanged

encode_note = msgspec.msgpack.Encoder().encode
decode_note = msgspec.msgpack.Decoder(Note).decode


async def eject_sockets(broadcaster: Broadcaster, room_id: int, user_id: int, before: int) -> None:
    """Take the user's sockets out of the room on every node. Raises RedisError."""
    await broadcaster.inform([user_id], LIVE_ROOM.channel(room_id), encode_note(Ejected(before)))


async def change_role(broadcaster: Broadcaster, room_id: int, user_id: int, role: Role, version: int) -> None:
    """Send the role to every node where the user has sockets. Raises RedisError."""
    await broadcaster.inform([user_id], LIVE_ROOM.channel(room_id), encode_note(RoleChanged(role, version)))
