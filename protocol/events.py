"""Events: what happened, as the outbox and the event log carry it. Past tense, versioned, one struct a topic.

Their names end in `Event`: a push often tells clients of the same thing (`PostEditedEvent`, `PostEdited`).
"""

from typing import ClassVar, Literal

import msgspec

from protocol.auth import RevocationReason
from protocol.reactions import ReactionKind, TargetType

Change = Literal["requested", "followed", "accepted", "ended"]


class Event(msgspec.Struct, frozen=True):
    """The base of every event.

    Reactions to events with the same `key` run in order. `v` is the version of the payload: a reader understands its
    own version and the one before. An event may come late or twice, so reactions load the present state.
    """

    topic: ClassVar[str]
    v: ClassVar[int] = 1

    @property
    def key(self) -> str:
        raise NotImplementedError


class PostCreatedEvent(Event, frozen=True):
    topic: ClassVar[str] = "post.created"
    post_id: int
    author_id: int

    @property
    def key(self) -> str:
        return str(self.author_id)


class PostEditedEvent(Event, frozen=True):
    topic: ClassVar[str] = "post.edited"
    post_id: int
    author_id: int
    named: tuple[int, ...] = ()  # users whom the post did not mention before

    @property
    def key(self) -> str:
        return str(self.author_id)


class PostDeletedEvent(Event, frozen=True):
    topic: ClassVar[str] = "post.deleted"
    post_id: int
    author_id: int

    @property
    def key(self) -> str:
        return str(self.author_id)


class CommentCreatedEvent(Event, frozen=True):
    topic: ClassVar[str] = "comment.created"
    comment_id: int
    post_id: int
    author_id: int

    @property
    def key(self) -> str:
        return str(self.post_id)


class CommentEditedEvent(Event, frozen=True):
    topic: ClassVar[str] = "comment.edited"
    comment_id: int
    post_id: int
    author_id: int
    named: tuple[int, ...] = ()  # users whom the comment did not mention before

    @property
    def key(self) -> str:
        return str(self.post_id)


class CommentDeletedEvent(Event, frozen=True):
    topic: ClassVar[str] = "comment.deleted"
    comment_id: int
    post_id: int
    author_id: int

    @property
    def key(self) -> str:
        return str(self.post_id)


class ReactionSetEvent(Event, frozen=True):
    """The user reacted, or changed the kind. Its key spreads the reactions to one post."""

    topic: ClassVar[str] = "reaction.created"
    target_type: TargetType
    target_id: int
    post_id: int
    user_id: int
    kind: ReactionKind

    @property
    def key(self) -> str:
        return str(self.user_id)


class ReactionUnsetEvent(Event, frozen=True):
    topic: ClassVar[str] = "reaction.removed"
    target_type: TargetType
    target_id: int
    user_id: int

    @property
    def key(self) -> str:
        return str(self.user_id)


Engagement = Literal["save", "unsave", "share", "view"]


class PostEngagementEvent(Event, frozen=True):
    """A user saved, shared or viewed the post. Its key spreads the events of one post."""

    topic: ClassVar[str] = "post.engagement"
    post_id: int
    user_id: int
    action: Engagement
    dwell_ms: int = 0  # of a view

    @property
    def key(self) -> str:
        return str(self.user_id)


class FollowChangedEvent(Event, frozen=True):
    topic: ClassVar[str] = "graph.follow_changed"
    follower_id: int
    followee_id: int
    change: Change

    @property
    def key(self) -> str:
        return str(self.followee_id)


class BlockedEvent(Event, frozen=True):
    topic: ClassVar[str] = "graph.blocked"
    blocker_id: int
    blocked_id: int

    @property
    def key(self) -> str:
        return str(self.blocked_id)


class UnblockedEvent(Event, frozen=True):
    topic: ClassVar[str] = "graph.unblocked"
    blocker_id: int
    blocked_id: int

    @property
    def key(self) -> str:
        return str(self.blocked_id)


class MuteChangedEvent(Event, frozen=True):
    topic: ClassVar[str] = "graph.mute_changed"
    user_id: int
    muted_id: int

    @property
    def key(self) -> str:
        return str(self.muted_id)


Narrowed = Literal["all", "presence"]


class AccessNarrowedEvent(Event, frozen=True):
    """These users may no longer see some of what the owner shows. No user_ids: this holds for everybody."""

    topic: ClassVar[str] = "graph.access_narrowed"
    owner_id: int
    user_ids: tuple[int, ...]
    to: Narrowed = "all"

    @property
    def key(self) -> str:
        return str(self.owner_id)


RoomChange = Literal["started", "updated", "role", "muted", "host"]


class RoomChangedEvent(Event, frozen=True):
    """The room or its stage has changed. `user_id` is the user whom it was done to, or 0."""

    topic: ClassVar[str] = "room.changed"
    room_id: int
    actor_id: int
    user_id: int
    change: RoomChange

    @property
    def key(self) -> str:
        return str(self.room_id)


class RoomMessageSentEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.message_sent"
    room_id: int
    message_id: int

    @property
    def key(self) -> str:
        return str(self.room_id)


class RoomMessageDeletedEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.message_deleted"
    room_id: int
    message_id: int
    sender_id: int = 0  # 0 in events of an older version

    @property
    def key(self) -> str:
        return str(self.room_id)


class RoomInvitedEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.invited"
    room_id: int
    actor_id: int
    user_ids: tuple[int, ...]

    @property
    def key(self) -> str:
        return str(self.room_id)


class RoomRemovedEvent(Event, frozen=True):
    """A user was removed from the room, and is notified if inside."""

    topic: ClassVar[str] = "room.removed"
    room_id: int
    user_id: int
    reason: Literal["kicked", "banned"]
    joined: int | None  # when the user joined, by the roster's clock; None if not inside

    @property
    def key(self) -> str:
        return str(self.room_id)


class RoomUnbannedEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.unbanned"
    room_id: int
    user_id: int

    @property
    def key(self) -> str:
        return str(self.room_id)


class RoomClosedEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.closed"
    room_id: int

    @property
    def key(self) -> str:
        return str(self.room_id)


ChatChange = Literal["opened", "updated", "added", "removed", "left", "accepted", "role"]
MessageChange = Literal["edited", "deleted", "reacted"]


class ChatChangedEvent(Event, frozen=True):
    """The chat or its members have changed; `user_ids` are the members whose own state or role did."""

    topic: ClassVar[str] = "chat.changed"
    chat_id: int
    actor_id: int
    user_ids: tuple[int, ...]
    change: ChatChange

    @property
    def key(self) -> str:
        return str(self.chat_id)


class ChatMessagesSentEvent(Event, frozen=True):
    """Messages that one transaction sent. The database writes this event: see `send_chat_messages`."""

    topic: ClassVar[str] = "chat.message_sent"
    chat_id: int
    first_seq: int
    last_seq: int

    @property
    def key(self) -> str:
        return str(self.chat_id)


class ChatMessageChangedEvent(Event, frozen=True):
    topic: ClassVar[str] = "chat.message_changed"
    chat_id: int
    seq: int
    actor_id: int
    change: MessageChange

    @property
    def key(self) -> str:
        return str(self.chat_id)


class ChatMarkedEvent(Event, frozen=True):
    topic: ClassVar[str] = "chat.marked"
    chat_id: int
    user_id: int

    @property
    def key(self) -> str:
        return str(self.chat_id)


class SessionsEndedEvent(Event, frozen=True):
    topic: ClassVar[str] = "session.ended"
    user_id: int
    session_ids: tuple[int, ...]
    reason: RevocationReason

    @property
    def key(self) -> str:
        return str(self.user_id)


class SessionStartedEvent(Event, frozen=True):
    """A user signed in. `is_new_device`: from a device that no earlier session of the user is known to be on."""

    topic: ClassVar[str] = "session.started"
    user_id: int
    session_id: int
    is_new_device: bool

    @property
    def key(self) -> str:
        return str(self.user_id)


EVENTS: dict[str, type[Event]] = {event.topic: event for event in Event.__subclasses__()}
if len(EVENTS) < len(Event.__subclasses__()):
    raise TypeError("two events have the same topic")
