"""The rights of live rooms, written down a second time, and tested in every combination."""

import itertools
from typing import get_args

import pytest

from domain import room_rules
from protocol.errors import CallError
from protocol.live_rooms import Role, RoomState

ROLES, STATES = get_args(Role), get_args(RoomState)
# Action → allowed states, roles that may act, and roles of targets ("": without a target).
TABLE = {
    "update": ("scheduled live", "host cohost", ""),
    "start": ("scheduled", "host", ""),
    "close": ("scheduled live", "host", ""),
    "join": ("live", "host cohost speaker listener", ""),
    "raise_hand": ("live", "listener", ""),
    "send": ("live", "host cohost speaker listener", ""),
    "delete_message": ("live", "host cohost", ""),
    "set_role": ("scheduled live", "host cohost", "cohost speaker listener"),
    "transfer_host": ("scheduled live", "host", "cohost speaker listener"),
    "mute": ("live", "host cohost", "cohost speaker listener"),
    "kick": ("live", "host cohost", "cohost speaker listener"),
    "ban": ("scheduled live", "host cohost", "cohost speaker listener"),
    "unban": ("scheduled live", "host cohost", "host cohost speaker listener"),
    "invite": ("scheduled live", "host cohost", ""),
    "media_token": ("live", "host cohost speaker listener", ""),
    "record": ("live", "host cohost", ""),
    "stop_recording": ("scheduled live ended", "host cohost", ""),
}


def refusal(call, *arguments):
    try:
        call(*arguments)
    except CallError as error:
        return error.code
    return None


def test_every_right_is_in_the_table():
    assert room_rules.RIGHTS.keys() == TABLE.keys()


@pytest.mark.parametrize("action", TABLE)
def test_rights_by_action_state_actor_and_target(action):
    states, actors, targets = (words.split() for words in TABLE[action])
    for state, actor, target in itertools.product(STATES, ROLES, (None, *ROLES)):
        if state not in states:
            expected = "FAILED_PRECONDITION"
        elif actor not in actors:
            expected = "PERMISSION_DENIED"
        elif target is None:
            expected = None
        else:
            may = target in targets and (actor, target) != ("cohost", "cohost")
            expected = None if may else "PERMISSION_DENIED"
        assert refusal(room_rules.check, action, state, actor, target) == expected, (state, actor, target)


@pytest.mark.parametrize("granted", ROLES)
@pytest.mark.parametrize("actor", ROLES)
def test_only_the_host_makes_cohosts(actor, granted):
    expected = "PERMISSION_DENIED" if granted == "cohost" and actor != "host" else None
    assert refusal(room_rules.check_grant, actor, granted) == expected


@pytest.mark.parametrize(
    ("inside", "heir"),
    [
        ([], None),
        ([(1, "listener")], None),
        ([(1, "listener"), (2, "speaker"), (3, "speaker")], 2),
        ([(1, "speaker"), (2, "cohost"), (3, "cohost")], 2),
        ([(1, "host"), (2, "listener"), (3, "speaker")], 3),
    ],
)
def test_the_oldest_cohost_succeeds_else_the_oldest_speaker(inside, heir):
    assert room_rules.successor(inside) == heir


def test_groups_of_roles():
    assert {"host", "cohost", "speaker"} == room_rules.ON_STAGE
    assert {"host", "cohost"} == room_rules.MODERATORS
    assert set(ROLES) == room_rules.EVERYBODY
