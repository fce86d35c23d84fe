"""What nodes tell each other over Redis: finished frames to write, and changes to who hears what."""

import msgspec

from protocol import wire
from protocol.pushes import Push, RevocationReason


class Frames(msgspec.Struct, frozen=True, array_like=True):
    """A push as finished WebSocket frames, one a codec; `event` is its name, for the metrics."""

    event: str
    msgpack: bytes
    json: bytes


def encode_push(push: Push) -> Frames:
    return Frames(push.event, wire.MSGPACK.push(push), wire.JSON.push(push))


class Revoked(msgspec.Struct, frozen=True, tag="revoked"):
    """These sessions are over: close their sockets."""

    session_ids: list[int]
    reason: RevocationReason


class Evicted(msgspec.Struct, frozen=True, tag="evicted"):
    """These people leave all posts of that owner that they have open."""

    user_ids: list[int]
    owner_id: int


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """Everybody leaves all posts of that owner that they have open."""

    owner_id: int


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """These people's sockets enter that room."""

    user_ids: list[int]
    room: str
    owner_id: int


class Left(msgspec.Struct, frozen=True, tag="left"):
    """These people's sockets leave that room."""

    user_ids: list[int]
    room: str


Control = Revoked | Evicted | Closed | Joined | Left
PersonalControl = Evicted | Joined | Left
