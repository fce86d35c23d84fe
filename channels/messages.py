"""Messages between nodes over Redis: frames to write to sockets, and control messages."""

from collections.abc import Collection, Hashable
from typing import Literal, TypedDict, Unpack

import msgspec

from protocol import wire
from protocol.auth import RevocationReason
from protocol.events import Narrowed
from protocol.push_table import PUSHES
from protocol.pushes import Flow, Push
from protocol.wire import OFFSET_LENGTH
from tracing.traces import OpenSpan, open_span

Ages = Literal["all", "adults", "minors"]


class Recipients(TypedDict, total=False):
    """Which users of a channel get a push: all of them, unless this says otherwise.

    not_to: a user who does not get it: the author of content that moderation withholds from others. only_to: the only
    user who gets it, also such an author. own_to: users who get their own counts, in a push of their own. ages: users
    of these ages; users count as adults about what they have written themselves.
    """

    not_to: int
    only_to: int
    own_to: list[int]
    ages: Ages


class Frames(msgspec.Struct, frozen=True, array_like=True):
    """A push on the bus: finished WebSocket frames, one a codec. Those of a recoverable push still lack their offset.

    actor_id: the user who caused the push, or 0; users who hide that user do not get it. shown_ids: other users in its
    body, who are removed from it for recipients who hide them. about: the channel of the push's subject; a replay
    checks again whether the recipient may see it. trace: the `traceparent` of its publication, if that is sampled.
    not_to, only_to, own_to, ages: see `Recipients`; 0 means no user.
    """

    event: str
    id: str
    actor_id: int
    about: str
    flow: Flow
    replaces: str
    msgpack: bytes
    json: bytes
    shown_ids: list[int] = []
    trace: str = ""
    not_to: int = 0
    only_to: int = 0
    own_to: list[int] = []
    ages: Ages = "all"


decode_frames = msgspec.msgpack.Decoder(Frames).decode


class Written(msgspec.Struct):
    """Frames as they are written to sockets: of one push, or of several in a row.

    step: its delivery on this node, in the trace of its publication; None if that is not sampled.
    """

    event: str
    id: str
    actor_id: int
    about: str
    flow: Flow
    replaces: Hashable
    channel: str
    msgpack: bytes
    json: bytes
    shard: int = 0
    offset: int = 0  # by that shard's clock; 0 for a push that is not kept
    pushes: int = 1
    parts: tuple["Written", ...] = ()
    shown_ids: tuple[int, ...] = ()
    not_to: int = 0
    only_to: int = 0
    own_to: frozenset[int] = frozenset()
    ages: Ages = "all"
    step: OpenSpan | None = None

    @property
    def is_for_all(self) -> bool:
        """Whether `is_for` includes all users."""
        return not (self.not_to or self.only_to) and self.ages == "all"

    def is_for(self, user_id: int, *, is_minor: bool) -> bool:
        """Whether the user is not left out as its `not_to`, `only_to` and `ages` say."""
        if user_id == self.not_to or self.only_to not in (0, user_id):
            return False
        return self.ages == "all" or (self.ages == "minors") is (is_minor and user_id != self.actor_id)


def encode_push(
    push: Push, actor_id: int = 0, about: str = "", trace: str = "", **recipients: Unpack[Recipients]
) -> Frames:
    if push.flow == "recover":
        msgpack, json = wire.MSGPACK.push_before_offset(push), wire.JSON.push_before_offset(push)
    else:
        msgpack, json = wire.MSGPACK.push(push), wire.JSON.push(push)
    return Frames(
        push.event, push.id, actor_id, about, push.flow, push.replaces, msgpack, json, push.shown_ids, trace,
        **recipients,
    )  # fmt: skip


def finish(frames: Frames, channel: str, offset: str) -> Written:
    """Complete the frames with their offset. Conflated pushes replace each other within one channel only."""
    written = Written(
        frames.event, frames.id, frames.actor_id, frames.about, frames.flow, (channel, frames.replaces),
        channel, frames.msgpack, frames.json, not_to=frames.not_to, only_to=frames.only_to,
        own_to=frozenset(frames.own_to), ages=frames.ages,
    )  # fmt: skip
    if frames.trace:
        written.step = open_span(frames.trace, f"deliver {frames.event}", "consumer")
    if frames.flow == "recover":
        encoded = offset.encode()
        written.msgpack = wire.MSGPACK.add_offset(frames.msgpack, encoded)
        written.json = wire.JSON.add_offset(frames.json, encoded)
        written.shown_ids = tuple(frames.shown_ids)
        written.shard, written.offset = int(offset[:-CLOCK_LENGTH]), int(offset[-CLOCK_LENGTH:])
    return written


def without_users(written: Written, hidden: Collection[int]) -> Written:
    """The push without these users, encoded again for a recipient who hides them; that is rare."""
    body, offset = wire.JSON.read_push(written.json, PUSHES[written.event])
    push = body.without(hidden)
    return msgspec.structs.replace(
        written,
        msgpack=wire.MSGPACK.add_offset(wire.MSGPACK.push_before_offset(push), offset),
        json=wire.JSON.add_offset(wire.JSON.push_before_offset(push), offset),
    )


def unkept(push: Push, channel: str) -> Written:
    """A push to one socket, without an offset: it is not kept for a replay."""
    msgpack, json = wire.MSGPACK.push(push), wire.JSON.push(push)
    return Written(push.event, push.id, 0, "", push.flow, (channel, push.replaces), channel, msgpack, json)


FOR_GOOD = float("inf")  # a hiding without end
CLOCK_LENGTH = 16  # digits of µs since 1970, until the year 2286


def offset_text(shard: int, clock: str | int) -> str:
    """The offset as clients get it: shard number, then the shard's clock."""
    return f"{shard:0{OFFSET_LENGTH - CLOCK_LENGTH}}{int(clock):0{CLOCK_LENGTH}}"


class Revoked(msgspec.Struct, frozen=True, tag="revoked"):
    """These sessions ended: close their sockets."""

    session_ids: list[int]
    reason: RevocationReason


class Evicted(msgspec.Struct, frozen=True, tag="evicted"):
    """These users lost rights to the owner's content: their sockets leave or are rechecked, as each kind says.

    If several nodes remove a user for the same `cause`, the user gets one push.
    """

    user_ids: list[int]
    owner_id: int
    cause: str = ""


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """The owner has narrowed an audience: sockets in the owner's channels leave or are rechecked."""

    owner_id: int
    what: Narrowed = "all"
    cause: str = ""


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """These users' sockets join that channel."""

    user_ids: list[int]
    channel: str
    owner_id: int


class Left(msgspec.Struct, frozen=True, tag="left"):
    """These users' sockets leave that channel."""

    user_ids: list[int]
    channel: str


class DeviceLeft(msgspec.Struct, frozen=True, tag="device_left"):
    """Sockets of that session that connected before that time leave that channel: they may be half open."""

    user_ids: list[int]
    channel: str
    session_id: int
    before: float  # seconds since 1970


class Emptied(msgspec.Struct, frozen=True, tag="emptied"):
    """All sockets of users of these ages leave that channel, except those of the user `keeps`."""

    channel: str
    keeps: int = 0
    ages: Ages = "all"


class RightsChanged(msgspec.Struct, frozen=True, tag="rights_changed"):
    """Whether these users may stay in that channel must be checked again."""

    user_ids: list[int]
    channel: str
    cause: str = ""


class AgeCorrected(msgspec.Struct, frozen=True, tag="age_corrected"):
    """Whether these users are minors now: they have corrected their birth dates, and their rights follow."""

    user_ids: list[int]
    is_minor: bool
    cause: str


class Informed(msgspec.Struct, frozen=True, tag="informed"):
    """A note about these users in that channel, which the hooks of its kind understand."""

    user_ids: list[int]
    channel: str
    note: bytes


class HidingChanged(msgspec.Struct, frozen=True, tag="hiding"):
    """Until when that actor's acts are hidden from these users, and until when those in posts; see `Hiding`."""

    user_ids: list[int]
    actor_id: int
    until: float
    posts_until: float


class Superseded(msgspec.Struct, frozen=True, tag="superseded"):
    """A client has reconnected on another socket: close those of claims up to this one."""

    pid: str
    claim: int


Control = (
    Revoked
    | Evicted
    | Closed
    | DeviceLeft
    | RightsChanged
    | Emptied
    | Joined
    | Left
    | HidingChanged
    | AgeCorrected
    | Informed
    | Superseded
)
PersonalControl = DeviceLeft | RightsChanged | Evicted | Joined | Left | HidingChanged | AgeCorrected | Informed
