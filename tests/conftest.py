"""Fixtures: the cluster lives for the whole run, users for one test."""

import asyncio
import functools
import inspect
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from hypothesis import HealthCheck, settings

from domain import passwords
from gateway.embedded import kafka_jars, livekit_program
from gateway.observability import configure_logs
from gateway.stores import SCRIPTS
from storage.redis_servers import servers_of
from storage.shards import Shards
from tests.cluster import Cluster
from tests.courier import HOUR, Courier
from tests.kafka_broker import KafkaBroker
from tests.official import LANGUAGES
from tests.opensearch_node import OpenSearchNode, opensearch_home
from tests.people import HAS_JAVASCRIPT, NO_JAVASCRIPT, NODE, Driver, Person

PersonFactory = Callable[..., Awaitable[Person]]
NodeFactory = Callable[..., Awaitable[str]]
NOT_MADE = "The driver of this official client is not built (its tool may be missing; see `make clients`):"
NO_KAFKA = "Kafka is missing: install Java 17 or later and Maven, then `make kafka`"
NO_OPENSEARCH = "OpenSearch is missing: install Java 17 or later and Maven, then `make opensearch`"
NO_LIVEKIT = "LiveKit is missing: install Go 1.26 or later, then `make voice`"

DEADLINE = pytest.StashKey[float]()  # of a test, by time.monotonic()

PASSWORD_COST = passwords.COST
passwords.COST = 4  # bcrypt's least, in this process: the real cost is a quarter of a second each time

# Examples have no deadline: their duration depends on the machine.
settings.register_profile("daira", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("daira")


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def idle_cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """The servers and their stores. Nodes and workers run once a test has asked for `cluster`."""
    configure_logs("info", "json")
    driver = None
    if HAS_JAVASCRIPT:
        driver = Driver(*NODE)
        await driver.start()
    running = Cluster(Path(tmp_path_factory.mktemp("servers")), driver)
    await running.start_servers()
    await running.hasten_postgres()
    yield running
    await running.stop()
    if driver is not None:
        await driver.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(idle_cluster: Cluster) -> Cluster:
    await idle_cluster.start_processes()
    return idle_cluster


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka(idle_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(idle_cluster.servers, Path(tmp_path_factory.mktemp("kafka")))
    yield broker
    broker.kill()


@pytest.fixture(scope="session")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearchNode]:
    """Call its `start`: it takes seconds, which only some tests need."""
    node = OpenSearchNode(Path(tmp_path_factory.mktemp("opensearch")))
    yield node
    node.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def shards(idle_cluster: Cluster) -> AsyncIterator[Shards]:
    """Redis with a prefix of this test's own: it holds no data, and the test may set its clock."""
    own = Shards(servers_of(idle_cluster.servers.redis_url), idle_cluster.unique("test"), SCRIPTS)
    await own.start()
    yield own
    await own.stop()


@pytest.fixture
def real_password_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", PASSWORD_COST)


@pytest_asyncio.fixture(loop_scope="session")
async def person(cluster: Cluster) -> AsyncIterator[PersonFactory]:
    """`await person("alice", node="b", kind="js-json")` returns a new user, signed in."""
    yield cluster.person
    await cluster.leave()


@pytest_asyncio.fixture(loop_scope="session")
async def node(cluster: Cluster) -> AsyncIterator[NodeFactory]:
    """`await node(limit_calls="10/second")` starts one more node for this test and returns its name."""
    names: list[str] = []

    async def add(**overrides: Any) -> str:
        names.append(cluster.unique("node"))
        await cluster.add_node(names[-1], **overrides)
        return names[-1]

    yield add
    await cluster.leave()  # otherwise clients would try to reconnect to a stopped node
    for name in names:
        await cluster.remove_node(name)


@pytest_asyncio.fixture(loop_scope="session")
async def courier(cluster: Cluster) -> Courier:
    await Courier(cluster).later(30 * HOUR)  # sends what other tests left
    return Courier(cluster)


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    item.stash[DEADLINE] = time.monotonic() + 0.9 * settings.timeout


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail an asynchronous test at nine tenths of its timeout, as pytest-timeout would end the whole run.

    The failure shows where the test waited, and the other tests go on.
    """
    if DEADLINE in item.stash and isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        test, left_s = item.obj, item.stash[DEADLINE] - time.monotonic()

        @functools.wraps(test)
        async def limited(*arguments: Any, **named: Any) -> None:
            async with asyncio.timeout(left_s):
                await test(*arguments, **named)

        item.obj = limited
    return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests whose tools are missing. In CI, only LiveKit and clients without a toolchain may be missing."""
    if not HAS_JAVASCRIPT:
        if os.environ.get("CI"):
            raise pytest.UsageError(NO_JAVASCRIPT)
        _skip([item for item in items if "javascript" in item.keywords or "js-" in item.nodeid], NO_JAVASCRIPT)
    for language, facts in LANGUAGES.items():
        if facts.is_missing:
            ours = [item for item in items if any(language in mark.args for mark in item.iter_markers("client"))]
            if ours and facts.tool_is_here and os.environ.get("CI"):
                raise pytest.UsageError(f"{NOT_MADE} {language}")
            _skip(ours, f"{NOT_MADE} {language}")
    if kafka_jars() is None or shutil.which("java") is None:
        if os.environ.get("CI"):
            raise pytest.UsageError(NO_KAFKA)
        _skip([item for item in items if "kafka" in item.keywords], NO_KAFKA)
    if opensearch_home() is None:
        if os.environ.get("CI"):
            raise pytest.UsageError(NO_OPENSEARCH)
        _skip([item for item in items if "opensearch" in item.keywords], NO_OPENSEARCH)
    if livekit_program() is None:
        _skip([item for item in items if "voice" in item.keywords], NO_LIVEKIT)


def _skip(items: list[pytest.Item], reason: str) -> None:
    for item in items:
        item.add_marker(pytest.mark.skip(reason=reason))
