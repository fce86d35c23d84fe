"""Members of chats: add, remove, leave, roles, and what each has received and read."""

from domain import chat_rules
from handlers.call import Call
from handlers.chat_access import answer_ended, note, standing
from handlers.chats import STRANGER, add_users, others_among
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.chat_members import (
    AddedToChat,
    AddToChat,
    ChatMarks,
    ChatMemberPage,
    ChatMemberRef,
    ChatReader,
    ChatReaders,
    ListChatMembers,
    MarkChat,
    SetChatRole,
)
from protocol.chat_messages import ChatMessageRef
from protocol.chats import ChatRef, ChatState
from protocol.events import ChatMarkedEvent
from protocol.limits import Limit
from protocol.rpc import Nothing, methods
from storage import chat_members, chat_messages, present, present_chats
from storage.database import Transaction

_PLACED: tuple[ChatState, ...] = ("active", "requested")


@methods.rpc("chat.add", counts=(STRANGER,))
async def add_members(call: Call, request: AddToChat, tx: Transaction) -> AddedToChat:
    """Add users to a group, as its owner or an admin. Users who do not follow the caller get a request.

    Repeating it changes nothing.
    """
    chat_id = int(request.chat_id)
    found = await standing(tx, chat_id)
    chat_rules.check("add", found["kind"], found["role"], found["state"])
    placed = await add_users(call, tx, chat_id, others_among(call, request.user_ids))
    new = [row["user_id"] for row in placed if row["is_new"]]
    if new:
        await note(call, tx, chat_id, "added", *new)
    by_state = {state: [str(row["user_id"]) for row in placed if row["state"] == state] for state in _PLACED}
    return AddedToChat(member_ids=by_state["active"], requested_ids=by_state["requested"])


@methods.rpc("chat.remove")
async def remove_member(call: Call, request: ChatMemberRef, tx: Transaction) -> Nothing:
    """Remove a user from a group: the owner may remove all users, an admin members. Repeating it changes nothing."""
    chat_id, user_id = int(request.chat_id), int(request.user_id)
    found = await standing(tx, chat_id)
    chat_rules.check("remove", found["kind"], found["role"], found["state"])
    if user_id == call.viewer.id:
        raise errors.invalid("user_id", "is the caller: call chat.leave")
    if await chat_members.remove(tx, chat_id, user_id):
        await note(call, tx, chat_id, "removed", user_id)
    elif await chat_members.load_one(tx, chat_id, user_id) is not None:
        raise errors.permission_denied("an admin can remove only members")
    return Nothing()


@methods.rpc("chat.leave")
async def leave_chat(call: Call, request: ChatRef, tx: Transaction) -> Nothing:
    """Leave a group. After an owner, the oldest admin or else member becomes owner. Repeating changes nothing."""
    chat_id = int(request.chat_id)
    left = await chat_members.leave(tx, chat_id)
    if not left.is_done:
        return await answer_ended(tx, chat_id)
    changed = (call.viewer.id,) if left.heir_id is None else (call.viewer.id, left.heir_id)
    await note(call, tx, chat_id, "left", *changed)
    return Nothing()


@methods.rpc("chat.set_role")
async def set_role(call: Call, request: SetChatRole, tx: Transaction) -> Nothing:
    """Give a member of the caller's group another role. Repeating it changes nothing."""
    chat_id, user_id = int(request.chat_id), int(request.user_id)
    found = await standing(tx, chat_id)
    target = await chat_members.load_one(tx, chat_id, user_id)
    if target is not None and target["role"] == request.role == "owner" and found["role"] == "admin":
        return Nothing()  # a repetition: the caller was the owner before
    chat_rules.check("set_role", found["kind"], found["role"], found["state"])
    if user_id == call.viewer.id:
        raise errors.invalid("user_id", "is the caller: make another member the owner")
    if target is None or target["state"] != "active":
        raise errors.not_found("member")
    if await chat_members.set_role(tx, chat_id, user_id, request.role):
        changed = (user_id, call.viewer.id) if request.role == "owner" else (user_id,)
        await note(call, tx, chat_id, "role", *changed)
    return Nothing()


@methods.rpc("chat.members", reads=True)
async def list_members(call: Call, request: ListChatMembers, tx: Transaction) -> ChatMemberPage:
    """Members of the chat in the order of their ids, and users whom a request waits for."""
    chat_id, limit = int(request.chat_id), request.limit or DEFAULT_LIMIT
    await standing(tx, chat_id)
    after = page_start(call, request.chat_id, request.cursor, first=0)
    rows = await chat_members.load_page(tx, chat_id, after, limit, chat_rules.RECEIPTS_UP_TO)
    cursor = cursor_after(call, request.chat_id, [row["user_id"] for row in rows], limit)
    return ChatMemberPage(items=[present_chats.member(row) for row in rows], next_cursor=cursor)


@methods.rpc("chat.mark", limit=Limit("chat_mark", "300/minute", "chat.mark by user"), shed="minor")
async def mark_chat(call: Call, request: MarkChat, tx: Transaction) -> ChatMarks:
    """Advance the caller's marks: up to which message the caller has received and read. Returns the new marks."""
    if request.received_seq is None and request.read_seq is None:
        raise errors.invalid("read_seq", "give received_seq, read_seq or both")
    chat_id = int(request.chat_id)
    has_changed = await chat_members.mark(tx, chat_id, request.received_seq or 0, request.read_seq or 0)
    row = await chat_members.marks(tx, chat_id)
    if row is None:
        raise errors.not_found("chat")
    if has_changed:
        await call.services.outbox.add(tx, ChatMarkedEvent(chat_id=chat_id, user_id=call.viewer.id))
    return ChatMarks(received_seq=row["received_seq"], read_seq=row["read_seq"], unread=row["unread"])


@methods.rpc("chat.read_by", reads=True)
async def list_readers(call: Call, request: ChatMessageRef, tx: Transaction) -> ChatReaders:
    """Members who have read the message, with times. Not in chats of more than 300 members."""
    chat_id = int(request.chat_id)
    found = await standing(tx, chat_id)
    chat_rules.check("write", found["kind"], found["role"], found["state"])
    if found["member_count"] > chat_rules.RECEIPTS_UP_TO:
        raise errors.failed_precondition(
            f"chats of more than {chat_rules.RECEIPTS_UP_TO} members keep no list of readers"
        )
    if await chat_messages.load(tx, chat_id, request.seq) is None:
        raise errors.not_found("message")
    rows = await chat_members.read_by(tx, chat_id, request.seq, chat_rules.RECEIPTS_UP_TO)
    return ChatReaders(
        items=[ChatReader(user_id=str(row["user_id"]), read_at=present.optional_time(row["read_at"])) for row in rows]
    )
