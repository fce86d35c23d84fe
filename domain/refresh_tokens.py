"""Refresh tokens: `<session id>.<family>.<secret>`. PostgreSQL keeps hashes of them, never the tokens.

All tokens of a session share its family, which only its clients know. A guessed token therefore names an unknown family
and is not taken for a reuse.

Each use replaces the token by its successor, whose secret is an HMAC of the used token under a key of ours. A client
that lost the answer and repeats the call within the leeway gets the same successor. Any other use of a replaced token
shows that two parties hold tokens of the session, which is then revoked.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from protocol import errors
from storage.accounts import SessionRow

LIFETIME = timedelta(days=30)


class RefreshTokens:
    """keys: the first derives new successors, all recognise older ones. leeway: how long a call may be repeated."""

    def __init__(self, keys: Sequence[bytes], leeway: timedelta) -> None:
        self._keys = tuple(keys)
        self._leeway = leeway

    @staticmethod
    def mint(session_id: int) -> tuple[str, str]:
        """The first token of a new session, and its family."""
        family = secrets.token_urlsafe(16)
        return f"{session_id}.{family}.{secrets.token_urlsafe(32)}", family

    @staticmethod
    def read(token: str) -> tuple[int, str]:
        """Session id and family. Raises UNAUTHENTICATED for a token of another form."""
        session_id, _, rest = token.partition(".")
        family, _, secret = rest.partition(".")
        if not (session_id.isascii() and session_id.isdecimal() and len(session_id) < 19 and family and secret):
            raise errors.unauthenticated("the refresh token is not valid")
        return int(session_id), family

    def successor(self, token: str, session: SessionRow) -> str:
        """The token that replaces this one: the one that the session holds, if a key of ours derived it from this."""
        session_id, family = self.read(token)
        secrets_of_keys = (hmac.new(key, token.encode(), hashlib.sha256).hexdigest() for key in self._keys)
        successors = [f"{session_id}.{family}.{secret}" for secret in secrets_of_keys]
        known = (each for each in successors if digest(each) == session["refresh_hash"])
        return next(known, successors[0])

    def is_repetition(self, token: str, session: SessionRow, now: datetime) -> bool:
        """Whether this token was the last to be replaced, within the leeway, and its successor is still unused."""
        previous, rotated_at = session["previous_hash"], session["rotated_at"]
        return (
            previous is not None
            and rotated_at is not None
            and hmac.compare_digest(previous, digest(token))
            and now - rotated_at <= self._leeway
            and bool(self._leeway)
        )


def digest(token: str) -> bytes:
    """Return the hash under which PostgreSQL stores a token or family."""
    return hashlib.sha256(token.encode()).digest()
