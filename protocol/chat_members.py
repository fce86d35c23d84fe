"""Messages about the members of chats and their marks."""

from typing import ClassVar

import msgspec

from protocol.chat_messages import Seq
from protocol.chats import ChatRole, ChatState, ChatUserIds
from protocol.fields import Cursor, Id, PageSize, Request
from protocol.pushes import Flow, Push
from protocol.users import UserLite


class AddToChat(Request, frozen=True):
    chat_id: Id
    user_ids: ChatUserIds


class AddedToChat(msgspec.Struct, frozen=True):
    """The given users who are in the chat now. Those who do not accept messages from the caller are left out."""

    member_ids: list[str]
    requested_ids: list[str]


class ChatMemberRef(Request, frozen=True):
    chat_id: Id
    user_id: Id


class SetChatRole(Request, frozen=True):
    """A new owner replaces the caller, who becomes an admin."""

    chat_id: Id
    user_id: Id
    role: ChatRole


class ListChatMembers(Request, frozen=True):
    chat_id: Id
    cursor: Cursor | None = None
    limit: PageSize | None = None


class ChatMember(msgspec.Struct, frozen=True):
    """Marks are null where the viewer may not know them, and in chats of more than 300 members."""

    user: UserLite
    role: ChatRole
    state: ChatState
    received_seq: int | None
    read_seq: int | None


class ChatMemberPage(msgspec.Struct, frozen=True):
    items: list[ChatMember]
    next_cursor: str | None


class MarkChat(Request, frozen=True):
    """All messages up to these numbers. What was read was received. Marks never go back."""

    chat_id: Id
    received_seq: Seq | None = None
    read_seq: Seq | None = None


class ChatMarks(msgspec.Struct, frozen=True):
    received_seq: int
    read_seq: int
    unread: int


class ChatReader(msgspec.Struct, frozen=True):
    """`read_at` is null if it is no longer known: the last 50 steps of each member are kept."""

    user_id: str
    read_at: str | None


class ChatReaders(msgspec.Struct, frozen=True):
    items: list[ChatReader]


class ChatMarked(Push, frozen=True):
    event: ClassVar[str] = "chat.marked"
    flow: ClassVar[Flow] = "conflate"
    chat_id: str
    user_id: str
    received_seq: int
    read_seq: int

    @property
    def replaces(self) -> str:
        return f"{self.event}:{self.chat_id}:{self.user_id}"
