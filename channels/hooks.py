"""Hooks: the work of a kind of channel on a node besides delivering pushes. A kind without state on nodes has none."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from channels.kinds import Kind, Kinds
from channels.members import Member
from channels.messages import Written
from channels.recovery import WatchedChannel
from protocol.users import UserLite


class RecoveredClient(NamedTuple):
    """A client that recovers its session.

    `channels`: channels of one kind that the session was in, including those no longer allowed.
    """

    member: Member
    user: UserLite
    claim: int
    channels: Mapping[str, WatchedChannel]
    missed_ids: Collection[str]  # of the pushes that are replayed to it


class Rejoined(NamedTuple):
    """`now`: what to write after the replay. `refused`: channels that the socket must leave again."""

    now: Sequence[Written] = ()
    refused: Collection[str] = ()


class Hooks:
    def left(self, user_id: int, channel: str, *, may_come_back: bool) -> None:
        """One of the user's sockets left. may_come_back: because it closed."""

    def emptied(self, channel: str) -> None:
        """The channel has ended: all sockets are about to leave it, and `left` must report nothing of them."""

    def informed(self, user_id: int, channel: str, note: bytes) -> bool:
        """A `Broadcaster.inform` for a user, who may be on this node. Returns whether their sockets must leave."""
        return False

    def stays(self, user_id: int, channel: str, found: object) -> None:
        """A recheck found that the user may stay. found: what `Kind.may_be_in` returned for the membership."""

    async def lost(self, memberships: Sequence[tuple[Member, str]], ended: Collection[str], cause: str) -> None:
        """These sockets may not stay and have left. ended: channels that are over. Raises RedisError."""

    async def rejoin(self, client: RecoveredClient) -> Rejoined:
        """A client has recovered its session and rejoined what it may. Raises an error of OUT_OF_REACH."""
        return Rejoined()


_NOTHING = Hooks()


class HooksByKind:
    def __init__(self, kinds: Kinds, hooks: Mapping[Kind, Hooks]) -> None:
        self._kinds = kinds
        self._hooks = hooks

    def of(self, channel: str) -> Hooks:
        return self._hooks.get(self._kinds.of(channel), _NOTHING)

    def of_kind(self, kind: Kind) -> Hooks:
        return self._hooks.get(kind, _NOTHING)
