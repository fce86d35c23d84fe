"""The sessions of this node's sockets: a socket joins its session, perhaps recovering an older one, and leaves it.

A joined socket is in the index of members, in Redis (for other nodes), and in its channels. A service, which acts by a
key, is only in the index and in the channels that it watches: it gets no pushes to its user, and recovers nothing.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from channels.delivery import Delivery
from channels.kinds import Kinds
from channels.members import FIRST_CLAIM, Hiding, Member, Members
from channels.metrics import RECOVERIES
from channels.recovery import Claimed, Offset, Recovery
from channels.subscriptions import Subscriptions
from engine.close_reasons import CloseReason
from gateway.admission import HANDSHAKE_OUT_OF_REACH, Refused, Unavailable, unavailable
from gateway.observability import REFUSED
from gateway.replay import Recovered, Replay
from handlers.call import Services, Viewer
from presence.reports import Chosen
from protocol.users import User
from storage import accounts, present
from storage.sign_ins import SignInRow, SignIns

# Tabs of one browser share a session; more than this is no browser.
MOST_SOCKETS_OF_A_SESSION = 20


class ReturningClient(NamedTuple):
    """The recovery state that a reconnecting client sends: its secret, and the last offset that it received."""

    pid: str
    offset: Offset


class Welcome(NamedTuple):
    """The result of joining a session. `recovered` is None for a client that must load everything afresh.

    `offset` is None for a service.
    """

    user: User
    offset: Offset | None
    recovered: Recovered | None


def new_pid() -> str:
    """A secret: whoever has it and a token of its session is given what its owner has missed."""
    return secrets.token_urlsafe(18)


def chosen(row: SignInRow) -> Chosen:
    """The presence that the user chose, from a row of SignIns."""
    return Chosen(row["presence_status"], row["presence_text"], row["presence_version"])


def hide(members: Members, row: SignInRow, changes: Iterable[tuple[int, Hiding]]) -> None:
    """Set whom the user hides to a row of SignIns, with the changes that were made during the query on top."""
    hidden = zip(row["hidden"], row["hidden_until"], row["posts_hidden_until"], strict=True)
    members.hide(row["id"], {actor_id: Hiding(until, posts_until) for actor_id, until, posts_until in hidden})
    for actor_id, hiding in changes:
        members.set_hiding(row["id"], actor_id, hiding)


class Sessions:
    def __init__(
        self,
        services: Services,
        members: Members,
        delivery: Delivery,
        subscriptions: Subscriptions,
        recovery: Recovery,
        replay: Replay,
        sign_ins: SignIns,
        kinds: Kinds,
    ) -> None:
        self._services = services
        self._members = members
        self._delivery = delivery
        self._subscriptions = subscriptions
        self._recovery = recovery
        self._replay = replay
        self._sign_ins = sign_ins
        self._kinds = kinds

    async def join(self, member: Member, returning: ReturningClient | None) -> Welcome:
        """Add the socket to the index and to Redis, load its user, then join its channels. Raises Refused, Unavailable.

        The index comes before the query, so that a revocation is seen either in the row or by control message.
        """
        if len(self._members.of_session(member.session_id)) >= MOST_SOCKETS_OF_A_SESSION:
            REFUSED.labels("sockets").inc()
            raise Unavailable(CloseReason.TOO_MANY_SOCKETS)
        if not member.is_device:
            returning = None
        if returning is not None:
            member.pid = returning.pid
        self._members.add(member)
        try:
            claimed = await self._claim(member, returning)
            offset = claimed.offset if claimed else await self._enter(member, returning)
            self._check_here(member)
            with self._members.noting_left(member) as left:
                row = await self._load(member)
                for channel, owner_id in self._kinds.at_sign_in(row).items():
                    if member.is_device and channel not in left:
                        await self._subscriptions.join(member, channel, owner_id)
            recovered = None
            if claimed is not None and returning is not None:
                recovered = await self._replay.recover(
                    member, claimed, returning.offset, present.user_lite(row, row["id"])
                )
                if recovered is None:
                    # Enter under a new pid before leaving channels: if it fails, the old record still lists them.
                    offset = await self._enter(member, returning)
                    for channel in claimed.channels:
                        self._subscriptions.leave(member, channel)
                    self._check_here(member)
            await self._delivery.settled()
        except HANDSHAKE_OUT_OF_REACH as error:
            raise unavailable(error) from error
        if self._members.is_here(member):  # else it has closed in the meantime
            self._services.presence.came(member.user_id, chosen(row))
        if returning is not None:
            RECOVERIES.labels("fresh" if recovered is None else "recovered").inc()
        return Welcome(present.user(row), offset, recovered)

    async def check_restricted(self, viewer: Viewer) -> None:
        """Let a suspended user in, who joins nothing. Raises Refused if the session or the suspension has ended."""
        try:
            async with self._services.database.transaction() as tx:
                if not await accounts.is_restricted(tx, viewer.session_id, viewer.id):
                    raise Refused("UNAUTHENTICATED", "revoked")
        except HANDSHAKE_OUT_OF_REACH as error:
            raise unavailable(error) from error

    def leave(self, member: Member, *, goodbye: bool) -> None:
        """The socket has closed. goodbye: nothing is kept for its client."""
        if self._subscriptions.remove(member):
            self._services.presence.went(member.user_id)
        # During a gap of one shard, the client's last offset may be a newer one of another shard, which hides the gap.
        goodbye = goodbye or not self._subscriptions.is_whole
        self._recovery.leave(member.user_id, member.pid, member.claim.number, goodbye=goodbye)

    async def enter_again(self, member: Member) -> tuple[User, Offset | None]:
        """Begin a new record of the session after pushes were lost. Raises Refused, Unavailable.

        Returns the user, and the offset that the client's next pushes follow; None for a service.
        """
        try:
            offset = await self._enter(member, None)
            row = await self._load(member)
        except HANDSHAKE_OUT_OF_REACH as error:
            raise unavailable(error) from error
        self._check_here(member)
        return present.user(row), offset

    def renew(self, member: Member) -> None:
        """Keep the session's record for as long as the extended token lasts."""
        self._recovery.renew(member.user_id, member.pid)

    def forget(self, member: Member) -> None:
        """Make the client load afresh when it reconnects."""
        self._recovery.forget(member.user_id, member.pid)

    async def watch(self, member: Member, channels: Mapping[str, int]) -> "asyncio.Future[list[object]]":
        """Join these channels, each with its owner, now and again when the client reconnects.

        Once it returns, pushes reach the socket. The future is done once the session's record has the channels.
        Raises FAILED_PRECONDITION for more than a socket may be in, RedisError, SubscriptionFailed.
        """
        self._kinds.check_bounds({*member.channels, *channels})
        recorded = asyncio.gather(
            *(
                self._recovery.remember_channel(member.user_id, member.pid, channel, owner_id)
                for channel, owner_id in channels.items()
            )
        )
        recorded.add_done_callback(_look_away)
        joining = [self._subscriptions.join(member, channel, owner_id) for channel, owner_id in channels.items()]
        if len(joining) == 1:  # the common case, which needs no task
            await joining[0]
            return recorded
        ended = await asyncio.gather(*joining, return_exceptions=True)  # so that all have ended when one has failed
        failed = [error for error in ended if error is not None]
        if failed:
            try:
                raise failed[0]
            finally:
                del ended, failed  # the exception's traceback holds this frame
        return recorded

    def unwatch(self, member: Member, channel: str) -> None:
        self._subscriptions.leave(member, channel)

    def leave_device(self, member: Member, channel: str) -> bool:
        """Take this socket out, and older ones of its session on this node, which may be half open.

        Returns whether one of them was in the channel.
        """
        was_in = channel in member.channels
        self._subscriptions.leave(member, channel)
        return self._subscriptions.leave_device(channel, member.session_id, member.connected_at) or was_in

    # ------------------------------------------------------------------------------------------ joining

    async def _claim(self, member: Member, returning: ReturningClient | None) -> Claimed | None:
        """Take over the client's older session. Returns None if nothing can be recovered."""
        if returning is None:
            return None
        found = await self._recovery.claim(member.user_id, member.session_id, returning.pid, returning.offset)
        if found is None:
            return None
        claimed, superseded, node = found
        member.claim = member.claim.hold(claimed.number)
        # The older socket may be half open: no client reads it, and it would count as this user's.
        await self._services.broadcaster.send_to_node(node, superseded)
        return claimed

    async def _enter(self, member: Member, returning: ReturningClient | None) -> Offset | None:
        """Begin a new record of the session; the pid of an older one is not used again. A service has no record."""
        if not member.is_device:
            return None
        if returning is not None:
            self._members.change_pid(member, new_pid())
        member.claim = FIRST_CLAIM
        return await self._recovery.enter(member.user_id, member.session_id, member.pid)

    async def _load(self, member: Member) -> SignInRow:
        """Load the session and its user, and set whom the user hides. Raises Refused or an error of OUT_OF_REACH."""
        with self._members.loading_hiding(member.user_id) as changes:
            row = await self._sign_ins.load(member.session_id, member.user_id)
            if row is None:
                raise Refused("UNAUTHENTICATED", "revoked")
            hide(self._members, row, changes)
        member.is_minor = row["is_minor"]
        return row

    def _check_here(self, member: Member) -> None:
        """Raises Unavailable if the socket closed, or its client reconnected on another one, during the last query."""
        if member.claim.has_ended:
            raise Unavailable(CloseReason.SUPERSEDED)
        if not self._members.is_here(member):
            self._recovery.leave(member.user_id, member.pid, member.claim.number, goodbye=False)
            raise Unavailable(CloseReason.CLIENT)


def _look_away(recorded: "asyncio.Future[list[object]]") -> None:
    """Mark the error as seen: nobody waits for the record of a socket that could not join."""
    if not recorded.cancelled():
        recorded.exception()
