"""One post is one trace over separate processes, whose settings alone switch tracing on."""

import asyncio

import pytest

from tests.chaos.deployment import Deployment
from tests.patience import WAIT_S
from tests.tracing.collector import collecting

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


async def test_a_post_on_one_node_is_traced_to_its_push_on_the_other(tmp_path):
    async with collecting() as collector:
        deployment = Deployment(tmp_path / "data")
        deployment.names = ("node-0", "node-1", "worker-0")
        deployment.environment |= {"DAIRA_TRACE_ENDPOINT": collector.url, "DAIRA_TRACE_SAMPLE": "1"}
        try:
            await deployment.begin()
            tokens = await deployment.tokens(["alice", "bob"])
            alice, bob = [await deployment.client(token, node) for node, token in enumerate(tokens)]
            pushed = asyncio.Event()
            bob.on("feed.added", lambda *_: pushed.set())
            me = (await alice.call("user.me", {}))["data"]["id"]
            assert (await bob.call("graph.follow", {"user_id": me}))["ok"]
            assert (await alice.call("post.create", {"text": "hello"}))["ok"]
            async with asyncio.timeout(WAIT_S):
                await pushed.wait()
            spans = await collector.trace_with("post.create", "fanout post.created", "deliver feed.added")
            await alice.disconnect()
            await bob.disconnect()
        finally:
            await deployment.end()
    where = {span.name: (span.attributes["service.name"], span.attributes["service.instance.id"]) for span in spans}
    services = [where[name][0] for name in ("post.create", "relay post.created", "fanout post.created")]
    assert services == ["daira-gateway", "daira-worker", "daira-worker"]
    assert where["deliver feed.added"][0] == "daira-gateway"
    assert where["deliver feed.added"] != where["post.create"]
