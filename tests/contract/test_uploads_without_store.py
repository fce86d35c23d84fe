"""The object store is down: media says so at once, the rest goes on, and all heals without a restart."""

import asyncio

import pytest

from storage.breaker import OPEN_S, Breaker
from storage.objects import DEADLINE_S
from tests.cluster import Cluster
from tests.faults import soon
from tests.store_link import link_to
from tests.uploads import begin, png, send


@pytest.mark.parametrize("fault", ["frozen", "closed"])
async def test_media_is_unavailable_at_once_and_heals(cluster: Cluster, person, node, fault):
    servers = cluster.servers
    async with link_to(servers.s3_port) as link:
        name = await node(
            s3_endpoint=link.url, s3_access_key=servers.s3_access_key, s3_secret_key=servers.s3_secret_key
        )
        alice = await person("alice", node=name)
        body = png(1_000)
        begun, other = await begin(alice, body), await begin(alice, body)
        await send(begun, body)
        await alice.call("media.complete_upload", media_id=begun["media_id"])
        await send(other, body)
        if fault == "frozen":
            link.freeze()
        else:
            await link.close()
        waiting = asyncio.create_task(alice.refused("media.complete_upload", media_id=other["media_id"]))
        if fault == "frozen":
            await alice.call("post.create", text="overtakes the call that waits for the store")
            assert not waiting.done()
        first = await waiting
        assert (first.code, first.error["retryable"]) == ("UNAVAILABLE", True)
        loop = asyncio.get_running_loop()
        began = loop.time()
        refused = [
            await alice.refused("media.create_upload", filename="x", content_type="image/png", size_bytes=9)
            for _ in range(5)
        ]
        assert {failed.code for failed in refused} == {"UNAVAILABLE"}
        # One of them may have tried: all waiting for their deadlines would take five times as long.
        assert loop.time() - began < 2 * DEADLINE_S + 2 * OPEN_S
        assert (await alice.call("post.create", text="goes on"))["text"] == "goes on"
        assert (await alice.call("media.get", media_id=begun["media_id"]))["id"] == begun["media_id"]
        await link.open()

        async def heals() -> bool:
            return (await alice.answer("media.complete_upload", {"media_id": other["media_id"]}))["ok"]

        assert await soon(heals, True)
        assert (await alice.call("media.get", media_id=begun["media_id"]))["status"] != "failed"
        await cluster.leave()


def test_a_breaker_lets_one_request_try(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("storage.breaker.time.monotonic", lambda: now[0])
    breaker = Breaker("test")
    assert breaker.admits()
    breaker.failed()
    assert not breaker.admits()
    now[0] = OPEN_S
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.failed()
    now[0] = 1.5 * OPEN_S
    assert not breaker.admits()
    breaker.succeeded()
    assert [breaker.admits(), breaker.admits()] == [True, True]
