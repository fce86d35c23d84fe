"""This node's sockets, found by person, by session and by room. Leaving costs what the socket itself is in."""

from collections import defaultdict
from collections.abc import Collection
from typing import Protocol, TypeVar

from protocol.pushes import RevocationReason
from rooms.messages import Frames

K = TypeVar("K")
V = TypeVar("V")


class Member(Protocol):
    """A socket with somebody signed in; `rooms` maps each room it is in to the room's owner."""

    rooms: dict[str, int]

    @property
    def user_id(self) -> int: ...

    @property
    def session_id(self) -> int: ...

    def deliver(self, frames: Frames) -> None:
        """Write the push, never wait."""

    def revoke(self, reason: RevocationReason) -> None:
        """Tell and disconnect."""


class Members:
    def __init__(self) -> None:
        self._by_user: defaultdict[int, set[Member]] = defaultdict(set)
        self._by_session: defaultdict[int, set[Member]] = defaultdict(set)
        self._by_room: defaultdict[str, set[Member]] = defaultdict(set)
        self._rooms_by_owner: defaultdict[int, set[str]] = defaultdict(set)

    def add(self, member: Member) -> bool:
        """True for the first socket of its person here."""
        sockets = self._by_user[member.user_id]
        sockets.add(member)
        self._by_session[member.session_id].add(member)
        return len(sockets) == 1

    def remove(self, member: Member) -> bool:
        """True for the last socket of its person here."""
        for room in list(member.rooms):
            self.leave(member, room)
        _discard(self._by_session, member.session_id, member)
        _discard(self._by_user, member.user_id, member)
        return member.user_id not in self._by_user

    def join(self, member: Member, room: str, owner_id: int) -> bool:
        """False for who is not, or no longer, among the members."""
        if member not in self._by_session.get(member.session_id, ()):
            return False
        member.rooms[room] = owner_id
        self._by_room[room].add(member)
        self._rooms_by_owner[owner_id].add(room)
        return True

    def leave(self, member: Member, room: str) -> None:
        owner_id = member.rooms.pop(room, None)
        if owner_id is None:
            return
        _discard(self._by_room, room, member)
        if room not in self._by_room:
            _discard(self._rooms_by_owner, owner_id, room)

    def of_user(self, user_id: int) -> Collection[Member]:
        return self._by_user.get(user_id, ())

    def of_session(self, session_id: int) -> Collection[Member]:
        return self._by_session.get(session_id, ())

    def in_room(self, room: str) -> Collection[Member]:
        return self._by_room.get(room, ())

    def rooms_of_owner(self, owner_id: int) -> Collection[str]:
        return self._rooms_by_owner.get(owner_id, ())

    @property
    def users(self) -> list[int]:
        return list(self._by_user)

    @property
    def sessions(self) -> list[int]:
        return list(self._by_session)

    @property
    def rooms(self) -> list[str]:
        return list(self._by_room)


def _discard(index: defaultdict[K, set[V]], key: K, value: V) -> None:
    values = index.get(key)
    if values is not None:
        values.discard(value)
        if not values:
            del index[key]
