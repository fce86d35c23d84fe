"""Makes messages of the rows of chats."""

import msgspec

from protocol.chat_members import ChatMember
from protocol.chat_messages import ChatMessage, ShownChatMessage
from protocol.chats import Chat, ChatEntry
from protocol.timestamps import to_wire
from protocol.users import UserLite
from storage import present
from storage.chat_members import ChatMemberRow
from storage.chat_messages import ChatMessageRow, ShownMessageRow
from storage.chats import ChatEntryRow, ChatRow
from storage.present_media import ShowMedia

_users = msgspec.json.Decoder(list[UserLite])
_message = msgspec.json.Decoder(ShownMessageRow)
_messages = msgspec.json.Decoder(list[ShownMessageRow])


def chat(row: ChatRow) -> Chat:
    return Chat(
        id=str(row["id"]),
        kind=row["kind"],
        title=row["title"],
        users=_users.decode(row["users"]),
        member_count=row["member_count"],
        last_seq=row["last_seq"],
        created_at=to_wire(row["created_at"]),
    )


def entry(row: ChatEntryRow, show: ShowMedia) -> ChatEntry:
    last = row["last_message"]
    return ChatEntry(
        chat=chat(row),
        role=row["role"],
        state=row["state"],
        last_message=None if last is None else shown_message(_message.decode(last), show),
        unread=row["unread"],
        received_seq=row["received_seq"],
        read_seq=row["read_seq"],
        muted_until=present.optional_time(row["muted_until"]),
    )


def member(row: ChatMemberRow) -> ChatMember:
    return ChatMember(
        user=present.user_lite(row, row["user_id"]),
        role=row["role"],
        state=row["state"],
        received_seq=row["received_seq"],
        read_seq=row["read_seq"],
    )


def message(row: ChatMessageRow, show: ShowMedia) -> ChatMessage:
    return ChatMessage(
        chat_id=str(row["chat_id"]),
        seq=row["seq"],
        sender_id=str(row["sender_id"]),
        text=row["text"],
        media=show(row["media"] or ()),
        reply_to_seq=row["reply_to_seq"],
        created_at=to_wire(row["created_at"]),
        edited_at=present.optional_time(row["edited_at"]),
        deleted=row["is_deleted"],
        labels=row["labels"],
    )


def shown_message(row: ShownMessageRow, show: ShowMedia) -> ShownChatMessage:
    return ShownChatMessage(
        **msgspec.structs.asdict(message(row, show)),
        reactions=row["reactions"],
        my_reaction=row["my_reaction"],
        standing=row["told_standing"],
    )


def shown_messages(encoded: str, show: ShowMedia) -> list[ShownChatMessage]:
    """encoded: the JSON of a list of `ShownMessageRow`."""
    return [shown_message(row, show) for row in _messages.decode(encoded)]
