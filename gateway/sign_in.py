"""Who a socket belongs to: tokens and sessions at CONNECT, their channels, and what they have missed."""

import secrets
from collections.abc import Iterable
from typing import NamedTuple

import structlog

from channels import names
from channels.bus import Bus, SubscriptionFailed
from channels.delivery import Delivery
from channels.members import Hiding, Member, Members
from channels.messages import Written, unkept, without_people
from channels.metrics import RECOVERIES, REPLAYED
from channels.recovery import Claim, Offset, Recovery
from engine.close_reasons import CloseReason
from gateway.observability import REFUSED
from gateway.rights import Rights
from handlers.call import Services, Viewer
from presence import tracker
from presence.tracker import Chosen
from protocol.errors import CallError
from protocol.live_rooms import RoomRemoved
from protocol.tokens import TokenError
from protocol.users import User, UserLite
from storage import present, reach
from storage.database import Row
from storage.redis import RedisError
from storage.sign_ins import SignIns

LARGEST_REPLAY = 4 * 1024 * 1024  # bytes
# Tabs of one browser share a session; more than this is no browser.
MOST_SOCKETS_OF_A_SESSION = 20

CANNOT_ENTER = (*reach.OUT_OF_REACH, SubscriptionFailed)

log = structlog.get_logger()


class Refused(Exception):
    """The app must act: told by CONNECT_ERROR."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Unavailable(Exception):
    """The transport is closed without CONNECT_ERROR, so that official clients reconnect by themselves."""

    def __init__(self, reason: CloseReason) -> None:
        super().__init__(reason.label)
        self.reason = reason


class Return(NamedTuple):
    """What a client brings that has been here before."""

    pid: str
    offset: Offset


class Recovered(NamedTuple):
    """`missed` in the order of its offsets; `now` tells how stands what is not kept for anybody."""

    missed: list[Written]
    now: list[Written]


class Welcome(NamedTuple):
    """`recovered` is None for who has to load afresh. What they missed comes first, how things stand now last."""

    user: User
    offset: Offset
    recovered: Recovered | None


def chosen(row: Row) -> Chosen:
    """What the person chose to show of themselves, from a row of SignIns."""
    return Chosen(row["presence_status"], row["presence_text"], row["presence_version"])


def hide(members: Members, row: Row, changes: Iterable[tuple[int, Hiding]]) -> None:
    """Whom the person hides, as a row of SignIns says, but for what has changed since it was asked for."""
    hidden = zip(row["hidden"], row["hidden_until"], row["posts_hidden_until"], strict=True)
    members.hide(row["id"], {actor_id: Hiding(until, posts_until) for actor_id, until, posts_until in hidden})
    for actor_id, hiding in changes:
        members.set_hiding(row["id"], actor_id, hiding)


def new_pid() -> str:
    """A secret: whoever has it, and a token of its session, is given what its owner has missed."""
    return secrets.token_urlsafe(18)


class SignIn:
    def __init__(
        self,
        services: Services,
        members: Members,
        delivery: Delivery,
        bus: Bus,
        recovery: Recovery,
        rights: Rights,
    ) -> None:
        self._services = services
        self._members = members
        self._delivery = delivery
        self._bus = bus
        self._recovery = recovery
        self._rights = rights
        self._sign_ins = SignIns(services.database)

    async def admit(self, token: str | None, address: str) -> Viewer | None:
        """By the token alone; None is an anonymous guest. Raises Refused, Unavailable."""
        try:
            if token is None:
                await self._services.limits.hit_address("handshake", address)
                return None
            claims = self._services.tokens.verify(token, self._services.now())
        except TokenError as error:
            raise Refused("UNAUTHENTICATED", error.reason) from None
        except CallError:
            REFUSED.labels("limit").inc()
            raise Unavailable(CloseReason.LIMIT) from None
        except RedisError as error:
            raise self._out_of_reach(error) from error
        return Viewer(claims.user_id, claims.session_id, claims.expires_at)

    async def join(self, member: Member, back: Return | None) -> Welcome:
        """Into the index, the locations and channels; only then is the session looked up.

        So one that is revoked meanwhile is found either there or in the index. Raises Refused, Unavailable.
        """
        if len(self._members.of_session(member.session_id)) >= MOST_SOCKETS_OF_A_SESSION:
            REFUSED.labels("sockets").inc()
            raise Unavailable(CloseReason.TOO_MANY_SOCKETS)
        if back is not None:
            member.pid = back.pid
        self._members.add(member)
        try:
            claim = await self._claim(member, back)
            offset = claim.offset if claim else await self._enter(member, back)
            self._check_here(member)
            with self._members.noting_left(member) as left:
                row = await self._load(member)
                for author_id in row["large_authors"]:
                    if names.author(author_id) not in left:
                        await self._bus.join(member, names.author(author_id), author_id)
            recovered = None
            if claim is not None and back is not None:
                recovered = await self._recover(member, claim, back.offset, present.user_lite(row, row["id"]))
                if recovered is None:
                    # Under another pid first: if this fails, the next attempt must find the channels of the older one.
                    offset = await self._enter(member, back)
                    for channel in claim.channels:
                        self._bus.leave(member, channel)
                    self._check_here(member)
            await self._delivery.settled()
        except CANNOT_ENTER as error:
            raise self._out_of_reach(error) from error
        if self._members.is_here(member):  # else it has closed meanwhile
            self._services.presence.came(member.user_id, chosen(row))
        if back is not None:
            RECOVERIES.labels("fresh" if recovered is None else "recovered").inc()
        return Welcome(present.user(row), offset, recovered)

    async def _load(self, member: Member) -> Row:
        """Raises Refused, and what is out of reach."""
        with self._members.loading_hiding(member.user_id) as changes:
            row = await self._sign_ins.load(member.session_id, member.user_id)
            if row is None:
                raise Refused("UNAUTHENTICATED", "revoked")
            hide(self._members, row, changes)
        return row

    def as_shown(self, member: Member, pushes: Iterable[Written]) -> list[Written]:
        """Short of what tells of somebody whose acts are kept from them, and of such people in the rest."""
        shown = []
        for written in pushes:
            if member.user_id in self._members.hides_from(written.actor_id, written.channel):
                continue
            hidden = self._members.hidden_from(member.user_id, written.people, written.channel)
            shown.append(without_people(written, hidden) if hidden else written)
        return shown

    def leave(self, member: Member, *, goodbye: bool) -> None:
        """goodbye: the client will not come back for what it misses."""
        if self._bus.remove(member):
            self._services.presence.went(member.user_id)
        goodbye = goodbye or not self._bus.is_whole  # what it has not heard yet might be passed over
        self._recovery.leave(member.user_id, member.pid, member.claim, goodbye=goodbye)

    def _check_here(self, member: Member) -> None:
        """Who has gone while Redis was asked, or has come back on another socket, leaves again. Raises Unavailable."""
        if member.claim <= member.superseded_claim:
            raise Unavailable(CloseReason.SUPERSEDED)
        if not self._members.is_here(member):
            self._recovery.leave(member.user_id, member.pid, member.claim, goodbye=False)
            raise Unavailable(CloseReason.CLIENT)

    async def enter_again(self, member: Member) -> tuple[User, Offset]:
        """After pushes were lost: the user to tell, and the offset that counts anew. Raises Refused, Unavailable."""
        try:
            offset = await self._recovery.enter(member.user_id, member.session_id, member.pid)
            member.claim, member.superseded_claim = 1, 0
            row = await self._load(member)
        except CANNOT_ENTER as error:
            raise self._out_of_reach(error) from error
        self._check_here(member)
        return present.user(row), offset

    def renew(self, member: Member) -> None:
        """Its token has been extended."""
        self._recovery.renew(member.user_id, member.pid)

    def forget(self, member: Member) -> None:
        """The client starts afresh when it comes back."""
        self._recovery.forget(member.user_id, member.pid)

    async def watch(self, member: Member, channel: str, owner_id: int) -> None:
        """Into the channel, also after the client has come back. Raises RedisError, SubscriptionFailed."""
        await self._recovery.remember_channel(member.user_id, member.pid, channel, owner_id)
        await self._bus.join(member, channel, owner_id)

    def unwatch(self, member: Member, channel: str) -> None:
        self._bus.leave(member, channel)

    def leave_device(self, member: Member, channel: str) -> bool:
        """This socket leaves, and so do older ones of its session on this node, which may be half open.

        True where one of them was in the channel.
        """
        was_in = channel in member.channels
        self._bus.leave(member, channel)
        return self._bus.leave_device(channel, member.session_id, member.connected_at) or was_in

    # ------------------------------------------------------------------------------------------ recovery

    async def _claim(self, member: Member, back: Return | None) -> Claim | None:
        if back is None:
            return None
        found = await self._recovery.claim(member.user_id, member.session_id, back.pid, back.offset)
        if found is None:
            return None
        claim, superseded, node = found
        member.claim = claim.number
        # The older socket may be half open still: nobody reads it, and it would count as this person's.
        await self._services.broadcaster.tell_node(node, superseded)
        return claim

    async def _enter(self, member: Member, back: Return | None) -> Offset:
        """As somebody new; an older pid is not used again."""
        if back is not None:
            self._members.change_pid(member, new_pid())
        member.claim, member.superseded_claim = 1, 0
        return await self._recovery.enter(member.user_id, member.session_id, member.pid)

    async def _recover(self, member: Member, claim: Claim, last: Offset, user: UserLite) -> Recovered | None:
        """Back into the channels that are open to them still, and what was missed; None where it is not whole."""
        about = {written.about for written in claim.missed if written.about}
        seen = await self._rights.open_to(member.user_id, {*about, *claim.channels})
        since = dict.fromkeys(member.channels, last)
        for channel, watched in claim.channels.items():
            if channel in seen:
                await self._bus.join(member, channel, watched.owner_id)
                since[channel] = Offset(last.shard, max(last.clock, watched.joined))
        now = await self._return_to_channels(member, claim, seen, user)
        since = {channel: offset for channel, offset in since.items() if channel in member.channels}
        missed = [written for written in claim.missed if not written.about or written.about in seen]
        for published in (await self._recovery.read_channels(since)).values():
            if published is None:
                return None
            missed += published
        missed = self.as_shown(member, missed)
        if sum(len(each.json) for each in missed) > LARGEST_REPLAY:
            return None
        REPLAYED.inc(len(missed))
        return Recovered(sorted(missed, key=lambda each: each.offset), now)

    async def _return_to_channels(self, member: Member, claim: Claim, seen: set[str], user: UserLite) -> list[Written]:
        """Into the rosters of live rooms again. Answers which are closed to them now, and how are those they watch."""
        now = []
        for channel in filter(names.is_live, claim.channels):
            reason = await self._rights.come_back(member, channel, claim.channels[channel].joined, user)
            if reason is None:
                continue
            self._bus.leave(member, channel)
            room_id = str(names.live_id(channel))
            # A kick, a ban or a block told the person already: the replay says so, with its cause.
            if not any(written.id.startswith(f"channel.removed:{room_id}:") for written in claim.missed):
                removed = RoomRemoved(
                    id=f"channel.removed:{room_id}:{member.pid}:{member.claim}", room_id=room_id, reason=reason
                )
                now.append(unkept(removed, channel))
        watched = [names.watched_id(channel) for channel in member.channels if names.is_presence(channel)]
        for user_id, shown in (await self._services.presence.look(watched)).items():
            now.append(unkept(tracker.changed(shown), names.presence(user_id)))
        return now

    def _out_of_reach(self, error: Exception) -> Unavailable:
        REFUSED.labels("dependency").inc()
        log.warning("a handshake was refused: a service is out of reach", error=f"{type(error).__name__}: {error}")
        return Unavailable(CloseReason.DEPENDENCY)
