"""Fixtures of the moderators' console: browsers of moderators who are signed in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser import Browser, Browsers, mark_tests
from tests.cluster import Cluster
from tests.contract.moderators import appoint
from tests.contract.test_auth import PASSWORD, register

OpenConsole = Callable[..., Awaitable[Browser]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_tests(items, Path(__file__).parent)


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
async def browsers() -> AsyncIterator[Browsers]:
    kept = Browsers()
    yield kept
    await kept.quit()


@pytest_asyncio.fixture(loop_scope="session")
async def open_console(cluster: Cluster, nodes: tuple[str, str], browsers: Browsers) -> AsyncIterator[OpenConsole]:
    """Return a function that opens the console of a node, and signs in a new user with that role."""
    async with browsers.lent() as lend:

        async def open_and_sign_in(role: str = "moderator", *, node: str = "staff", language: str = "en") -> Browser:
            user, _ = await register(cluster)
            await appoint(cluster, user, role)
            window = await lend(user.name)
            await window.do(window.driver.get, f"{cluster.url(f'{node}-console')}/admin")
            if await window.do(window.driver.execute_script, "return document.documentElement.lang") != language:
                await window.click("#language")
            await window.write("#sign-in [name=email]", f"{user.name}@example.org")
            await window.send("#sign-in [name=password]", PASSWORD)
            if role != "user":
                await window.see("#desk")
            return window

        yield open_and_sign_in
