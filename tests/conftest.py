"""Fixtures: the cluster lives as long as the run, people as long as their test."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from gateway.embedded import livekit_program
from gateway.observability import configure_logs
from tests.cluster import Cluster
from tests.people import CLIENTS, Driver, Person

PersonFactory = Callable[..., Awaitable[Person]]
HAS_JAVASCRIPT = shutil.which("node") is not None and (CLIENTS / "node_modules").is_dir()
NO_JAVASCRIPT = "Node.js or the official JavaScript clients are not here: install Node.js with npm, then `make test`"
NO_LIVEKIT = "LiveKit is not here: install Go 1.26 or later, then `make voice`"


@pytest.fixture(scope="session")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    return uvloop.EventLoopPolicy()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    configure_logs("info", "json")
    driver = None
    if HAS_JAVASCRIPT:
        driver = Driver()
        await driver.start()
    running = Cluster(Path(tmp_path_factory.mktemp("servers")), driver)
    await running.start()
    yield running
    await running.stop()
    if driver is not None:
        await driver.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def person(cluster: Cluster) -> AsyncIterator[PersonFactory]:
    """`await person("alice", node="b", kind="js-json")`: somebody new, signed in."""
    yield cluster.person
    await cluster.leave()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What this machine lacks is left out. In CI only LiveKit may be: it is built from the sources of many modules."""
    if not HAS_JAVASCRIPT:
        if os.environ.get("CI"):
            raise pytest.UsageError(NO_JAVASCRIPT)
        _skip([item for item in items if "javascript" in item.keywords or "js-" in item.nodeid], NO_JAVASCRIPT)
    if livekit_program() is None:
        _skip([item for item in items if "voice" in item.keywords], NO_LIVEKIT)


def _skip(items: list[pytest.Item], reason: str) -> None:
    for item in items:
        item.add_marker(pytest.mark.skip(reason=reason))
