"""Fixtures of the developer page: browsers of two users who are signed in."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster import Cluster
from tests.page import browser
from tests.page.browser import Browser

NEEDED = "needs Chromium and its driver (Debian: apt-get install chromium chromium-driver)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if ours and not browser.is_here() and os.environ.get("CI"):
        raise pytest.UsageError(NEEDED)
    for item in ours:
        item.add_marker(pytest.mark.timeout(180))
        item.add_marker(pytest.mark.skipif(not browser.is_here(), reason=NEEDED))


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def node(cluster: Cluster) -> AsyncIterator[str]:
    await cluster.add_node("page", developer_page=True)
    yield "page"
    await cluster.remove_node("page")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def idle_browsers() -> AsyncIterator[list[Browser]]:
    """Browsers that tests have used before: starting one takes longer than most tests."""
    idle: list[Browser] = []
    yield idle
    for window in idle:
        await window.quit()


@pytest_asyncio.fixture(loop_scope="session")
async def sign_in(
    cluster: Cluster, node: str, idle_browsers: list[Browser]
) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
    opened: list[Browser] = []

    async def open_and_sign_in(username: str) -> Browser:
        window = idle_browsers.pop() if idle_browsers else await asyncio.to_thread(Browser)
        window.username = username
        opened.append(window)
        await window.do(window.driver.get, cluster.url(node))
        await window.send("#sign-in input", username)
        await window.see("#me", f"@{username}")
        await window.see("#connection", "connected")
        await window.has("#usernames option")
        return window

    yield open_and_sign_in
    for window in opened:
        if window.is_open:
            await window.forget()
            idle_browsers.append(window)


@pytest_asyncio.fixture(loop_scope="session")
async def pair(cluster: Cluster, person, sign_in) -> tuple[Browser, Browser]:
    """Return the browsers of Alice and of Bob, who follows her."""
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    await cluster.leave()  # close their other clients: now they have only their browsers
    hers, his = await asyncio.gather(sign_in(alice.name), sign_in(bob.name))
    return hers, his
