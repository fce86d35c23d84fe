"""Files on the developer page: attached, uploaded, processed, and shown in posts, comments, chats and avatars."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from tests.browser import Browser
from tests.cluster import Cluster
from tests.media.films import frame, make_film
from tests.workers.test_media_lanes import running_lanes

PICKER = "#compose input[type='file']"
FILE = "#posts media-file"

# Drop a file of these bytes on the form.
DROP = """
const files = new DataTransfer();
files.items.add(new File([arguments[1]], arguments[0], { type: "image/jpeg" }));
document.getElementById("compose").dispatchEvent(new DragEvent("drop", { dataTransfer: files, cancelable: true }));
"""


@pytest_asyncio.fixture(loop_scope="session")
async def lanes(cluster: Cluster) -> AsyncIterator[None]:
    async with running_lanes(cluster):
        yield


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "النيل.jpg"
    frame((640, 360), 1).save(path)
    return path


async def post(window: Browser, text: str) -> None:
    await window.publish(text)


async def throttle(window: Browser, upload: int) -> None:
    """upload: bytes a second; -1: no limit."""
    await window.command("Network.enable")
    rates = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": upload}
    await window.command("Network.emulateNetworkConditions", offline=False, **rates)


async def test_a_picture_is_blurred_until_it_has_come(lanes, pair, picture):
    hers, his = pair
    await his.command("Network.enable")
    await his.command("Network.setBlockedURLs", urls=["*.webp*"])
    await hers.attach(PICKER, picture)
    await hers.see(".attachments li", picture.name)
    await hers.write(".attachments li input", "النهر <b>")
    await hers.click("#compose button")  # a post needs no text then
    await hers.see(f"{FILE} img[alt='النهر <b>']")
    await hers.see_no(".attachments li")
    await hers.see_no(f"{FILE} canvas")
    await his.see(f"{FILE} canvas")
    await his.command("Network.setBlockedURLs", urls=[])
    await his.do(his.driver.refresh)
    await his.see(f"{FILE} img")
    await his.see_no(f"{FILE} canvas")
    assert await hers.complaints() == []


async def test_a_film_plays_in_both_windows(cluster: Cluster, pair, tmp_path):
    hers, his = pair
    film = make_film(tmp_path / "film.mp4", size=(640, 360), seconds=3)
    await throttle(hers, film.stat().st_size // 4)
    await hers.attach(PICKER, film)
    await post(hers, "فيلم")
    await hers.see(".attachments progress:not([value='0'])")
    await throttle(hers, -1)
    for window in pair:
        await window.see(f"{FILE} progress")
    async with running_lanes(cluster):
        await hers.see("#log-entries .push", "media.progressed")
        for window in pair:
            await window.click(f"{FILE} button[aria-label='Play']")
            await window.see(f"{FILE} video[src^='blob:']")
            await window.until(f'document.querySelector("{FILE} video").currentTime > 1')
            await window.until('performance.getEntriesByType("resource").some(({ name }) => name.includes(".m4s"))')
    assert await hers.complaints() == await his.complaints() == []


async def test_a_refused_file_says_why(pair):
    hers, _ = pair
    await hers.do(hers.driver.execute_script, DROP, "cat.jpg", "MZ" + "\0" * 200)
    await hers.see(".attachments li", "cat.jpg")
    await post(hers, "look")
    await hers.see(".attachments [role='alert']", "not image/jpeg")
    await hers.see_no("#posts li")
    await hers.click(".attachments li button")
    await hers.click("#compose button")
    await hers.see("#posts li p", "look")


async def test_a_damaged_file_says_why_to_its_owner(lanes, pair, picture):
    hers, his = pair
    picture.write_bytes(picture.read_bytes()[:700])
    await hers.attach(PICKER, picture)
    await post(hers, "half")
    await hers.see(f"{FILE}[data-status='failed']", "damaged")
    await his.see(f"{FILE}[data-status='failed']", "This file failed")


async def test_a_sensitive_picture_is_blurred_until_the_viewer_asks(lanes, pair, picture):
    hers, his = pair
    await hers.attach(PICKER, picture)
    await hers.click(".attachments li input[type='checkbox']")
    await post(hers, "careful")
    await his.see(f"{FILE} canvas")
    await his.see_no(f"{FILE} img")
    await his.click(f"{FILE} button", "Show sensitive media")
    await his.see(f"{FILE} img")
    await his.see_no(f"{FILE} canvas")
    await hers.see(f"{FILE} button")


async def test_comments_messages_and_profiles_have_pictures(lanes, pair, picture):
    hers, his = pair
    await post(hers, "comment, please")
    for window in pair:
        await window.click("#posts .comments-of")
    await his.attach(".thread input[type='file']", picture)
    await his.click(".thread form button")
    await hers.see(".comments media-file img")

    await his.click("#me .name")
    await his.attach("#card-avatar input", picture)
    await his.see("#card-who img.avatar")
    await his.until('document.querySelector("#me img.avatar").naturalWidth > 0')
    await hers.send("#find-person input", his.username)
    await hers.see("#card-who img.avatar")

    await hers.click("#card button", "Message")
    await hers.attach("#chat-composer input[type='file']", picture)
    await hers.click("#chat-composer form button")
    await hers.see("#chat-messages .mine media-file img")
    await his.do(his.driver.refresh)
    await his.see("#chat-list .last", "📎")
    await his.click("#chat-list .name")
    await his.see("#chat-messages .theirs media-file img")
    assert await hers.complaints() == await his.complaints() == []


async def test_an_upload_resumes_after_a_reload(lanes, pair, tmp_path):
    hers, _ = pair
    noise = tmp_path / "noise.png"
    Image.frombytes("RGB", (300, 300), os.urandom(270_000)).save(noise)
    await throttle(hers, 20_000)
    await hers.attach(PICKER, noise)
    await post(hers, "slow")
    await hers.until('document.querySelector(".attachments progress").value > 0')
    await hers.do(hers.driver.refresh)
    await throttle(hers, -1)
    await hers.attach(PICKER, noise)
    await post(hers, "again")
    await hers.see("#log-entries .call", "media.renew_upload")
    await hers.see_no("#log-entries .call", "media.create_upload")
    await hers.see(f"{FILE} img")
