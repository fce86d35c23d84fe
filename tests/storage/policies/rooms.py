"""Writes of the application's role to live rooms, in the form of `rules`."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

_ROOM = "INSERT INTO rooms (id, owner_id, host_id, topic, visibility, circle_id, capacity) VALUES"
_ROLE = "INSERT INTO room_roles (room_id, user_id, role) VALUES"
_BAN = "INSERT INTO room_bans (room_id, user_id, actor_id) VALUES"
_INVITATION = "INSERT INTO room_invitations (room_id, user_id, inviter_id) VALUES"
_MESSAGE = "INSERT INTO room_messages (id, room_id, sender_id, text) VALUES"
_RECORDING = (
    "INSERT INTO room_recordings (object_key, id, room_id, started_by) VALUES ('private/{new}/0123456789abcdef01234/'"
)
STOP = "UPDATE room_recordings SET state = 'stopping', ended_at = now() WHERE id ="
SAVE = "UPDATE room_recordings SET state = 'saved', ended_at = now() WHERE id ="
FAIL = """UPDATE room_recordings SET state = 'failed', ended_at = now(), error_code = 'x', error_text = 'y'
    WHERE id ="""
_UPDATE = "UPDATE rooms SET version = version + 1, "

ROOMS = {
    "rooms": Rules(
        "id owner_id host_id topic visibility circle_id capacity slow_mode_s starts_at",
        "host_id topic state capacity slow_mode_s started_at ended_at version", False,
        (
            (ANYONE, _ROOM + " ({new}, {me}, {me}, 'x', 'public', NULL, 10)"),
            (NO_ONE, _ROOM + " ({new}, {speaker}, {me}, 'x', 'public', NULL, 10)"),
            (NO_ONE, _ROOM + " ({new}, {me}, {speaker}, 'x', 'public', NULL, 10)"),
            ("owner", _ROOM + " ({new}, {me}, {me}, 'x', 'circle', {circle}, 10)"),
            ("owner cohost", _UPDATE + "topic = 'y', capacity = 5, slow_mode_s = 1 WHERE id = {room}"),
            (NO_ONE, _UPDATE + "topic = 'y' WHERE id = {ended}"),
            (NO_ONE, "UPDATE rooms SET version = 2147483647 WHERE id = {room}"),
            (NO_ONE, "UPDATE rooms SET version = version - 1 WHERE id = {room}"),
            ("owner", _UPDATE + "state = 'live', started_at = now() WHERE id = {scheduled}"),
            ("owner", _UPDATE + "state = 'ended', ended_at = now() WHERE id = {room}"),
            (NO_ONE, _UPDATE + "state = 'ended' WHERE id = {room}"),
            (NO_ONE, _UPDATE + "state = 'scheduled' WHERE id = {room}"),
            (NO_ONE, _UPDATE + "state = 'live', ended_at = NULL WHERE id = {ended}"),
            (NO_ONE, _UPDATE + "started_at = '2020-01-01' WHERE id = {room}"),
            (NO_ONE, _UPDATE + "ended_at = now() WHERE id = {room}"),
            ("owner", _UPDATE + "host_id = {speaker} WHERE id = {room}"),
            ("owner", _UPDATE + "host_id = {other} WHERE id = {room}"),
            (NO_ONE, _UPDATE + "host_id = {banned} WHERE id = {room}"),
            (NO_ONE, _UPDATE + "host_id = {blocked} WHERE id = {room}"),
            (NO_ONE, _UPDATE + "owner_id = {me} WHERE id = {room}"),
            (NO_ONE, _UPDATE + "visibility = 'public' WHERE id = {room}"),
        ),
    ),
    "room_roles": Rules(
        "room_id user_id role is_muted", "role is_muted granted_at", True,
        (
            ("owner cohost", _ROLE + " ({room}, {other}, 'speaker')"),
            ("owner cohost", _ROLE + " ({room}, {other}, 'listener')"),
            ("owner", _ROLE + " ({room}, {other}, 'cohost')"),
            ("owner", _ROLE + " ({room}, {owner}, 'cohost')"),
            # The viewer adds themselves to a room, visible or not.
            ("owner", _ROLE + " ({room}, {me}, 'cohost') ON CONFLICT DO NOTHING"),
            ("owner", _ROLE + " ({room}, {me}, 'speaker') ON CONFLICT DO NOTHING"),
            (NO_ONE, _ROLE + " ({room}, {banned}, 'speaker')"),
            (NO_ONE, _ROLE + " ({room}, {blocked}, 'speaker')"),
            (NO_ONE, _ROLE + " ({ended}, {other}, 'speaker')"),
            ("owner cohost", "UPDATE room_roles SET is_muted = true WHERE room_id = {room} AND user_id = {speaker}"),
            ("owner", "UPDATE room_roles SET role = 'cohost' WHERE room_id = {room} AND user_id = {speaker}"),
            ("owner", "UPDATE room_roles SET role = 'listener' WHERE room_id = {room} AND user_id = {cohost}"),
            ("owner cohost", "UPDATE room_roles SET is_muted = false WHERE room_id = {room} AND user_id = {muted}"),
            (NO_ONE, "UPDATE room_roles SET role = 'listener' WHERE room_id = {ended}"),
            ("owner cohost", "DELETE FROM room_roles WHERE room_id = {room} AND user_id = {speaker}"),
            ("owner", "DELETE FROM room_roles WHERE room_id = {room} AND user_id = {cohost}"),
            (NO_ONE, "DELETE FROM room_roles WHERE room_id = {ended}"),
        ),
    ),
    "room_turns": Rules(
        "", "ended_at", False,
        (
            (NO_ONE, "INSERT INTO room_turns (room_id, user_id) VALUES ({room}, {me})"),
            (
                "owner cohost other",
                "UPDATE room_turns SET ended_at = now() WHERE room_id = {room} AND user_id = {other}",
            ),
            (NO_ONE, "UPDATE room_turns SET ended_at = '2100-01-01' WHERE room_id = {room} AND user_id = {other}"),
            (NO_ONE, "UPDATE room_turns SET ended_at = now() WHERE room_id = {ended}"),
            (NO_ONE, "UPDATE room_turns SET began_at = '2020-01-01' WHERE room_id = {room}"),
        ),
    ),
    "room_bans": Rules(
        "room_id user_id actor_id reason until", "actor_id reason until", True,
        (
            ("owner cohost", _BAN + " ({room}, {other}, {me})"),
            ("owner cohost", _BAN + " ({room}, {blocked}, {me})"),
            ("owner", _BAN + " ({room}, {cohost}, {me})"),
            (NO_ONE, _BAN + " ({room}, {owner}, {me})"),
            (NO_ONE, _BAN + " ({room}, {other}, {speaker})"),
            (NO_ONE, _BAN + " ({ended}, {other}, {me})"),
            ("owner cohost", "UPDATE room_bans SET actor_id = {me}, until = now() WHERE room_id = {room}"),
            (NO_ONE, "UPDATE room_bans SET actor_id = {speaker} WHERE room_id = {room}"),
            ("owner cohost", "DELETE FROM room_bans WHERE room_id = {room}"),
            (NO_ONE, "DELETE FROM room_bans WHERE room_id = {ended}"),
        ),
    ),
    "room_invitations": Rules(
        "room_id user_id inviter_id", "", False,
        (
            ("owner cohost", _INVITATION + " ({room}, {open}, {me})"),
            (NO_ONE, _INVITATION + " ({room}, {open}, {speaker})"),
            (NO_ONE, _INVITATION + " ({ended}, {open}, {me})"),
        ),
    ),
    "room_messages": Rules(
        "id room_id sender_id text", "deleted_at", False,
        (
            ("owner cohost other", _MESSAGE + " ({new}, {room}, {me}, 'x')"),
            (NO_ONE, _MESSAGE + " ({new}, {room}, {speaker}, 'x')"),
            (NO_ONE, _MESSAGE + " ({new}, {scheduled}, {me}, 'x')"),
            (NO_ONE, _MESSAGE + " ({new}, {ended}, {me}, 'x')"),
            ("owner cohost other", "UPDATE room_messages SET deleted_at = now() WHERE id = {message}"),
            ("owner cohost", "UPDATE room_messages SET deleted_at = now() WHERE id = {owner_message}"),
            (NO_ONE, "UPDATE room_messages SET deleted_at = NULL WHERE id = {deleted_message}"),
            (NO_ONE, "UPDATE room_messages SET text = 'y' WHERE id = {message}"),
        ),
    ),
    "room_recordings": Rules(
        "id room_id started_by object_key", "state ended_at error_code error_text", False,
        (
            ("owner cohost", _RECORDING + ", {new}, {room}, {me})"),
            (NO_ONE, _RECORDING + ", {new}, {room}, {speaker})"),
            (NO_ONE, _RECORDING + ", {new}, {scheduled}, {me})"),
            (NO_ONE, _RECORDING + ", {new}, {ended}, {me})"),
            ("owner cohost", STOP + " {recording}"),
            ("owner cohost", FAIL + " {recording}"),
            (NO_ONE, SAVE + " {recording}"),
            (NO_ONE, STOP + " {stopping_recording}"),  # its room has ended
            (NO_ONE, FAIL + " {saved_recording}"),
        ),
    ),
    "room_digests": Rules(
        "", "", False,
        (
            (NO_ONE, "INSERT INTO room_digests (room_id, body) VALUES ({room}, '{{}}')"),
            (NO_ONE, "UPDATE room_digests SET body = 'x' WHERE room_id = {ended}"),
            (NO_ONE, "DELETE FROM room_digests WHERE room_id = {ended}"),
        ),
    ),
}  # fmt: skip
