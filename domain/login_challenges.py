"""Challenges: what a client shows, with a code of the second factor, after the password was right.

A challenge is signed and expires after five minutes. It is bound to the password: if that changes, it is worthless.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

LIFETIME = timedelta(minutes=5)
_MAC_BYTES = 32


class Challenge(msgspec.Struct, frozen=True, array_like=True):
    user_id: int
    expires: int  # seconds since 1970
    restores: bool  # cancels a deletion of the account
    password: str  # a digest of its hash


class LoginChallenges:
    """keys: the first signs, all verify."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def make(self, user_id: int, password_hash: str, now: datetime, *, restores: bool) -> tuple[str, datetime]:
        """Return the challenge and when it expires."""
        expires = now + LIFETIME
        body = msgspec.json.encode(Challenge(user_id, int(expires.timestamp()), restores, digest(password_hash)))
        return urlsafe_b64encode(_sign(self._keys[0], body) + body).decode().rstrip("="), expires

    def read(self, text: str, now: datetime) -> Challenge | None:
        """None for a challenge that is forged or has expired."""
        try:
            signed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        mac, body = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _sign(key, body)) for key in self._keys):
            return None
        challenge = msgspec.json.decode(body, type=Challenge)
        return challenge if now.timestamp() < challenge.expires else None


def digest(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()
