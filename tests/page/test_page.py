"""The developer page in real browsers: two people, each in a browser of their own, who see each other."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.cluster import Cluster
from tests.page import browser
from tests.page.browser import Browser

NEEDED = "needs Chromium and its driver (Debian: apt-get install chromium chromium-driver)"
if not browser.is_here() and os.environ.get("CI"):
    raise pytest.UsageError(NEEDED)
pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(not browser.is_here(), reason=NEEDED)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(cluster: Cluster) -> AsyncIterator[str]:
    await cluster.add_node("page", developer_page=True)
    yield "page"
    await cluster.remove_node("page")


@pytest_asyncio.fixture(loop_scope="session")
async def sign_in(cluster: Cluster, node: str) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
    opened: list[Browser] = []

    async def open_and_sign_in(username: str) -> Browser:
        window = await asyncio.to_thread(Browser)
        opened.append(window)
        await window.do(window.driver.get, cluster.url(node))
        await window.send("#sign-in input", username)
        await window.see("#me", f"@{username}")
        await window.see("#connection", "connected")
        return window

    yield open_and_sign_in
    for window in opened:
        await window.quit()


@pytest_asyncio.fixture(loop_scope="session")
async def pair(cluster: Cluster, person, sign_in) -> tuple[str, Browser, Browser]:
    """Alice's username and browser, and the browser of Bob, who follows her."""
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    await cluster.leave()  # now they have nothing but their browsers
    hers, his = await asyncio.gather(sign_in(alice.name), sign_in(bob.name))
    return alice.name, hers, his


async def meet(hers: Browser, his: Browser, topic: str) -> None:
    """She opens a room, and he joins."""
    await hers.send("#open-room input", topic)
    await hers.see("#topic", topic)
    await his.click("#refresh-rooms")
    await his.click("#rooms li button", "Join")
    await his.see("#topic", topic)


async def test_a_post_is_in_a_followers_feed_at_once(pair):
    _, hers, his = pair
    await hers.write("#compose textarea", "صباح الخير <img src=x onerror=alert(1)>")
    await hers.click("#compose button")
    for window in (hers, his):
        await window.see("#posts li p", "صباح الخير <img src=x onerror=alert(1)>")
    await his.see("#log-entries .push", "feed.added")
    await his.see("#log-entries .call", "post.get")
    await his.write("#log-filter", "feed.added")
    await his.see_no("#log-entries .call")
    assert await hers.complaints() == await his.complaints() == []


async def test_whom_one_follows_comes_into_the_feed_live(pair):
    alice, hers, his = pair
    await his.click(f"#followed [data-username='{alice}'] .name")
    await his.see("#card", f"@{alice}")
    await his.click("#card button", "Unfollow")
    await his.see_no(f"#followed [data-username='{alice}']")
    await hers.write("#compose textarea", "قبل")
    await hers.click("#compose button")
    await hers.see("#posts li p", "قبل")

    await his.click("#card [aria-label='Close']")
    await his.send("#find-person input", f"@{alice}")
    await his.click("#card button", "Follow")
    await his.see("#card button", "Unfollow")
    await his.see(f"#followed [data-username='{alice}'] .dot[data-status='online']")
    await hers.see("#notice", "follows you")
    await his.see("#posts li p", "قبل")
    await hers.write("#compose textarea", "بعد")
    await hers.click("#compose button")
    await his.see("#posts li p", "بعد")
    await his.see("#log-entries .push", "feed.added")
    assert await hers.complaints() == await his.complaints() == []


async def test_presence_is_seen_until_the_browser_closes(pair):
    alice, hers, his = pair
    dot = f"#followed [data-username='{alice}'] .dot[data-status='%s']"
    await his.see(dot % "online")
    await hers.click("#status")
    await hers.click("#status option", "busy")
    await his.see(dot % "busy")
    await hers.quit()
    await his.see(dot % "offline")


async def test_a_room_with_a_stage_hands_and_chat(pair):
    _, hers, his = pair
    await meet(hers, his, "مجلس الجمعة")
    await hers.see("#my-role", "host")
    await his.see("#stage [data-role='host']", "alice")
    await hers.see("#listeners", "bob")
    await hers.see("#audience", "2 inside")

    await his.click("#raise-hand")
    await hers.see("#hands li", "bob")
    await hers.click("#hands button", "Make speaker")
    await his.see("#my-role", "speaker")
    for window in (hers, his):
        await window.see("#stage [data-role='speaker']", "bob")
        await window.see_no("#hands li")

    await hers.write("#say input", "أهلا")
    await his.see("#typing", "alice")
    await hers.click("#say button")
    await his.see("#messages .theirs p", "أهلا")
    await his.see_no("#typing", "alice")
    await his.send("#say input", "أهلا بيكي")
    await hers.see("#messages .theirs p", "أهلا بيكي")
    await his.click("#reactions button", "👏")
    await hers.see("#reactions button", "👏 1")

    await hers.click("#stage [data-role='speaker'] button", "Mute")
    await his.see("#my-role", "muted")
    await hers.see("#stage [data-role='speaker']", "🔇")
    await hers.click("#stage [data-role='speaker'] button", "Kick")
    await his.see("#notice", "kicked")
    await his.see("#lobby")
    await hers.see_no("#stage", "bob")

    await his.click("#rooms li button", "Join")
    await his.see("#messages p", "أهلا بيكي")
    await hers.click("#close-room")
    for window in (hers, his):
        await window.see("#notice", "closed")
        await window.see("#lobby")


async def test_a_lost_connection_is_shown_and_caught_up(cluster: Cluster, pair):
    _, hers, his = pair
    await meet(hers, his, "still here")
    for socket in cluster.node("page").socket_server.sockets:
        socket.drop("test")
    for window in (hers, his):
        await window.see("#log-entries .change", "reconnecting")
        await window.see("#connection", "caught up")
    await hers.send("#say input", "after")
    await his.see("#messages .theirs p", "after")


async def test_each_tab_remembers_its_own_person(cluster: Cluster, pair):
    alice, hers, _ = pair
    await hers.send("#open-room input", "to come back to")
    await hers.see("#topic", "to come back to")
    await hers.do(hers.driver.refresh)
    await hers.see("#me", alice)
    await hers.see("#topic", "to come back to")
    await hers.click("header a")
    await hers.do(lambda: hers.driver.switch_to.window(hers.driver.window_handles[-1]))
    await hers.see("#door", "Who are you?")
    await hers.click("#demo-people button")
    await hers.see("#connection", "connected")
    await hers.click("#sign-out")
    await hers.see("#notice", "signed out")
