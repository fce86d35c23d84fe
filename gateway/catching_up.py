"""After a gap, or after being taken for dead, a node rechecks its users in PostgreSQL and repeats its reports."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import structlog

from channels.kinds import Kinds
from channels.locations import RENEW_EVERY_S, Locations
from channels.members import Member, Members
from channels.subscriptions import Subscriptions
from gateway.admission import HANDSHAKE_OUT_OF_REACH
from gateway.retrying import again_and_again
from gateway.rights import Rights
from gateway.sessions import chosen, hide
from handlers.call import Services
from storage import accounts
from storage.redis import RedisError
from storage.sign_ins import SignIns

PAGE = 500
RETRY_S = 1.0
RECHECK_S = 5.0

log = structlog.get_logger()


class CatchingUp:
    def __init__(
        self,
        services: Services,
        members: Members,
        subscriptions: Subscriptions,
        locations: Locations,
        rights: Rights,
        sign_ins: SignIns,
        kinds: Kinds,
        node: str,
    ) -> None:
        self._services = services
        self._members = members
        self._subscriptions = subscriptions
        self._locations = locations
        self._rights = rights
        self._node = node
        self._sign_ins = sign_ins
        self._kinds = kinds
        self._rechecked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def keep_locations(self) -> None:
        """Every 30 s, forever: renew the locations of this node's sockets, and the expiry of its users' feeds."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._renew_locations()
                await self._keep_feeds_alive()
            except RedisError as error:
                log.warning("locations could not be renewed", error=str(error))

    # ------------------------------------------------------------------------------------------ once after a gap

    def begin(self) -> None:
        """Catch up in the background; restart if that is under way."""
        self.stop()
        self._rechecked.clear()
        self._task = asyncio.create_task(again_and_again("catch up", self.until_done))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def recheck(self) -> bool:
        """Catch up, and wait for what a replay needs: sessions, hiding and memberships as PostgreSQL has them.

        Returns False if that takes more than 5 s. The rest follows in the background.
        """
        self.begin()
        try:
            async with asyncio.timeout(RECHECK_S):
                await self._rechecked.wait()
        except TimeoutError:
            log.warning("users could not be rechecked in time")
            return False
        return True

    async def until_done(self) -> None:
        """Retry until all is rechecked, and all that other nodes know of this node's users is repeated."""
        while True:
            try:
                await self._renew_locations()  # first: until then, no node finds the users here
                await self._recheck_users()
                await self._recheck_memberships()
                self._rechecked.set()
                await self._services.presence.repeat()
                await self._services.attendance.repeat()
                await self._services.presence.show_again()
                for member in list(self._members.all):
                    await self._recheck_channels(member)
                await self._keep_feeds_alive()
                return
            except HANDSHAKE_OUT_OF_REACH as error:
                log.warning("sessions could not be rechecked yet", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def _recheck_users(self) -> None:
        """Compare sessions, hiding and the channels of `Kind.at_sign_in` with PostgreSQL."""
        members = list(self._members.all)
        for start in range(0, len(members), PAGE):
            page = members[start : start + PAGE]
            with ExitStack() as noting:
                users = {member.user_id for member in page}
                hidings = {user_id: noting.enter_context(self._members.loading_hiding(user_id)) for user_id in users}
                lefts = {member: noting.enter_context(self._members.noting_left(member)) for member in page}
                were_in = {member: set(member.channels) for member in page}  # later ones were checked when joined
                rows = await self._sign_ins.load_many([(member.session_id, member.user_id) for member in page])
                for row in rows.values():
                    hide(self._members, row, hidings[row["id"]])
                    self._services.presence.came(row["id"], chosen(row))
                for member in page:
                    if member.session_id in rows:
                        member.is_minor = rows[member.session_id]["is_minor"]
                        wanted = self._kinds.at_sign_in(rows[member.session_id]) if member.is_device else {}
                        await self._move(member, wanted, were_in[member], lefts[member])
            await self._end_sessions([member.session_id for member in page if member.session_id not in rows])

    async def _move(self, member: Member, wanted: Mapping[str, int], were_in: set[str], left: Sequence[str]) -> None:
        """Join the channels of `Kind.at_sign_in`, and leave others of those kinds: their `on_change` is keep."""
        for channel in were_in - wanted.keys():
            if self._kinds.of(channel).on_change == "keep":
                self._subscriptions.leave(member, channel)
        for channel, owner_id in wanted.items():
            if channel not in left:
                await self._subscriptions.join(member, channel, owner_id)

    async def _recheck_memberships(self) -> None:
        """Remove sockets from channels to which they have lost the right during the gap."""
        await self._rights.recheck(
            [
                (member, channel)
                for channel in self._members.channels
                if self._kinds.of(channel).on_change == "recheck"
                for member in self._members.in_channel(channel)
            ]
        )

    async def _end_sessions(self, session_ids: list[int]) -> None:
        if not session_ids:
            return
        async with self._services.database.transaction() as tx:
            ended = await accounts.ended_sessions(tx, session_ids)
        for row in ended:
            for member in list(self._members.of_session(row["session_id"])):
                member.revoke(row["reason"])

    async def _recheck_channels(self, member: Member) -> None:
        """Recheck channels of kinds with `on_change` leave, one user per query."""
        asked = {channel for channel in member.channels if self._kinds.of(channel).on_change == "leave"}
        for channel in asked - await self._rights.open_to(member.user_id, asked):
            self._subscriptions.leave(member, channel)

    async def _renew_locations(self) -> None:
        devices = [(member.user_id, member.pid) for member in self._members.all if member.is_device]
        await self._locations.renew(self._node, devices)

    async def _keep_feeds_alive(self) -> None:
        online = self._members.users
        for start in range(0, len(online), 1_000):
            await self._services.feeds.keep_alive(online[start : start + 1_000])
