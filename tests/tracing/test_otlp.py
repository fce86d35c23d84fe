"""The sink that sends spans to a collector: its samples, its bounds, and a collector that is away."""

import asyncio

import pytest

from tests.faults import soon
from tests.gateway.test_commands import free_ports
from tests.tracing.collector import Collector
from tracing import otlp, traces
from tracing.metrics import SPANS_DROPPED, SPANS_SENT
from tracing.otlp import OtlpSink
from tracing.traces import Span, Trace


def dropped(reason: str) -> float:
    return SPANS_DROPPED.labels(reason)._value.get()


def steps(amount: int) -> list[Span]:
    return [Span(f"step {number}", "client", 1, 2) for number in range(amount)]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(otlp, "EVERY_S", 0.02)
    monkeypatch.setattr(otlp, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(otlp, "STOP_S", 1.0)


@pytest.mark.parametrize(("ratio", "expected"), [(0, 0), (0.01, 1), (0.5, 50), (1, 100)])
def test_the_share_of_traces_that_is_sampled(collector: Collector, quick, ratio, expected):
    sink = OtlpSink(collector.url, ratio, "test", "1")
    try:
        evenly = [(2 * number + 1) * (1 << 64) // 200 for number in range(100)]
        assert sum(sink.samples((7 << 64) + low) for low in evenly) == expected
    finally:
        sink.stop()


def test_faults_that_are_kept_have_a_bound(collector: Collector, quick, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(otlp.time, "monotonic", lambda: now[0])
    sink = OtlpSink(collector.url, 0, "test", "1")
    try:
        assert sum(sink.may_keep_fault() for _ in range(100)) == otlp.FAULTS_PER_S
        now[0] += 1
        assert sink.may_keep_fault()
    finally:
        monkeypatch.undo()
        sink.stop()


async def test_spans_that_find_the_queue_full_are_dropped_and_counted(quick, monkeypatch):
    monkeypatch.setattr(otlp, "MOST_WAITING", 10)
    before = {reason: dropped(reason) for reason in ("queue", "trace", "collector")}
    sink = OtlpSink(f"http://127.0.0.1:{free_ports(1)[0]}", 1, "test", "1")
    monkeypatch.setattr(sink, "_wake", otlp.threading.Event())  # nothing wakes the thread
    trace = Trace(1, "post.create", lost=4)
    sink.take(trace, steps(8))
    sink.take(trace, steps(3))
    assert dropped("queue") - before["queue"] == 3
    assert dropped("trace") - before["trace"] == 4
    sink.stop()
    assert dropped("collector") - before["collector"] == 8


async def lost() -> float:
    return dropped("collector")


async def sent() -> float:
    return SPANS_SENT._value.get()


async def test_a_collector_that_fails_costs_spans_and_a_line_of_the_log_alone(collector: Collector, quick, capfd):
    sink = OtlpSink(collector.url, 1, "test", "1")
    try:
        before, sent_before = dropped("collector"), SPANS_SENT._value.get()
        collector.answers = 400
        for batch in range(1, 4):
            sink.take(Trace(1, "post.create"), steps(2))
            assert await soon(lost, before + 2 * batch) == before + 2 * batch
        collector.answers = 200
        sink.take(Trace(1, "post.create"), steps(2))
        await collector.until(lambda: len(collector.spans) == 2)
        assert await soon(sent, sent_before + 2) == sent_before + 2
    finally:
        await asyncio.to_thread(sink.stop)  # the collector runs on this loop
    log = "".join(capfd.readouterr())  # to which of the two, the tests before this one decide
    assert log.count("the trace collector refuses spans") == log.count("the trace collector accepts spans again") == 1


async def test_what_waits_is_sent_when_the_process_ends(collector: Collector, monkeypatch):
    monkeypatch.setattr(otlp, "EVERY_S", 60)
    sink = OtlpSink(collector.url, 1, "test", "node-7")
    traces.send_to(sink)
    try:
        trace = traces.begin("post.create")
        traces.end(trace, fault="INTERNAL")
    finally:
        traces.send_to(None)
        traces.leave()
    await asyncio.to_thread(sink.stop)
    [span] = collector.of(trace.hex)
    assert (span.name, span.failed, span.parent_id) == ("post.create", True, "")
    assert span.attributes == {"service.name": "test", "service.instance.id": "node-7", "error.type": "INTERNAL"}
