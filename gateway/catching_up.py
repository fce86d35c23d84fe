"""What a node asks again about the people it has, because it may have missed being told."""

import asyncio
from contextlib import ExitStack

import structlog

from channels import names
from channels.bus import Bus
from channels.locations import RENEW_EVERY_S, Locations
from channels.members import Member, Members
from gateway.rights import Rights
from gateway.sign_in import CANNOT_ENTER, chosen, hide
from handlers.call import Services
from storage import accounts, graph
from storage.redis import RedisError
from storage.sign_ins import SignIns

PAGE = 500
RETRY_S = 1.0

log = structlog.get_logger()


class CatchingUp:
    def __init__(
        self, services: Services, members: Members, bus: Bus, locations: Locations, rights: Rights, node: str
    ) -> None:
        self._services = services
        self._members = members
        self._bus = bus
        self._locations = locations
        self._rights = rights
        self._node = node
        self._sign_ins = SignIns(services.database)
        self._rechecked = asyncio.Event()

    async def keep_locations(self) -> None:
        """For ever: renew where this node's people are, and the inboxes of who is online."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._renew_locations()
                await self._keep_feeds_alive()
            except RedisError as error:
                log.warning("locations could not be renewed", error=str(error))

    # ------------------------------------------------------------------------------------------ once after a gap

    def begin(self) -> None:
        """Who waits for `rechecked` waits for the `until_done` that follows, not for an earlier one."""
        self._rechecked.clear()

    async def rechecked(self) -> None:
        """Sessions, who hides whom, and seats in channels are as the state says."""
        await self._rechecked.wait()

    async def until_done(self) -> None:
        """All of it; and what others know of this node's people is told again."""
        while True:
            try:
                await self._renew_locations()  # first: until then, nobody here is found by who sends them out
                await self._recheck_people()
                await self._recheck_seats()
                self._rechecked.set()
                await self._services.presence.repeat()
                await self._services.attendance.repeat()
                await self._services.presence.show_again()
                for member in list(self._members.all):
                    await self._recheck_channels(member)
                await self._keep_feeds_alive()
                return
            except CANNOT_ENTER as error:
                log.warning("sessions could not be rechecked yet", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def _recheck_people(self) -> None:
        """Revocations may have been missed, and who hides whom."""
        members = list(self._members.all)
        for start in range(0, len(members), PAGE):
            page = members[start : start + PAGE]
            with ExitStack() as noting:
                people = {member.user_id for member in page}
                notes = {user_id: noting.enter_context(self._members.loading_hiding(user_id)) for user_id in people}
                rows = await self._sign_ins.load_many([(member.session_id, member.user_id) for member in page])
                for row in rows.values():
                    hide(self._members, row, notes[row["id"]])
                    self._services.presence.came(row["id"], chosen(row))
            await self._end_sessions([member.session_id for member in page if member.session_id not in rows])

    async def _recheck_seats(self) -> None:
        """Whoever lost the right to a live room, or to watch somebody, meanwhile is out."""
        channels = [
            channel for channel in self._members.channels if names.is_live(channel) or names.is_presence(channel)
        ]
        await self._rights.recheck(
            [(member, channel) for channel in channels for member in self._members.in_channel(channel)]
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
        """The socket stays with the posts that its person may see, and sits with the authors they follow."""
        channels = set(member.channels)  # what it enters while we ask has been checked then
        with self._members.noting_left(member) as left:
            async with self._services.database.transaction(member.user_id) as tx:
                followed = await graph.large_followees(tx, member.user_id)
            authors = {names.author(author_id): author_id for author_id in followed}
            seen = await self._rights.open_to(member.user_id, filter(names.is_post, channels))
            for channel in channels - seen - authors.keys():
                if names.is_post(channel) or names.is_author(channel):
                    self._bus.leave(member, channel)
            for channel, author_id in authors.items():
                if channel not in left:
                    await self._bus.join(member, channel, author_id)

    async def _renew_locations(self) -> None:
        await self._locations.renew(self._node, [(member.user_id, member.pid) for member in self._members.all])

    async def _keep_feeds_alive(self) -> None:
        online = self._members.users
        for start in range(0, len(online), 1_000):
            await self._services.feeds.keep_alive(online[start : start + 1_000])
