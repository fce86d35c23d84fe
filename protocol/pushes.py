"""Pushes: what the server tells clients unasked. Each stands beside the messages of its domain (see `push_table`).

A push's `id` derives from its cause, so a repetition carries the same one and a client drops what it has seen.
"""

from collections.abc import Collection
from typing import ClassVar, Literal, NamedTuple

import msgspec

# What a client gets that is away or reads too slowly: all of it, later or by coming back; the newest of its kind; or
# what it happens to catch.
Flow = Literal["recover", "conflate", "drop"]


class History(NamedTuple):
    """How much of a room's recoverable pushes is kept for those who are away."""

    pushes: int = 10_000
    bytes: int = 4 * 1024 * 1024  # more than a client that stopped reading has unread when it is cut off


class Push(msgspec.Struct, frozen=True):
    """The base of every push; subclasses name themselves by `event`."""

    event: ClassVar[str]
    flow: ClassVar[Flow] = "recover"
    history: ClassVar[History] = History()
    id: str

    @property
    def replaces(self) -> str:
        """Which earlier pushes a conflated one makes worthless: those that say the same here."""
        return self.event

    @property
    def people(self) -> list[int]:
        """Whom it shows beside the one whose act it tells of."""
        return []

    def without(self, hidden: Collection[int]) -> "Push":
        """For somebody who must not be shown these people."""
        return self
