"""Media tokens: each role has the same rights in LiveKit as in the room."""

from datetime import UTC, datetime

import jwt
import pytest

from protocol.voice_tokens import VoiceTokens

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
SECRET = "s" * 32
TOKENS = VoiceTokens("wss://media.example", "APIkey", SECRET)


def mint(role="speaker", muted=False, tokens=TOKENS):
    return tokens.mint(room_id=7, user_id=5, name="ليلى", role=role, muted=muted, now=NOW)


def read(token, secret=SECRET):
    """Decode and verify a token as LiveKit does, without checking its time."""
    unchecked = {"verify_exp": False, "verify_nbf": False}
    return jwt.decode(token, secret, algorithms=["HS256"], issuer="APIkey", options=unchecked)


def test_a_token_has_the_documented_claims():
    token, expires_at = mint()
    assert read(token) == {
        "iss": "APIkey",
        "sub": "5",
        "name": "ليلى",
        "nbf": int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()),
        "exp": int(expires_at.timestamp()),
        "video": {
            "room": "7",
            "roomJoin": True,
            "roomAdmin": False,
            "canSubscribe": True,
            "canPublish": True,
            "canPublishSources": ["microphone"],
            "canPublishData": False,
            "canUpdateOwnMetadata": False,
        },
    }
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize(
    ("role", "muted", "speaks"),
    [
        ("host", False, True),
        ("host", True, False),
        ("cohost", False, True),
        ("cohost", True, False),
        ("speaker", False, True),
        ("speaker", True, False),
        ("listener", False, False),
        ("listener", True, False),
    ],
)
def test_grants_by_role(role, muted, speaks):
    grant = read(mint(role, muted)[0])["video"]
    assert grant["roomJoin"] is grant["canSubscribe"] is True
    assert grant["canPublish"] is speaks
    # An empty list would mean every source.
    assert grant.get("canPublishSources") == (["microphone"] if speaks else None)
    assert grant["roomAdmin"] is False
    assert grant["canPublishData"] is grant["canUpdateOwnMetadata"] is False
    assert "hidden" not in grant


def test_a_token_is_valid_for_ten_minutes():
    assert mint()[1] == datetime(2026, 1, 2, 3, 14, 5, tzinfo=UTC)


def test_the_returned_expiry_is_the_tokens_own():
    token, expires_at = mint()
    assert read(token)["exp"] == expires_at.timestamp()


def test_a_token_verifies_only_with_the_secret():
    token, _ = mint(tokens=VoiceTokens(TOKENS.url, "APIkey", "x" * 32))
    with pytest.raises(jwt.InvalidSignatureError):
        read(token)


def test_the_secret_is_not_shown():
    shown = f"{TOKENS!r} {TOKENS} {mint()[0]}"
    assert SECRET not in shown
    assert TOKENS.url == "wss://media.example"
