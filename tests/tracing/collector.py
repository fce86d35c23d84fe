"""A collector of traces: takes OTLP over HTTP as a real one does, and keeps the spans for the test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtobufSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.patience import WAIT_S


class Seen(NamedTuple):
    """A span as it arrived. attributes: with those of the process."""

    trace_id: str
    id: str
    parent_id: str
    name: str
    kind: str
    began: int
    ended: int
    failed: bool
    attributes: dict[str, object]


class Collector:
    url: str

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.answers = 200  # the status of each answer
        self.requests = 0
        self._news = asyncio.Condition()

    def of(self, trace_id: str) -> list[Seen]:
        return [span for span in self.spans if span.trace_id == trace_id]

    async def until(self, is_there: Callable[[], bool]) -> None:
        """Wait until something that arrived makes it true."""
        try:
            async with asyncio.timeout(WAIT_S), self._news:
                await self._news.wait_for(is_there)
        except TimeoutError:
            raise AssertionError("\n".join(map(str, self.spans))) from None

    async def trace_with(self, *names: str) -> list[Seen]:
        """Wait for a trace that has spans of all these names, and return it. There must be one with the first."""

        def found() -> list[str]:
            began = {span.trace_id for span in self.spans if span.name == names[0]}
            return [each for each in began if {span.name for span in self.of(each)} >= set(names)]

        await self.until(lambda: bool(found()))
        [trace_id] = found()
        return self.of(trace_id)

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        message = ExportTraceServiceRequest.FromString(await request.read())  # aiohttp has decompressed it
        async with self._news:
            self.requests += 1
            if self.answers == 200:
                for resource in message.resource_spans:
                    process = _values(resource.resource.attributes)
                    for scope in resource.scope_spans:
                        self.spans += [_seen(span, process) for span in scope.spans]
            self._news.notify_all()
        body = ExportTraceServiceResponse().SerializeToString()
        return web.Response(status=self.answers, body=body, content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with TestServer(app) as server:
        collector.url = str(server.make_url("/v1/traces"))
        yield collector


def _seen(span: ProtobufSpan, process: dict[str, object]) -> Seen:
    return Seen(
        span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name,
        ProtobufSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"), span.start_time_unix_nano,
        span.end_time_unix_nano, span.status.code == Status.STATUS_CODE_ERROR, process | _values(span.attributes),
    )  # fmt: skip


def _values(attributes: Iterable[KeyValue]) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in attributes}
