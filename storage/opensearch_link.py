"""HTTP to an OpenSearch cluster, with what every request of ours needs: a bound, a deadline, a breaker, metrics.

It is plain aiohttp: our requests are few, and the official client would bring retries of its own below ours.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from aiohttp import ClientError, ClientSession, TCPConnector, encode_basic_auth

from storage import deadlines
from storage.breaker import Breaker
from storage.bulkhead import Bulkhead, BulkheadFull
from storage.metrics import SEARCH_FAILURES, SEARCH_SECONDS
from storage.search_engine import SearchUnavailable
from tracing import traces

TRIAL_DEADLINE_S = 1.0  # of the request that finds out whether the cluster is back
MOST_AT_ONCE = 32
MOST_WAITING = 256

_OPENSEARCH: traces.Attributes = {"peer.service": "opensearch"}
_BUSY = 429  # it answers, and takes no more for now
_encode = msgspec.json.Encoder().encode


class OpenSearchServers(NamedTuple):
    url: str
    prefix: str  # of names of indices: several deployments may share a cluster
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None  # None: what the system trusts
    shards: int = 1
    deadline_s: float = 2.0  # of a search


class OpenSearchRefused(Exception):
    """The cluster understands the request, and does not do it. `kind` is the name of its error."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.status = status
        self.kind = kind


class OpenSearchLink:
    """Needs a running loop. Requests raise SearchUnavailable: while the cluster is down, at once."""

    def __init__(self, servers: OpenSearchServers) -> None:
        self.servers = servers
        self._breaker = Breaker("opensearch")
        self._bulkhead = Bulkhead("opensearch", most=MOST_AT_ONCE, most_waiting=MOST_WAITING)
        connector = TCPConnector(limit=MOST_AT_ONCE, ssl=servers.tls or True)
        login = {"authorization": encode_basic_auth(servers.user, servers.password)} if servers.user else None
        self._session = ClientSession(connector=connector, headers=login)

    async def close(self) -> None:
        await self._session.close()

    async def request(
        self,
        operation: str,
        method: str,
        path: str,
        body: object = None,
        *,
        lines: Sequence[bytes] | None = None,
        deadline_s: float | None = None,
        tries: bool = False,
    ) -> Any:
        """Return the decoded answer. lines: the body as lines of JSON. tries: also while others are refused.

        Raises OpenSearchRefused for an answer of 4xx; TimeoutError if the call that asks is past its deadline.
        """
        if not tries and not self._breaker.admits():
            SEARCH_FAILURES.labels(operation, "open").inc()
            raise SearchUnavailable("the search engine does not answer")
        is_trial = self._breaker.is_open and not tries
        left_s = deadlines.left_s()
        wait_s = deadline_s or self.servers.deadline_s
        wait_s = min(TRIAL_DEADLINE_S if is_trial else wait_s, wait_s if left_s is None else left_s)
        content, data = "application/json", None if body is None else _encode(body)
        if lines is not None:
            content, data = "application/x-ndjson", b"\n".join([*lines, b""])
        began = time.perf_counter()
        try:
            async with self._bulkhead.place(), asyncio.timeout(wait_s):
                url = f"{self.servers.url}/{path}"
                with traces.asking(f"opensearch {operation}", _OPENSEARCH):
                    headers = {"content-type": content}
                    async with self._session.request(method, url, data=data, headers=headers) as answer:
                        status, read = answer.status, await answer.read()
        except BulkheadFull as error:
            SEARCH_FAILURES.labels(operation, "full").inc()
            raise SearchUnavailable(str(error)) from error
        except (ClientError, OSError) as error:  # TimeoutError among them
            raise self._failed(operation, str(error) or type(error).__name__) from error
        if status >= 500:
            raise self._failed(operation, f"{status}: {read[:300].decode(errors='replace')}")
        self._breaker.succeeded()
        if status >= 400:
            raise self._refusal(operation, status, read)
        SEARCH_SECONDS.labels(operation).observe(time.perf_counter() - began)
        return msgspec.json.decode(read) if read else None

    def _failed(self, operation: str, cause: str) -> SearchUnavailable:
        self._breaker.failed(cause)
        SEARCH_FAILURES.labels(operation, "unavailable").inc()
        return SearchUnavailable(cause)

    def _refusal(self, operation: str, status: int, read: bytes) -> Exception:
        try:
            error = msgspec.json.decode(read)["error"]
            kind, reason = error["type"], error["reason"]
        except (msgspec.DecodeError, TypeError, KeyError):  # a proxy answers
            kind, reason = "refused", f"{status}: {read[:300].decode(errors='replace')}"
        # Who may sign in, and how much it takes at once, has nothing to do with this request.
        if status in (401, 403, _BUSY):
            SEARCH_FAILURES.labels(operation, "busy" if status == _BUSY else "refused").inc()
            return SearchUnavailable(f"{kind}: {reason}")
        return OpenSearchRefused(status, kind, reason)
