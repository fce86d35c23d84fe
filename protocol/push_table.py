"""The table of pushes, collected from the modules that declare them."""

from types import ModuleType

from protocol import (
    account_export,
    auth,
    cases,
    chat_members,
    chat_messages,
    chats,
    comments,
    counts,
    live_rooms,
    media,
    notifications,
    posts,
    presence,
    reactions,
    room_chat,
    room_digests,
    room_stage,
    saves,
    settings,
    users,
)
from protocol.pushes import Push

MODULES = (
    account_export, auth, cases, chat_members, chat_messages, chats, comments, counts, live_rooms, media, notifications,
    posts, presence, reactions, room_chat, room_digests, room_stage, saves, settings, users,
)  # fmt: skip


def _declared_in(module: ModuleType) -> list[type[Push]]:
    """The pushes of the module. A class without `event` is only a base of others."""
    declared = (kind for kind in vars(module).values() if getattr(kind, "__module__", "") == module.__name__)
    return [kind for kind in declared if isinstance(kind, type) and issubclass(kind, Push) and hasattr(kind, "event")]


PUSHES: dict[str, type[Push]] = {}  # by event, sorted
for _push in sorted((push for module in MODULES for push in _declared_in(module)), key=lambda push: push.event):
    if _push.event in PUSHES:
        raise TypeError(f"{_push.__name__} and {PUSHES[_push.event].__name__} are both the push {_push.event}")
    PUSHES[_push.event] = _push
