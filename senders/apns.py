"""Apple Push Notification service: HTTP/2, one connection, one token for all messages of 40 minutes."""

import ssl
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import msgspec

from senders.encryption import read_private_key
from senders.payloads import fitted
from senders.retry_after import retry_after
from senders.sender import Accepted, DeadToken, Endpoint, Message, Outcome, Rejected, Retry, Unusable

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
RENEW_S = 40 * 60.0  # Apple refuses tokens older than an hour, and new ones within 20 minutes of the last
SHORTEST_S = 20 * 60.0
Clock = Callable[[], float]  # seconds since 1970
_DELIVERIES = uuid.UUID("6c1de1f0-6a6e-4c86-9b0e-8f6d3a1f7f52")  # the namespace of our message ids

# Reasons map to outcomes; other reasons reject the message.
DEAD = {"BadDeviceToken", "DeviceTokenNotForTopic", "ExpiredToken", "Unregistered"}
RETRIES = {"TooManyRequests": 60.0, "IdleTimeout": 1.0, "InternalServerError": 10.0}  # seconds; of this message alone
PAUSES = {  # seconds without Retry-After; no message will be accepted before, or until an operator acts
    "ServiceUnavailable": 10.0,
    "Shutdown": 5.0,
    "TooManyProviderTokenUpdates": SHORTEST_S,
    "InvalidProviderToken": 300.0,
    "MissingProviderToken": 300.0,
    "BadCertificate": 300.0,
    "BadCertificateEnvironment": 300.0,
    "Forbidden": 300.0,
    "ExpiredProviderToken": 60.0,  # although the token was renewed: this machine's clock is wrong
}


class ApnsKey(msgspec.Struct, frozen=True):
    """A token signing key (.p8), and whose it is."""

    pem: str
    key_id: str
    team_id: str


class _Answer(msgspec.Struct):
    reason: str = ""
    timestamp: int | None = None  # milliseconds: when the device token died


class ProviderToken:
    """The token that authorises all messages."""

    def __init__(self, key: ApnsKey, clock: Clock = time.time) -> None:
        """Raises ValueError for another key than one on P-256."""
        self._clock = clock
        self._private = read_private_key(key.pem)
        self._key = key
        self._minted_at = 0.0  # seconds since 1970
        self._text = ""

    def get(self) -> str:
        if self._clock() - self._minted_at >= RENEW_S:
            self._mint()
        return self._text

    def renew(self, refused: str) -> bool:
        """Replace a token that expired early. Returns False if it is too new: Apple would refuse another one."""
        if self._text == refused:
            if self._clock() - self._minted_at < SHORTEST_S:
                return False
            self._mint()
        return True

    def _mint(self) -> None:
        now = self._clock()
        claims = {"iss": self._key.team_id, "iat": int(now)}
        self._text = jwt.encode(claims, self._private, "ES256", headers={"kid": self._key.key_id})
        self._minted_at = now


class Apns:
    most_at_once = 100  # streams of a connection; the server may allow fewer

    def __init__(
        self, key: ApnsKey, topic: str, url: str, tls: ssl.SSLContext | None = None, clock: Clock = time.time
    ) -> None:
        """topic: the app's bundle id. tls: for servers whose certificates the system does not trust.

        Raises ValueError for a wrong key. Needs a running loop.
        """
        self._token = ProviderToken(key, clock)
        self._clock = clock
        self._topic = topic
        self._url = url
        # A second connection is opened only while the first one drains after GOAWAY.
        limits = httpx.Limits(max_connections=2, max_keepalive_connections=1, keepalive_expiry=3_600.0)
        self._client = httpx.AsyncClient(
            base_url=url, http1=False, http2=True, verify=tls or ssl.create_default_context(), limits=limits,
            timeout=TIMEOUT, trust_env=False,
        )  # fmt: skip

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        body = fitted(message, _encode)
        return Rejected("too large") if body is None else await self._post(device.token, message, body)

    async def ping(self) -> str:
        """Send to a device that cannot exist: the credentials are good if just that is refused."""
        probe = Message(0, "", "", silent=True, expires_s=0)
        outcome = await self._post("0" * 64, probe, _encode(probe))
        if outcome != DeadToken("BadDeviceToken"):
            raise Unusable(getattr(outcome, "reason", "a message to no device was accepted"))
        return f"at {self._url}, topic {self._topic}"

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, device_token: str, message: Message, body: bytes) -> Outcome:
        headers = self._headers(message)
        outcome: Outcome = Retry(5.0, "the connection ended")
        for _ in range(2):
            token = self._token.get()
            headers["authorization"] = f"bearer {token}"
            try:
                response = await self._client.post(f"/3/device/{device_token}", content=body, headers=headers)
            except (httpx.ConnectError, httpx.TimeoutException) as error:
                return Retry(5.0, type(error).__name__, is_for_all=True)
            except httpx.TransportError:
                continue  # closed while it was idle, or by GOAWAY: once more, on a new connection
            outcome, is_expired = _outcome(response)
            if not (is_expired and self._token.renew(token)):
                break
        return outcome

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {
            "apns-id": str(uuid.uuid5(_DELIVERIES, str(message.delivery_id))),
            "apns-topic": self._topic,
            "apns-push-type": "background" if message.silent else "alert",
            "apns-priority": "10" if message.urgent else "5",
            "apns-expiration": str(int(self._clock()) + message.expires_s),
        }
        if message.collapse_key:
            headers["apns-collapse-id"] = message.collapse_key
        return headers


def _outcome(response: httpx.Response) -> tuple[Outcome, bool]:
    """Return the outcome, and whether our token had expired."""
    if response.status_code == 200:
        return Accepted(), False
    try:
        answer = msgspec.json.decode(response.content, type=_Answer)
    except msgspec.DecodeError:  # not Apple, but a proxy on the way
        answer = _Answer()
    reason = answer.reason or str(response.status_code)
    after = response.headers.get("retry-after")
    if reason in DEAD:
        return DeadToken(reason, answer.timestamp / 1_000 if answer.timestamp else None), False
    if reason in PAUSES:
        return Retry(retry_after(after, PAUSES[reason]), reason, is_for_all=True), reason == "ExpiredProviderToken"
    if reason in RETRIES or response.status_code == 429 or response.status_code >= 500:
        return Retry(retry_after(after, RETRIES.get(reason, 30.0)), reason), False
    return Rejected(reason), False


def _encode(message: Message) -> bytes:
    # Names of our data follow `aps`, the only name that Apple reserves.
    aps: dict[str, Any]
    if message.silent:
        aps = {"content-available": 1}
    else:
        aps = {"alert": {"title": message.title, "body": message.body}, "sound": "default"}
    return msgspec.json.encode({**message.data, "aps": aps})
