"""Events: what happened, as the outbox and the event log carry it. Past tense, versioned, one struct a topic.

Their names end in `Event`: a push often describes the same change to clients (`PostEditedEvent`, `PostEdited`).
"""

from typing import ClassVar, Literal

import msgspec

from protocol.auth import RevocationReason
from protocol.moderation import Action, ModeratedType
from protocol.reactions import ReactionKind, TargetType

# Urgent events overtake all others; bulk events never delay them.
Lane = Literal["urgent", "normal", "bulk"]
LANES: tuple[Lane, ...] = ("urgent", "normal", "bulk")

Change = Literal["requested", "followed", "accepted", "ended"]


class Event(msgspec.Struct, frozen=True):
    """The base of every event.

    `keyed_by` names the field whose value is the `key`: reactions to events with the same key run in order. `v` is the
    version of the payload: a reader understands its own version and the one before. An event may come late or twice, so
    reactions load the present state.
    """

    topic: ClassVar[str]
    keyed_by: ClassVar[str]
    lane: ClassVar[Lane] = "normal"
    v: ClassVar[int] = 1

    @property
    def key(self) -> str:
        return str(getattr(self, self.keyed_by))


class PostCreatedEvent(Event, frozen=True):
    topic: ClassVar[str] = "post.created"
    keyed_by: ClassVar[str] = "author_id"
    post_id: int
    author_id: int


class PostEditedEvent(Event, frozen=True):
    topic: ClassVar[str] = "post.edited"
    keyed_by: ClassVar[str] = "author_id"
    post_id: int
    author_id: int
    named: tuple[int, ...] = ()  # users whom the post did not mention before


class PostDeletedEvent(Event, frozen=True):
    topic: ClassVar[str] = "post.deleted"
    keyed_by: ClassVar[str] = "author_id"
    post_id: int
    author_id: int


class CommentCreatedEvent(Event, frozen=True):
    topic: ClassVar[str] = "comment.created"
    keyed_by: ClassVar[str] = "post_id"
    comment_id: int
    post_id: int
    author_id: int


class CommentEditedEvent(Event, frozen=True):
    topic: ClassVar[str] = "comment.edited"
    keyed_by: ClassVar[str] = "post_id"
    comment_id: int
    post_id: int
    author_id: int
    named: tuple[int, ...] = ()  # users whom the comment did not mention before


class CommentDeletedEvent(Event, frozen=True):
    topic: ClassVar[str] = "comment.deleted"
    keyed_by: ClassVar[str] = "post_id"
    comment_id: int
    post_id: int
    author_id: int


class ReactionSetEvent(Event, frozen=True):
    """The user reacted, or changed the kind. Its key spreads the reactions to one post."""

    topic: ClassVar[str] = "reaction.created"
    keyed_by: ClassVar[str] = "user_id"
    target_type: TargetType
    target_id: int
    post_id: int
    user_id: int
    kind: ReactionKind


class ReactionUnsetEvent(Event, frozen=True):
    topic: ClassVar[str] = "reaction.removed"
    keyed_by: ClassVar[str] = "user_id"
    target_type: TargetType
    target_id: int
    user_id: int


Engagement = Literal["save", "unsave", "share", "view"]


class PostEngagementEvent(Event, frozen=True):
    """A user saved, shared or viewed the post. Its key spreads the events of one post."""

    topic: ClassVar[str] = "post.engagement"
    keyed_by: ClassVar[str] = "user_id"
    post_id: int
    user_id: int
    action: Engagement
    dwell_ms: int = 0  # of a view


class FollowChangedEvent(Event, frozen=True):
    topic: ClassVar[str] = "graph.follow_changed"
    keyed_by: ClassVar[str] = "followee_id"
    follower_id: int
    followee_id: int
    change: Change


class BlockedEvent(Event, frozen=True):
    topic: ClassVar[str] = "graph.blocked"
    keyed_by: ClassVar[str] = "blocked_id"
    lane: ClassVar[Lane] = "urgent"
    blocker_id: int
    blocked_id: int


class UnblockedEvent(Event, frozen=True):
    topic: ClassVar[str] = "graph.unblocked"
    keyed_by: ClassVar[str] = "blocked_id"
    blocker_id: int
    blocked_id: int


class MuteChangedEvent(Event, frozen=True):
    topic: ClassVar[str] = "graph.mute_changed"
    keyed_by: ClassVar[str] = "muted_id"
    user_id: int
    muted_id: int


Narrowed = Literal["all", "presence", "live"]


class AccessNarrowedEvent(Event, frozen=True):
    """These users may no longer see some of what the owner shows. No user_ids: this holds for everybody."""

    topic: ClassVar[str] = "graph.access_narrowed"
    keyed_by: ClassVar[str] = "owner_id"
    lane: ClassVar[Lane] = "urgent"
    owner_id: int
    user_ids: tuple[int, ...]
    to: Narrowed = "all"


RoomChange = Literal["started", "updated", "role", "muted", "host", "recording"]


class RoomChangedEvent(Event, frozen=True):
    """The room or its stage has changed. `user_id` is the user whom it was done to, or 0."""

    topic: ClassVar[str] = "room.changed"
    keyed_by: ClassVar[str] = "room_id"
    room_id: int
    actor_id: int
    user_id: int
    change: RoomChange


class RoomMessageSentEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.message_sent"
    keyed_by: ClassVar[str] = "room_id"
    room_id: int
    message_id: int


class RoomMessageDeletedEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.message_deleted"
    keyed_by: ClassVar[str] = "room_id"
    room_id: int
    message_id: int
    sender_id: int = 0  # 0 in events of an older version


class RoomInvitedEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.invited"
    keyed_by: ClassVar[str] = "room_id"
    room_id: int
    actor_id: int
    user_ids: tuple[int, ...]


class RoomRemovedEvent(Event, frozen=True):
    """A user was removed from the room, and is notified if inside."""

    topic: ClassVar[str] = "room.removed"
    keyed_by: ClassVar[str] = "room_id"
    lane: ClassVar[Lane] = "urgent"
    room_id: int
    user_id: int
    reason: Literal["kicked", "banned"]
    joined: int | None  # when the user joined, by the roster's clock; None if not inside


class RoomUnbannedEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.unbanned"
    keyed_by: ClassVar[str] = "room_id"
    room_id: int
    user_id: int


class RoomClosedEvent(Event, frozen=True):
    topic: ClassVar[str] = "room.closed"
    keyed_by: ClassVar[str] = "room_id"
    room_id: int


ChatChange = Literal["opened", "updated", "added", "removed", "left", "accepted", "role"]
MessageChange = Literal["edited", "deleted", "reacted"]


class ChatChangedEvent(Event, frozen=True):
    """The chat or its members have changed; `user_ids` are the members whose own state or role did."""

    topic: ClassVar[str] = "chat.changed"
    keyed_by: ClassVar[str] = "chat_id"
    lane: ClassVar[Lane] = "urgent"
    chat_id: int
    actor_id: int
    user_ids: tuple[int, ...]
    change: ChatChange


class ChatMessagesSentEvent(Event, frozen=True):
    """Messages that one transaction sent. The database writes this event: see `send_chat_messages`."""

    topic: ClassVar[str] = "chat.message_sent"
    keyed_by: ClassVar[str] = "chat_id"
    lane: ClassVar[Lane] = "urgent"
    chat_id: int
    first_seq: int
    last_seq: int


class ChatMessageChangedEvent(Event, frozen=True):
    topic: ClassVar[str] = "chat.message_changed"
    keyed_by: ClassVar[str] = "chat_id"
    lane: ClassVar[Lane] = "urgent"
    chat_id: int
    seq: int
    actor_id: int
    change: MessageChange


class ChatMarkedEvent(Event, frozen=True):
    topic: ClassVar[str] = "chat.marked"
    keyed_by: ClassVar[str] = "chat_id"
    lane: ClassVar[Lane] = "urgent"
    chat_id: int
    user_id: int


class MediaDescribedEvent(Event, frozen=True):
    """The owner has changed `alt` or `is_sensitive`. The database writes this event: see `media_told`."""

    topic: ClassVar[str] = "media.described"
    keyed_by: ClassVar[str] = "media_id"
    media_id: int


class MediaFinishedEvent(Event, frozen=True):
    """A post or a user uses the file, and all its variants are made. The database writes this event."""

    topic: ClassVar[str] = "media.finished"
    keyed_by: ClassVar[str] = "media_id"
    media_id: int


class MediaOwnerOpenedEvent(Event, frozen=True):
    """Everybody may see the account again. The database writes this event: see `media_of_user_lost`."""

    topic: ClassVar[str] = "media.owner_opened"
    keyed_by: ClassVar[str] = "user_id"
    lane: ClassVar[Lane] = "bulk"
    user_id: int


class MediaOwnerClosedEvent(Event, frozen=True):
    """The account was suspended or banned. The database writes this event: see `media_of_user_lost`."""

    topic: ClassVar[str] = "media.owner_closed"
    keyed_by: ClassVar[str] = "user_id"
    lane: ClassVar[Lane] = "bulk"
    user_id: int


class MediaClosedEvent(Event, frozen=True):
    """URLs of a suspended user's file are to reach nothing. The database writes this event: see `close_files`."""

    topic: ClassVar[str] = "media.closed"
    keyed_by: ClassVar[str] = "media_id"
    lane: ClassVar[Lane] = "bulk"
    media_id: int


class MediaWithheldEvent(Event, frozen=True):
    """Signed URLs of the file are to reach nothing any more. The database writes this event: see `withhold_files`."""

    topic: ClassVar[str] = "media.withheld"
    keyed_by: ClassVar[str] = "media_id"
    lane: ClassVar[Lane] = "urgent"
    media_id: int


class MediaDeletedEvent(Event, frozen=True):
    """Objects with these beginnings of keys are to be deleted. The database writes this event: see `media_told`.

    upload_id: of the file's multipart upload, if the file itself is gone; its key is `<prefix>original`.
    """

    topic: ClassVar[str] = "media.deleted"
    keyed_by: ClassVar[str] = "media_id"
    lane: ClassVar[Lane] = "bulk"
    media_id: int
    prefixes: tuple[str, ...]
    upload_id: str | None = None


class AccountStatusChangedEvent(Event, frozen=True):
    """The account became active, or is not active any more. The database writes this event: see `status_changed`."""

    topic: ClassVar[str] = "account.status_changed"
    keyed_by: ClassVar[str] = "user_id"
    lane: ClassVar[Lane] = "bulk"
    user_id: int


class SessionsEndedEvent(Event, frozen=True):
    topic: ClassVar[str] = "session.ended"
    keyed_by: ClassVar[str] = "user_id"
    lane: ClassVar[Lane] = "urgent"
    user_id: int
    session_ids: tuple[int, ...]
    reason: RevocationReason


class SessionStartedEvent(Event, frozen=True):
    """A user signed in. `is_new_device`: from a device that no earlier session of the user is known to be on."""

    topic: ClassVar[str] = "session.started"
    keyed_by: ClassVar[str] = "user_id"
    lane: ClassVar[Lane] = "urgent"
    user_id: int
    session_id: int
    is_new_device: bool


class SearchDueEvent(Event, frozen=True):
    """A user or a room is to be found differently. The database writes this event: see `search_due`."""

    topic: ClassVar[str] = "search.due"
    keyed_by: ClassVar[str] = "document_id"
    kind: Literal["user", "room"]
    document_id: int


class SystemMessageSentEvent(Event, frozen=True):
    """The operator sent the message to active users with ids from `first_id` to `last_id`.

    The key keeps all pages of a message in one partition, so that a message to all users delays few other events.
    """

    topic: ClassVar[str] = "system.message_sent"
    keyed_by: ClassVar[str] = "message_id"
    message_id: int
    first_id: int
    last_id: int


class CaseOpenedEvent(Event, frozen=True):
    """Moderators have a new case. The database writes this event: see `case_for`."""

    topic: ClassVar[str] = "case.opened"
    keyed_by: ClassVar[str] = "case_id"
    lane: ClassVar[Lane] = "urgent"
    case_id: int


class AppealDecidedEvent(Event, frozen=True):
    """The database writes this event: see `note_appeal`."""

    topic: ClassVar[str] = "appeal.decided"
    keyed_by: ClassVar[str] = "user_id"
    appeal_id: int
    user_id: int


class _DecisionEvent(msgspec.Struct, frozen=True):
    """The target of a decision and the person concerned. `target_seq`: the number of a chat message, else 0."""

    decision_id: int
    target_type: ModeratedType
    target_id: int
    target_seq: int
    user_id: int
    action: Action


class DecisionMadeEvent(_DecisionEvent, Event, frozen=True):
    """The database writes this event: see `make_decision`."""

    topic: ClassVar[str] = "decision.made"
    keyed_by: ClassVar[str] = "target_id"
    lane: ClassVar[Lane] = "urgent"


class DecisionEndedEvent(_DecisionEvent, Event, frozen=True):
    """It was undone, overturned, or has expired. The database writes this event: see `end_decision`."""

    topic: ClassVar[str] = "decision.ended"
    keyed_by: ClassVar[str] = "target_id"
    lane: ClassVar[Lane] = "urgent"


CaseChange = Literal["claimed", "released", "decided"]


class CaseChangedEvent(Event, frozen=True):
    """The database writes this event: see `claim_case`, `release_case` and `close_case`."""

    topic: ClassVar[str] = "case.changed"
    keyed_by: ClassVar[str] = "case_id"
    lane: ClassVar[Lane] = "urgent"
    case_id: int
    change: CaseChange


class ReportCreatedEvent(Event, frozen=True):
    """A user has reported something. The database writes this event: see `file_report`."""

    topic: ClassVar[str] = "report.created"
    keyed_by: ClassVar[str] = "case_id"
    report_id: int
    case_id: int


class ReportRetractedEvent(Event, frozen=True):
    """The database writes this event: see `retract_report`."""

    topic: ClassVar[str] = "report.retracted"
    keyed_by: ClassVar[str] = "case_id"
    report_id: int
    case_id: int


class ContentFlaggedEvent(Event, frozen=True):
    """Workers shall judge a text. score: how likely it is spam. The database writes this event: see `flag_content`."""

    topic: ClassVar[str] = "content.flagged"
    keyed_by: ClassVar[str] = "target_id"
    target_type: Literal["post", "comment"]
    target_id: int
    score: float


EVENTS: dict[str, type[Event]] = {event.topic: event for event in Event.__subclasses__()}
if len(EVENTS) < len(Event.__subclasses__()):
    raise TypeError("two events have the same topic")
