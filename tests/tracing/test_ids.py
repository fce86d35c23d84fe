"""One id finds a call everywhere: its error, its log lines, and those of the reactions that it causes."""

import asyncio
import dataclasses
import json
import secrets
from typing import Any

import pytest
import socketio

from protocol.events import PostCreatedEvent
from storage import posts
from storage.event_log import Record
from storage.redis import Redis
from storage.redis_streams import RedisStreams
from tests.cluster import Cluster
from tests.faults import soon
from tests.patience import WAIT_S
from tests.tracing.collector import Collector
from workers import job as jobs
from workers import runner
from workers.job import Job, consumes

THEIRS = "c" * 32


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]


async def test_an_error_names_its_trace_which_the_log_names_too(cluster: Cluster, person, traced: Collector, capfd):
    alice = await person("alice")
    failed = await alice.refused("post.get", post_id="1")
    at_once = await alice.refused("no.such_method")
    assert len({failed.error["request_id"], at_once.error["request_id"]}) == 2
    by_trace = {line.get("trace_id"): line for line in lines(capfd) if line["message"] == "call"}
    assert by_trace[failed.error["request_id"]]["code"] == "NOT_FOUND"
    assert by_trace[at_once.error["request_id"]]["code"] == "UNIMPLEMENTED"
    for error in (failed.error, at_once.error):
        spans = await traced.trace_with({"NOT_FOUND": "post.get", "UNIMPLEMENTED": "unknown"}[error["code"]])
        assert {span.trace_id for span in spans} == {error["request_id"]}
        assert [span.attributes["error.type"] for span in spans if span.failed] == [error["code"]]


async def test_a_handler_that_breaks_is_logged_with_the_id_and_says_nothing(
    cluster: Cluster, person, traced: Collector, capfd, monkeypatch
):
    async def break_down(*_: object, **__: object) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(posts, "insert", break_down)
    alice = await person("alice")
    failed = await alice.refused("post.create", text="hello")
    trace_id = failed.error["request_id"]
    messages = [line["message"] for line in lines(capfd) if line.get("trace_id") == trace_id]
    assert messages == ["a handler failed", "call"]
    spans = await traced.trace_with("post.create", "BEGIN", "ROLLBACK")
    assert {span.trace_id for span in spans} == {trace_id}
    assert "secret" not in json.dumps([failed.error, spans])


async def test_a_refused_call_is_logged_with_its_id_when_all_calls_are(cluster: Cluster, node, capfd, monkeypatch):
    name = await node(limit_calls="2/minute")
    monkeypatch.setattr(cluster.node(name).parts.dispatcher, "_logs_every_call", True)
    guest = await cluster.guest(node=name)
    ids = []
    for _ in range(12):
        answer = await guest.answer("system.ping", {})
        if not answer["ok"]:
            ids.append(answer["error"]["request_id"])
    assert ids
    assert set(ids) <= {line["trace_id"] for line in lines(capfd) if line.get("code") == "RESOURCE_EXHAUSTED"}


async def test_the_trace_that_a_client_names_is_not_believed(cluster: Cluster, traced: Collector):
    parent = f"00-{THEIRS}-{'d' * 16}-01"
    [token] = await cluster.tokens([cluster.unique("mallory")])
    client = socketio.AsyncClient(serializer="msgpack")
    await client.connect(
        cluster.url("a"), auth={"token": token, "traceparent": parent}, headers={"traceparent": parent},
        transports=["websocket"],
    )  # fmt: skip
    try:
        refused = await client.call("post.get", {"post_id": "1", "traceparent": parent})
        assert refused["error"]["details"][0]["field"] == "traceparent"
        await client.call("feed.get", {})
    finally:
        await client.disconnect()
    await traced.trace_with("post.get")
    await traced.trace_with("feed.get")
    assert THEIRS not in {span.trace_id for span in traced.spans}


async def test_the_log_lines_of_a_reaction_name_the_trace_of_the_call(
    cluster: Cluster, person, shards, capfd, monkeypatch, request
):
    """Without tracing, too."""
    monkeypatch.setattr(runner, "FIRST_WAIT_S", 0.001)
    group = f"test-{secrets.token_hex(4)}"
    request.addfinalizer(lambda: jobs._groups.pop(group))

    @consumes(PostCreatedEvent, group=group)
    async def react(job: Job, event: PostCreatedEvent) -> None:
        raise ValueError("it is broken")

    redis = Redis(cluster.servers.redis_url, group)
    event_log = RedisStreams(redis, shards)
    owner = await cluster.owner()

    async def dead() -> int:
        return len(await event_log.dead_letters(10))

    try:
        alice = await person("alice")
        await alice.call("post.create", text="hello")
        row = await owner.fetchrow(
            "SELECT id, topic, key, payload, trace FROM outbox WHERE key = $1 AND topic = 'post.created'", alice.id
        )
        await event_log.append(1, [Record(*row)])
        stop = asyncio.Event()
        tools = dataclasses.replace(cluster.workers.tools, event_log=event_log)
        running = asyncio.create_task(runner.run_group(tools, group, stop))
        assert await soon(dead, 1) == 1
        stop.set()
        async with asyncio.timeout(WAIT_S):
            await running
        [letter] = await event_log.dead_letters(10)
    finally:
        await owner.close()
        await redis.close()
    assert letter.record.trace == row["trace"]
    ours = [line for line in lines(capfd) if line.get("group") == group]
    assert {line["trace_id"] for line in ours} == {row["trace"].split("-")[1]}
    assert [line["message"] for line in ours][:-1] == ["a reaction failed"] * runner.ATTEMPTS
    assert "dead letter" in ours[-1]["message"]
