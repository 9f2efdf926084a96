"""Debian's chromium on a catcher of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page
from tests.chromium import chromium

from tocsin.catcher.testing import RunningCatcher, running_catcher

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[RunningCatcher]:
    with running_catcher(tmp_path) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


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
