"""Messages of chats: send, history, edit, delete, react."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from domain import chat_rules
from handlers.call import Call
from handlers.chat_access import standing
from handlers.media_use import check_not_empty, unusable_media
from handlers.new_accounts import NEW_STRANGER, STRANGER, count_new
from handlers.paging import DEFAULT_LIMIT
from handlers.screening import screen, settle
from protocol import errors
from protocol.chat_messages import (
    ChatEdit,
    ChatEdits,
    ChatHistory,
    ChatMessage,
    ChatMessageHidden,
    ChatMessageRef,
    DeleteChatMessage,
    EditChatMessage,
    GetChatHistory,
    ReactInChat,
    SendToChat,
)
from protocol.errors import CallError
from protocol.events import ChatMessageChangedEvent, MessageChange
from protocol.limits import Limit
from protocol.media import Media
from protocol.rpc import Nothing, methods
from protocol.timestamps import to_wire
from storage import chat_messages, idempotency, present_chats
from storage.chat_messages import ChatMessageRow
from storage.database import Transaction

MESSAGE = Limit("chat_message", "120/minute", "chat.send by user")


@methods.rpc("chat.send", limit=None, counts=(MESSAGE, STRANGER, NEW_STRANGER))
async def send_message(call: Call, request: SendToChat) -> ChatMessage:
    """Send a message. The same idempotency key returns the first answer.

    Messages that wait for the same chat are sent in one transaction, so this handler has none of its own.
    """
    check_not_empty(request.text, request.media_ids)
    media_ids = [int(media_id) for media_id in request.media_ids or ()]
    exhausted = await _exhausted(call)
    if exhausted is not None and request.idempotency_key is None:
        raise exhausted
    if exhausted is None and not call.services.stranger_chats.is_known(int(request.chat_id)):
        await _check_stranger(call, request)
    sent = await call.services.chat_sends.send(
        int(request.chat_id), call.viewer.id, request.text, request.reply_to_seq, request.idempotency_key,
        idempotency.hash_of(request), may_spend=exhausted is None, media_ids=media_ids,
    )  # fmt: skip
    match sent.verdict:
        case "missing":
            raise errors.not_found("chat")
        case "requested":
            raise errors.failed_precondition("accept the chat first")
        case "waiting":
            raise errors.failed_precondition("no more than 3 messages until the chat is accepted")
        case "reply":
            raise errors.not_found("message")
        case "media":
            assert sent.unusable is not None
            raise unusable_media(sent.unusable)
        case "used":
            raise errors.already_exists("idempotency_key", "was used with other arguments")
        case "limit" if exhausted is not None:
            raise exhausted
        case "kept" if exhausted is None:
            await call.services.limits.give_back(MESSAGE.name, str(call.viewer.id))
    assert sent.seq is not None
    assert sent.created_at is not None
    return ChatMessage(
        chat_id=request.chat_id,
        seq=sent.seq,
        sender_id=str(call.viewer.id),
        text=request.text,
        media=await _shown(call, int(request.chat_id), sent.seq) if media_ids else [],
        reply_to_seq=request.reply_to_seq,
        created_at=to_wire(sent.created_at),
        edited_at=None,
        deleted=False,
        labels=[],
    )


@methods.rpc("chat.history", reads=True)
async def get_history(call: Call, request: GetChatHistory, tx: Transaction) -> ChatHistory:
    """Messages before, after or around a number; otherwise the newest."""
    places = (request.before_seq, request.after_seq, request.around_seq)
    if sum(place is not None for place in places) > 1:
        raise errors.invalid("around_seq", "give one of before_seq, after_seq and around_seq")
    row = await chat_messages.load_history(
        tx,
        int(request.chat_id),
        before=request.before_seq,
        after=request.after_seq,
        around=request.around_seq,
        limit=request.limit or DEFAULT_LIMIT,
    )
    if row is None:
        raise errors.not_found("chat")
    return ChatHistory(
        items=present_chats.shown_messages(row["messages"], call.show_media),
        from_seq=row["from_seq"],
        to_seq=row["to_seq"],
        first_seq=row["first_seq"],
        last_seq=row["last_seq"],
    )


@methods.rpc("chat.edit")
async def edit_message(call: Call, request: EditChatMessage, tx: Transaction) -> ChatMessage:
    """Change the text of the caller's own message. Members see its earlier texts."""
    chat_id = int(request.chat_id)
    await _check_may_write(tx, chat_id)
    message = await _load(tx, chat_id, request.seq)
    if message["sender_id"] != call.viewer.id:
        raise errors.permission_denied("only the sender can edit a message")
    if message["text"] != request.text:
        media_ids = [str(each["id"]) for each in message["media"] or ()]
        check_not_empty(request.text, media_ids)
        _check_window(call, message, call.services.chat_windows.edit, "edited")
        strangers = call.services.stranger_chats
        if not strangers.is_known(chat_id) and await strangers.ask(tx, chat_id):
            await _judge(call, tx, chat_id, request.text, media_ids, is_edit=True)
        edited = await chat_messages.edit(tx, chat_id, request.seq, request.text)
        if edited is None:
            raise errors.not_found("message")
        message = edited
        await _note(call, tx, "edited", chat_id, request.seq)
    return present_chats.message(message, call.show_media)


@methods.rpc("chat.edits", reads=True)
async def list_edits(call: Call, request: ChatMessageRef, tx: Transaction) -> ChatEdits:
    """The texts that the message has had, oldest first."""
    chat_id = int(request.chat_id)
    message = await _load(tx, chat_id, request.seq)
    texts = [
        ChatEdit(text=row["text"], written_at=to_wire(row["written_at"]))
        for row in await chat_messages.earlier_texts(tx, chat_id, request.seq)
    ]
    present_since = message["edited_at"] or message["created_at"]
    return ChatEdits(items=[*texts, ChatEdit(text=message["text"], written_at=to_wire(present_since))])


@methods.rpc("chat.delete")
async def delete_message(call: Call, request: DeleteChatMessage, tx: Transaction) -> Nothing:
    """Delete a message for the caller alone, or for everyone: the caller's own, or any as owner or admin of a group.

    Repeating it changes nothing.
    """
    chat_id = int(request.chat_id)
    message = await chat_messages.load(tx, chat_id, request.seq)
    if message is None:
        raise errors.not_found("message")
    if request.for_whom == "me":
        await chat_messages.hide(tx, chat_id, request.seq)
        hidden = ChatMessageHidden(id=f"chat.hidden:{chat_id}:{request.seq}", chat_id=request.chat_id, seq=request.seq)
        call.push_to_own_devices(hidden)
        return Nothing()
    found = await standing(tx, chat_id)
    is_own = message["sender_id"] == call.viewer.id
    chat_rules.check("write" if is_own else "delete_of_others", found["kind"], found["role"], found["state"])
    if not message["is_deleted"]:
        _check_window(call, message, call.services.chat_windows.delete, "deleted for everyone")
        await chat_messages.delete(tx, chat_id, request.seq)
        await _note(call, tx, "deleted", chat_id, request.seq)
    return Nothing()


@methods.rpc("chat.react", limit=Limit("chat_reaction", "120/minute", "chat.react by user"))
async def react(call: Call, request: ReactInChat, tx: Transaction) -> Nothing:
    """Set or take back the caller's reaction to a message. Repeating it changes nothing."""
    chat_id = int(request.chat_id)
    await _check_may_write(tx, chat_id)
    await _load(tx, chat_id, request.seq)
    if await chat_messages.react(tx, chat_id, request.seq, request.emoji):
        await _note(call, tx, "reacted", chat_id, request.seq)
    return Nothing()


async def _shown(call: Call, chat_id: int, seq: int) -> list[Media]:
    load = partial(chat_messages.load, chat_id=chat_id, seq=seq)
    message = await call.services.database.read(call.viewer.id, load, budget=call.budget)
    return call.show_media(message["media"] or ()) if message is not None else []


async def _check_stranger(call: Call, request: SendToChat) -> None:
    """Count a message to a user who has not accepted the chat, and judge it by the rules.

    Raises RESOURCE_EXHAUSTED, INVALID_ARGUMENT.
    """
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        if not await call.services.stranger_chats.ask(tx, int(request.chat_id)):
            return
        if request.idempotency_key is not None:
            place = idempotency.AnswerPlace(call.viewer.id, call.method, request.idempotency_key)
            if await idempotency.first_answer(tx, place, idempotency.hash_of(request)) is not None:
                return  # a repetition
        await call.services.limits.hit(STRANGER.name, call.viewer.id)
        await count_new(call, NEW_STRANGER)
        await _judge(call, tx, int(request.chat_id), request.text, request.media_ids, is_edit=False)


async def _judge(
    call: Call, tx: Transaction, chat_id: int, text: str, media_ids: Sequence[str] | None, *, is_edit: bool
) -> None:
    """Judge a message to a user who has not accepted the chat by the rules. Raises INVALID_ARGUMENT."""
    verdict = await screen(
        call, tx, "message", call.services.ids.mint(), [("text", text)], media_ids=media_ids, is_edit=is_edit
    )
    await settle(call, tx, verdict, "message", chat_id)


async def _exhausted(call: Call) -> CallError | None:
    """Count one message. Returns the error instead of raising it, because a repetition is free."""
    try:
        await call.services.limits.hit(MESSAGE.name, call.viewer.id)
    except CallError as error:
        return error
    return None


async def _check_may_write(tx: Transaction, chat_id: int) -> None:
    found = await standing(tx, chat_id)
    chat_rules.check("write", found["kind"], found["role"], found["state"])


async def _load(tx: Transaction, chat_id: int, seq: int) -> ChatMessageRow:
    """A message that was not deleted. Raises NOT_FOUND."""
    message = await chat_messages.load(tx, chat_id, seq)
    if message is None or message["is_deleted"]:
        raise errors.not_found("message")
    return message


def _check_window(call: Call, message: ChatMessageRow, window: timedelta, done: str) -> None:
    if call.services.now() - message["created_at"] > window:
        raise errors.failed_precondition(f"a message cannot be {done} more than {window} after it was sent")


async def _note(call: Call, tx: Transaction, change: MessageChange, chat_id: int, seq: int) -> None:
    event = ChatMessageChangedEvent(chat_id=chat_id, seq=seq, actor_id=call.viewer.id, change=change)
    await call.services.outbox.add(tx, event)
