"""Debian's chromium on a catcher of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tocsin.catcher.testing import RunningCatcher, running_catcher

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[RunningCatcher]:
    with running_catcher(tmp_path) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        await chromium.close()


@pytest.fixture
async def desktop(browser: Browser, catcher: RunningCatcher) -> Page:
    """The page at the width of a desktop, live."""
    return await opened(browser, catcher, DESKTOP)


@pytest.fixture
async def phone(browser: Browser, catcher: RunningCatcher) -> Page:
    """The page at the width of a phone, live."""
    return await opened(browser, catcher, PHONE)


async def opened(browser: Browser, catcher: RunningCatcher, size: dict[str, int]) -> Page:
    page = await browser.new_page(viewport={"width": size["width"], "height": size["height"]})
    page.set_default_timeout(15_000)
    await page.goto(f"{catcher.url}/")
    await page.wait_for_selector("#live[data-state=live]")
    return page
