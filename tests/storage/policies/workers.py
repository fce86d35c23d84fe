"""Writes of the workers' role, in the form of `rules`; it has no viewer."""

from tests.storage.policies import events, media, notifications, search
from tests.storage.policies.rooms import FAIL, SAVE, STOP
from tests.storage.policies.rules import NO_ONE, Rules

_WORKER = "worker"
_EVENT = "INSERT INTO outbox (id, topic, key, payload) VALUES"
_AUDIT = "INSERT INTO audit (id, actor_id, action, resource) VALUES"
_ROLE = "INSERT INTO room_roles (room_id, user_id, role) VALUES"
_COUNTS = "reply_count = 1, reactions = '{{}}', counts_version = 1"
_UPDATE = "UPDATE rooms SET version = version + 1, "

OF_WORKERS = {
    **events.OF_WORKERS,
    **media.OF_WORKERS,
    **notifications.OF_WORKERS,
    **search.OF_WORKERS,
    "users": Rules(
        "", "is_large", False,
        (
            (_WORKER, "UPDATE users SET is_large = true WHERE id = {owner}"),
            (NO_ONE, "UPDATE users SET is_private = false WHERE id = {owner}"),
        ),
    ),
    "push_devices": Rules("", "", True, ((_WORKER, "DELETE FROM push_devices WHERE id = {device}"),)),
    "account_mails": Rules(
        "", "due_at leased_until attempts outcome", False,
        (
            (_WORKER, "UPDATE account_mails SET outcome = 'sent', attempts = 1 WHERE id = {code}"),
            (NO_ONE, "UPDATE account_mails SET address = 'another' WHERE id = {code}"),
        ),
    ),
    "outbox": Rules(
        "id topic key payload", "sent_batch sent_at", True,
        (
            (_WORKER, _EVENT + " ({new}, 'room.closed', '{room}', '{{}}')"),
            (_WORKER, _EVENT + " ({new}, 'room.changed', '{room}', '{{}}')"),
            (NO_ONE, _EVENT + " ({new}, 'session.ended', '{owner}', '{{}}')"),
            (_WORKER, "UPDATE outbox SET sent_batch = 1, sent_at = now() WHERE id = {post}"),
            (NO_ONE, "UPDATE outbox SET payload = 'x' WHERE id = {post}"),
            (_WORKER, "DELETE FROM outbox WHERE id = {session}"),
            (NO_ONE, "DELETE FROM outbox WHERE id = {post}"),  # it has not been relayed
        ),
    ),
    "idempotency": Rules(
        "", "", True, ((NO_ONE, "DELETE FROM idempotency WHERE user_id = {owner} AND key = 'young'"),),
    ),
    "views": Rules(
        "", "", True,
        (
            (_WORKER, "DELETE FROM views WHERE post_id = {viewed_post}"),
            (NO_ONE, "DELETE FROM views WHERE post_id = {post}"),  # it has no sketch to move them into
        ),
    ),
    "view_sketches": Rules(
        "", "is_due", False,
        (
            (_WORKER, "UPDATE view_sketches SET is_due = false WHERE post_id = {viewed_post}"),
            (NO_ONE, "UPDATE view_sketches SET counted = 0 WHERE post_id = {viewed_post}"),
        ),
    ),
    "counts_unpushed": Rules(
        "", "", True,
        (
            (_WORKER, "SELECT keep_sketch({viewed_post}, '', 0); SELECT fold_counts(1000000);"
                      "DELETE FROM counts_unpushed WHERE target_id = {viewed_post}"),
        ),
    ),
    "posts": Rules("", "", False, ((NO_ONE, "UPDATE posts SET view_count = 1000000 WHERE id = {post}"),)),
    "audit": Rules(
        "id actor_id action resource changes ip user_agent", "", False,
        (
            (_WORKER, _AUDIT + " ({new}, NULL, 'room.hand_over', 'room:{room}')"),
            (NO_ONE, _AUDIT + " ({new}, {owner}, 'room.hand_over', 'room:{room}')"),
            (NO_ONE, _AUDIT + " ({new}, NULL, 'auth.login', 'session:{session}')"),
        ),
    ),
    "rooms": Rules(
        "", "host_id state ended_at version", False,
        (
            (_WORKER, _UPDATE + "host_id = {cohost} WHERE id = {room}"),
            (_WORKER, _UPDATE + "state = 'ended', ended_at = now() WHERE id = {room}"),
            (NO_ONE, _UPDATE + "host_id = {cohost} WHERE id = {scheduled}"),
            (NO_ONE, _UPDATE + "state = 'live', ended_at = NULL WHERE id = {ended}"),
            (NO_ONE, _UPDATE + "topic = 'y' WHERE id = {room}"),
        ),
    ),
    "room_roles": Rules(
        "room_id user_id role", "role granted_at", True,
        (
            (_WORKER, _ROLE + " ({room}, {owner}, 'cohost')"),
            (NO_ONE, _ROLE + " ({room}, {other}, 'speaker')"),
            (_WORKER, "UPDATE room_roles SET role = 'cohost' WHERE room_id = {room} AND user_id = {muted}"),
            (NO_ONE, "UPDATE room_roles SET role = 'speaker' WHERE room_id = {room} AND user_id = {muted}"),
            (NO_ONE, "UPDATE room_roles SET is_muted = false WHERE room_id = {room} AND user_id = {muted}"),
            (_WORKER, "DELETE FROM room_roles WHERE room_id = {room} AND user_id = {speaker}"),
        ),
    ),
    "room_turns": Rules(
        "", "ended_at", False,
        (
            (_WORKER, "UPDATE room_turns SET ended_at = now() WHERE room_id = {room}"),
            (NO_ONE, "UPDATE room_turns SET ended_at = NULL WHERE room_id = {ended}"),
        ),
    ),
    "comments": Rules(
        "", "reply_count reactions counts_version", False,
        (
            (_WORKER, f"UPDATE comments SET {_COUNTS} WHERE id = {{comment}}"),
            (NO_ONE, "UPDATE comments SET text = 'y' WHERE id = {comment}"),
        ),
    ),
    "room_messages": Rules("", "", True, ((_WORKER, "DELETE FROM room_messages WHERE room_id = {room}"),)),
    "room_recordings": Rules(
        "", "state ended_at checked_at error_code error_text", False,
        (
            (_WORKER, STOP + " {recording}"),
            (_WORKER, FAIL + " {stopping_recording}"),
            (_WORKER, "UPDATE room_recordings SET checked_at = now() WHERE id = {recording}"),
            (_WORKER, media.RECORDING_OF_OWNER + "; " + SAVE + " {stopping_recording}"),
            (NO_ONE, SAVE + " {stopping_recording}"),  # without its media
            (NO_ONE, FAIL + " {saved_recording}"),
        ),
    ),
    "room_digests": Rules(
        "room_id body", "", False,
        (
            (_WORKER, "INSERT INTO room_digests (room_id, body) VALUES ({undigested}, '{{}}')"),
            (NO_ONE, "INSERT INTO room_digests (room_id, body) VALUES ({room}, '{{}}')"),
        ),
    ),
}  # fmt: skip
