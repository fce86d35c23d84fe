"""Sends traces to an OpenTelemetry collector, by OTLP over HTTP. Needs the extra `tracing`.

A thread takes spans from a bounded queue, so that a slow or missing collector costs calls nothing: spans that find the
queue full are dropped and counted.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import structlog
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tracing.metrics import SPANS_DROPPED, SPANS_SENT
from tracing.traces import Kind, Span, Trace

MOST_WAITING = 8_192  # spans
BATCH = 512
EVERY_S = 5.0
TIMEOUT_S = 5.0
STOP_S = 3.0
FAULTS_PER_S = 20  # traces that are kept for their fault alone

_KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_LOW_BITS = (1 << 64) - 1  # of a trace id
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)

log = structlog.get_logger()


class OtlpSink:
    """Samples a share of the traces, by their ids as OpenTelemetry's samplers do."""

    def __init__(self, endpoint: str, ratio: float, service: str, instance: str) -> None:
        self._exporter = OTLPSpanExporter(endpoint, timeout=TIMEOUT_S, compression=Compression.Gzip)
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # one line an outage, from here
        self._resource = Resource({"service.name": service, "service.instance.id": instance})
        self._below = round(ratio * (_LOW_BITS + 1))
        self._waiting: deque[tuple[Trace, Sequence[Span]]] = deque()
        self._put, self._got = 0, 0  # spans; each is written by one thread alone
        self._second, self._faults = 0, 0
        self._wake = threading.Event()
        self._is_stopping = False
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def samples(self, trace_id: int) -> bool:
        return trace_id & _LOW_BITS < self._below

    def may_keep_fault(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._faults = second, 0
        self._faults += 1
        return self._faults <= FAULTS_PER_S

    def take(self, trace: Trace, spans: Sequence[Span]) -> None:
        if trace.lost:
            SPANS_DROPPED.labels("trace").inc(trace.lost)
            trace.lost = 0
        if self._put - self._got + len(spans) > MOST_WAITING:
            SPANS_DROPPED.labels("queue").inc(len(spans))
            return
        self._waiting.append((trace, spans))
        self._put += len(spans)
        if self._put - self._got >= BATCH:
            self._wake.set()

    def stop(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(STOP_S)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # also ends a retry

    # ------------------------------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while not (self._is_stopping and not self._waiting):
            self._wake.wait(EVERY_S)
            self._wake.clear()
            while self._waiting:
                self._send(list(self._take_batch()))

    def _take_batch(self) -> Iterator[ReadableSpan]:
        taken = 0
        while self._waiting and taken < BATCH:
            trace, spans = self._waiting.popleft()
            self._got += len(spans)
            taken += len(spans)
            for span in spans:
                yield readable(trace, span, self._resource)

    def _send(self, spans: list[ReadableSpan]) -> None:
        try:
            is_sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as error:
            is_sent = False
            log.warning("traces could not be exported", error=f"{type(error).__name__}: {error}")
        if is_sent:
            SPANS_SENT.inc(len(spans))
        else:
            SPANS_DROPPED.labels("collector").inc(len(spans))
        if is_sent == self._is_failing:
            self._is_failing = not is_sent
            does = "refuses spans" if self._is_failing else "accepts spans again"
            log.warning(f"the trace collector {does}")


def readable(trace: Trace, span: Span, resource: Resource) -> ReadableSpan:
    """The span as exporters take it."""
    is_root = span.id == trace.span_id
    parent_id = trace.parent_id if is_root else trace.span_id
    return ReadableSpan(
        span.name,
        SpanContext(trace.id, span.id or random.getrandbits(64), is_remote=False, trace_flags=_SAMPLED),
        SpanContext(trace.id, parent_id, is_remote=is_root, trace_flags=_SAMPLED) if parent_id else None,
        resource,
        {**span.attributes, "error.type": span.fault} if span.fault else span.attributes,
        kind=_KINDS[span.kind],
        status=Status(StatusCode.ERROR) if span.fault else Status(),
        start_time=span.began,
        end_time=span.ended,
    )
