"""Live rooms: states, roles, and every right in one table.

    scheduled ──start──▶ live ──close──▶ ended
        └────────────────close─────────────▲

Handlers load the standing, call `check`, and change the rows. These are pure functions.
"""

from typing import Literal, NamedTuple

from protocol import errors
from protocol.live_rooms import Role, RoomState

Action = Literal[
    "update", "start", "close", "join", "raise_hand", "send", "delete_message", "set_role", "transfer_host",
    "mute", "kick", "ban", "unban", "invite", "media_token", "record", "stop_recording",
]  # fmt: skip

ON_STAGE: frozenset[Role] = frozenset({"host", "cohost", "speaker"})
MODERATORS: frozenset[Role] = frozenset({"host", "cohost"})
EVERYBODY: frozenset[Role] = frozenset({"host", "cohost", "speaker", "listener"})
_HOST: frozenset[Role] = frozenset({"host"})
_BELOW_HOST: frozenset[Role] = EVERYBODY - _HOST
_OPEN: frozenset[RoomState] = frozenset({"scheduled", "live"})
_LIVE: frozenset[RoomState] = frozenset({"live"})


class Right(NamedTuple):
    """The states, actors and targets of an action. A cohost is never a target of another cohost.

    To speak, raise a hand or write, a user must also be inside, which the roster knows.
    """

    states: frozenset[RoomState]
    actors: frozenset[Role]
    targets: frozenset[Role] = frozenset()


RIGHTS: dict[Action, Right] = {
    "update": Right(_OPEN, MODERATORS),
    "start": Right(frozenset({"scheduled"}), _HOST),
    "close": Right(_OPEN, _HOST),
    "join": Right(_LIVE, EVERYBODY),
    "raise_hand": Right(_LIVE, frozenset({"listener"})),
    "send": Right(_LIVE, EVERYBODY),
    "delete_message": Right(_LIVE, MODERATORS),
    "set_role": Right(_OPEN, MODERATORS, _BELOW_HOST),
    "transfer_host": Right(_OPEN, _HOST, _BELOW_HOST),
    "mute": Right(_LIVE, MODERATORS, _BELOW_HOST),
    "kick": Right(_LIVE, MODERATORS, _BELOW_HOST),
    "ban": Right(_OPEN, MODERATORS, _BELOW_HOST),
    "unban": Right(_OPEN, MODERATORS, EVERYBODY),
    "invite": Right(_OPEN, MODERATORS),
    "media_token": Right(_LIVE, EVERYBODY),
    "record": Right(_LIVE, MODERATORS),
    "stop_recording": Right(frozenset({"scheduled", "live", "ended"}), MODERATORS),
}


def check(action: Action, state: RoomState, actor: Role, target: Role | None = None) -> None:
    """Raises FAILED_PRECONDITION for the wrong state of the room, PERMISSION_DENIED for the wrong role."""
    right = RIGHTS[action]
    if state not in right.states:
        raise errors.failed_precondition(f"the room is {state}")
    if actor not in right.actors:
        raise errors.role_needed(f"{action} in a room", right.actors, actor)
    targets = right.targets - {actor} if actor == "cohost" else right.targets
    if target is not None and target not in targets:
        raise errors.role_needed(f"the target of {action} by a {actor}", targets, target)


def check_grant(actor: Role, granted: Role) -> None:
    """Raises PERMISSION_DENIED unless the host makes the cohost."""
    if granted == "cohost" and actor != "host":
        raise errors.permission_denied("only the host can make cohosts")


def successor(inside: list[tuple[int, Role]]) -> int | None:
    """The user who becomes host when the host is gone: the oldest cohost, else the oldest speaker, else None.

    inside: users in the room with their roles, the oldest role first.
    """
    for wanted in ("cohost", "speaker"):
        for user_id, role in inside:
            if role == wanted:
                return user_id
    return None
