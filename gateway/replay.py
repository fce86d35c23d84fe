"""Replays the pushes that a client missed: reads them from the logs for the session that it has claimed."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from channels.hooks import HooksByKind, RecoveredClient
from channels.kinds import Kinds
from channels.members import Member, Members
from channels.messages import Written, without_users
from channels.metrics import REPLAYED
from channels.recovery import Claimed, Offset, Recovery
from channels.subscriptions import Subscriptions
from domain.subject_channels import PERSON
from gateway.rights import Rights
from protocol.users import UserLite

LARGEST_REPLAY = 4 * 1024 * 1024  # bytes


class Recovered(NamedTuple):
    """`missed`: pushes to replay, by offset. `now`: snapshots of channels without a log, to send after CONNECT."""

    missed: list[Written]
    now: list[Written]


class Replay:
    def __init__(
        self,
        members: Members,
        subscriptions: Subscriptions,
        recovery: Recovery,
        rights: Rights,
        kinds: Kinds,
        hooks: HooksByKind,
    ) -> None:
        self._members = members
        self._subscriptions = subscriptions
        self._recovery = recovery
        self._rights = rights
        self._kinds = kinds
        self._hooks = hooks

    async def recover(self, member: Member, claimed: Claimed, last: Offset, user: UserLite) -> Recovered | None:
        """Rejoin the channels that are still open to the user, and read the pushes since `last`.

        Returns None if the logs no longer reach back so far, or more was missed than is replayed. Raises an error of
        HANDSHAKE_OUT_OF_REACH.
        """
        about = {written.about for written in claimed.missed if written.about}
        seen = await self._rights.open_to(member.user_id, {*about, *claimed.channels})
        since = dict.fromkeys(member.channels, last)
        for channel, watched in claimed.channels.items():
            if channel in seen:
                await self._subscriptions.join(member, channel, watched.owner_id)
                since[channel] = self._recovery.first_missed(member.user_id, channel, watched, last)
        now = await self._rejoin(member, claimed, user)
        since = {
            channel: offset
            for channel, offset in since.items()
            if channel in member.channels and self._kinds.of(channel).is_logged
        }
        missed = [written for written in claimed.missed if not written.about or written.about in seen]
        logged: list[Written] = []
        for published in (await self._recovery.read_channels(since)).values():
            if published is None:
                return None
            logged += published
        named = {PERSON.channel(user_id) for written in (*missed, *logged) for user_id in written.shown_ids}
        if subjects := named | {written.about for written in logged if written.about}:
            seen = await self._rights.open_to(member.user_id, subjects)
        missed += [written for written in logged if not written.about or written.about in seen]
        missed = self.as_shown(member, missed, unseen={PERSON.id_of(channel) for channel in named - seen})
        if sum(len(each.json) for each in missed) > LARGEST_REPLAY:
            return None
        REPLAYED.inc(len(missed))
        return Recovered(sorted(missed, key=lambda each: each.offset), now)

    def as_shown(
        self, member: Member, pushes: Iterable[Written], unseen: Collection[int] = frozenset()
    ) -> list[Written]:
        """The pushes without acts of users whom this user hides, and without such users in the others.

        unseen: further users to leave out of pushes, who may have been suspended since.
        """
        shown = []
        for written in pushes:
            if member.user_id in self._members.hides_from(written.actor_id, written.channel):
                continue
            if not written.is_for(member.user_id, is_minor=member.is_minor):
                continue
            hidden = {*self._members.hidden_from(member.user_id, written.shown_ids, written.channel)}
            hidden.update(user_id for user_id in written.shown_ids if user_id in unseen)
            shown.append(without_users(written, hidden) if hidden else written)
        return shown

    async def _rejoin(self, member: Member, claimed: Claimed, user: UserLite) -> list[Written]:
        """Let the kinds of channels restore the user's state. Returns snapshots and refusals to write."""
        now: list[Written] = []
        missed_ids = {written.id for written in claimed.missed}
        for kind in self._kinds:
            channels = {name: known for name, known in claimed.channels.items() if kind.includes(name)}
            if channels:
                client = RecoveredClient(member, user, claimed.number, channels, missed_ids)
                rejoined = await self._hooks.of_kind(kind).rejoin(client)
                now += rejoined.now
                for channel in rejoined.refused:
                    self._subscriptions.leave(member, channel)
        return now
