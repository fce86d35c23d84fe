"""A real browser: Debian's Chromium, through Selenium."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.patience import WAIT_S

# In one round trip: WebDriver's own questions for each element take most of a test's time.
FIND = """
const [selector, text] = arguments;
const isShown = (element) => {
  const drawn = element.localName === "option" ? element.closest("select") : element;
  const { width, height } = drawn.getBoundingClientRect();
  return drawn.checkVisibility() && (width * height > 0 || drawn instanceof SVGElement);
};
const textOf = (element) => element.innerText ?? element.textContent;
return [...document.querySelectorAll(selector)].find((each) => isShown(each) && textOf(each).includes(text)) ?? null;
"""
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
NEEDED = "needs Chromium and its driver (Debian: apt-get install chromium chromium-driver)"


def is_here() -> bool:
    return shutil.which("chromium") is not None and shutil.which("chromedriver") is not None


def mark_tests(items: list[pytest.Item], folder: Path) -> None:
    """Mark the tests below the folder as tests of the browser: they are skipped without one, and fail in CI."""
    ours = [item for item in items if item.path.is_relative_to(folder)]
    if ours and not is_here() and os.environ.get("CI"):
        raise pytest.UsageError(NEEDED)
    for item in ours:
        item.add_marker(pytest.mark.timeout(180))
        item.add_marker(pytest.mark.no_cover)  # the pages are JavaScript; other tests make their calls
        item.add_marker(pytest.mark.skipif(not is_here(), reason=NEEDED))


class Browser:
    """A browser with its own profile. Methods wait for the element with a selector and a part of its text."""

    username: str  # of the user who is signed in

    def __init__(self) -> None:
        self.is_open = True
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for option in (*OPTIONS, "--window-size=1400,900"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # With both paths given, Selenium looks for no download.
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))

    async def see(self, selector: str, text: str = "") -> None:
        await self._until(f"{selector} {text}", lambda: self._find(selector, text))

    async def see_no(self, selector: str, text: str = "") -> None:
        await self._until(f"no {selector} {text}", lambda: not self._find(selector, text))

    async def has(self, selector: str) -> None:
        """Wait for an element, also an invisible one."""
        await self._until(f"to have {selector}", lambda: self.driver.find_elements(By.CSS_SELECTOR, selector))

    async def click(self, selector: str, text: str = "") -> None:
        await self._until(f"to click {selector} {text}", lambda: self._click(selector, text))

    async def write(self, selector: str, text: str) -> None:
        """Type into an empty field."""
        await self._until(f"to write into {selector}", lambda: self._write(selector, text))

    async def send(self, selector: str, text: str) -> None:
        """Write, and press Enter."""
        await self.write(selector, text)
        await self.write(selector, Keys.ENTER)

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        await self.do(lambda: webdriver.ActionChains(self.driver).send_keys(*keys).perform())

    async def publish(self, text: str) -> None:
        """Write a post, and publish it."""
        await self.write("#compose textarea", text)
        await self.click("#compose button")

    async def attach(self, selector: str, *paths: Path) -> None:
        """Pick files in a file input."""
        names = "\n".join(map(str, paths))
        await self._until(f"to attach to {selector}", lambda: self._write(selector, names))

    async def until(self, condition: str) -> None:
        """Wait until an expression of JavaScript is true."""
        await self._until(condition, lambda: self.driver.execute_script(f"return {condition}"))

    async def command(self, name: str, **arguments: Any) -> Any:
        """A command of Chrome's DevTools protocol."""
        return await self.do(self.driver.execute_cdp_cmd, name, arguments)

    async def do(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Call the driver in another thread, so that the servers in this one can answer."""
        return await asyncio.to_thread(act, *arguments)

    async def complaints(self) -> list[str]:
        """Return the console's errors and violations of the content security policy."""
        entries = await self.do(self.driver.get_log, "browser")
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    async def forget(self) -> None:
        """Sign out and close all tabs but one, for the next test."""
        await self.do(self._forget)

    async def quit(self) -> None:
        self.is_open = False
        await self.do(self.driver.quit)

    def _forget(self) -> None:
        first, *others = self.driver.window_handles
        for other in others:
            self.driver.switch_to.window(other)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.execute_script("sessionStorage.clear()")
        self.driver.get("about:blank")
        self.driver.get_log("browser")

    def _find(self, selector: str, text: str) -> WebElement | None:
        found: WebElement | None = self.driver.execute_script(FIND, selector, text)
        return found

    def _click(self, selector: str, text: str) -> bool:
        element = self._find(selector, text)
        if element is not None:
            element.click()
        return element is not None

    def _write(self, selector: str, text: str) -> bool:
        element = self._find(selector, "")
        if element is not None:
            element.send_keys(text)
        return element is not None

    async def _until(self, what: str, happens: Callable[[], Any]) -> None:
        def wait() -> None:
            over_at = time.monotonic() + WAIT_S
            while True:
                try:
                    if happens():
                        return
                except WebDriverException:  # the page redrew the element after it was found
                    if time.monotonic() > over_at:
                        raise
                if time.monotonic() > over_at:
                    body = self.driver.find_element(By.TAG_NAME, "body").text
                    raise AssertionError(f"did not see {what}; the page shows:\n{body}")
                time.sleep(0.05)

        await self.do(wait)


class Browsers:
    """Browsers that tests lend and give back: starting one takes longer than most tests."""

    def __init__(self) -> None:
        self._idle: list[Browser] = []

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
        """Yield a function that returns a browser for a user. At the end, all of them sign out and come back."""
        lent: list[Browser] = []

        async def lend(username: str) -> Browser:
            window = self._idle.pop() if self._idle else await asyncio.to_thread(Browser)
            window.username = username
            lent.append(window)
            return window

        yield lend
        for window in lent:
            if window.is_open:
                await window.forget()
                self._idle.append(window)

    async def quit(self) -> None:
        for window in self._idle:
            await window.quit()
