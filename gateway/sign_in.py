"""Who a socket belongs to: tokens and sessions at CONNECT, the member's rooms, and revocations after a gap."""

import asyncio

import structlog

from gateway.observability import GAPS, REFUSED
from handlers import visibility
from handlers.call import Services, Viewer
from protocol.errors import CallError
from protocol.tokens import TokenError
from protocol.users import User
from rooms import names
from rooms.locations import RENEW_EVERY_S, Locations
from rooms.members import Member, Members
from rooms.redis_adapter import RedisAdapter, SubscriptionFailed
from storage import accounts, graph, posts, present, users
from storage.database import Conflict, DatabaseUnavailable
from storage.redis import RedisError

RECHECK_PAGE = 500
RETRY_S = 1.0
# Tabs of one browser share a session; more than this is no browser.
MOST_SOCKETS_OF_A_SESSION = 20

log = structlog.get_logger()


class Refused(Exception):
    """The app must act: told by CONNECT_ERROR."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Unavailable(Exception):
    """Not now: the transport is closed and the client comes again by itself."""


class SignIn:
    def __init__(
        self, services: Services, members: Members, adapter: RedisAdapter, locations: Locations, node: str
    ) -> None:
        self._services = services
        self._members = members
        self._adapter = adapter
        self._locations = locations
        self._node = node

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
            raise Unavailable("limit") from None
        except RedisError as error:
            raise self._out_of_reach(error) from error
        return Viewer(claims.user_id, claims.session_id, claims.expires_at)

    async def join(self, member: Member) -> User:
        """Into the index, the locations, and the rooms of the large authors whom they follow.

        Only then is the session looked up: one that is revoked meanwhile is found either there or in the index.
        Raises Refused, Unavailable.
        """
        try:
            if len(self._members.of_session(member.session_id)) >= MOST_SOCKETS_OF_A_SESSION:
                REFUSED.labels("sockets").inc()
                raise Unavailable("too many sockets of one session")
            if self._members.add(member):
                await self._locations.renew(self._node, [member.user_id])
                await self._services.feeds.keep_alive([member.user_id])
            async with self._services.database.transaction(member.user_id) as tx:
                alive = await accounts.session_is_alive(tx, member.session_id)
                user = await users.load_one(tx, member.user_id)
                authors = await graph.large_followees(tx, member.user_id)
            if not alive or user is None:
                raise Refused("UNAUTHENTICATED", "revoked")
            for author_id in authors:
                await self._adapter.join(member, names.author(author_id), author_id)
        except (DatabaseUnavailable, Conflict, RedisError, SubscriptionFailed, TimeoutError) as error:
            raise self._out_of_reach(error) from error
        return present.user(user)

    async def leave(self, member: Member) -> None:
        user_id = member.user_id
        if not await self._adapter.remove(member):
            return
        try:
            await self._locations.leave(self._node, user_id)
            if self._members.of_user(user_id):  # somebody of theirs came while we were at it
                await self._locations.renew(self._node, [user_id])
        except RedisError:
            return  # it expires by itself, or is renewed with all others

    async def keep_locations(self) -> None:
        """For ever: renew where this node's people are, and the inboxes of who is online."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._renew_all()
            except RedisError as error:
                log.warning("locations could not be renewed", error=str(error))

    async def catch_up(self) -> None:
        """After a gap in what this node hears: locations may be forgotten, revocations and evictions missed."""
        GAPS.inc()
        while True:
            try:
                await self._renew_all()
                await self._recheck_sessions()
                await self._recheck_rooms()
                return
            except (RedisError, DatabaseUnavailable, SubscriptionFailed, TimeoutError) as error:
                log.warning("sessions could not be rechecked yet", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def _recheck_sessions(self) -> None:
        sessions = self._members.sessions
        for start in range(0, len(sessions), RECHECK_PAGE):
            async with self._services.database.transaction() as tx:
                ended = await accounts.ended_sessions(tx, sessions[start : start + RECHECK_PAGE])
            for row in ended:
                for member in list(self._members.of_session(row["session_id"])):
                    member.revoke(row["reason"])

    async def _recheck_rooms(self) -> None:
        """Each person's sockets stay with the posts that they may see, and sit with the large authors they follow."""
        for user_id in self._members.users:
            sockets = list(self._members.of_user(user_id))
            watched = {room for member in sockets for room in member.rooms if names.is_post(room)}
            async with self._services.database.transaction(user_id) as tx:
                authors = await graph.large_followees(tx, user_id)
                rows = await posts.load(tx, [names.post_id(room) for room in watched])
            seen = {names.post(row["id"]) for row in rows if visibility.may_see(row, user_id)}
            for member in sockets:
                for room in watched - seen:
                    await self._adapter.leave(member, room)
                for author_id in authors:
                    await self._adapter.join(member, names.author(author_id), author_id)

    async def _renew_all(self) -> None:
        online = self._members.users
        await self._locations.renew(self._node, online)
        for start in range(0, len(online), 1_000):
            await self._services.feeds.keep_alive(online[start : start + 1_000])

    def _out_of_reach(self, error: Exception) -> Unavailable:
        REFUSED.labels("dependency").inc()
        log.warning("a handshake was refused: a service is out of reach", error=f"{type(error).__name__}: {error}")
        return Unavailable("dependency")
