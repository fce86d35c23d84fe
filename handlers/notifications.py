"""Notifications: list them, mark them as seen or read, settle those kept back by a policy, explain decisions."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, next_cursor, page_start
from protocol import errors
from protocol.notifications import (
    Decision,
    Decisions,
    FilteredPage,
    ListNotifications,
    MarkSeen,
    NotificationCounted,
    NotificationCreated,
    NotificationDismissed,
    NotificationPage,
    NotificationRef,
    NotificationRefs,
    Unseen,
)
from protocol.rpc import methods
from senders.view import notification
from storage import notifications
from storage.database import Transaction
from storage.notifications import Page


@methods.rpc("notification.list", reads=True)
async def list_notifications(call: Call, request: ListNotifications, tx: Transaction) -> NotificationPage:
    """The caller's notifications, newest first by their first event, and how many are unseen."""
    page = await _load(call, request, tx, "list")
    return NotificationPage(
        items=[notification(row, page.locale) for row in page.rows],
        unseen_count=page.unseen_count,
        next_cursor=next_cursor(call, "", page.last_id),
    )


@methods.rpc("notification.filtered", reads=True)
async def list_filtered(call: Call, request: ListNotifications, tx: Transaction) -> FilteredPage:
    """Notifications that the caller's policies kept back, newest first."""
    page = await _load(call, request, tx, "filtered")
    return FilteredPage(
        items=[notification(row, page.locale) for row in page.rows], next_cursor=next_cursor(call, "", page.last_id)
    )


@methods.rpc("notification.mark_seen", shed="minor")
async def mark_seen(call: Call, request: MarkSeen, tx: Transaction) -> Unseen:
    """Mark a notification and all older ones as seen. Repeating it changes nothing."""
    return await _announce(call, tx, dismissed=await notifications.see(tx, int(request.up_to_id)))


@methods.rpc("notification.mark_read", shed="minor")
async def mark_read(call: Call, request: NotificationRefs, tx: Transaction) -> Unseen:
    """Mark notifications as read, and seen. Ids that the caller does not have change nothing."""
    return await _announce(call, tx, dismissed=await notifications.read(tx, _ids(request)))


@methods.rpc("notification.accept_filtered")
async def accept_filtered(call: Call, request: NotificationRefs, tx: Transaction) -> Unseen:
    """Move notifications that a policy kept back into the list. Repeating it changes nothing."""
    accepted = await notifications.settle_filtered(tx, _ids(request), accepted=True)
    if accepted:
        rows, locale = await notifications.load_own(tx, accepted)
        for row in rows:
            push_id = f"notification.created:{row['id']}:accepted"
            call.push_to_own_devices(NotificationCreated(id=push_id, notification=notification(row, locale)))
    return await _announce(call, tx)


@methods.rpc("notification.dismiss_filtered")
async def dismiss_filtered(call: Call, request: NotificationRefs, tx: Transaction) -> Unseen:
    """Delete notifications that a policy kept back. Repeating it changes nothing."""
    return await _announce(call, tx, dismissed=await notifications.settle_filtered(tx, _ids(request), accepted=False))


@methods.rpc("notification.why", reads=True)
async def explain(call: Call, request: NotificationRef, tx: Transaction) -> Decisions:
    """The decisions about a notification on each channel, with their reasons, oldest first."""
    found = await notifications.decisions(tx, int(request.id))
    if found is None:
        raise errors.not_found("notification")
    return Decisions(decisions=msgspec.json.decode(found, type=list[Decision]))


def _ids(request: NotificationRefs) -> list[int]:
    return [int(each) for each in request.ids]


async def _load(call: Call, request: ListNotifications, tx: Transaction, place: Literal["list", "filtered"]) -> Page:
    before = page_start(call, "", request.cursor)
    return await notifications.load_page(tx, place, before, request.limit or DEFAULT_LIMIT)


async def _announce(call: Call, tx: Transaction, *, dismissed: Sequence[int] = ()) -> Unseen:
    """Push the change to the caller's devices after the commit; return the number of unseen notifications."""
    unseen_count = await notifications.unseen_count(tx)
    call.push_to_own_devices(
        NotificationCounted(id=f"notification.counted:{call.request_id}", unseen_count=unseen_count)
    )
    if dismissed:
        call.push_to_own_devices(
            NotificationDismissed(id=f"notification.dismissed:{call.request_id}", ids=[*map(str, dismissed)])
        )
    return Unseen(unseen_count=unseen_count)
