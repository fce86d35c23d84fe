"""PostgreSQL does not answer one node: calls that need it are refused at once, the rest goes on, and all heals."""

import asyncio
from typing import Any

import pytest

from storage import breaker
from tests.cluster import Cluster
from tests.faults import soon
from tests.store_link import StoreLink, link_to
from tests.topology_settings import through


@pytest.mark.parametrize("fault", ["frozen", "closed"])
async def test_calls_are_refused_at_once_and_heal(cluster: Cluster, person, node, fault):
    async with link_to(cluster.servers.postgres_port) as link:
        name = await node(**through(cluster, link))
        alice, bob = await person("alice", node=name), await person("bob", node=name)
        kept = await alice.call("post.create", text="acknowledged before")
        state = cluster.node(name).parts.services.database._breaker
        await _break(link, fault)
        under_way = await asyncio.gather(
            alice.answer("post.create", {"text": "meets the fault"}), bob.answer("feed.get", {"mode": "latest"})
        )
        assert {answer["error"]["code"] for answer in under_way} == {"UNAVAILABLE"}

        async def is_open() -> bool:
            await alice.answer("post.get", {"post_id": kept["id"]})
            return state.is_open

        assert await soon(is_open, True)
        refused = await asyncio.gather(*(alice.answer("post.get", {"post_id": kept["id"]}) for _ in range(50)))
        assert {answer["error"]["code"] for answer in refused} == {"UNAVAILABLE"}
        assert all(answer["error"]["retry_after_ms"] > 0 for answer in refused)
        assert await alice.call("system.ping")  # the rest goes on, and no socket was closed
        assert (await (await person("carol")).call("post.get", post_id=kept["id"]))["id"] == kept["id"]
        await link.open()

        async def heals() -> bool:
            return (await bob.answer("post.get", {"post_id": kept["id"]}))["ok"]

        assert await soon(heals, True)
        assert not state.is_open
        again = await alice.call("post.create", text="written after")
        assert (await bob.call("post.get", post_id=again["id"]))["text"] == "written after"
        await cluster.leave()


async def _break(link: StoreLink, fault: str) -> None:
    if fault == "frozen":
        link.freeze()
    else:
        await link.close()


async def _has_probed(state: Any) -> bool:
    return state._probing is not None and state._probing.done()


@pytest.fixture
async def probed(monkeypatch):
    """A breaker whose probe fails while `fails` is set, and that probes without pauses."""
    monkeypatch.setattr(breaker, "PROBE_EVERY_S", 0)
    fails, opened, probes = asyncio.Event(), [], []

    async def probe() -> None:
        probes.append(fails.is_set())
        await asyncio.sleep(0)
        if fails.is_set():
            raise ConnectionRefusedError

    async def on_open() -> None:
        opened.append(len(probes))

    made = breaker.ProbedBreaker("test", probe, on_open)
    yield made, fails, opened, probes
    made.close()


async def test_a_breaker_opens_after_two_failed_probes_and_closes_after_one_that_succeeds(probed):
    state, fails, opened, probes = probed
    fails.set()
    state.suspect()
    state.suspect()
    while not state.is_open:
        await asyncio.sleep(0)
    assert not state.admits()
    assert opened == [breaker.PROBES]
    fails.clear()
    while state.is_open:
        await asyncio.sleep(0)
    assert state.admits()
    assert opened == [breaker.PROBES]
    assert probes.count(False) == 1


async def test_silence_counts_only_without_any_answer(probed, monkeypatch):
    monkeypatch.setattr(breaker, "SILENT_S", 0)
    state, _, _, probes = probed
    state.watch()
    state.answered()
    await asyncio.sleep(0.01)
    assert probes == []
    state.watch().cancel()
    await asyncio.sleep(0.01)
    assert probes == []
    state.watch()
    await soon(lambda: _has_probed(state), True)
    assert probes == [False]
