"""Fake sockets that record their frames, and pushes for them."""

import itertools
from dataclasses import dataclass, field

from channels.members import FIRST_CLAIM, Claim, Members
from channels.messages import Written, encode_push, finish, offset_text
from gateway.channel_kinds import KINDS
from protocol.live_rooms import Room, RoomAudience, RoomUpdated
from protocol.posts import PostDeleted
from protocol.pushes import Push
from protocol.room_chat import RoomReacted
from protocol.users import UserLite

pid_numbers = itertools.count(1)
clock = itertools.count(1)


@dataclass(eq=False)
class Socket:
    user_id: int
    session_id: int = 0
    pid: str = field(default_factory=lambda: f"pid{next(pid_numbers)}")
    channels: dict[str, int] = field(default_factory=dict)
    claim: Claim = FIRST_CLAIM
    called_at: float = 0.0
    is_minor: bool = False
    is_device: bool = True
    received: list[Written] = field(default_factory=list)

    def deliver(self, written: Written) -> None:
        self.received.append(written)

    @property
    def heard(self) -> list[str]:
        """Return the ids of the received pushes, gathered ones separately."""
        return [part.id for written in self.received for part in written.parts or (written,)]


def user(user_id: int) -> UserLite:
    return UserLite(str(user_id), f"user{user_id}", "", None, False)


def act(push_id: str, channel: str = "post:1", actor_id: int = 0, kind: type[Push] = PostDeleted) -> Written:
    """Return a push as it arrives from the bus, with default fields."""
    fields = {
        PostDeleted: {"post_id": "1"},
        RoomAudience: {"room_id": "1", "count": 1},
        RoomReacted: {"room_id": "1", "counts": {}},
    }
    return finish(encode_push(kind(id=push_id, **fields[kind]), actor_id), channel, offset_text(0, next(clock)))


def stage(push_id: str, channel: str, shown: list[int]) -> Written:
    """Return a push of a room that shows these users besides its host, user 90."""
    users = [user(each) for each in shown]
    state = Room(
        "1", "topic", user(90), "live", "public", 10, 0, None, None, None, 1,
        speakers=users[:1], cohost_ids=[], muted_ids=[], hands=users[1:], version=1, is_recorded=False, labels=[],
    )  # fmt: skip
    return finish(encode_push(RoomUpdated(id=push_id, room=state), 90), channel, offset_text(0, next(clock)))


def members_in(channel: str, *user_ids: int) -> tuple[Members, list[Socket]]:
    members, sockets = Members(KINDS), [Socket(user_id) for user_id in user_ids]
    for socket in sockets:
        members.add(socket)
        members.join(socket, channel, 0)
    return members, sockets
