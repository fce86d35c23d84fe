"""Every alert fires while its fault lasts and is resolved after it, and every panel has shown something by then.

Prometheus and Alertmanager are real, so are the faults and the users. See `injected.py` for what breaks.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.engine.test_framing import BareSocket, text
from tests.monitoring.injected import EXCUSED, FAULTS, Fault, Scene
from tests.monitoring.prometheus import SPEED, Prometheus
from tests.monitoring.rules import alerts, needs_prometheus, queries
from tests.monitoring.users import Users
from tests.monitoring.watched import Watched
from tests.senders.certificates import make_trust
from tests.tracing.collector import collecting

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3_600), needs_prometheus]

LONGEST_S = 480.0  # until an alert fires or is resolved: far more than it takes on an idle machine
TOGETHER = 15  # the first faults do not disturb each other
LOOK_EVERY_S = 0.5


class Outcome(NamedTuple):
    """None: it did not happen in time."""

    alert: str
    what: str
    fired_s: float | None
    resolved_s: float | None


class Proof(NamedTuple):
    scene: Scene
    prometheus: Prometheus
    outcomes: list[Outcome]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def proof(tmp_path_factory) -> AsyncIterator[Proof]:
    """Inject every fault. The tests look at what came of it."""
    folder = tmp_path_factory.mktemp("watched")
    trust = make_trust(folder)
    async with AsyncExitStack() as closing:
        collector = await closing.enter_async_context(collecting())
        watched = Watched(folder / "data", trust, collector)
        prometheus = Prometheus(folder / "prometheus", watched.targets())
        closing.push_async_callback(watched.end)
        await watched.begin()
        await prometheus.start()
        closing.push_async_callback(prometheus.stop)
        users = Users(watched)
        await users.start()
        closing.push_async_callback(users.stop)
        scene = Scene(watched, users, trust, collector, closing)
        await misbehave(scene)
        faults = [fault for fault in FAULTS if not EXCUSED.issuperset(fault.alerts)]
        found = await asyncio.gather(*(prove(scene, prometheus, fault) for fault in faults[:TOGETHER]))
        for fault in faults[TOGETHER:]:
            found.append(await prove(scene, prometheus, fault))
        yield Proof(scene, prometheus, [outcome for each in found for outcome in each])


async def misbehave(scene: Scene) -> None:
    """What a few clients do wrong every day: some panels show only that."""
    [port, _] = scene.watched.node_ports
    junk = await BareSocket().open(port)
    junk.send(text("4junk"))
    await junk.answered_or_closed()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/media/x/poster.mp4"):
        pass
    token, post_id = scene.users.tokens[0], scene.users.posts[0]
    hasty = [await scene.watched.client(token, 0) for _ in range(8)]  # together far above the rate of a user
    calls = [each.call("post.get", {"post_id": post_id}, timeout=15) for each in hasty for _ in range(120)]
    await asyncio.gather(*calls, return_exceptions=True)
    for each in hasty:
        await each.shutdown()


async def prove(scene: Scene, prometheus: Prometheus, fault: Fault) -> list[Outcome]:
    await reached(prometheus, fault.alerts, fires=False)  # an earlier fault may have caused them, too
    async with AsyncExitStack() as injected:
        began = time.monotonic()
        await injected.enter_async_context(fault.inject(scene))
        fired = await reached(prometheus, fault.alerts, fires=True)
        started_s = time.monotonic() - began
    healed = time.monotonic()
    resolved = await reached(prometheus, fault.alerts, fires=False)
    print(f"{fault.what}: {fired} after {started_s:.0f} s, {resolved} {time.monotonic() - healed:.0f} s later")
    return [Outcome(alert, fault.what, fired.get(alert), resolved.get(alert)) for alert in fault.alerts]


async def reached(prometheus: Prometheus, names: tuple[str, ...], *, fires: bool) -> dict[str, float]:
    """Wait until all of these fire, or none. Returns after how many seconds each did."""
    began = time.monotonic()
    found: dict[str, float] = {}
    while len(found) < len(names) and time.monotonic() - began < LONGEST_S:
        firing = await prometheus.firing()
        for name in names:
            if (name in firing) is fires:
                found.setdefault(name, time.monotonic() - began)
        await asyncio.sleep(LOOK_EVERY_S)
    return found


async def test_every_alert_fires_and_is_resolved(proof: Proof):
    print(f"\nRules run {SPEED} times as fast: five minutes are {300 // SPEED} s.")
    print(f"{'alert':20}{'fault':45}{'fires after':>12}{'is resolved after':>19}")
    for outcome in proof.outcomes:
        fired, resolved = (
            "never" if seconds is None else f"{seconds:.0f} s" for seconds in (outcome.fired_s, outcome.resolved_s)
        )
        print(f"{outcome.alert:20}{outcome.what:45}{fired:>12}{resolved:>19}")
    seen = {each.alert for each in proof.outcomes if None not in (each.fired_s, each.resolved_s)}
    assert {rule["alert"] for rule in alerts()} - EXCUSED - seen == set()


async def test_every_query_of_every_panel_has_shown_data(proof: Proof):
    empty = []
    for (dashboard, panel), found in queries().items():
        if ("VoiceDown" in EXCUSED and panel == "Voice") or ("SearchDown" in EXCUSED and panel == "OpenSearch"):
            continue
        empty += [(dashboard, panel, query) for query in found if not await proof.prometheus.has_data(query)]
    assert not empty, "\n".join(map(str, empty))


async def test_top_finds_all_nodes_and_workers(proof: Proof):
    looked = await asyncio.to_thread(proof.scene.watched.run, "top", "--json")
    found = json.loads(looked.stdout)
    urls = {f"http://127.0.0.1:{port}" for port in proof.scene.watched.sidecars.values()}
    assert {process["url"] for process in found["processes"]} == urls
    assert sorted(process["kind"] for process in found["processes"]) == ["node"] * 2 + ["worker"] * 3
    assert found["total"]["calls"] > 0
    assert found["total"]["pushes"] > 0
    assert len(found["slowest"]) > 3
