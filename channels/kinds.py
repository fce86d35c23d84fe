"""Kinds of channels. A domain declares each of its own as one record; `gateway/channel_kinds.py` lists them all.

A channel is named `<prefix>:<id>`. It belongs to an owner: a user whom the owner blocks, or who unfollows the owner,
may have to leave the owner's channels.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from protocol import errors
from storage.database import Transaction
from storage.sign_ins import SignInRow

Membership = tuple[int, str]  # a user and a channel
OnChange = Literal["recheck", "leave", "keep"]


async def _none(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    return {}


async def _no_end(tx: Transaction, channels: Sequence[str]) -> set[str]:
    return set()


def _no_channels(row: SignInRow) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of channel, as the gateway and `channels/` need to know it.

    prefix: names the kind; `AccessNarrowedEvent.to` may name it, too.
    may_be_in: returns the allowed memberships, each mapped to its row for `Hooks.stays`, or to None if the kind needs
        no row. With `on_change` recheck, memberships are of many users and the transaction has no viewer; otherwise
        all are of the viewer. Without a viewer, row policies hide every row: a rule that reads tables then evicts all
        users. Ask a SECURITY DEFINER function about pairs of ids, as `presence/presence_channel.py` does with
        `may_watch`.
    on_change: what sockets do when rights change between their user and the owner. `recheck`: those that may not stay
        leave. `leave`: all leave, and clients join again if they may. `keep`: nothing; the domain moves sockets itself.
        `keep` requires `at_sign_in`: after a gap, sockets are moved to the channels that it returns.
    owner_decides: False where rights depend on other users than the owner: then every change is rechecked.
    most_per_socket: how many channels of the kind a client may join on one socket; None without a bound.
    at_sign_in: the channels that a socket is put into when it signs in, each with its owner.
    ended_among: the channels that are over for everybody.
    is_logged: whether missed pushes with the flow "recover" are replayed. Otherwise no push may have that flow, and
        nothing is sent after a reconnection unless the kind's `Hooks.rejoin` (listed in `gateway/wiring.py`) does.
    is_about_posts: whether users who mute another user's posts get no pushes about them here.
    """

    prefix: str
    on_change: OnChange
    may_be_in: Callable[[Transaction, Sequence[Membership]], Awaitable[Mapping[Membership, object]]] = _none
    owner_decides: bool = True
    most_per_socket: int | None = None
    at_sign_in: Callable[[SignInRow], Mapping[str, int]] = _no_channels
    ended_among: Callable[[Transaction, Sequence[str]], Awaitable[set[str]]] = _no_end
    is_logged: bool = True
    is_about_posts: bool = False

    def channel(self, number: int) -> str:
        return f"{self.prefix}:{number}"

    def includes(self, channel: str) -> bool:
        return channel.startswith(f"{self.prefix}:")

    def id_of(self, channel: str) -> int:
        return int(channel.partition(":")[2])


class Kinds:
    def __init__(self, *kinds: Kind) -> None:
        """Raises ValueError for two kinds of one prefix."""
        self._by_prefix = {kind.prefix: kind for kind in kinds}
        if len(self._by_prefix) < len(kinds):
            raise ValueError("two kinds of channels have the same prefix")
        self._about_posts = tuple(f"{kind.prefix}:" for kind in kinds if kind.is_about_posts)

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_prefix.values())

    def of(self, channel: str) -> Kind:
        """Raises LookupError for a kind that is not listed."""
        prefix = channel.partition(":")[0]
        try:
            return self._by_prefix[prefix]
        except KeyError:
            raise LookupError(
                f"no kind of channel has the prefix {prefix!r}: add it to gateway/channel_kinds.py"
            ) from None

    def group(self, memberships: Iterable[Membership]) -> dict[Kind, list[Membership]]:
        groups: dict[Kind, list[Membership]] = {}
        for membership in memberships:
            groups.setdefault(self.of(membership[1]), []).append(membership)
        return groups

    def is_about_posts(self, channel: str) -> bool:
        """False for pushes to users, which have no channel."""
        return channel.startswith(self._about_posts)

    def at_sign_in(self, row: SignInRow) -> dict[str, int]:
        return {channel: owner for kind in self for channel, owner in kind.at_sign_in(row).items()}

    def check_bounds(self, channels: Iterable[str]) -> None:
        """Raises FAILED_PRECONDITION if one socket may not be in all of these."""
        amounts = Counter(map(self.of, channels))
        for kind, amount in amounts.items():
            most = kind.most_per_socket
            if most is not None and amount > most:
                raise errors.failed_precondition(f"a socket is in no more than {most} channels of a kind: leave some")
