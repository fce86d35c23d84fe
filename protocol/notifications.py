"""Messages about notifications."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from protocol.fields import Cursor, Id, PageSize, Request
from protocol.pushes import Flow, Push
from protocol.users import UserLite

Kind = Literal[
    "follow", "follow_request", "acceptance", "reaction", "comment", "reply", "mention", "share", "chat_request",
    "chat_message", "room_live", "room_invitation", "digest", "security", "system",
    "account", "report",
]  # fmt: skip
TargetType = Literal[
    "user", "post", "comment", "chat", "room", "session", "password", "system_message", "decision", "decision_end",
    "appeal", "case",
]  # fmt: skip
Channel = Literal["socket", "push", "email"]
Policy = Literal["accept", "filter", "drop"]
GroupedKind = Literal["follow", "reaction"]
ClockTime = Annotated[
    str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5, description="hours and minutes")
]
MOST_IDS = 100


class Target(msgspec.Struct, frozen=True):
    """The subject of a notification. The id of a `password` is that of its change."""

    type: TargetType
    id: str


class Notification(msgspec.Struct, frozen=True):
    """A notification as its user may see it.

    `actors` are the newest of `actor_count`. Users whom the user hides are not among them, nor counted, nor those who
    withdrew the reaction or ended the follow. While a notification is unseen, further actors may join it; `created_at`
    stays.
    """

    id: str
    kind: Kind
    actors: list[UserLite]
    actor_count: int
    target: Target
    text: str
    created_at: str
    updated_at: str
    seen: bool
    read: bool


class ListNotifications(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class NotificationPage(msgspec.Struct, frozen=True):
    """`unseen_count` counts up to 100."""

    items: list[Notification]
    unseen_count: int
    next_cursor: str | None


class FilteredPage(msgspec.Struct, frozen=True):
    items: list[Notification]
    next_cursor: str | None


class MarkSeen(Request, frozen=True):
    """The newest notification that was shown: it and all older ones are seen."""

    up_to_id: Id


class NotificationRefs(Request, frozen=True):
    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=MOST_IDS)]


class NotificationRef(Request, frozen=True):
    id: Id


class Unseen(msgspec.Struct, frozen=True):
    unseen_count: int


class Decision(msgspec.Struct, frozen=True):
    """A decision about one channel.

    `scheduled`: it is sent at `at` if nothing changes until then. `held`: scheduled later than usual. `sent`, `dropped`
    and `failed` are final.
    """

    channel: Channel
    decision: Literal["sent", "scheduled", "held", "dropped", "failed"]
    reason: str
    at: str


class Decisions(msgspec.Struct, frozen=True):
    decisions: list[Decision]


class ChannelChoice(Request, frozen=True):
    """Whether the channel is used. Absent fields stay as they are."""

    socket: bool | UnsetType = UNSET
    push: bool | UnsetType = UNSET
    email: bool | UnsetType = UNSET


class QuietHours(Request, frozen=True):
    """In the time zone of the account's settings. Security is never held back."""

    start: ClockTime
    end: ClockTime


class Channels(msgspec.Struct, frozen=True):
    socket: bool
    push: bool
    email: bool


class NotificationPreferences(msgspec.Struct, frozen=True):
    """How notifications reach the caller.

    `strangers` are users whom the caller does not follow, `new_accounts` those among them whose account is younger than
    three days: their notifications are accepted, kept back (`notification.filtered`), or dropped.
    """

    channels: dict[str, Channels]
    ungrouped: list[GroupedKind]
    quiet_hours: QuietHours | None
    strangers: Policy
    new_accounts: Policy


class KindChoices(Request, frozen=True):
    """Choices by kind of notification."""

    follow: ChannelChoice | UnsetType = UNSET
    follow_request: ChannelChoice | UnsetType = UNSET
    acceptance: ChannelChoice | UnsetType = UNSET
    reaction: ChannelChoice | UnsetType = UNSET
    comment: ChannelChoice | UnsetType = UNSET
    reply: ChannelChoice | UnsetType = UNSET
    mention: ChannelChoice | UnsetType = UNSET
    share: ChannelChoice | UnsetType = UNSET
    chat_request: ChannelChoice | UnsetType = UNSET
    chat_message: ChannelChoice | UnsetType = UNSET
    room_live: ChannelChoice | UnsetType = UNSET
    room_invitation: ChannelChoice | UnsetType = UNSET
    digest: ChannelChoice | UnsetType = UNSET
    security: ChannelChoice | UnsetType = UNSET
    system: ChannelChoice | UnsetType = UNSET
    account: ChannelChoice | UnsetType = UNSET
    report: ChannelChoice | UnsetType = UNSET


class SetNotificationPreferences(Request, frozen=True):
    """Absent fields stay as they are; null clears quiet hours."""

    channels: KindChoices | UnsetType = UNSET
    ungrouped: Annotated[list[GroupedKind], msgspec.Meta(max_length=2)] | UnsetType = UNSET
    quiet_hours: QuietHours | None | UnsetType = UNSET
    strangers: Policy | UnsetType = UNSET
    new_accounts: Policy | UnsetType = UNSET


class _ShownNotification(Push, frozen=True):
    notification: Notification

    @property
    def shown_ids(self) -> list[int]:
        return [int(user.id) for user in self.notification.actors]

    def without(self, hidden: Collection[int]) -> Push:
        """The text names the actors, so it is empty then; `notification.list` has one without these users."""
        actors = [user for user in self.notification.actors if int(user.id) not in hidden]
        count = self.notification.actor_count - len(self.notification.actors) + len(actors)
        shown = msgspec.structs.replace(self.notification, actors=actors, actor_count=count, text="")
        return msgspec.structs.replace(self, notification=shown)


class NotificationCreated(_ShownNotification, frozen=True):
    """The notification is new in the list, or a further actor joined it: then it replaces the one with the same id.

    It is also pushed when the user accepts a notification that a policy kept back.

    `text` is empty if the user has hidden one of its actors since: then load `notification.list`.
    """

    event: ClassVar[str] = "notification.created"


class NotificationChanged(_ShownNotification, frozen=True):
    """An actor withdrew the reaction or ended the follow, or returned: it replaces the one with the same id, quietly.

    It may have been removed before. `text` may be empty, as in `notification.created`.
    """

    event: ClassVar[str] = "notification.changed"


class NotificationRemoved(Push, frozen=True):
    """All actors withdrew their reactions or ended their follows: remove these from the list."""

    event: ClassVar[str] = "notification.removed"
    ids: list[str]


class NotificationCounted(Push, frozen=True):
    event: ClassVar[str] = "notification.counted"
    flow: ClassVar[Flow] = "conflate"
    unseen_count: int


class NotificationDismissed(Push, frozen=True):
    """To the user's own devices: these notifications were seen, read or dismissed on one of them."""

    event: ClassVar[str] = "notification.dismissed"
    ids: list[str]


class NotificationPreferencesChanged(Push, frozen=True):
    """To the user's own devices."""

    event: ClassVar[str] = "notification.preferences_changed"
    flow: ClassVar[Flow] = "conflate"
    preferences: NotificationPreferences
