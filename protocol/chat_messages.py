"""Messages of chats: sending, history, edits, deletions and reactions."""

from typing import Annotated, ClassVar, Literal

import msgspec

from protocol.fields import ChatText, Emoji, Id, IdempotencyKey, PageSize, Request
from protocol.media import Media, MediaIds
from protocol.moderation import Label
from protocol.pushes import Push
from protocol.standing import ToldStanding

Seq = Annotated[int, msgspec.Meta(ge=1, le=2_000_000_000)]


class ChatMessage(msgspec.Struct, frozen=True):
    """`seq` counts from 1 in each chat without gaps. A deleted message has no text."""

    chat_id: str
    seq: int
    sender_id: str
    text: str
    media: list[Media]
    reply_to_seq: int | None
    created_at: str
    edited_at: str | None
    deleted: bool
    labels: list[Label]


class ShownChatMessage(ChatMessage, frozen=True):
    """A message with the reactions that the viewer may see: emoji → users.

    standing: only its sender sees a limit; others see a withheld message as deleted.
    """

    reactions: dict[str, int]
    my_reaction: str | None
    standing: ToldStanding


class SendToChat(Request, frozen=True):
    """The text may be empty if there are media."""

    chat_id: Id
    text: ChatText
    media_ids: MediaIds | None = None
    reply_to_seq: Seq | None = None
    idempotency_key: IdempotencyKey | None = None


class GetChatHistory(Request, frozen=True):
    """At most one of the three; none: the newest messages."""

    chat_id: Id
    before_seq: Seq | None = None
    after_seq: Annotated[int, msgspec.Meta(ge=0, le=2_000_000_000)] | None = None
    around_seq: Seq | None = None
    limit: PageSize | None = None


class ChatHistory(msgspec.Struct, frozen=True):
    """The messages numbered `from_seq` to `to_seq`, oldest first, without those that are hidden from the viewer.

    `first_seq` is the first message that the viewer may see, `last_seq` the last of the chat.
    """

    items: list[ShownChatMessage]
    from_seq: int
    to_seq: int
    first_seq: int
    last_seq: int


class ChatMessageRef(Request, frozen=True):
    chat_id: Id
    seq: Seq


class EditChatMessage(Request, frozen=True):
    chat_id: Id
    seq: Seq
    text: ChatText


class DeleteChatMessage(Request, frozen=True):
    """`me` hides the message from the caller alone."""

    chat_id: Id
    seq: Seq
    for_whom: Literal["me", "everyone"] = msgspec.field(name="for")


class ReactInChat(Request, frozen=True):
    """Null takes the reaction back."""

    chat_id: Id
    seq: Seq
    emoji: Emoji | None = None


class ChatEdit(msgspec.Struct, frozen=True):
    """A text that the message had, from `written_at` until the next one."""

    text: str
    written_at: str


class ChatEdits(msgspec.Struct, frozen=True):
    """Oldest first; the last is the present text."""

    items: list[ChatEdit]


class ChatMessaged(Push, frozen=True):
    event: ClassVar[str] = "chat.message"
    message: ChatMessage


class ChatMessageEdited(Push, frozen=True):
    event: ClassVar[str] = "chat.edited"
    message: ChatMessage


class ChatMessageDeleted(Push, frozen=True):
    """The message was deleted for everyone."""

    event: ClassVar[str] = "chat.deleted"
    chat_id: str
    seq: int


class ChatMessageHidden(Push, frozen=True):
    """The user deleted the message for themselves, on another device."""

    event: ClassVar[str] = "chat.hidden"
    chat_id: str
    seq: int


class ChatMessageReacted(Push, frozen=True):
    """The user's reaction to the message is now this one, or none."""

    event: ClassVar[str] = "chat.reacted"
    chat_id: str
    seq: int
    user_id: str
    emoji: str | None
