"""The base of pushes, which the server sends without a call. Each push stands beside the messages of its domain.

The `id` of a push derives from its cause. A repeated push has the same id, so clients drop what they have seen.
"""

from collections.abc import Collection
from typing import ClassVar, Literal, NamedTuple

import msgspec

# What a client gets after a disconnection, or while it reads slowly. "recover": all pushes, replayed after it
# reconnects; "conflate": the newest push of a kind; "drop": only what it can read at once.
Flow = Literal["recover", "conflate", "drop"]


class History(NamedTuple):
    """The bounds on recoverable pushes of a channel that are kept for disconnected clients."""

    pushes: int = 10_000
    bytes: int = 4 * 1024 * 1024  # more than a slow client may have unread before it is disconnected


class Push(msgspec.Struct, frozen=True):
    """The base of every push. `event` is its name on the wire."""

    event: ClassVar[str]
    flow: ClassVar[Flow] = "recover"
    history: ClassVar[History] = History()
    id: str

    @property
    def replaces(self) -> str:
        """A conflated push replaces earlier ones of its channel with the same value."""
        return self.event

    @property
    def shown_ids(self) -> list[int]:
        """Ids of the users whom the push shows, besides the user who acted."""
        return []

    def without(self, hidden: Collection[int]) -> "Push":
        """The push without these users, for a client that must not see them."""
        return self
