"""Fixtures of the developer page: browsers of two users who are signed in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser import Browser, Browsers, mark_tests
from tests.cluster import Cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_tests(items, Path(__file__).parent)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def node(cluster: Cluster) -> AsyncIterator[str]:
    await cluster.add_node("page", developer_page=True)
    yield "page"
    await cluster.remove_node("page")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browsers() -> AsyncIterator[Browsers]:
    kept = Browsers()
    yield kept
    await kept.quit()


@pytest_asyncio.fixture(loop_scope="session")
async def sign_in(
    cluster: Cluster, node: str, browsers: Browsers
) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
    async with browsers.lent() as lend:

        async def open_and_sign_in(username: str) -> Browser:
            window = await lend(username)
            await window.do(window.driver.get, cluster.url(node))
            await window.send("#sign-in input", username)
            await window.see("#me", f"@{username}")
            await window.see("#connection", "connected")
            await window.has("#usernames option")
            return window

        yield open_and_sign_in


@pytest_asyncio.fixture(loop_scope="session")
async def pair(cluster: Cluster, person, sign_in) -> tuple[Browser, Browser]:
    """Return the browsers of Alice and of Bob, who follows her."""
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    await cluster.leave()  # close their other clients: now they have only their browsers
    hers, his = await asyncio.gather(sign_in(alice.name), sign_in(bob.name))
    return hers, his
