"""`make picture`: take docs/page.webp, the README's picture, from a running `make run`.

Two demo users, each in a browser of their own, meet in a live room, comment and chat; the picture shows the second
user's page while this user searches.
"""

import asyncio
import base64
import sys
from pathlib import Path

from tests.browser import Browser

TARGET = Path(__file__).parent.parent.parent / "docs" / "page.webp"
HOST, GUEST = "mona_elsayed", "ahmed_elsayed"  # the guest follows the host in the demo data
TOPIC = "ليلة كشري في وسط البلد"
SOUGHT = "koshary shampollion"


async def sign_in(url: str, username: str) -> Browser:
    window = await asyncio.to_thread(Browser)
    await window.do(window.driver.get, url)
    await window.send("#sign-in input", username)
    await window.see("#connection", "connected")
    return window


async def meet(host: Browser, guest: Browser) -> None:
    """In a live room."""
    await host.send("#open-room input", TOPIC)
    await host.see("#topic", TOPIC)
    await guest.click("#refresh-rooms")
    await guest.see("#rooms li", TOPIC)
    await guest.click("#rooms li button", "Join")
    await guest.click("#raise-hand")
    await host.click("#hands button", "Make speaker")
    await guest.see("#my-role", "speaker")
    await host.send("#say input", "أهلا بيكم! مين بيعمل أحسن كشري؟")
    await guest.see("#messages .theirs p", "أهلا بيكم")
    await host.click("#reactions button", "👏")
    await guest.see("#reactions button", "👏 1")


async def comment(host: Browser, guest: Browser) -> None:
    """Under a post of the host."""
    await host.publish("صباح الخير يا مصر ☀️ حد جرب كشري شارع شامبليون؟ #القاهرة")
    for window in (host, guest):
        await window.see("#posts li p", "صباح الخير يا مصر ☀️ حد جرب")
        await window.click("#posts .comments-of")
        await window.see(".thread")
    await guest.click("#posts [data-kind='love']")
    await guest.send(".thread input", "جربته امبارح، تحفة! 😋")
    await host.click(".comments [data-kind='laugh']")
    await host.click(".comments button", "Reply")
    await host.send(".thread input", "يبقى نروح الجمعة سوا")
    await guest.see(".comments p", "الجمعة")
    await guest.see(".comments [data-kind='laugh']", "1")
    await guest.see("#posts [data-kind='love']", "1")


async def talk(host: Browser, guest: Browser) -> None:
    """In their chat."""
    await guest.send("#find-person input", HOST)
    await guest.click("#card button", "Message")
    await guest.send("#chat-composer input", "معادنا الجمعة الساعة 2، على القهوة ☕")
    await host.see("#chat-list .last", "معادنا")
    await host.click("#chat-list li:first-child .name")
    await guest.see("#chat-messages li:last-child [data-progress='read']")
    await host.write("#chat-composer input", "ماشي")
    await guest.see("#chat-typing", "typing")


async def search(guest: Browser) -> None:
    """For what the host has written in Arabic letters, in Latin ones."""
    await guest.click("#open-search")
    await guest.send("#search-form input", SOUGHT)
    await guest.see("#found li[data-kind='post']", "شامبليون")


async def main(url: str) -> None:
    windows: list[Browser] = []
    try:
        for username in (HOST, GUEST):
            windows.append(await sign_in(url, username))
        host, guest = windows
        for act in (meet, comment, talk):
            await act(host, guest)
        await search(guest)
        shot = await guest.do(guest.driver.execute_cdp_cmd, "Page.captureScreenshot", {"format": "webp", "quality": 80})
        TARGET.write_bytes(base64.b64decode(shot["data"]))
        await host.click("#close-room")
        await guest.see("#digest-topic", TOPIC)
    finally:
        for window in windows:
            await window.quit()
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
