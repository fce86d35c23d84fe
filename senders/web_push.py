"""Web Push: browsers, by the push service of each vendor. We sign as one application server (VAPID, RFC 8292)."""

import hashlib
import ssl
import time
from typing import Any

import jwt
import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from yarl import URL

from senders.encryption import LARGEST, encrypt, raw_point, read_private_key
from senders.payloads import fitted
from senders.retry_after import retry_after
from senders.sender import Accepted, DeadToken, Endpoint, Message, Outcome, Rejected, Retry, Unusable
from senders.subscriptions import PublicResolver, PushHosts, decoded, encoded, read_subscription

TIMEOUT_S = 10.0
TOKEN_S = 12 * 3_600  # push services accept tokens of at most 24 hours
RENEW_BEFORE_S = 3_600
MOST_TOKENS = 100  # one for each origin; kept

# Statuses map to outcomes; others reject the message, also redirects, which are not followed.
SENT = {200, 201, 202, 204}
DEAD = {404, 410}
RETRIES = {408: 10.0, 429: 60.0, 500: 30.0, 502: 10.0, 503: 30.0, 504: 10.0}  # seconds without Retry-After


class VapidKey:
    """The application server's key. Browsers subscribe with its public part."""

    def __init__(self, private: EllipticCurvePrivateKey, subject: str) -> None:
        """subject: whom push services write to, as mailto: or https:."""
        self._private = private
        self._subject = subject
        self._tokens: dict[str, tuple[str, float]] = {}  # by origin, with the time of renewal
        self.public = encoded(raw_point(private.public_key()))

    @classmethod
    def read(cls, text: str, subject: str) -> "VapidKey":
        """text: PEM, or 32 bytes as base64url. Raises ValueError for a key that is not on P-256."""
        if "-----BEGIN" not in text:
            number = decoded(text.strip())
            if len(number) != 32:
                raise ValueError("not 32 bytes")
            return cls(derive_private_key(int.from_bytes(number, "big"), SECP256R1()), subject)
        return cls(read_private_key(text), subject)

    def authorization(self, origin: str) -> str:
        """Return the header for a push service."""
        now = time.time()
        token, renew_at = self._tokens.get(origin, ("", 0.0))
        if now >= renew_at:
            claims = {"aud": origin, "exp": int(now) + TOKEN_S, "sub": self._subject}
            token = jwt.encode(claims, self._private, "ES256")
            if len(self._tokens) >= MOST_TOKENS:
                self._tokens.pop(next(iter(self._tokens)))
            self._tokens[origin] = token, now + TOKEN_S - RENEW_BEFORE_S
        return f"vapid t={token}, k={self.public}"


class WebPush:
    most_at_once = 50

    def __init__(self, key: VapidKey, hosts: PushHosts, tls: ssl.SSLContext | None = None) -> None:
        """tls: for servers whose certificates the system does not trust. Needs a running loop."""
        self._key = key
        self._hosts = hosts
        connector = TCPConnector(
            limit=self.most_at_once, ssl=tls or ssl.create_default_context(), resolver=PublicResolver(hosts)
        )
        self._session = ClientSession(connector=connector, timeout=ClientTimeout(TIMEOUT_S))

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        if message.silent:  # browsers end a subscription that shows nothing
            return Rejected("silent")
        try:
            subscription = read_subscription(device.token, self._hosts)
        except ValueError as error:  # the host is not listed any more
            return Rejected(str(error))
        plain = fitted(message, _encode, LARGEST)
        if plain is None:
            return Rejected("too large")
        body = encrypt(plain, subscription.public_key(), subscription.auth_secret())
        return await self._post(subscription.url, self._headers(subscription.url, message), body)

    async def ping(self) -> str:
        """There is no server of ours: check that the hosts that are listed by their whole name answer."""
        for host in self._hosts.whole:
            try:
                async with self._session.get(f"https://{host}/", allow_redirects=False):
                    pass
            except (ClientError, TimeoutError) as error:
                raise Unusable(f"{host} does not answer: {type(error).__name__}") from None
        return f"{', '.join(self._hosts.whole)} answer; the public key is {self._key.public}"

    async def close(self) -> None:
        await self._session.close()

    async def _post(self, url: URL, headers: dict[str, str], body: bytes) -> Outcome:
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                after = response.headers.get("Retry-After")
                return _outcome(response.status, after)
        except (ClientError, TimeoutError) as error:
            return Retry(30.0, type(error).__name__)  # of one vendor: the others may answer

    def _headers(self, url: URL, message: Message) -> dict[str, str]:
        headers = {
            "Authorization": self._key.authorization(str(url.origin())),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(message.expires_s),
            "Urgency": "high" if message.urgent else "normal",
        }
        if message.collapse_key:  # a topic is at most 32 characters of base64url
            headers["Topic"] = encoded(hashlib.sha256(message.collapse_key.encode()).digest())[:32]
        return headers


def _outcome(status: int, after: str | None) -> Outcome:
    if status in SENT:
        return Accepted()
    if status in DEAD:
        return DeadToken(str(status))
    if status in RETRIES:
        return Retry(retry_after(after, RETRIES[status]), str(status))
    return Rejected(str(status))


def _encode(message: Message) -> bytes:
    content: dict[str, Any] = {"title": message.title, "body": message.body, "data": message.data}
    if message.collapse_key:
        content["tag"] = message.collapse_key
    return msgspec.json.encode(content)
