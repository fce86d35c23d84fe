"""Which channels sockets may be in, asked again when somebody comes back or something between people has changed."""

from collections.abc import Iterable, Sequence

import structlog

from channels import names
from channels.broadcaster import Broadcaster
from channels.members import Member
from channels.messages import unkept
from channels.subscriptions import Subscriptions
from domain import visibility
from presence import tracker
from protocol.live_rooms import RemovalReason
from protocol.users import UserLite
from stage import departures
from stage.attendance import Attendance
from storage import live_rooms, posts, users
from storage.database import Conflict, Database, DatabaseUnavailable

PAGE = 500

log = structlog.get_logger()


class Rights:
    def __init__(
        self, database: Database, subscriptions: Subscriptions, attendance: Attendance, broadcaster: Broadcaster
    ) -> None:
        self._database = database
        self._subscriptions = subscriptions
        self._attendance = attendance
        self._broadcaster = broadcaster

    async def open_to(self, user_id: int, channels: Iterable[str]) -> set[str]:
        """Posts, live rooms and presences among them that the person may be in. Raises what is out of reach."""
        asked = list(channels)
        post_ids = [names.post_id(channel) for channel in filter(names.is_post, asked)]
        live_ids = [names.live_id(channel) for channel in filter(names.is_live, asked)]
        watched_ids = [names.watched_id(channel) for channel in filter(names.is_presence, asked)]
        seen: set[str] = set()
        if not (post_ids or live_ids or watched_ids):
            return seen
        async with self._database.transaction(user_id) as tx:
            if post_ids:
                rows = await posts.load(tx, post_ids)
                seen.update(names.post(row["id"]) for row in rows if visibility.may_see(row, user_id))
            if live_ids:
                seats = await live_rooms.may_stay(tx, [(room_id, user_id) for room_id in live_ids])
                seen.update(names.live(room_id) for room_id, _ in seats)
            if watched_ids:
                pairs = await users.may_watch(tx, [(watched_id, user_id) for watched_id in watched_ids])
                seen.update(names.presence(watched_id) for watched_id, _ in pairs)
        return seen

    async def come_back(self, member: Member, channel: str, joined: int, user: UserLite) -> RemovalReason | None:
        """Into a live room's roster again; answers why not. Raises what is out of reach."""
        room_id = names.live_id(channel)
        place = room_id, member.user_id
        async with self._database.transaction(member.user_id) as tx:
            seat = (await live_rooms.may_stay(tx, [place])).get(place)
            if seat is None:
                return "ended" if await live_rooms.has_ended(tx, room_id) else "access"
        entered = await self._attendance.enter(
            *place, seat["role"], seat["version"], seat["capacity"], user=user, joined=joined
        )
        if entered.refused is None:
            await self._attendance.begin_turn(*place, seat["role"])
        return entered.refused

    async def recheck(self, seats: Sequence[tuple[Member, str]], cause: str = "") -> None:
        """Whoever may no longer be in a live room, or watch somebody, leaves; also where nobody can be asked.

        cause: of which nobody is told twice that they are out of a live room, whichever nodes they are on.
        """
        told: set[tuple[int, str]] = set()
        for start in range(0, len(seats), PAGE):
            page = seats[start : start + PAGE]
            try:
                may, ended = await self._allowed(page)
            except (DatabaseUnavailable, Conflict, TimeoutError) as error:
                log.warning("rights could not be asked for: out of the channels", seats=len(page), error=str(error))
                may, ended = set(), set()
            out = [
                (member, channel)
                for member, channel in page
                if (member.user_id, channel) not in may and channel in member.channels
            ]
            for channel in {channel for _, channel in out} & ended:
                self._attendance.emptied(channel)  # who was there until the end is the roster's to keep
            for member, channel in out:  # all of them, before anybody is told
                self._subscriptions.leave(member, channel)
            for member, channel in out:
                if names.is_presence(channel):
                    member.deliver(unkept(tracker.changed(tracker.unknown(names.watched_id(channel))), channel))
                elif (member.user_id, channel) not in told:  # which reaches all their sockets
                    told.add((member.user_id, channel))
                    reason: RemovalReason = "ended" if channel in ended else "access"
                    await departures.put_out(
                        self._broadcaster, names.live_id(channel), member.user_id, reason, cause=cause
                    )

    async def _allowed(self, seats: Sequence[tuple[Member, str]]) -> tuple[set[tuple[int, str]], set[str]]:
        """Which of them may stay, by person, and which live rooms of the others have ended."""
        live = [(names.live_id(channel), member.user_id) for member, channel in seats if names.is_live(channel)]
        watched = [
            (names.watched_id(channel), member.user_id) for member, channel in seats if names.is_presence(channel)
        ]
        async with self._database.transaction() as tx:
            stay = await live_rooms.may_stay(tx, live) if live else {}
            watch = await users.may_watch(tx, watched) if watched else []
            closed = {room_id for room_id, _ in live} - {room_id for room_id, _ in stay}
            ended = set(map(names.live, await live_rooms.ended_among(tx, list(closed))))
        for (room_id, user_id), row in stay.items():
            self._attendance.change_role(user_id, names.live(room_id), row["role"], row["version"])
        may = {(user_id, names.live(room_id)) for room_id, user_id in stay} | {
            (user_id, names.presence(watched_id)) for watched_id, user_id in watch
        }
        return may, ended
