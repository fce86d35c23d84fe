"""Chats: every right in one table, and the sizes at which a group shows less. These are pure functions.

(none) ──added by a user whom the user follows────▶ active ──leave, remove──▶ left
    └─────added by another user───▶ requested ──accept──▶ ▲                    ▲
                                        └────────────────────reject────────────┘
"""

from datetime import timedelta
from typing import Literal, NamedTuple

from protocol import errors
from protocol.chats import ChatKind, ChatRole, ChatState

Action = Literal["write", "update", "add", "remove", "set_role", "delete_of_others"]

RECEIPTS_UP_TO = 300  # members: larger chats do not show which members have read a message
TYPING_UP_TO = 200  # members

_EVERYBODY: frozenset[ChatRole] = frozenset({"owner", "admin", "member"})
_MODERATORS: frozenset[ChatRole] = frozenset({"owner", "admin"})
_OWNER: frozenset[ChatRole] = frozenset({"owner"})

RIGHTS: dict[Action, frozenset[ChatRole]] = {
    "write": _EVERYBODY,
    "update": _MODERATORS,
    "add": _MODERATORS,
    "remove": _MODERATORS,
    "set_role": _OWNER,
    "delete_of_others": _MODERATORS,
}
_ONLY_IN_GROUPS: frozenset[Action] = frozenset({"update", "add", "remove", "set_role"})


class Windows(NamedTuple):
    """For how long after it was sent a message may be edited, and deleted for everyone."""

    edit: timedelta
    delete: timedelta


def check(action: Action, kind: ChatKind, role: ChatRole, state: ChatState) -> None:
    """Raises FAILED_PRECONDITION in a request or a direct chat, PERMISSION_DENIED for the wrong role."""
    if action in _ONLY_IN_GROUPS and kind == "direct":
        raise errors.failed_precondition("a direct chat has two members and no title")
    if state == "requested":
        raise errors.failed_precondition("accept the chat first")
    if role not in RIGHTS[action]:
        raise errors.role_needed(f"{action} in a chat", RIGHTS[action], role)
