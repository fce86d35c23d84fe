"""The OAuth token of a Google service account: fetched once, and reused until shortly before it expires."""

import asyncio
import time

import jwt
import msgspec
from aiohttp import ClientError, ClientSession
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from senders.retry_after import retry_after
from senders.sender import Retry

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME_S = 3_600  # of our assertion; Google accepts no longer one
RENEW_BEFORE_S = 300.0
LARGEST_ANSWER = 64 * 1024  # bytes


class ServiceAccount(msgspec.Struct, frozen=True):
    """The fields of a service account's JSON that are needed."""

    project_id: str
    client_email: str
    private_key_id: str
    private_key: str
    token_uri: str = "https://oauth2.googleapis.com/token"


class NoToken(Exception):
    """Google gave no token; `retry` says when to ask again."""

    def __init__(self, retry: Retry) -> None:
        super().__init__(retry.reason)
        self.retry = retry


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


class _Denied(msgspec.Struct):
    error: str = ""


class GoogleToken:
    def __init__(self, account: ServiceAccount) -> None:
        """Raises ValueError for a private key that cannot be read."""
        private = load_pem_private_key(account.private_key.encode(), None)
        if not isinstance(private, RSAPrivateKey):
            raise ValueError("not an RSA key")
        self._private = private
        self._account = account
        self._token: str | None = None
        self._renew_at = 0.0  # on the monotonic clock
        self._asking = asyncio.Lock()

    async def get(self, session: ClientSession) -> str:
        """Return a valid token. Raises NoToken."""
        async with self._asking:  # messages that wait for a token share one request
            if self._token is None or time.monotonic() >= self._renew_at:
                granted = await self._ask(session)
                self._token = granted.access_token
                self._renew_at = time.monotonic() + granted.expires_in - RENEW_BEFORE_S
            return self._token

    def drop(self, token: str) -> None:
        """Fetch another one than this, which was refused before its time."""
        if self._token == token:
            self._token = None

    async def _ask(self, session: ClientSession) -> _Granted:
        form = {"grant_type": GRANT, "assertion": self._assertion(int(time.time()))}
        try:
            async with session.post(self._account.token_uri, data=form, allow_redirects=False) as response:
                answer = await response.content.read(LARGEST_ANSWER)
                if response.status == 200:
                    return msgspec.json.decode(answer, type=_Granted)
                if response.status == 429 or response.status >= 500:
                    after_s = retry_after(response.headers.get("Retry-After"), 10.0)
                    raise NoToken(Retry(after_s, f"oauth: {response.status}", is_for_all=True))
                raise NoToken(Retry(300.0, f"oauth: {_error_of(answer) or response.status}", is_for_all=True))
        except (ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise NoToken(Retry(10.0, f"oauth: {type(error).__name__}", is_for_all=True)) from None

    def _assertion(self, now: int) -> str:
        account = self._account
        claims = {
            "iss": account.client_email, "scope": SCOPE, "aud": account.token_uri, "iat": now, "exp": now + LIFETIME_S,
        }  # fmt: skip
        return jwt.encode(claims, self._private, "RS256", headers={"kid": account.private_key_id})


def _error_of(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_Denied).error[:100]
    except msgspec.DecodeError:
        return ""
