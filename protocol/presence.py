"""Messages about presence and typing."""

from typing import Annotated, ClassVar, Literal

import msgspec

from protocol.fields import Id, Request, StatusText
from protocol.pushes import Flow, Push

ChosenStatus = Literal["online", "away", "busy", "invisible"]
ShownStatus = Literal["online", "away", "busy", "offline"]

MOST_WATCHED = 200
WatchedIds = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=100)]


class Presence(msgspec.Struct, frozen=True):
    """An invisible user is offline, last seen when becoming invisible. A user whom the viewer may not watch is offline
    without a time."""

    user_id: str
    status: ShownStatus
    text: str
    last_seen_at: str | None


class SetPresence(Request, frozen=True):
    """Holds on all devices until it is set again. Without `text`, none is shown."""

    status: ChosenStatus
    text: StatusText | None = None


class WatchPresence(Request, frozen=True):
    user_ids: WatchedIds


class PresenceList(msgspec.Struct, frozen=True):
    items: list[Presence]


class Typing(Request, frozen=True):
    """Exactly one of the three must be given."""

    chat_id: Id | None = None
    room_id: Id | None = None
    post_id: Id | None = None


class PresenceChanged(Push, frozen=True):
    event: ClassVar[str] = "presence.changed"
    flow: ClassVar[Flow] = "conflate"
    presence: Presence


class TypingChanged(Push, frozen=True, omit_defaults=True):
    """Typing ends 6 s after the last push with `typing: true`."""

    event: ClassVar[str] = "typing.changed"
    flow: ClassVar[Flow] = "drop"
    user_id: str
    typing: bool
    chat_id: str | None = None
    room_id: str | None = None
    post_id: str | None = None
