"""Fixtures of the moderators' console: browsers of moderators who are signed in."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster import Cluster
from tests.contract.moderators import appoint
from tests.contract.test_auth import PASSWORD, register
from tests.page import browser
from tests.page.browser import Browser

NEEDED = "needs Chromium and its driver (Debian: apt-get install chromium chromium-driver)"
OpenConsole = Callable[..., Awaitable[Browser]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if ours and not browser.is_here() and os.environ.get("CI"):
        raise pytest.UsageError(NEEDED)
    for item in ours:
        item.add_marker(pytest.mark.timeout(180))
        item.add_marker(pytest.mark.skipif(not browser.is_here(), reason=NEEDED))


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def nodes(cluster: Cluster) -> AsyncIterator[tuple[str, str]]:
    """Two nodes with a console each."""
    names = "staff", "staff_b"
    for name in names:
        await cluster.add_node(name, console_port=0)
    yield names
    for name in names:
        await cluster.remove_node(name)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def idle_windows() -> AsyncIterator[list[Browser]]:
    """Browsers that tests have used before: starting one takes longer than most tests."""
    idle: list[Browser] = []
    yield idle
    for window in idle:
        await window.quit()


@pytest_asyncio.fixture(loop_scope="session")
async def open_console(
    cluster: Cluster, nodes: tuple[str, str], idle_windows: list[Browser]
) -> AsyncIterator[OpenConsole]:
    """Return a function that opens the console of a node, and signs in a new user with that role."""
    opened: list[Browser] = []

    async def open_and_sign_in(role: str = "moderator", *, node: str = "staff", language: str = "en") -> Browser:
        user, _ = await register(cluster)
        await appoint(cluster, user, role)
        window = idle_windows.pop() if idle_windows else await asyncio.to_thread(Browser)
        window.username = user.name
        opened.append(window)
        await window.do(window.driver.get, f"{cluster.url(f'{node}-console')}/admin")
        if await window.do(window.driver.execute_script, "return document.documentElement.lang") != language:
            await window.click("#language")
        await window.write("#sign-in [name=email]", f"{user.name}@example.org")
        await window.send("#sign-in [name=password]", PASSWORD)
        if role != "user":
            await window.see("#desk")
        return window

    yield open_and_sign_in
    for window in opened:
        if window.is_open:
            await window.forget()
            idle_windows.append(window)
