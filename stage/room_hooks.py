"""Updates live rooms when sockets on this node leave, lose the right to stay, or recover."""

from collections.abc import Collection, Sequence

from channels.broadcaster import Broadcaster
from channels.hooks import Hooks, RecoveredClient, Rejoined
from channels.members import Member
from channels.messages import Written, unkept
from protocol.live_rooms import RemovalReason, RoomRemoved
from stage import departures
from stage.attendance import Attendance
from stage.room_channel import LIVE_ROOM, Ejected, RoleChanged, decode_note
from storage import live_rooms
from storage.database import Database


class RoomHooks(Hooks):
    def __init__(self, attendance: Attendance, broadcaster: Broadcaster, database: Database) -> None:
        self._attendance = attendance
        self._broadcaster = broadcaster
        self._database = database

    def left(self, user_id: int, channel: str, *, may_come_back: bool) -> None:
        self._attendance.left(user_id, LIVE_ROOM.id_of(channel), may_come_back=may_come_back)

    def emptied(self, channel: str) -> None:
        self._attendance.emptied(LIVE_ROOM.id_of(channel))

    def informed(self, user_id: int, channel: str, note: bytes) -> bool:
        room_id = LIVE_ROOM.id_of(channel)
        match decode_note(note):
            case Ejected(before):
                return self._attendance.is_ejected(user_id, room_id, before)
            case RoleChanged(role, version):
                self._attendance.change_role(user_id, room_id, role, version)
        return False

    def stays(self, user_id: int, channel: str, found: object) -> None:
        if isinstance(found, live_rooms.Stay):
            self._attendance.change_role(user_id, LIVE_ROOM.id_of(channel), found.role, found.version)

    async def lost(self, memberships: Sequence[tuple[Member, str]], ended: Collection[str], cause: str) -> None:
        """Push once to each user: the push reaches all their sockets."""
        for user_id, channel in dict.fromkeys((member.user_id, channel) for member, channel in memberships):
            reason: RemovalReason = "ended" if channel in ended else "access"
            await departures.remove_user(self._broadcaster, LIVE_ROOM.id_of(channel), user_id, reason, cause=cause)

    async def rejoin(self, client: RecoveredClient) -> Rejoined:
        """Put the client's user back into the rosters, or answer `room.removed` with the reason."""
        now: list[Written] = []
        refused: list[str] = []
        for channel, watched in client.channels.items():
            room_id = LIVE_ROOM.id_of(channel)
            reason = await self._return_to(client, room_id, watched.joined)
            if reason is None:
                continue
            refused.append(channel)
            # After a kick, a ban or a block, the user has a push with its cause in the inbox: the replay has it.
            if not any(push_id.startswith(f"room.removed:{room_id}:") for push_id in client.missed_ids):
                push_id = f"room.removed:{room_id}:{client.member.pid}:{client.claim}"
                now.append(unkept(RoomRemoved(id=push_id, room_id=str(room_id), reason=reason), channel))
        return Rejoined(now, refused)

    async def _return_to(self, client: RecoveredClient, room_id: int, joined: int) -> RemovalReason | None:
        """Returns why the user may not return, None if they are inside. joined: by the roster's clock."""
        room_user = room_id, client.member.user_id
        async with self._database.transaction(client.member.user_id) as tx:
            stay = (await live_rooms.may_stay(tx, [room_user])).get(room_user)
            if stay is None:
                return "ended" if await live_rooms.has_ended(tx, room_id) else "access"
        entered = await self._attendance.enter(
            *room_user, stay.role, stay.version, stay.capacity, user=client.user, joined=joined
        )
        if entered.refused is None:
            await self._attendance.begin_turn(*room_user, stay.role)
        return entered.refused
