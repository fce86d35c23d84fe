"""Chats: open, create, list, rename, accept or reject, mute."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain import chat_rules
from handlers.call import Call
from handlers.chat_access import answer_ended, note, push_to_own_devices, standing
from handlers.paging import DEFAULT_LIMIT
from handlers.screening import screen, settle
from protocol import errors
from protocol.chats import (
    ChatEntry,
    ChatPage,
    ChatRef,
    CreateChat,
    ListChats,
    MuteChat,
    OpenChat,
    UpdateChat,
)
from protocol.limits import Limit
from protocol.rpc import Nothing, methods
from storage import chat_members, chats, present_chats
from storage.chat_members import PlacedMemberRow
from storage.chats import ChatEntryRow
from storage.database import Transaction

GROUP = Limit("chat_group", "60/hour", "groups created by chat.create and chat.open, by user")
STRANGER = Limit("chat_stranger", "30/24 hour", "users who got a chat request, by the user who sent it")
LONGEST_MUTE = timedelta(days=3_650)


@methods.rpc("chat.open", counts=(GROUP, STRANGER))
async def open_chat(call: Call, request: OpenChat, tx: Transaction) -> ChatEntry:
    """The direct chat with a user, created if there is none; with several users, a new group.

    A user who does not follow the caller gets it as a request.
    """
    others = others_among(call, request.user_ids)
    if len(others) > 1:
        await call.services.limits.hit(GROUP.name, call.viewer.id)
        return await _create_group(call, tx, "", others)
    chat_id, outcome = await chats.open_direct(tx, call.services.ids.mint(), others[0])
    match outcome:
        case "missing":
            raise errors.not_found("user")
        case "blocked":
            raise errors.failed_precondition("unblock the user first")
        case "refused":
            raise errors.permission_denied("the user does not accept messages from you")
        case "accepted":
            await note(call, tx, chat_id, "accepted", call.viewer.id)
        case "created" | "requested":
            await _count_requests(call, int(outcome == "requested"))
            await note(call, tx, chat_id, "opened", call.viewer.id, others[0])
    return present_chats.entry(await _load(tx, chat_id), call.show_media)


@methods.rpc("chat.create", limit=GROUP, counts=(STRANGER,))
async def create_chat(call: Call, request: CreateChat, tx: Transaction) -> ChatEntry:
    """Create a group that the caller owns. Users who do not follow the caller get a request."""
    return await _create_group(call, tx, request.title, others_among(call, request.user_ids))


@methods.rpc("chat.get", reads=True)
async def get_chat(call: Call, request: ChatRef, tx: Transaction) -> ChatEntry:
    """One chat, as in the caller's list."""
    return present_chats.entry(await _load(tx, int(request.chat_id)), call.show_media)


@methods.rpc("chat.list", reads=True)
async def list_chats(call: Call, request: ListChats, tx: Transaction) -> ChatPage:
    """The caller's chats with the newest message first; with `since_version`, all that changed since then."""
    scope = f"{call.method}:{request.since_version}:{request.requests}"
    place = call.services.cursors.open(call.viewer.id, scope, request.cursor)
    limit = request.limit or DEFAULT_LIMIT
    page = await chats.load_page(
        tx,
        since=request.since_version,
        state="requested" if request.requests else "active",
        before=None if place is None else _place_of(place),
        limit=limit,
    )
    cursor = None
    if len(page.rows) == limit:
        last = page.rows[-1]
        cursor = call.services.cursors.seal(call.viewer.id, scope, f"{last['last_at'].isoformat()} {last['id']}")
    return ChatPage(
        items=[present_chats.entry(row, call.show_media) for row in page.rows], version=page.version, next_cursor=cursor
    )


@methods.rpc("chat.update")
async def update_chat(call: Call, request: UpdateChat, tx: Transaction) -> ChatEntry:
    """Change the title of a group, as its owner or an admin."""
    chat_id = int(request.chat_id)
    found = await standing(tx, chat_id)
    chat_rules.check("update", found["kind"], found["role"], found["state"])
    title = [("title", request.title)]
    verdict = await screen(call, tx, "group", chat_id, title, is_edit=True)
    if await chats.rename(tx, chat_id, request.title):
        await settle(call, tx, verdict, None, chat_id)
        await note(call, tx, chat_id, "updated")
    return present_chats.entry(await _load(tx, chat_id), call.show_media)


@methods.rpc("chat.accept")
async def accept_chat(call: Call, request: ChatRef, tx: Transaction) -> ChatEntry:
    """Accept a chat request. Repeating it changes nothing."""
    chat_id = int(request.chat_id)
    await standing(tx, chat_id)
    if await chats.accept(tx, chat_id):
        await note(call, tx, chat_id, "accepted", call.viewer.id)
    return present_chats.entry(await _load(tx, chat_id), call.show_media)


@methods.rpc("chat.reject")
async def reject_chat(call: Call, request: ChatRef, tx: Transaction) -> Nothing:
    """Refuse a chat request; its sender is not notified. Repeating it changes nothing."""
    chat_id = int(request.chat_id)
    if not await chats.reject(tx, chat_id):
        return await answer_ended(tx, chat_id)
    push_to_own_devices(call, chat_id, "member", "left", None)
    return Nothing()


@methods.rpc("chat.mute")
async def mute_chat(call: Call, request: MuteChat, tx: Transaction) -> Nothing:
    """Mute the chat's notifications for the caller, until a time or for good, or unmute them."""
    chat_id, now = int(request.chat_id), call.services.now()
    until = request.until
    if until is not None and not (request.muted and now < until < now + LONGEST_MUTE):
        raise errors.invalid("until", "requires muted, and must be in the future, within ten years")
    if request.muted and until is None:
        until = now + LONGEST_MUTE
    found = await standing(tx, chat_id)
    await chats.mute(tx, chat_id, until)
    push_to_own_devices(call, chat_id, found["role"], found["state"], until)
    return Nothing()


def others_among(call: Call, user_ids: Sequence[str]) -> list[int]:
    """The ids without repetitions. Raises INVALID_ARGUMENT if the caller is among them."""
    others = list(dict.fromkeys(map(int, user_ids)))
    if call.viewer.id in others:
        raise errors.invalid("user_ids", "names the caller")
    return others


async def add_users(call: Call, tx: Transaction, chat_id: int, others: Sequence[int]) -> list[PlacedMemberRow]:
    """Add these users to the group. Raises RESOURCE_EXHAUSTED for a caller who sends too many requests."""
    placed = await chat_members.add(tx, chat_id, others)
    await _count_requests(call, sum(row["is_new"] and row["state"] == "requested" for row in placed))
    return placed


async def _count_requests(call: Call, amount: int) -> None:
    if amount:
        await call.services.limits.hit(STRANGER.name, call.viewer.id, amount)


async def _create_group(call: Call, tx: Transaction, title: str, others: Sequence[int]) -> ChatEntry:
    chat_id = call.services.ids.mint()
    verdict = await screen(call, tx, "group", chat_id, [("title", title)]) if title else None
    await chats.create_group(tx, chat_id, title)
    await settle(call, tx, verdict, None, chat_id)
    placed = await add_users(call, tx, chat_id, others)
    await note(call, tx, chat_id, "opened", call.viewer.id, *(row["user_id"] for row in placed))
    return present_chats.entry(await _load(tx, chat_id), call.show_media)


async def _load(tx: Transaction, chat_id: int) -> ChatEntryRow:
    row = await chats.load_entry(tx, chat_id)
    if row is None:
        raise errors.not_found("chat")
    return row


def _place_of(place: str) -> tuple[datetime, int]:
    last_at, _, chat_id = place.partition(" ")
    return datetime.fromisoformat(last_at), int(chat_id)
