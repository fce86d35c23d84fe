"""Messages about chats and the list of a user's chats."""

import datetime
from typing import Annotated, ClassVar, Literal

import msgspec

from protocol.chat_messages import ShownChatMessage
from protocol.fields import ChatTitle, Cursor, Id, IdempotencyKey, PageSize, Request
from protocol.pushes import Push
from protocol.users import UserLite

ChatKind = Literal["direct", "group"]
ChatRole = Literal["owner", "admin", "member"]
ChatState = Literal["active", "requested", "left"]

ChatUserIds = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=100)]
ChatVersion = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9]{1,19}\.[0-9]{1,10}$", max_length=30, description="opaque; from chat.list"),
]


class Chat(msgspec.Struct, frozen=True):
    """`users` are both users of a direct chat, whose title is empty; a group's are in `chat.members`."""

    id: str
    kind: ChatKind
    title: str
    users: list[UserLite]
    member_count: int
    last_seq: int
    created_at: str


class ChatEntry(msgspec.Struct, frozen=True):
    """A chat as the viewer's list shows it. `unread` is exact below 1,000, and 1,000 stands for more.

    `requested`: the chat waits until the viewer accepts it. `left`: the viewer left it, or no longer sees it.
    `muted_until` is null if the chat is not muted; a time in the past does not mute either.
    """

    chat: Chat
    role: ChatRole
    state: ChatState
    last_message: ShownChatMessage | None
    unread: int
    received_seq: int
    read_seq: int
    muted_until: str | None


class OpenChat(Request, frozen=True):
    """One user: the direct chat with that user. Several: a new group without a title."""

    user_ids: ChatUserIds
    idempotency_key: IdempotencyKey | None = None


class CreateChat(Request, frozen=True):
    title: ChatTitle
    user_ids: ChatUserIds
    idempotency_key: IdempotencyKey | None = None


class ChatRef(Request, frozen=True):
    chat_id: Id


class UpdateChat(Request, frozen=True):
    chat_id: Id
    title: ChatTitle


class MuteChat(Request, frozen=True):
    """Mutes until that time; without it, for good (`muted_until` is then ten years ahead). `muted: false` unmutes."""

    chat_id: Id
    muted: bool
    until: Annotated[datetime.datetime, msgspec.Meta(tz=True)] | None = None


class ListChats(Request, frozen=True):
    """With `since_version`, the chats of every state that changed since. Without, active ones, or only requests."""

    since_version: ChatVersion | None = None
    requests: bool = False
    cursor: Cursor | None = None
    limit: PageSize | None = None


class ChatPage(msgspec.Struct, frozen=True):
    """Chats with the newest message first. Keep the `version` of the first page for the next `since_version`."""

    items: list[ChatEntry]
    version: str
    next_cursor: str | None


class ChatUpdated(Push, frozen=True):
    """The title or the members of a chat have changed."""

    event: ClassVar[str] = "chat.updated"
    chat: Chat


class ChatMembershipChanged(Push, frozen=True):
    """The user's own role, state or mute in a chat has changed. `chat.get` returns a chat that the client lacks."""

    event: ClassVar[str] = "chat.membership_changed"
    chat_id: str
    role: ChatRole
    state: ChatState
    muted_until: str | None
