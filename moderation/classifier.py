"""The hook for an outside classifier: a signed HTTP request about a text, and its signed answer.

    POST {url}                        {"id", "target_type", "target_id", "text", "author": {"age_h", "is_verified"}}
    answer 200                        {"scores": {"spam": 0.97, "hate": 0.1}}
    X-Daira-Timestamp                 seconds since 1970, in both directions
    X-Daira-Signature                 hex HMAC-SHA256, under the shared secret, of "request.{timestamp}.{body}",
                                      of an answer "answer.{timestamp}.{id}.{body}"

An answer belongs to one request by its id, so nobody can repeat an older one. The classifier is trusted with texts and
with nothing else: whatever it answers, too late, too much or wrongly, the text is judged without it.
"""

import asyncio
import hashlib
import hmac
import time
from typing import Annotated

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from prometheus_client import Counter, Histogram

from protocol.moderation import Reason
from storage.breaker import Breaker
from storage.bulkhead import Bulkhead, BulkheadFull

MOST_AT_ONCE = 16
MOST_WAITING = 64
TRIES = 2
PAUSE_S = 0.1
LARGEST_ANSWER = 16 * 1024
MOST_SKEW_S = 300.0

SECONDS = Histogram(
    "daira_classifier_seconds", "Time until the outside classifier answered", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
)
FAILED = Counter(
    "daira_classifier_failed_total", "Texts that the outside classifier did not judge, by cause", ["cause"]
)

Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
Scores = dict[Reason, Score]

log = structlog.get_logger()


class Question(msgspec.Struct, frozen=True):
    """id: unique to the request. age_h: hours since the account was made."""

    id: str
    target_type: str
    target_id: str
    text: str
    age_h: float
    is_verified: bool


class _SignedAnswer(msgspec.Struct, frozen=True):
    scores: Scores


class _Wrong(Exception):
    """The answer cannot be used; the cause is a label of the metric."""


_decode = msgspec.json.Decoder(_SignedAnswer).decode
_encode = msgspec.json.Encoder().encode


class Classifier:
    """Needs a running loop. deadline_s: of one text, with all tries."""

    def __init__(self, url: str, secret: str, deadline_s: float) -> None:
        self._url = url
        self._secret = secret.encode()
        self._deadline_s = deadline_s
        self._breaker = Breaker("classifier")
        self._bulkhead = Bulkhead("classifier", most=MOST_AT_ONCE, most_waiting=MOST_WAITING)
        self._session = ClientSession(
            connector=TCPConnector(limit=MOST_AT_ONCE),
            timeout=ClientTimeout(total=None),  # ours bounds all tries
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,  # a small answer could become a large one
        )

    async def close(self) -> None:
        await self._session.close()

    async def ask(self, question: Question) -> Scores | None:
        """Return the scores; None if there is no usable answer in time. Never raises."""
        if not self._breaker.admits():
            FAILED.labels("open").inc()
            return None
        try:
            async with asyncio.timeout(self._deadline_s), self._bulkhead.place():
                with SECONDS.time():
                    scores = await self._try(question)
        except BulkheadFull:
            FAILED.labels("full").inc()
            return None
        except (ClientError, OSError, _Wrong) as error:  # TimeoutError among them
            cause = str(error) if isinstance(error, _Wrong) else type(error).__name__
            FAILED.labels(str(error) if isinstance(error, _Wrong) else "unreachable").inc()
            self._breaker.failed(cause)
            return None
        self._breaker.succeeded()
        return scores

    async def _try(self, question: Question) -> Scores:
        """Raises the error of the last try."""
        for left in range(TRIES - 1, -1, -1):
            try:
                return await self._ask(question)
            except (ClientError, OSError, _Wrong):
                if not left:
                    raise
                await asyncio.sleep(PAUSE_S)
        raise AssertionError("there is a last try")

    async def _ask(self, question: Question) -> Scores:
        body = _encode(
            {
                "id": question.id,
                "target_type": question.target_type,
                "target_id": question.target_id,
                "text": question.text,
                "author": {"age_h": question.age_h, "is_verified": question.is_verified},
            }
        )
        now = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Daira-Timestamp": now,
            "X-Daira-Signature": sign(self._secret, f"request.{now}.".encode() + body),
        }
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
            if answer.status != 200:
                raise _Wrong("status")
            read = await answer.content.read(LARGEST_ANSWER + 1)
            while len(read) <= LARGEST_ANSWER and (more := await answer.content.read(LARGEST_ANSWER + 1 - len(read))):
                read += more
            if len(read) > LARGEST_ANSWER:
                raise _Wrong("size")
            given_at = answer.headers.get("X-Daira-Timestamp", "")
            given = answer.headers.get("X-Daira-Signature", "")
        expected = sign(self._secret, f"answer.{given_at}.{question.id}.".encode() + read)
        if not hmac.compare_digest(expected.encode(), given.encode(errors="replace")):
            raise _Wrong("signature")
        if not given_at.isdecimal() or abs(int(given_at[:12]) - time.time()) > MOST_SKEW_S:
            raise _Wrong("timestamp")
        try:
            return _decode(read).scores
        except msgspec.DecodeError:  # ValidationError among them
            raise _Wrong("content") from None


def sign(secret: bytes, message: bytes) -> str:
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
