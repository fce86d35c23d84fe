"""Tokens and cursors: own ones are accepted, all others are refused."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.cursors import Cursors
from protocol.errors import CallError
from protocol.tokens import AccessTokens, TokenError

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
KEY = "k" * 32


def test_a_token_carries_user_session_and_expiry():
    tokens = AccessTokens({"one": KEY})
    token, expires_at = tokens.mint(5, 6, NOW)
    claims = tokens.verify(token, NOW)
    assert (claims.user_id, claims.session_id, claims.expires_at) == (5, 6, expires_at)
    assert expires_at == datetime(2026, 1, 2, 3, 19, 5, tzinfo=UTC)
    assert jwt.get_unverified_header(token)["kid"] == "one"


def test_a_token_is_accepted_for_a_minute_after_its_expiry():
    tokens = AccessTokens({"one": KEY})
    token, expires_at = tokens.mint(5, 6, NOW)
    tokens.verify(token, expires_at + timedelta(seconds=60))
    with pytest.raises(TokenError) as caught:
        tokens.verify(token, expires_at + timedelta(seconds=61))
    assert caught.value.reason == "expired"


def test_a_token_of_a_node_whose_clock_is_ahead_is_valid():
    tokens, ahead = AccessTokens({"one": KEY}), NOW + timedelta(days=36_500)
    token, _ = tokens.mint(5, 6, ahead)
    assert tokens.verify(token, ahead).user_id == 5


def test_keys_rotate():
    token, _ = AccessTokens({"old": KEY}).mint(5, 6, NOW)
    assert AccessTokens({"new": "n" * 32, "old": KEY}).verify(token, NOW).user_id == 5
    with pytest.raises(TokenError):
        AccessTokens({"new": "n" * 32}).verify(token, NOW)


GOOD = {"sub": "5", "sid": "6", "exp": 9_000_000_000}


def test_a_token_is_a_jwt_that_other_programs_can_verify():
    token, expires_at = AccessTokens({"one": KEY}).mint(5, 6, NOW)
    claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    assert claims == {"sub": "5", "sid": "6", "iat": int(NOW.timestamp()), "exp": int(expires_at.timestamp())}


def test_a_program_that_has_the_key_can_mint():
    minted = jwt.encode(GOOD, KEY, headers={"kid": "one"})
    assert AccessTokens({"one": KEY}).verify(minted, NOW).user_id == 5


@given(st.data())
def test_a_token_with_another_character_anywhere_is_malformed(data):
    tokens = AccessTokens({"one": KEY, "two": "t" * 32})
    token, _ = tokens.mint(5, 6, NOW)
    at = data.draw(st.integers(0, len(token)))
    changed = token[:at] + data.draw(st.text(max_size=2)) + token[at + data.draw(st.integers(0, 2)) :]
    if changed != token:
        with pytest.raises(TokenError) as caught:
            tokens.verify(changed, NOW)
        assert caught.value.reason == "malformed"


@pytest.mark.parametrize(
    ("claims", "key", "algorithm", "headers"),
    [
        (GOOD, "x" * 32, "HS256", {"kid": "one"}),
        (GOOD, KEY * 2, "HS512", {"kid": "one"}),
        (GOOD, None, "none", {"kid": "one"}),
        (GOOD, KEY, "HS256", {}),
        (GOOD, KEY, "HS256", {"kid": "two"}),
        ({**GOOD, "sub": "five"}, KEY, "HS256", {"kid": "one"}),
        ({**GOOD, "sub": 5}, KEY, "HS256", {"kid": "one"}),
        ({"sub": "5", "exp": 9_000_000_000}, KEY, "HS256", {"kid": "one"}),
        ({"sub": "5", "sid": "6"}, KEY, "HS256", {"kid": "one"}),
        ({**GOOD, "exp": 10**15}, KEY, "HS256", {"kid": "one"}),
        ({**GOOD, "exp": 1e30}, KEY, "HS256", {"kid": "one"}),
    ],
)
def test_forged_tokens_are_malformed(claims, key, algorithm, headers):
    forged = jwt.encode(claims, key, algorithm, headers)
    with pytest.raises(TokenError) as caught:
        AccessTokens({"one": KEY}).verify(forged, NOW)
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("garbage", ["", "a.b.c", "{}", "ل"])
def test_garbage_is_no_token(garbage):
    with pytest.raises(TokenError):
        AccessTokens({"one": KEY}).verify(garbage, NOW)


@given(st.integers(1, 2**63 - 1), st.text(max_size=20), st.text(max_size=40))
def test_cursors_open_only_for_their_viewer_and_scope(viewer, scope, place):
    cursors = Cursors([b"key"])
    sealed = cursors.seal(viewer, scope, place)
    assert cursors.open(viewer, scope, sealed) == place
    for other in ((viewer + 1, scope), (viewer, scope + "x")):
        with pytest.raises(CallError):
            cursors.open(*other, sealed)
    with pytest.raises(CallError):
        Cursors([b"another key"]).open(viewer, scope, sealed)


@given(st.text(max_size=200))
def test_garbage_is_no_cursor(garbage):
    with pytest.raises(CallError) as caught:
        Cursors([b"key"]).open(1, "s", garbage)
    assert caught.value.details[0].field == "cursor"


def test_cursors_outlive_a_change_of_keys_and_a_release():
    """Nodes of two releases serve at the same time while one replaces the other."""
    sealed = Cursors([b"old"]).seal(7, "post.list:42", "1234")
    assert sealed == "KVGi3tcavbc3e8r8MTIzNA"
    assert Cursors([b"new", b"old"]).open(7, "post.list:42", sealed) == "1234"
    assert Cursors([b"new", b"old"]).seal(7, "post.list:42", "1234") != sealed
    assert Cursors([b"old"]).open(7, "post.list:42", None) is None


@pytest.mark.parametrize("place", ["", "9", "9" * 20])
def test_a_cursor_whose_place_was_changed_does_not_open(place):
    cursors = Cursors([b"key"])
    signature = urlsafe_b64decode(cursors.seal(1, "s", "1234") + "==")[:12]
    forged = urlsafe_b64encode(signature + place.encode()).decode().rstrip("=")
    with pytest.raises(CallError):
        cursors.open(1, "s", forged)
