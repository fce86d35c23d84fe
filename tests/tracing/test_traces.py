"""What a trace gathers, which are kept, and what goes to other processes."""

import asyncio

import pytest

from tests.tracing.sinks import Kept
from tracing import traceparent, traces

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture(autouse=True)
def _off():
    yield
    traces.leave()
    traces.send_to(None)


def sink(**options: bool) -> Kept:
    kept = Kept(**options)
    traces.send_to(kept)
    return kept


async def nothing() -> None:
    pass


async def failing() -> None:
    raise ValueError("a secret")


def test_without_a_sink_a_trace_is_only_an_id():
    trace = traces.begin("post.create")
    assert traces.recording() is None
    assert traces.open_step("publish", "producer") is None
    assert traces.open_span(PARENT, "deliver", "consumer") is None
    remote = traceparent.read(traces.current_context())
    assert remote is not None
    assert (remote.trace_id, remote.is_sampled) == (trace.id, False)
    assert trace.hex == f"{trace.id:032x}" != traces.begin("post.create").hex


async def test_a_sampled_trace_is_sent_with_its_steps_when_it_ends():
    kept = sink()
    trace = traces.begin("post.create")
    await traces.traced(nothing(), "INSERT posts")
    with pytest.raises(ValueError):
        await traces.traced(failing(), "SELECT posts")
    assert kept.of(trace) == []
    traces.end(trace, attributes={"daira.code": "OK"})
    assert kept.names(trace) == ["INSERT posts", "SELECT posts", "post.create"]
    assert [span.fault for span in kept.of(trace)] == ["", "ValueError", ""]
    assert kept.of(trace)[-1].id == trace.span_id


@pytest.mark.parametrize(
    ("fault", "keep", "names"), [("", False, []), ("INTERNAL", True, ["SELECT posts", "post.get"])]
)
async def test_of_other_traces_only_faults_are_kept(fault, keep, names):
    kept = sink(samples=False)
    trace = traces.begin("post.get")
    await traces.traced(nothing(), "SELECT posts")
    step = traces.open_step("publish post.updated", "producer")
    assert step is not None
    assert step.context == ""  # other processes do not continue it
    traces.end(trace, fault=fault, keep=keep)
    assert kept.names(trace) == names
    await traces.traced(nothing(), "COMMIT")  # the end of a transaction that reads
    assert kept.names(trace) == ([*names, "COMMIT"] if names else [])


async def test_no_more_faults_are_kept_than_the_sink_allows():
    kept = sink(samples=False, keeps_faults=False)
    trace = traces.begin("post.get")
    traces.end(trace, fault="INTERNAL", keep=True)
    assert kept.names(trace) == []


async def test_a_trace_has_a_bound(monkeypatch):
    monkeypatch.setattr(traces, "MOST_SPANS", 3)
    kept = sink()
    trace = traces.begin("post.create")
    for number in range(5):
        await traces.traced(nothing(), f"step {number}")
    traces.end(trace)
    await traces.traced(nothing(), "later")
    assert kept.names(trace) == ["step 0", "step 1", "step 2", "post.create"]
    assert trace.lost == 2


async def test_an_answer_is_a_step_that_ends_when_it_is_there():
    kept = sink()
    trace = traces.begin("post.create")
    answers: list[asyncio.Future[object]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
    for number, answer in enumerate(answers):
        trace.watch(answer, f"EVALSHA {number}", {})
    answers[0].set_result(1)
    answers[1].set_exception(ConnectionError("away"))
    answers[2].cancel()
    await asyncio.sleep(0)
    traces.end(trace)
    assert [span.fault for span in kept.of(trace)] == ["", "ConnectionError", "CancelledError", ""]


def test_work_in_another_process_continues_the_trace_with_its_decision():
    kept = sink(samples=False)
    trace = traces.resume("fanout post.created", PARENT)
    assert (trace.hex, trace.parent_id, trace.is_sampled, trace.kind) == ("a" * 32, int("b" * 16, 16), True, "consumer")
    assert traces.current_context() == f"00-{'a' * 32}-{trace.span_id:016x}-01"
    traces.end(trace)
    assert kept.names(trace) == ["fanout post.created"]
    trace = traces.resume("fanout post.created", PARENT.removesuffix("1") + "0")
    assert (trace.hex, trace.is_sampled) == ("a" * 32, False)


WRONG = [
    "", "x", f"{PARENT}0", f"01{PARENT[2:]}", PARENT.replace("-", "_"), PARENT.replace("a", "g"),
    PARENT.replace("a", "0"), PARENT.replace("b", "0"),
]  # fmt: skip


@pytest.mark.parametrize("parent", WRONG)
def test_a_parent_that_is_wrong_is_ignored(parent):
    sink()
    trace = traces.resume("fanout post.created", parent)
    assert (trace.parent_id, trace.kind) == (0, "consumer")
    assert trace.hex != parent[3:35]
    assert traces.open_span(parent, "deliver", "consumer") is None


def test_a_step_of_another_process_refers_to_it():
    kept = sink()
    step = traces.open_span(PARENT, "deliver feed.added", "consumer")
    assert step is not None
    step.count("daira.sockets", 1_000)
    step.count("daira.sockets", 20)
    step.end()
    [(trace, span)] = kept.spans
    assert (trace.hex, f"{trace.span_id:x}", span.attributes) == ("a" * 32, "b" * 16, {"daira.sockets": 1_020})
    assert traces.open_span(PARENT.removesuffix("1") + "0", "deliver feed.added", "consumer") is None


async def test_tasks_belong_to_the_trace_of_the_task_that_starts_them():
    kept = sink()
    trace = traces.begin("post.create")
    await asyncio.gather(traces.traced(nothing(), "one"), traces.traced(nothing(), "two"))
    with traces.working_for(None):
        await traces.traced(nothing(), "none")
    traces.leave()
    await traces.traced(nothing(), "neither")
    traces.end(trace)
    assert sorted(kept.names(trace)) == ["one", "post.create", "two"]


def test_only_waiting_that_counts_is_a_step(monkeypatch):
    kept = sink()
    trace = traces.begin("post.create")
    traces.waited("wait for a connection", traces.time_ns())
    traces.waited("wait for a connection", traces.time_ns() - 2 * traces.NEGLIGIBLE_NS)
    traces.end(trace)
    assert kept.names(trace) == ["wait for a connection", "post.create"]
