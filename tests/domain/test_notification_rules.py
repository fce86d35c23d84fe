"""What is decided about a notification, and the reason that its user reads."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from domain.notification_rules import Delays, Recipient, decide, rule_again

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)  # 15:00 in Cairo
NIGHT = datetime(2026, 7, 1, 23, 0, tzinfo=UTC)  # 02:00 in Cairo
DELAYS = Delays(push=timedelta(seconds=45), email=timedelta(hours=1))
MONA = Recipient(
    user_id=1,
    locale="ar-EG",
    timezone="Africa/Cairo",
    channels={},
    quiet_from=None,
    quiet_until=None,
    has_push=True,
    has_email=True,
)
QUIET = replace(MONA, quiet_from=time(22), quiet_until=time(7))


def decisions(to: Recipient, now: datetime = NOON, kind="reply", *, is_online: bool = False) -> dict[str, str]:
    rulings = decide(kind, to, DELAYS, now, is_online=is_online)
    return {each.channel: f"{each.decision}: {each.reason}" for each in rulings}


def test_a_user_who_is_online_gets_it_on_the_socket():
    assert decisions(MONA, is_online=True) == {
        "socket": "sent: online",
        "push": "scheduled: in 45 s if it is unseen then",
        "email": "dropped: turned off in the preferences",
    }


def test_a_user_who_is_offline_gets_it_on_devices_later():
    assert decisions(MONA) == {
        "socket": "dropped: offline",
        "push": "scheduled: in 45 s if it is unseen then",
        "email": "dropped: turned off in the preferences",
    }
    [push] = [each for each in decide("reply", MONA, DELAYS, NOON, is_online=False) if each.is_due_later]
    assert push.at == NOON + timedelta(seconds=45)
    assert push.shown().at == "2026-07-01T12:00:45.000Z"


def test_quiet_hours_hold_it_back():
    wants_email = replace(QUIET, channels={"reply": {"email": True}})
    found = decisions(wants_email, NIGHT)
    assert found["push"] == found["email"] == "held: quiet hours until 07:00 Africa/Cairo"
    [push, _] = [each for each in decide("reply", wants_email, DELAYS, NIGHT, is_online=False) if each.is_due_later]
    assert push.at == datetime(2026, 7, 2, 4, 0, tzinfo=UTC)
    assert decisions(QUIET)["push"] == "scheduled: in 45 s if it is unseen then"


def test_the_time_of_sending_decides_about_quiet_hours():
    before_quiet_hours = datetime(2026, 7, 1, 18, 59, 30, tzinfo=UTC)  # 21:59:30 in Cairo
    assert decisions(QUIET, before_quiet_hours)["push"].startswith("held")
    before_their_end = datetime(2026, 7, 2, 3, 59, 30, tzinfo=UTC)  # 06:59:30 in Cairo
    assert decisions(QUIET, before_their_end)["push"].startswith("scheduled")


def test_security_is_sent_at_once_and_cannot_be_refused():
    off = replace(QUIET, channels={"security": {"push": False, "socket": False}})
    for to in (QUIET, off):
        found = decisions(to, NIGHT, "security", is_online=True)
        assert (found["socket"], found["push"]) == ("sent: online", "scheduled: at once")
        assert found["email"] == "dropped: a mail to the account's address tells it"


@pytest.mark.parametrize("channel", ["socket", "push", "email"])
def test_preferences_turn_a_channel_off(channel):
    off = replace(MONA, channels={"mention": {channel: False}, "reply": {channel: True}})
    assert decisions(off, kind="mention", is_online=True)[channel] == "dropped: turned off in the preferences"


def test_users_without_devices_get_nothing_later():
    bare = replace(MONA, has_push=False, has_email=False)
    found = decisions(replace(bare, channels={"reply": {"email": True}}))
    assert found["push"] == "dropped: no device is registered"
    assert found["email"] == "dropped: no address is registered"


@pytest.mark.parametrize(
    ("channel", "kind", "state", "ruling"),
    [
        ("push", "reply", {}, "scheduled: at once"),
        ("push", "reply", {"is_online": True}, "scheduled: at once"),
        ("push", "reply", {"is_seen": True}, "dropped: seen"),
        ("email", "reply", {}, "scheduled: at once"),
        ("email", "reply", {"is_online": True}, "dropped: online"),
        ("email", "reply", {"is_seen": True}, "dropped: seen"),
        # A thief who is signed in cannot keep it from the user.
        ("push", "security", {"is_online": True, "is_seen": True}, "scheduled: at once"),
    ],
)
def test_it_is_asked_again_at_the_time_of_sending(channel, kind, state, ruling):
    wants_email = replace(MONA, channels={"reply": {"email": True}})
    found = rule_again(channel, kind, wants_email, NOON, **{"is_seen": False, "is_online": False, **state})
    assert f"{found.decision}: {found.reason}" == ruling


def test_quiet_hours_and_preferences_hold_at_the_time_of_sending():
    unseen = {"is_seen": False, "is_online": False}
    assert rule_again("push", "reply", QUIET, NIGHT, **unseen).decision == "held"
    off = replace(MONA, channels={"reply": {"push": False}})
    assert rule_again("push", "reply", off, NOON, **unseen).decision == "dropped"
