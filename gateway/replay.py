"""What a client missed while it was away: read from the logs for the session that it has claimed."""

from collections.abc import Iterable
from typing import NamedTuple

from channels import names
from channels.members import Member, Members
from channels.messages import Written, unkept, without_people
from channels.metrics import REPLAYED
from channels.recovery import Claimed, Offset, Recovery
from channels.subscriptions import Subscriptions
from gateway.rights import Rights
from presence import tracker
from presence.tracker import Tracker
from protocol.live_rooms import RoomRemoved
from protocol.users import UserLite

LARGEST_REPLAY = 4 * 1024 * 1024  # bytes


class Recovered(NamedTuple):
    """`missed`: pushes to replay, by offset. `now`: snapshots of what is not logged, to send after CONNECT."""

    missed: list[Written]
    now: list[Written]


class Replay:
    def __init__(
        self,
        members: Members,
        subscriptions: Subscriptions,
        recovery: Recovery,
        rights: Rights,
        presence: Tracker,
    ) -> None:
        self._members = members
        self._subscriptions = subscriptions
        self._recovery = recovery
        self._rights = rights
        self._presence = presence

    async def recover(self, member: Member, claimed: Claimed, last: Offset, user: UserLite) -> Recovered | None:
        """Rejoin the channels that are still open to the user, and read what was published since `last`.

        Returns None where the logs no longer reach back so far, or more was missed than is replayed. Raises what
        `gateway.admission.OUT_OF_REACH` lists.
        """
        about = {written.about for written in claimed.missed if written.about}
        seen = await self._rights.open_to(member.user_id, {*about, *claimed.channels})
        since = dict.fromkeys(member.channels, last)
        for channel, watched in claimed.channels.items():
            if channel in seen:
                await self._subscriptions.join(member, channel, watched.owner_id)
                since[channel] = Offset(last.shard, max(last.clock, watched.joined))
        now = await self._return_to_channels(member, claimed, seen, user)
        since = {channel: offset for channel, offset in since.items() if channel in member.channels}
        missed = [written for written in claimed.missed if not written.about or written.about in seen]
        for published in (await self._recovery.read_channels(since)).values():
            if published is None:
                return None
            missed += published
        missed = self.as_shown(member, missed)
        if sum(len(each.json) for each in missed) > LARGEST_REPLAY:
            return None
        REPLAYED.inc(len(missed))
        return Recovered(sorted(missed, key=lambda each: each.offset), now)

    def as_shown(self, member: Member, pushes: Iterable[Written]) -> list[Written]:
        """The pushes without acts of users whom this user hides, and without such users in the others."""
        shown = []
        for written in pushes:
            if member.user_id in self._members.hides_from(written.actor_id, written.channel):
                continue
            hidden = self._members.hidden_from(member.user_id, written.people, written.channel)
            shown.append(without_people(written, hidden) if hidden else written)
        return shown

    async def _return_to_channels(
        self, member: Member, claimed: Claimed, seen: set[str], user: UserLite
    ) -> list[Written]:
        """Return to the rosters of live rooms. Answers which rooms are closed to the user now, and watched presence."""
        now = []
        for channel in filter(names.is_live, claimed.channels):
            reason = await self._rights.come_back(member, channel, claimed.channels[channel].joined, user)
            if reason is None:
                continue
            self._subscriptions.leave(member, channel)
            room_id = str(names.live_id(channel))
            # A kick, a ban or a block told the user already: the replay repeats it, with its cause.
            if not any(written.id.startswith(f"room.removed:{room_id}:") for written in claimed.missed):
                removed = RoomRemoved(
                    id=f"room.removed:{room_id}:{member.pid}:{claimed.number}", room_id=room_id, reason=reason
                )
                now.append(unkept(removed, channel))
        watched = [names.watched_id(channel) for channel in member.channels if names.is_presence(channel)]
        for user_id, shown in (await self._presence.look(watched)).items():
            now.append(unkept(tracker.changed(shown), names.presence(user_id)))
        return now
