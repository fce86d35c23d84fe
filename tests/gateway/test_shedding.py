"""What an overloaded node refuses, and for how long."""

import random

import pytest

from gateway.shedding import LEAST_ADMITTED, PATIENCE, Shedding
from protocol.rpc import SHED_ORDER, methods

LATE, SHORT = 1.0, 0.0
LOAD = {"minor": 10, "write": 20, "read": 50, "vital": 20}  # calls each tick


@pytest.fixture(autouse=True)
def same_dice(monkeypatch):
    monkeypatch.setattr("gateway.shedding.random", random.Random(28))


@pytest.fixture
def shedding() -> Shedding:
    return Shedding(lambda: 0.0, longest_delay_s=0.2)


def tick(shedding: Shedding, delay_s: float) -> dict[str, int]:
    """Let the load of one tick arrive. Returns how many of each class were admitted."""
    admitted = {each: sum(shedding.admits(each) for _ in range(LOAD[each])) for each in SHED_ORDER}
    shedding.adapt(delay_s)
    return admitted


def test_a_burst_sheds_nothing(shedding):
    for _ in range(PATIENCE - 1):
        assert tick(shedding, LATE) == LOAD
    assert tick(shedding, SHORT) == LOAD
    for _ in range(PATIENCE - 1):
        assert tick(shedding, LATE) == LOAD
    assert shedding.admitted == 1.0


def test_classes_are_shed_one_after_the_other(shedding):
    first_refused = {}
    for number in range(100):
        for each, amount in tick(shedding, LATE).items():
            if amount < LOAD[each]:
                first_refused.setdefault(each, number)
    assert list(first_refused) == list(SHED_ORDER)
    assert len(set(first_refused.values())) == len(SHED_ORDER)
    assert shedding.admitted == LEAST_ADMITTED
    last = [tick(shedding, LATE) for _ in range(50)]
    assert {(each["minor"], each["write"], each["read"]) for each in last} == {(0, 0, 0)}
    assert 0 < sum(each["vital"] for each in last) < 50 * LOAD["vital"] / 2  # some sign-ins still find their way


def test_a_class_is_refused_in_part(shedding):
    tick(shedding, SHORT)
    shedding.admitted = 0.8  # refused: the 10 of the first class, and half of the 20 of the next
    shedding._share_out()
    admitted = tick(shedding, SHORT)
    assert (admitted["minor"], admitted["read"], admitted["vital"]) == (0, 50, 20)
    assert 0 < admitted["write"] < 20


def test_all_is_admitted_again_soon(shedding):
    for _ in range(100):
        tick(shedding, LATE)
    ticks = 0
    while shedding.admitted < 1.0:
        tick(shedding, SHORT)
        ticks += 1
    assert ticks < 40
    assert tick(shedding, SHORT) == LOAD


def test_refusals_ask_for_different_waits(shedding):
    shedding.admitted, shedding._refused = 0.5, [1.0] * len(SHED_ORDER)
    refused = [shedding.refuse(methods.get("view.report")) for _ in range(20)]
    assert {error.code for error in refused} == {"UNAVAILABLE"}
    waits = [error.retry_after_ms for error in refused]
    assert all(1_000 <= wait <= 3_000 for wait in waits)
    assert len(set(waits)) > 10


def test_what_each_method_is_worth():
    """Views, typing, marks and suggestions go first, then writes; reads of connected users and sign-ins stay."""
    assert {each.name for each in methods if each.shed == "minor"} == {
        "view.report", "typing.start", "typing.stop", "chat.mark", "notification.mark_seen", "notification.mark_read",
        "room.react", "presence.set", "search.suggest",
    }  # fmt: skip
    assert {each.name for each in methods if each.shed == "vital"} == {
        "auth.login", "auth.refresh", "auth.logout", "auth.change_password", "session.list", "session.revoke",
        "auth.confirm_login", "auth.request_password_reset", "auth.reset_password",
        "account.delete", "account.cancel_delete", "account.limits", "room.leave", "system.ping",
    }  # fmt: skip
    subscriptions = {
        "post.watch", "post.unwatch", "presence.watch", "presence.unwatch", "room.join", "case.watch", "case.unwatch",
    }  # fmt: skip
    remembered = {"search.query"}
    audited = {"case.get", "case.history"}
    found = {each.name for each in methods if each.shed == "read" and not each.reads}
    assert found == subscriptions | remembered | audited
    assert all(each.shed in ("read", "vital") for each in methods if each.reads)
