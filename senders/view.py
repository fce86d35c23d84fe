"""Notifications as users see them, in the app and on devices."""

from collections.abc import Mapping, Sequence

import msgspec

from protocol.notifications import Kind, Notification, Target
from protocol.timestamps import to_wire
from protocol.users import UserLite
from senders.sender import Message
from senders.texts import TextKind, media_text, message_line, notification_text
from storage.notification_deliveries import TargetDetail
from storage.notifications import NotificationRow

AT_ONCE: frozenset[Kind] = frozenset({"security", "chat_message", "chat_request"})  # also while a device saves power
MOST_LINES = 4  # of a message about several notifications
MOST_IDS = 40  # in a message: its data stays below 1 KB


def notification(row: NotificationRow, locale: str) -> Notification:
    actors = _actors(row)
    return Notification(
        id=str(row["id"]),
        kind=row["kind"],
        actors=actors,
        actor_count=row["actor_count"],
        target=Target(row["target_type"], str(row["target_id"])),
        text=_line(row, actors, locale),
        created_at=to_wire(row["first_at"]),
        updated_at=to_wire(row["updated_at"]),
        seen=row["seen_at"] is not None,
        read=row["read_at"] is not None,
    )


def device_message(rows: Sequence[NotificationRow], details: Mapping[int, TargetDetail], locale: str) -> Message:
    """One message about notifications of one user, the newest first. `details`: what each is about, by its id."""
    newest = rows[0]
    title, body = _text(newest, _actors(newest), locale, _detail(newest, details, locale))
    if len(rows) > 1:
        title = notification_text(locale, "several", [], len(rows))[0]
        body = "\n".join(_line(row, _actors(row), locale) for row in rows[:MOST_LINES])
    return Message(
        newest["id"],
        title,
        body,
        {
            "notification_ids": ",".join(str(row["id"]) for row in rows[:MOST_IDS]),
            "kind": newest["kind"],
            "target_type": newest["target_type"],
            "target_id": str(newest["target_id"]),
        },
        collapse_key=_key(newest),
        urgent=any(row["kind"] in AT_ONCE for row in rows),
    )


def dismissal(notification_ids: Sequence[int]) -> Message:
    """Removes from devices the messages about at most MOST_IDS notifications."""
    listed = ",".join(map(str, notification_ids))
    return Message(notification_ids[0], "", "", {"dismissed_ids": listed}, silent=True)


def _key(row: NotificationRow) -> str:
    """A later message about the same notification, or the same chat, replaces the first."""
    return f"chat:{row['target_id']}" if row["target_type"] == "chat" else f"notification:{row['id']}"


def _actors(row: NotificationRow) -> list[UserLite]:
    return msgspec.json.decode(row["actors"], type=list[UserLite])


def _line(row: NotificationRow, actors: Sequence[UserLite], locale: str) -> str:
    """The title, with the message if the operator sent one; of a decision, what was decided and why."""
    if row["target_type"] == "decision":
        return row["message"] or ""
    if row["kind"] == "system" and row["message"]:
        return message_line(locale, row["message"])
    return _text(row, actors, locale)[0]


def _text(row: NotificationRow, actors: Sequence[UserLite], locale: str, detail: str = "") -> tuple[str, str]:
    """Title and body in the language of the locale."""
    names = [actor.display_name or actor.username for actor in actors]
    return notification_text(locale, _text_kind(row), names, row["actor_count"], detail)


def _detail(row: NotificationRow, details: Mapping[int, TargetDetail], locale: str) -> str:
    """Its text; without one, what its files are."""
    detail = details.get(row["id"], TargetDetail(""))
    message = row["message"] if row["target_type"] in ("decision", "system_message") else None
    return detail.text or media_text(locale, detail.kinds) or message or ""


def _text_kind(row: NotificationRow) -> TextKind:
    match row["kind"]:
        case "digest":
            return "room_digest"
        case "security":
            return "security_password_changed" if row["target_type"] == "password" else "security_new_device"
        case "account" if row["target_type"] == "decision":
            return "decision"
        case "account" if row["target_type"] == "decision_end":
            return "decision_ended"
        case "account":
            return "appeal_overturned" if row["message"] == "overturned" else "appeal_upheld"
        case "report":
            return "report_upheld" if row["message"] == "upheld" else "report_rejected"
        case kind:
            return kind
