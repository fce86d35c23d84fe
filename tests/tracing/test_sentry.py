"""Reports to Sentry, as its endpoint gets them: where it broke and the trace id, and nothing that users wrote."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.settings import Settings, SettingsError
from gateway.telemetry import telemetry
from storage import posts
from tests.cluster import Cluster
from tests.patience import WAIT_S
from tracing import sentry
from tracing.metrics import FAULTS_REPORTED

SECRET = "what a user wrote"


class Ingest:
    """Takes envelopes: lines of JSON, a header, then for each item its header and its payload."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.bodies: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        text = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()
        self.bodies.append(text)
        _, header, payload = text.strip().split("\n")
        assert json.loads(header)["type"] == "event"
        self.events.put_nowait(json.loads(payload))
        return web.json_response({})

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            return await self.events.get()


@pytest_asyncio.fixture(loop_scope="session")
async def ingest() -> AsyncIterator[Ingest]:
    """Faults of this process are reported there."""
    ingest = Ingest()
    app = web.Application()
    app.router.add_post("/api/7/envelope/", ingest.take)
    async with TestServer(app) as server:
        settings = Settings(_env_file=None, sentry_dsn=f"http://public@127.0.0.1:{server.port}/7")
        async with telemetry(settings, "test"):
            yield ingest


async def test_a_handler_that_breaks_is_reported_without_what_its_user_wrote(
    cluster: Cluster, person, ingest: Ingest, monkeypatch
):
    async def break_down(*_: object, text: str, **__: object) -> None:
        raise ValueError(f"{text} cannot be stored")

    monkeypatch.setattr(posts, "insert", break_down)
    alice = await person("alice")
    failed = await alice.refused("post.create", text=SECRET)
    event = await ingest.event()
    assert event["logentry"]["message"] == "a handler failed"
    assert event["tags"] == {"method": "post.create", "trace_id": failed.error["request_id"]}
    assert event["contexts"]["trace"]["trace_id"] == failed.error["request_id"]
    [raised] = event["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("ValueError", "")
    frames = raised["stacktrace"]["frames"]
    assert frames[-1]["function"] == "break_down"
    assert not any("vars" in frame for frame in frames)
    for private in (SECRET, alice.id, alice.name):
        assert private not in ingest.bodies[0]


async def test_a_dead_letter_is_reported_with_its_group_and_topic(ingest: Ingest):
    try:
        raise LookupError(SECRET) from ValueError(SECRET)
    except LookupError as error:
        structlog.get_logger().error(
            "a record became a dead letter", group="fanout", topic="post.created", cause=SECRET, exc_info=error
        )
    event = await ingest.event()
    assert event["tags"] == {"group": "fanout", "topic": "post.created"}
    assert [value["type"] for value in event["exception"]["values"]] == ["ValueError", "LookupError"]
    assert SECRET not in ingest.bodies[0]


async def test_errors_of_libraries_are_reported_without_their_text(ingest: Ingest):
    logging.getLogger("asyncio").error("Task %s was destroyed", SECRET)
    event = await ingest.event()
    assert event["tags"] == {"library": "asyncio"}
    assert SECRET not in ingest.bodies[0]


async def test_warnings_are_not_reported_and_errors_have_a_bound(ingest: Ingest, monkeypatch):
    monkeypatch.setattr(sentry, "PER_MINUTE", 2)
    monkeypatch.setattr(sentry.time, "monotonic", lambda: 6_000.0)
    before = FAULTS_REPORTED.labels("limited")._value.get()
    log = structlog.get_logger()
    log.warning("a reaction failed")
    for number in range(5):
        log.error("background work failed", work=str(number))
    assert [(await ingest.event())["tags"]["work"] for _ in range(2)] == ["0", "1"]
    assert FAULTS_REPORTED.labels("limited")._value.get() - before == 3
    assert ingest.events.empty()


async def test_a_wrong_dsn_is_refused_by_name():
    settings = Settings(_env_file=None, sentry_dsn="nonsense")
    with pytest.raises(SettingsError, match="DAIRA_SENTRY_DSN"):
        async with telemetry(settings, "test"):
            pass
