"""Which channels sockets may be in, asked again when a client reconnects or something between users has changed."""

from collections.abc import Iterable, Mapping, Sequence

import structlog

from channels.hooks import HooksByKind
from channels.kinds import Kinds, Membership
from channels.members import Member
from channels.subscriptions import Subscriptions
from storage.database import Conflict, Database, DatabaseUnavailable

PAGE = 500

log = structlog.get_logger()


class Rights:
    def __init__(self, database: Database, subscriptions: Subscriptions, kinds: Kinds, hooks: HooksByKind) -> None:
        self._database = database
        self._subscriptions = subscriptions
        self._kinds = kinds
        self._hooks = hooks

    async def open_to(self, user_id: int, channels: Iterable[str]) -> set[str]:
        """Return the channels among these that the user may be in. Raises an error of OUT_OF_REACH."""
        groups = self._kinds.group((user_id, channel) for channel in channels)
        found: set[str] = set()
        if groups:
            async with self._database.transaction(user_id) as tx:
                for kind, memberships in groups.items():
                    found.update(channel for _, channel in await kind.may_be_in(tx, memberships))
        return found

    async def recheck(self, memberships: Sequence[tuple[Member, str]], cause: str = "") -> None:
        """Remove the sockets that may no longer be in these channels, and push to their users that they were removed.

        All of them leave if PostgreSQL does not answer. cause: a user gets one push for it from all nodes.
        """
        for start in range(0, len(memberships), PAGE):
            await self._recheck_page(memberships[start : start + PAGE], cause)

    async def _recheck_page(self, memberships: Sequence[tuple[Member, str]], cause: str) -> None:
        asked = {(member.user_id, channel) for member, channel in memberships}
        try:
            may, ended = await self._allowed(asked)
        except (DatabaseUnavailable, Conflict, TimeoutError) as error:
            log.warning("rights could not be rechecked: sockets leave", memberships=len(memberships), error=str(error))
            may, ended = {}, set()
        for (user_id, channel), found in may.items():
            self._hooks.of(channel).stays(user_id, channel, found)
        out = [
            (member, channel)
            for member, channel in memberships
            if (member.user_id, channel) not in may and channel in member.channels
        ]
        for channel in {channel for _, channel in out} & ended:
            self._hooks.of(channel).emptied(channel)
        for member, channel in out:  # all of them, before the first push
            self._subscriptions.leave(member, channel)
        for kind in self._kinds:
            if lost := [(member, channel) for member, channel in out if kind.includes(channel)]:
                await self._hooks.of_kind(kind).lost(lost, ended, cause)

    async def _allowed(self, memberships: Iterable[Membership]) -> tuple[Mapping[Membership, object], set[str]]:
        """The memberships that may stay, and the channels among the others that are over."""
        may: dict[Membership, object] = {}
        ended: set[str] = set()
        async with self._database.transaction() as tx:
            for kind, asked in self._kinds.group(memberships).items():
                may.update(await kind.may_be_in(tx, asked))
                closed = {channel for user_id, channel in asked if (user_id, channel) not in may}
                if closed:
                    ended |= await kind.ended_among(tx, list(closed))
        return may, ended
