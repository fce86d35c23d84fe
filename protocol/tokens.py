"""Access tokens: short-lived JWTs (HS256) whose `kid` names the key, so that keys can rotate.

PyJWT mints them. Verifying accepts only what `mint` writes, byte for byte, which is much simpler than JWT: each key has
one possible header, so nothing is read before the signature is right. PyJWT took a fifth of the cost of connecting.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
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
    """The user, the session and the expiry of a token. `is_restricted`: of a suspended user, who may call little."""

    user_id: int
    session_id: int
    expires_at: datetime
    is_restricted: bool = False


class _Payload(msgspec.Struct):
    """The claims as JSON."""

    sub: str
    sid: str
    exp: int
    restricted: bool = False


class TokenError(Exception):
    """The token is not valid. CONNECT_ERROR carries `reason`."""

    def __init__(self, reason: Failure) -> None:
        super().__init__(reason)
        self.reason: Failure = reason


class AccessTokens:
    """keys: key id → secret of at least 32 characters. The first one mints, all verify."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._key_id, self._key = next(iter(keys.items()))
        self._secrets = {_header(key_id, secret): secret.encode() for key_id, secret in keys.items()}

    def mint(
        self,
        user_id: int,
        session_id: int,
        now: datetime,
        lifetime: timedelta = ACCESS_LIFETIME,
        *,
        restricted: bool = False,
    ) -> tuple[str, datetime]:
        """The token and its expiry, in whole seconds."""
        expires_at = (now + lifetime).replace(microsecond=0)
        claims: dict[str, object] = {
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": int(now.timestamp()),
            "exp": expires_at,
        }
        if restricted:
            claims["restricted"] = True
        return jwt.encode(claims, self._key, algorithm="HS256", headers={"kid": self._key_id}), expires_at

    def verify(self, token: str, now: datetime) -> AccessClaims:
        """Raises TokenError: `expired` after the grace period, `malformed` for tokens that these keys did not sign."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        try:
            if not hmac.compare_digest(_signature(self._secrets[header], signed), signature.encode()):
                raise TokenError("malformed")
            claims = _PAYLOAD.decode(urlsafe_b64decode(payload + "=="))
            expires_at = datetime.fromtimestamp(claims.exp, UTC)
            found = AccessClaims(int(claims.sub), int(claims.sid), expires_at, claims.restricted)
        except (KeyError, msgspec.DecodeError, ValueError, OverflowError):
            raise TokenError("malformed") from None
        if now > expires_at + EXPIRY_GRACE:
            raise TokenError("expired")
        return found


_PAYLOAD = msgspec.json.Decoder(_Payload)


def _header(key_id: str, secret: str) -> str:
    """The first part of every token that the key signs."""
    return jwt.encode({}, secret, algorithm="HS256", headers={"kid": key_id}).partition(".")[0]


def _signature(secret: bytes, signed: str) -> bytes:
    return urlsafe_b64encode(hmac.digest(secret, signed.encode(), "sha256")).rstrip(b"=")
