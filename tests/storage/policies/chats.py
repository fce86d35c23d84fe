"""Writes of the application's role to chats, in the form of `rules`."""

from tests.storage.policies.rules import NO_ONE, Rules

_MARK = "UPDATE chat_members SET read_seq = 2 WHERE"
_MESSAGE = "UPDATE chat_messages SET"
_REACTION = "INSERT INTO chat_reactions (chat_id, seq, user_id, emoji) VALUES"
_HIDDEN = "INSERT INTO chat_hidden (chat_id, seq, user_id) VALUES"

CHATS = {
    "chats": Rules(
        "", "title", False,
        (
            (NO_ONE, "INSERT INTO chats (id, kind, creator_id) VALUES ({new}, 'group', {owner})"),
            ("owner cohost", "UPDATE chats SET title = 'y' WHERE id = {chat}"),
            (NO_ONE, "UPDATE chats SET title = 'y' WHERE id = {direct}"),
            (NO_ONE, "UPDATE chats SET last_seq = 9 WHERE id = {chat}"),
            (NO_ONE, "DELETE FROM chats WHERE id = {chat}"),
        ),
    ),
    "chat_members": Rules(
        "", "received_seq read_seq muted_until", False,
        (
            (NO_ONE, "INSERT INTO chat_members (chat_id, user_id, state) VALUES ({chat}, {open}, 'active')"),
            ("other", _MARK + " chat_id = {chat} AND user_id = {other}"),
            ("muted", _MARK + " chat_id = {chat} AND user_id = {muted}"),
            (NO_ONE, _MARK + " chat_id = {chat} AND user_id = {banned}"),
            (NO_ONE, _MARK + " chat_id = {hidden_direct} AND user_id = {owner}"),
            ("other", "UPDATE chat_members SET muted_until = now() WHERE chat_id = {chat} AND user_id = {other}"),
            (NO_ONE, "UPDATE chat_members SET role = 'admin' WHERE chat_id = {chat} AND user_id = {other}"),
            (NO_ONE, "UPDATE chat_members SET state = 'active' WHERE chat_id = {chat} AND user_id = {muted}"),
            (NO_ONE, "UPDATE chat_members SET first_seq = 1 WHERE chat_id = {chat} AND user_id = {other}"),
            (NO_ONE, "DELETE FROM chat_members WHERE chat_id = {chat} AND user_id = {other}"),
        ),
    ),
    "chat_messages": Rules(
        "", "text deleted_at", False,
        (
            (NO_ONE, "INSERT INTO chat_messages (chat_id, seq, sender_id, text) VALUES ({chat}, 9, {owner}, 'x')"),
            ("other", _MESSAGE + " text = 'y' WHERE chat_id = {chat} AND seq = 2"),
            ("owner", _MESSAGE + " text = 'y' WHERE chat_id = {chat} AND seq = 1"),
            ("owner cohost other", _MESSAGE + " deleted_at = now() WHERE chat_id = {chat} AND seq = 2"),
            ("owner cohost", _MESSAGE + " deleted_at = now() WHERE chat_id = {chat} AND seq = 1"),
            ("other", _MESSAGE + " deleted_at = now() WHERE chat_id = {direct} AND seq = 1"),
            (NO_ONE, _MESSAGE + " deleted_at = now() WHERE chat_id = {hidden_direct} AND seq = 1"),
            (NO_ONE, _MESSAGE + " deleted_at = NULL WHERE chat_id = {chat} AND seq = 3"),
            (NO_ONE, _MESSAGE + " sender_id = {open} WHERE chat_id = {chat} AND seq = 2"),
            (NO_ONE, _MESSAGE + " edited_at = NULL WHERE chat_id = {chat} AND seq = 2"),
            (NO_ONE, "DELETE FROM chat_messages WHERE chat_id = {chat} AND seq = 2"),
        ),
    ),
    "chat_edits": Rules(
        "", "", False,
        (
            (
                NO_ONE,
                "INSERT INTO chat_edits (chat_id, seq, number, text, written_at) VALUES ({chat}, 1, 9, 'x', now())",
            ),
            (NO_ONE, "UPDATE chat_edits SET text = 'y' WHERE chat_id = {chat}"),
            (NO_ONE, "DELETE FROM chat_edits WHERE chat_id = {chat}"),
        ),
    ),
    "chat_reactions": Rules(
        "chat_id seq user_id emoji", "emoji", True,
        (
            ("owner cohost other", _REACTION + " ({chat}, 1, {me}, 'x')"),
            ("owner other", _REACTION + " ({direct}, 1, {me}, 'x')"),
            (NO_ONE, _REACTION + " ({hidden_direct}, 1, {me}, 'x')"),
            (NO_ONE, _REACTION + " ({chat}, 1, {speaker}, 'x')"),
            (NO_ONE, _REACTION + " ({chat}, 3, {me}, 'x')"),
            ("other", "UPDATE chat_reactions SET emoji = 'y' WHERE chat_id = {chat} AND user_id = {other}"),
            ("other", "DELETE FROM chat_reactions WHERE chat_id = {chat} AND user_id = {other}"),
            (NO_ONE, "DELETE FROM chat_reactions WHERE chat_id = {chat} AND user_id = {banned}"),
            (NO_ONE, "UPDATE chat_reactions SET emoji = 'y' WHERE chat_id = {hidden_direct}"),
            (NO_ONE, "DELETE FROM chat_reactions WHERE chat_id = {hidden_direct}"),
        ),
    ),
    "chat_hidden": Rules(
        "chat_id seq user_id", "", False,
        (
            ("owner cohost other muted", _HIDDEN + " ({chat}, 1, {me})"),
            ("owner other", _HIDDEN + " ({direct}, 1, {me})"),
            (NO_ONE, _HIDDEN + " ({hidden_direct}, 1, {me})"),
            (NO_ONE, _HIDDEN + " ({chat}, 1, {speaker})"),
            (NO_ONE, "DELETE FROM chat_hidden WHERE chat_id = {chat}"),
        ),
    ),
    "chat_reads": Rules(
        "", "", False,
        (
            (
                NO_ONE,
                "INSERT INTO chat_reads (chat_id, user_id, seqs, ats)"
                " VALUES ({chat}, {cohost}, ARRAY [1], ARRAY [now()])",
            ),
            (NO_ONE, "UPDATE chat_reads SET ats = ARRAY [now()] WHERE chat_id = {chat}"),
            (NO_ONE, "DELETE FROM chat_reads WHERE chat_id = {chat}"),
        ),
    ),
}  # fmt: skip
