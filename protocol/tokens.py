"""Access tokens: short-lived JWTs (HS256) whose `kid` names the key, so that keys can rotate."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

import jwt
import msgspec

ACCESS_LIFETIME = timedelta(minutes=15)
# A token is accepted this long after its expiry, at CONNECT and on connected sockets.
EXPIRY_GRACE = timedelta(seconds=60)

Failure = Literal["expired", "revoked", "malformed"]


class AccessClaims(msgspec.Struct, frozen=True):
    """The user, the session and the expiry of a token."""

    user_id: int
    session_id: int
    expires_at: datetime


class TokenError(Exception):
    """The token is not valid. CONNECT_ERROR carries `reason`."""

    def __init__(self, reason: Failure) -> None:
        super().__init__(reason)
        self.reason: Failure = reason


class AccessTokens:
    """keys: key id → secret of at least 32 characters. The first one mints, all verify."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)
        self._minting_key_id = next(iter(self._keys))

    def mint(
        self, user_id: int, session_id: int, now: datetime, lifetime: timedelta = ACCESS_LIFETIME
    ) -> tuple[str, datetime]:
        """The token and its expiry, in whole seconds."""
        expires_at = (now + lifetime).replace(microsecond=0)
        claims = {"sub": str(user_id), "sid": str(session_id), "iat": int(now.timestamp()), "exp": expires_at}
        key = self._keys[self._minting_key_id]
        return jwt.encode(claims, key, algorithm="HS256", headers={"kid": self._minting_key_id}), expires_at

    def verify(self, token: str, now: datetime) -> AccessClaims:
        """Raises TokenError: `expired` after the grace period, `malformed` for tokens that these keys did not sign."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=["HS256"],
                options={"require": ["sub", "sid", "exp"], "verify_exp": False, "verify_iat": False},
            )
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
            found = AccessClaims(int(claims["sub"]), int(claims["sid"]), expires_at)
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError):
            raise TokenError("malformed") from None
        if now > expires_at + EXPIRY_GRACE:
            raise TokenError("expired")
        return found
