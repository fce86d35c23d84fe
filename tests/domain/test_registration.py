"""Usernames and passwords that registration refuses."""

import pytest

from domain.passwords import check_new
from domain.reserved_names import is_reserved
from gateway import demo
from protocol.errors import CallError


@pytest.mark.parametrize(
    "name", ["admin", "Support", "ad.min", "admin_", "_r00t_", "0fficial", "m.o.d.e.r.a.t.o.r", "daira"]
)
def test_official_looking_names_are_reserved(name):
    assert is_reserved(name)


def test_ordinary_names_are_not_reserved():
    names = {username for username, _ in demo._users(0, 5_000)}
    assert [
        name for name in {*names, "badmin", "administer", "modesty", "rooty", "mona.help"} if is_reserved(name)
    ] == []


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PassWord",
        "12345678",
        "١٢٣٤٥٦٧٨",
        "qwertyuiop",
        " iloveyou ",
        "aaaaaaaaaaaa",
        "ممممممممم",
        "!!!!!!!!",
    ],
)
def test_common_passwords_are_refused(password):
    with pytest.raises(CallError) as refused:
        check_new("password", password)
    assert (refused.value.code, refused.value.details[0].field) == ("INVALID_ARGUMENT", "password")


@pytest.mark.parametrize("password", ["كلمة سر طويلة", "correct horse", "jL4!xz0q", "password of mine"])
def test_other_passwords_are_accepted(password):
    check_new("password", password)
