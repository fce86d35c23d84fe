"""The index of this node's signed-in sockets, by user, session, pid and channel, with the users whom their users hide.

Removing a socket costs as much as the number of channels that it is in.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol, TypeVar

from channels.kinds import Kinds
from channels.messages import Written
from protocol.auth import RevocationReason

K = TypeVar("K")
V = TypeVar("V")


class Hiding(NamedTuple):
    """Until when (s since 1970; 0: not at all) a user's acts are hidden from another, and until when those in posts.

    Both may be set: by a block, a mute of everything for a while, a mute of posts for good.
    """

    until: float
    posts_until: float

    def ends(self, *, of_posts: bool) -> float:
        return max(self) if of_posts else self.until


class Claim(NamedTuple):
    """Which claim of its session a socket holds: a client that reconnects claims the session and ends older claims."""

    number: int = 0  # 0 until Redis has answered
    ended: int = 0  # claims up to this one belong to older sockets

    def hold(self, number: int) -> "Claim":
        return self._replace(number=number)

    def end(self, number: int) -> "Claim":
        """Claims up to that one have ended."""
        return self._replace(ended=max(self.ended, number))

    @property
    def has_ended(self) -> bool:
        return 0 < self.number <= self.ended


NO_CLAIM = Claim()
FIRST_CLAIM = Claim(number=1)


class Member(Protocol):
    """A signed-in socket. `channels` maps each channel that it is in to the channel's owner."""

    channels: dict[str, int]
    pid: str
    claim: Claim
    connected_at: float  # seconds since 1970
    called_at: float  # monotonic, s: time of the client's last call
    is_minor: bool  # also until the user is loaded

    @property
    def is_device(self) -> bool:
        """False for a service, which acts by a key: pushes to its user do not reach it, and it shows nobody online."""

    @property
    def user_id(self) -> int: ...

    @property
    def session_id(self) -> int: ...

    def deliver(self, written: Written) -> None:
        """Write the push, without waiting."""

    def revoke(self, reason: RevocationReason) -> None:
        """Push `session.revoked`, and disconnect the client."""

    def start_afresh(self, delay_s: float) -> None:
        """After `delay_s`, push to the client that pushes were lost: it must load everything again."""

    def supersede(self) -> None:
        """Close: the client has reconnected on another socket."""


class Members:
    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._by_user: defaultdict[int, set[Member]] = defaultdict(set)
        self._by_session: defaultdict[int, set[Member]] = defaultdict(set)
        self._by_pid: defaultdict[str, set[Member]] = defaultdict(set)
        self._by_channel: defaultdict[str, set[Member]] = defaultdict(set)
        self._channels_by_owner: defaultdict[int, set[str]] = defaultdict(set)
        # By actor: if nobody here hides the actor, a broadcast costs one look-up instead of one for each recipient.
        self._hiding: defaultdict[int, dict[int, Hiding]] = defaultdict(dict)
        self._hidden_from: dict[int, set[int]] = {}
        self._hiding_notes: defaultdict[int, list[list[tuple[int, Hiding]]]] = defaultdict(list)
        self._leaving_notes: defaultdict[Member, list[list[str]]] = defaultdict(list)

    # ------------------------------------------------------------------------------------------ coming and going

    def add(self, member: Member) -> bool:
        """Returns whether it is its user's first socket here."""
        sockets = self._by_user[member.user_id]
        sockets.add(member)
        self._by_session[member.session_id].add(member)
        self._by_pid[member.pid].add(member)
        return len(sockets) == 1

    def remove(self, member: Member) -> bool:
        """Returns whether it was its user's last device here."""
        for channel in list(member.channels):
            self.leave(member, channel)
        _discard(self._by_session, member.session_id, member)
        _discard(self._by_pid, member.pid, member)
        _discard(self._by_user, member.user_id, member)
        if member.user_id not in self._by_user:
            for actor_id in self._hidden_from.pop(member.user_id, ()):
                self._forget_hiding(member.user_id, actor_id)
        return member.is_device and not self.has_device(member.user_id)

    def change_pid(self, member: Member, pid: str) -> None:
        _discard(self._by_pid, member.pid, member)
        member.pid = pid
        if self.is_here(member):
            self._by_pid[pid].add(member)

    def is_here(self, member: Member) -> bool:
        return member in self._by_user.get(member.user_id, ())

    def join(self, member: Member, channel: str, owner_id: int) -> bool:
        """Returns False for a socket that is not in the index."""
        if not self.is_here(member):
            return False
        member.channels[channel] = owner_id
        self._by_channel[channel].add(member)
        self._channels_by_owner[owner_id].add(channel)
        return True

    def noting_left(self, member: Member) -> AbstractContextManager[list[str]]:
        """Records the channels that the socket must leave during a query, to apply them on top of its result."""
        return _noting(self._leaving_notes, member)

    def leave(self, member: Member, channel: str) -> None:
        for left in self._leaving_notes.get(member, ()):
            left.append(channel)
        owner_id = member.channels.pop(channel, None)
        if owner_id is None:
            return
        _discard(self._by_channel, channel, member)
        if channel not in self._by_channel:
            _discard(self._channels_by_owner, owner_id, channel)

    # ------------------------------------------------------------------------------------------ finding

    def of_user(self, user_id: int) -> Collection[Member]:
        return self._by_user.get(user_id, ())

    def has_device(self, user_id: int) -> bool:
        return any(member.is_device for member in self.of_user(user_id))

    def of_session(self, session_id: int) -> Collection[Member]:
        return self._by_session.get(session_id, ())

    def of_pid(self, pid: str) -> Collection[Member]:
        return self._by_pid.get(pid, ())

    def in_channel(self, channel: str) -> Collection[Member]:
        return self._by_channel.get(channel, ())

    def channels_of_owner(self, owner_id: int) -> Collection[str]:
        return self._channels_by_owner.get(owner_id, ())

    @property
    def users(self) -> list[int]:
        """Those who have a device here."""
        return [user_id for user_id in self._by_user if self.has_device(user_id)]

    @property
    def channels(self) -> list[str]:
        return list(self._by_channel)

    @property
    def all(self) -> Iterable[Member]:
        return (member for sockets in list(self._by_user.values()) for member in list(sockets))

    # ------------------------------------------------------------------------------------------ hiding

    def hide(self, user_id: int, hidden: Mapping[int, Hiding]) -> None:
        """Set all whom a user here hides, instead of what was known before."""
        for actor_id in self._hidden_from.pop(user_id, ()):
            self._forget_hiding(user_id, actor_id)
        for actor_id, hiding in hidden.items():
            self.set_hiding(user_id, actor_id, hiding)

    def loading_hiding(self, user_id: int) -> AbstractContextManager[list[tuple[int, Hiding]]]:
        """Records changes made during the query, to apply on top of its result."""
        return _noting(self._hiding_notes, user_id)

    def change_hiding(self, user_id: int, actor_id: int, hiding: Hiding) -> None:
        for changes in self._hiding_notes.get(user_id, ()):
            changes.append((actor_id, hiding))
        self.set_hiding(user_id, actor_id, hiding)

    def set_hiding(self, user_id: int, actor_id: int, hiding: Hiding) -> None:
        if user_id not in self._by_user:
            return
        if not any(hiding):
            self._hidden_from.get(user_id, set()).discard(actor_id)
            self._forget_hiding(user_id, actor_id)
        else:
            self._hidden_from.setdefault(user_id, set()).add(actor_id)
            self._hiding[actor_id][user_id] = hiding

    def hides_anybody(self, user_id: int) -> bool:
        """Whether the user may hide other users: a hiding that has expired counts too."""
        return bool(self._hidden_from.get(user_id))

    def hides_from(self, actor_id: int, channel: str) -> Collection[int]:
        """Return the users here from whom the actor's acts in that channel are hidden."""
        hidings = self._hiding.get(actor_id)
        if not hidings:
            return ()
        now, of_posts = time.time(), self._kinds.is_about_posts(channel)
        return {user_id for user_id, hiding in hidings.items() if now < hiding.ends(of_posts=of_posts)}

    def hidden_from(self, user_id: int, actor_ids: Iterable[int], channel: str) -> set[int]:
        """Return those of `actor_ids` who are hidden from the user in that channel."""
        now, of_posts = time.time(), self._kinds.is_about_posts(channel)
        hidings = ((actor_id, self._hiding.get(actor_id, {}).get(user_id)) for actor_id in actor_ids)
        return {actor_id for actor_id, hiding in hidings if hiding is not None and now < hiding.ends(of_posts=of_posts)}

    def _forget_hiding(self, user_id: int, actor_id: int) -> None:
        hidings = self._hiding.get(actor_id)
        if hidings is not None:
            hidings.pop(user_id, None)
            if not hidings:
                del self._hiding[actor_id]


@contextmanager
def _noting(notes: defaultdict[K, list[list[V]]], key: K) -> Iterator[list[V]]:
    """A list to which changes of the key are added until the block ends."""
    mine: list[V] = []
    notes[key].append(mine)
    try:
        yield mine
    finally:
        notes[key] = [each for each in notes[key] if each is not mine]
        if not notes[key]:
            del notes[key]


def _discard(index: defaultdict[K, set[V]], key: K, value: V) -> None:
    values = index.get(key)
    if values is not None:
        values.discard(value)
        if not values:
            del index[key]
