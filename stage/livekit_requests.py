"""Requests to one of LiveKit's services: bounded in time and number, counted, and refused while it does not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from aiohttp import ClientError
from google.protobuf.message import DecodeError
from livekit.api import ServerError, ServerErrorCode

from stage.metrics import VOICE_REQUESTS
from storage.breaker import Breaker
from storage.bulkhead import Bulkhead, BulkheadFull
from tracing import traces

TIMEOUT_S = 3.0
MOST_AT_ONCE = 16
MOST_WAITING = 256
FAILURES = (ServerError, ClientError, TimeoutError, DecodeError)

T = TypeVar("T")
log = structlog.get_logger()


class LiveKitRequests:
    def __init__(self, service: str) -> None:
        self.breaker = Breaker(service)
        self._service = service
        self._attributes: traces.Attributes = {"peer.service": service}
        self._bulkhead = Bulkhead(service, most=MOST_AT_ONCE, most_waiting=MOST_WAITING)

    async def settled(self, request: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        """The answer of LiveKit; None if there is nothing of that name, or the request failed or was refused."""
        try:
            async with self._bulkhead.place():
                if not self.breaker.admits():
                    VOICE_REQUESTS.labels(request, "refused").inc()
                    return None
                # The package asks without a timeout, also of a session that has one.
                async with asyncio.timeout(TIMEOUT_S):
                    answered = await traces.traced(ask(), f"{self._service} {request}", self._attributes)
        except BulkheadFull:
            VOICE_REQUESTS.labels(request, "refused").inc()
            return None
        except FAILURES as error:
            self.note(error)
            if isinstance(error, ServerError) and error.code == ServerErrorCode.NOT_FOUND:
                VOICE_REQUESTS.labels(request, "not_found").inc()
                return None
            VOICE_REQUESTS.labels(request, "failed").inc()
            log.warning(
                "LiveKit did not do as asked and is asked again in a few seconds; `daira doctor` tells whether it "
                "answers",
                request=request,
                error=f"{type(error).__name__}: {error}",
            )
            return None
        self.breaker.succeeded()
        VOICE_REQUESTS.labels(request, "ok").inc()
        return answered

    def note(self, error: Exception) -> None:
        """A request has failed with one of FAILURES; a refusal is an answer, too."""
        if isinstance(error, (ServerError, DecodeError)):
            self.breaker.succeeded()
        else:
            self.breaker.failed(f"{type(error).__name__}: {error}")
