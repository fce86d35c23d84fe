"""Functions that handlers of chats share: the caller's standing in a chat, events, pushes to the caller's devices."""

from datetime import datetime

from handlers.call import Call
from protocol import errors
from protocol.chats import ChatMembershipChanged, ChatRole, ChatState
from protocol.events import ChatChange, ChatChangedEvent
from protocol.rpc import Nothing
from storage import chats, present
from storage.chats import ChatStandingRow
from storage.database import Transaction


async def standing(tx: Transaction, chat_id: int) -> ChatStandingRow:
    """The kind and size of the chat, and the caller's role and state in it. Raises NOT_FOUND."""
    row = await chats.standing(tx, chat_id)
    if row is None:
        raise errors.not_found("chat")
    return row


async def answer_ended(tx: Transaction, chat_id: int) -> Nothing:
    """Answer chat.leave or chat.reject that found nothing to end: success if the membership has ended before.

    Raises NOT_FOUND for a user who was never a member, FAILED_PRECONDITION if the other call is the right one.
    """
    state = await chats.own_state(tx, chat_id)
    if state is None:
        raise errors.not_found("chat")
    if state == "requested":
        raise errors.failed_precondition("the chat is a request: call chat.reject")
    if state == "active":
        raise errors.failed_precondition("only groups can be left, by chat.leave, and only requests rejected")
    return Nothing()


async def note(call: Call, tx: Transaction, chat_id: int, change: ChatChange, *user_ids: int) -> None:
    event = ChatChangedEvent(chat_id=chat_id, actor_id=call.viewer.id, user_ids=user_ids, change=change)
    await call.services.outbox.add(tx, event)


def push_to_own_devices(
    call: Call, chat_id: int, role: ChatRole, state: ChatState, muted_until: datetime | None
) -> None:
    """Push the caller's own state after the commit. A device that misses it finds the change in `chat.list`."""
    call.push_to_own_devices(
        ChatMembershipChanged(
            id=f"chat.membership_changed:{call.request_id}",
            chat_id=str(chat_id),
            role=role,
            state=state,
            muted_until=present.optional_time(muted_until),
        )
    )
