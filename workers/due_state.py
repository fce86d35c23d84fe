"""The state by which due deliveries are checked again: their users, notifications, chats and devices as they are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, cast

from domain.notification_rules import Recipient, Ruling, rule_again
from storage import chat_notifications, devices, notification_deliveries, notifications
from storage.chat_notifications import UnreadRow
from storage.devices import DeviceRow
from storage.notification_deliveries import Channel, DueDelivery, TargetDetail
from storage.notifications import NotificationRow
from workers.job import Tools
from workers.notifications import load_recipients


class Known(NamedTuple):
    """The present state of the users and notifications of a batch."""

    now: datetime
    rows: Mapping[int, NotificationRow]
    why_hidden: Mapping[int, str]
    details: Mapping[int, TargetDetail]
    last_seqs: Mapping[int, int]  # of chats
    users: Mapping[int, Recipient]
    devices: Sequence[DeviceRow]
    online: set[int]


async def look_up(tools: Tools, due: Sequence[DueDelivery], now: datetime) -> Known:
    user_ids = sorted({delivery.user_id for delivery in due})
    ids = sorted({delivery.notification_id for delivery in due})
    online = await tools.locations.online(user_ids)
    async with tools.database.transaction() as tx:
        pairs = [(delivery.user_id, delivery.notification_id) for delivery in due]
        rows = {row["id"]: row for row in await notifications.load_shown(tx, pairs)}
        hidden = [each for each in ids if each not in rows]
        details = await notification_deliveries.load_details(tx, [*rows])
        chats = [row["id"] for row in rows.values() if row["kind"] == "chat_message"]
        unread = await chat_notifications.load_unread(tx, chats) if chats else {}
        for notification_id, chat in unread.items():
            rows[notification_id] = _with_unread(rows[notification_id], chat, now)
            details[notification_id] = TargetDetail(chat["text"] or "", chat["kinds"] or ())
        return Known(
            now,
            rows,
            await notification_deliveries.why_hidden(tx, hidden) if hidden else {},
            details,
            {each: chat["last_seq"] for each, chat in unread.items()},
            await load_recipients(tx, user_ids),
            await devices.of_users(tx, user_ids),
            online,
        )


def check(known: Known, delivery: DueDelivery) -> Ruling:
    """Whether the notification is still to be sent: its ruling is `scheduled` if so."""
    channel, now = channel_of(delivery), known.now
    to, row = known.users.get(delivery.user_id), known.rows.get(delivery.notification_id)
    if to is None:
        return Ruling(channel, "dropped", "the account is not active", now)
    if row is None:
        return Ruling(channel, "dropped", known.why_hidden.get(delivery.notification_id, "no longer visible"), now)
    is_seen, is_online = row["seen_at"] is not None, delivery.user_id in known.online
    return rule_again(channel, row["kind"], to, now, is_seen=is_seen, is_online=is_online)


def devices_of(known: Known, user_id: int, channel: Channel) -> list[DeviceRow]:
    is_email = channel == "email"
    return [row for row in known.devices if row["user_id"] == user_id and (row["kind"] == "email") == is_email]


def channel_of(delivery: DueDelivery) -> Literal["push", "email"]:
    return "email" if delivery.channel == "email" else "push"  # a dismissal belongs to pushes


def _with_unread(row: NotificationRow, chat: UnreadRow, now: datetime) -> NotificationRow:
    """Show a notification of a chat with the senders of its unread messages; without any, it is seen."""
    senders, amount = chat["senders"], chat["sender_count"]
    seen_at = None if chat["unread"] else now
    return cast("NotificationRow", {**row, "actors": senders, "actor_count": amount, "seen_at": seen_at})
