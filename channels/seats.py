"""What a live room's roster must hear of its users' sockets on this node."""

from typing import Protocol

from protocol.live_rooms import Role


class Seats(Protocol):
    def left(self, user_id: int, channel: str, may_come_back: bool) -> None:
        """A socket of theirs left the channel. may_come_back: because it closed."""

    def is_put_out(self, user_id: int, channel: str, before: int) -> bool:
        """Whether a user with a socket there must leave: they came in until that clock of the roster."""

    def emptied(self, channel: str) -> None:
        """Everybody leaves the channel."""

    def change_role(self, user_id: int, channel: str, role: Role, version: int) -> None:
        """Their role is another, since that version of the room."""
