"""Health and metrics of a node, over its sidecar."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from gateway.app import sidecar
from storage.shards import PartlyDown
from tests.cluster import Cluster
from tests.faults import cut
from tests.patience import WAIT_S


@pytest.fixture
async def beside(cluster: Cluster):
    """The address of node a's sidecar."""
    running = sidecar(cluster.settings(), 0, cluster.stores, cluster.node_a.parts.services.database, cluster.node_a)
    port = await running.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session, running
    await running.stop()


async def test_health_names_each_dependency_with_its_latency(beside):
    session, _ = beside
    async with session.get("/health/live") as response:
        assert (response.status, await response.json()) == (200, {"status": "alive"})
    async with session.get("/health/ready") as response:
        body = await response.json()
    assert (response.status, body["status"]) == (200, "ready")
    assert set(body["dependencies"]) == {"postgres", "redis", "objects"}
    assert all(found["ok"] and found["ms"] >= 0 for found in body["dependencies"].values())


async def test_a_dependency_that_fails_turns_readiness_red_unless_it_is_optional(beside):
    session, running = beside

    async def broken() -> None:
        raise OSError("connection refused")

    running._checks["objects"] = broken
    async with session.get("/health/ready") as response:
        assert response.status == 200
        assert (await response.json())["dependencies"]["objects"]["error"] == "connection refused"
    running._checks["redis"] = broken
    async with session.get("/health/ready") as response:
        assert (response.status, (await response.json())["status"]) == (503, "not ready")


async def test_a_node_is_ready_while_some_servers_of_a_cluster_answer(beside):
    """All nodes miss the same ones, and would be taken out at once."""
    session, running = beside

    async def partly_down() -> None:
        raise PartlyDown("2 of 3 servers answer")

    running._checks["redis"] = partly_down
    async with session.get("/health/ready") as response:
        found = (await response.json())["dependencies"]["redis"]
        assert (response.status, found["ok"], found["error"]) == (200, False, "2 of 3 servers answer")
    async with session.get("/metrics") as response:
        assert 'daira_dependency_up{dependency="redis"} 0.0' in await response.text()


async def test_redis_for_pushes_is_a_dependency_of_its_own(cluster: Cluster):
    """A node that has lost it refuses new connections, so the balancer must send none."""
    stores = replace(cluster.node_a._stores, settings=cluster.settings(realtime_redis_url="redis://127.0.0.1:1/0"))
    running = sidecar(stores.settings, 0, stores, cluster.node_a.parts.services.database, cluster.node_a)
    port = await running.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/health/ready") as response:
            assert (await response.json())["dependencies"]["realtime_redis"]["ok"]
        async with session.get("/metrics") as response:
            assert 'daira_redis_memory_ratio{dependency="realtime_redis"} 0.' in await response.text()
        async with cut(cluster.node_a), session.get("/health/ready") as response:
            found = (await response.json())["dependencies"]
            assert (response.status, found["redis"]["ok"], found["realtime_redis"]["ok"]) == (503, True, False)
    await running.stop()


async def test_metrics_have_the_documented_names(cluster: Cluster, person, beside):
    session, _ = beside
    alice, bob = await person("alice"), await person("bob", kind="python-json")
    await bob.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text="x")
    await bob.expect("feed.added", post_id=post["id"])
    await alice.refused("post.get", post_id="1")
    await cluster.settle(alice)
    at_rest = ("daira_outbox_unsent 0.0", 'daira_event_log_lag{group="fanout",topic="post.created"} 0.0')
    text = ""
    async with asyncio.timeout(WAIT_S):
        while not all(line in text for line in at_rest):  # writes of other tests may still be under way
            async with session.get("/metrics") as response:
                text = await response.text()
    for line in (
        'daira_call_seconds_count{method="post.create"}',
        'daira_calls_refused_total{code="NOT_FOUND",method="post.get"}',
        'daira_call_seconds_bucket{le="0.05",method="post.create"}',
        'daira_connections{codec="json"}',
        'daira_connections{codec="msgpack"}',
        'daira_pushes_total{event="feed.added"}',
        "daira_room_unreported",
        "daira_presence_unreported",
        'daira_media_waiting{lane="quick"}',
        'daira_media_oldest_seconds{lane="bulk"}',
        'daira_postgres_connections{role="app",state="idle"}',
        'daira_postgres_connections{role="worker",state="idle"}',
        'daira_redis_connections{state="busy"}',
        'daira_redis_memory_ratio{dependency="redis"} 0.',
        "daira_dead_letters ",
        'daira_dependency_up{dependency="postgres"}',
        'daira_reactions_total{group="fanout",outcome="ok",topic="post.created"}',
    ):
        assert line in text, line
    assert alice.id not in text
    assert alice.name not in text


async def test_metrics_say_which_dependency_does_not_answer(beside):
    """Nobody needs to ask for readiness, and the scrape is answered all the same."""
    session, running = beside

    async def broken() -> None:
        raise OSError("connection refused")

    running._checks["objects"] = broken
    async with session.get("/metrics") as response:
        assert 'daira_dependency_up{dependency="objects"} 0.0' in await response.text()


async def test_version_and_contract(beside):
    session, _ = beside
    async with session.get("/version") as response:
        assert set(await response.json()) == {"version", "protocol"}
    async with session.get("/asyncapi.json") as response:
        assert (await response.json())["asyncapi"] == "3.0.0"


async def test_calls_are_logged_with_who_and_how_long_and_no_secret(cluster: Cluster, person, capfd, monkeypatch):
    monkeypatch.setattr(cluster.node_a.parts.dispatcher, "_logs_every_call", True)  # as DAIRA_LOG_LEVEL=debug does
    guest = await cluster.guest()
    name = cluster.unique("logged")
    answer = await guest.call("auth.register", username=name, email=f"{name}@example.org", password="a secret word")
    await guest.call("auth.refresh", refresh_token=answer["refresh_token"])
    log = capfd.readouterr().err
    assert '"method":"auth.register"' in log
    assert f'"user_id":{answer["user"]["id"]}' in log
    for key in ('"trace_id":"', '"ms":', '"code":"OK"', '"time":"'):
        assert key in log
    for secret in ("a secret word", answer["refresh_token"], answer["access_token"], f"{name}@example.org"):
        assert secret not in log
