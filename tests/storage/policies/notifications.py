"""Rights to notifications, in the forms of `rules` and `answers`. Only functions create and change them."""

from tests.storage.policies.rules import NO_ONE, Rules

_WORKER = "worker"
_PREFERENCES = "INSERT INTO notification_preferences (user_id, strangers) VALUES"
_PREFERRED = "channels ungrouped quiet_from quiet_until strangers new_accounts"
_NOTIFICATION = "INSERT INTO notifications (id, user_id, kind, target_type, target_id, place) VALUES"
_CAUSE = "INSERT INTO notification_causes (user_id, kind, target_type, target_id, actor_id, event_id) VALUES"
_DELIVERY = "INSERT INTO notification_deliveries (notification_id, channel, user_id, due_at) VALUES"

NOTIFICATIONS = {
    "notifications": Rules(
        "", "", False, ((NO_ONE, "UPDATE notifications SET seen_at = now() WHERE user_id = {owner}"),)
    ),
    "notification_causes": Rules("", "", False, ((NO_ONE, "DELETE FROM notification_causes WHERE user_id = {owner}"),)),
    "notification_deliveries": Rules(
        "", "", False, ((NO_ONE, "DELETE FROM notification_deliveries WHERE user_id = {owner}"),)
    ),
    "system_messages": Rules("", "", False, ((NO_ONE, "DELETE FROM system_messages WHERE id = {system_message}"),)),
    "handled_events": Rules("", "", False, ((NO_ONE, "DELETE FROM handled_events WHERE event_id = {post}"),)),
    "notification_preferences": Rules(
        f"user_id {_PREFERRED}", _PREFERRED, False,
        (
            ("stranger", _PREFERENCES + " ({stranger}, 'drop')"),
            ("other", _PREFERENCES + " ({other}, 'drop')"),
            ("owner", "UPDATE notification_preferences SET strangers = 'accept' WHERE user_id = {owner}"),
            (NO_ONE, "UPDATE notification_preferences SET user_id = {me} WHERE user_id = {owner}"),
        ),
    ),
}  # fmt: skip

OF_WORKERS = {
    "system_messages": Rules(
        "", "", False, ((NO_ONE, "INSERT INTO system_messages (id, text) VALUES ({new}, 'x')"),)
    ),
    "handled_events": Rules(
        "event_id", "", True,
        (
            (_WORKER, "INSERT INTO handled_events (event_id) VALUES ({new})"),
            (_WORKER, "DELETE FROM handled_events WHERE event_id = {owner} >> 24"),
            (NO_ONE, "DELETE FROM handled_events WHERE event_id = {post}"),  # it is not old
        ),
    ),
    "notifications": Rules(
        "", "decisions told_seq", True,
        (
            (_WORKER, "UPDATE notifications SET decisions = '[{{}}]' WHERE id = {notification}"),
            (NO_ONE, "UPDATE notifications SET place = 'list' WHERE id = {filtered_notification}"),
            (NO_ONE, _NOTIFICATION + " ({new}, {owner}, 'system', 'user', {owner}, 'list')"),
            (_WORKER, "DELETE FROM notifications WHERE id = {notification}"),
        ),
    ),
    "notification_causes": Rules(
        "", "", True,
        (
            (_WORKER, "DELETE FROM notification_causes WHERE actor_id = {cohost}"),
            (NO_ONE, "DELETE FROM notification_causes WHERE actor_id = {other}"),  # it is not old
            (NO_ONE, _CAUSE + " ({owner}, 'follow', 'user', {owner}, {open}, 1)"),
        ),
    ),
    "notification_deliveries": Rules(
        "notification_id channel user_id due_at", "due_at leased_until attempts outcome sent_to", False,
        (
            (_WORKER, _DELIVERY + " ({notification}, 'email', {owner}, now())"),
            (NO_ONE, _DELIVERY + " ({notification}, 'email', {other}, now())"),
            (_WORKER, "UPDATE notification_deliveries SET outcome = 'sent' WHERE notification_id = {notification}"),
            (NO_ONE, "UPDATE notification_deliveries SET user_id = {other} WHERE notification_id = {notification}"),
        ),
    ),
}  # fmt: skip

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "notifications_shown": (("owner", "SELECT shown_count FROM notifications_shown(ARRAY [{notification}])"),),
    "sees_system_message": (("owner", "SELECT sees_system_message({system_message})"),),
    "unseen_count": (("owner", "SELECT unseen_count()"),),
    "see_notifications": (
        ("owner", "SELECT see_notifications({notification});"
                  "SELECT seen_at IS NOT NULL FROM notifications WHERE id = {notification}"),
    ),
    "read_notifications": (
        ("owner", "SELECT read_notifications(ARRAY [{notification}]);"
                  "SELECT read_at IS NOT NULL FROM notifications WHERE id = {notification}"),
    ),
    "settle_filtered": (
        ("owner", "SELECT settle_filtered(ARRAY [{filtered_notification}], true);"
                  "SELECT place = 'list' FROM notifications WHERE id = {filtered_notification}"),
    ),
}  # fmt: skip
TO_WORKERS = {
    "notify", "recheck_cause", "told_lately", "notification_recipients", "notification_detail",
    "notifications_shown_to", "unseen_count_of", "notify_of_messages", "unread_messages", "dismiss_messages",
}  # fmt: skip
INTERNAL = TO_WORKERS | {"hides", "target_visible_to", "notification_verdict", "cause_stands", "dismiss_deliveries"}
