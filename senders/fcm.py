"""Firebase Cloud Messaging, HTTP v1: phones with Android, and apps that use Firebase elsewhere."""

import ssl
from functools import partial
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from senders.google_token import LARGEST_ANSWER, GoogleToken, NoToken, ServiceAccount
from senders.payloads import fitted
from senders.retry_after import retry_after
from senders.sender import Accepted, DeadToken, Endpoint, Message, Outcome, Rejected, Retry, Unusable

TIMEOUT_S = 10.0
MINUTE = 60.0  # Google asks to wait at least a minute after 429 without Retry-After

# Codes map to outcomes for the device or the message; other codes reject the message. INVALID_ARGUMENT blames
# either the token or the message: the violated field says which.
DEAD = {"UNREGISTERED", "SENDER_ID_MISMATCH"}
RETRIES = {"QUOTA_EXCEEDED": MINUTE, "UNAVAILABLE": 10.0, "INTERNAL": 10.0}  # seconds without Retry-After
OUR_FAULT = {"UNAUTHENTICATED", "PERMISSION_DENIED"}  # no message will be accepted until an operator acts
OUR_FAULT_S = 300.0


class _Violation(msgspec.Struct):
    field: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    error_code: str = ""
    field_violations: list[_Violation] = []


class _Error(msgspec.Struct):
    status: str = ""
    details: list[_Detail] = []


class _Failure(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


class Fcm:
    most_at_once = 100

    def __init__(self, account: ServiceAccount, url: str, tls: ssl.SSLContext | None = None) -> None:
        """tls: for servers whose certificates the system does not trust. Needs a running loop.

        Raises ValueError for a private key that cannot be read.
        """
        self._token = GoogleToken(account)
        connector = TCPConnector(limit=self.most_at_once, ssl=tls or ssl.create_default_context())
        self._session = ClientSession(connector=connector, timeout=ClientTimeout(TIMEOUT_S))
        self._url = f"{url}/v1/projects/{account.project_id}/messages:send"

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        body = fitted(message, partial(_encode, device.token))
        return Rejected("too large") if body is None else await self._post(body)

    async def ping(self) -> str:
        """Send a message without a target, to be validated only: the credentials are good if just that is refused."""
        outcome = await self._post(b'{"validate_only":true,"message":{}}')
        if outcome != Rejected("INVALID_ARGUMENT"):
            raise Unusable(getattr(outcome, "reason", "a message without a target was accepted"))
        return f"at {self._url}"

    async def close(self) -> None:
        await self._session.close()

    async def _post(self, body: bytes) -> Outcome:
        try:
            token = await self._token.get(self._session)
            outcome = await self._post_with(token, body)
            if outcome == _our_fault("UNAUTHENTICATED"):  # the token was revoked before its time
                self._token.drop(token)
                outcome = await self._post_with(await self._token.get(self._session), body)
        except NoToken as no:
            return no.retry
        except (ClientError, TimeoutError) as error:
            return Retry(5.0, type(error).__name__, is_for_all=True)
        return outcome

    async def _post_with(self, token: str, body: bytes) -> Outcome:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            answer = await response.content.read(LARGEST_ANSWER)
            return _outcome(response.status, answer, response.headers.get("Retry-After"))


def _outcome(status: int, answer: bytes, after: str | None) -> Outcome:
    if status == 200:
        return Accepted()
    try:
        error = msgspec.json.decode(answer, type=_Failure).error
    except msgspec.DecodeError:  # not FCM, but a proxy on the way
        error = _Error()
    # FCM's own code stands in the details; the general status says less (NOT_FOUND is also a wrong project).
    code = next((detail.error_code for detail in error.details if detail.error_code), error.status) or str(status)
    is_tokens_fault = any(each.field == "message.token" for detail in error.details for each in detail.field_violations)
    if code in DEAD or (code == "INVALID_ARGUMENT" and is_tokens_fault):
        return DeadToken(code)
    if code in OUR_FAULT:
        return _our_fault(code)
    if code in RETRIES or status == 429 or status >= 500:
        return Retry(retry_after(after, RETRIES.get(code, MINUTE)), code, is_for_all=status >= 500)
    return Rejected(code)


def _our_fault(code: str) -> Retry:
    return Retry(OUR_FAULT_S, code, is_for_all=True)


def _encode(token: str, message: Message) -> bytes:
    priority = "HIGH" if message.urgent else "NORMAL"
    android: dict[str, Any] = {"priority": priority, "ttl": f"{message.expires_s}s"}
    apns: dict[str, Any] = {"headers": {"apns-priority": "10" if message.urgent else "5"}}
    content: dict[str, Any] = {"token": token, "android": android, "apns": apns}
    if message.data:
        content["data"] = message.data
    if message.silent:
        apns["headers"]["apns-push-type"] = "background"
        apns["payload"] = {"aps": {"content-available": 1}}
    else:
        content["notification"] = {"title": message.title, "body": message.body}
    if message.collapse_key:
        android["collapse_key"] = message.collapse_key
        apns["headers"]["apns-collapse-id"] = message.collapse_key
        if not message.silent:
            android["notification"] = {"tag": message.collapse_key}
    return msgspec.json.encode({"message": content})
