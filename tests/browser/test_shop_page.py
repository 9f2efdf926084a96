"""The shop's page of the local stack: `<tocsin-inbox>` on the real services, from a sent event to what its recipient did with it."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.postgres]

PATIENCE = 60_000
"""Milliseconds: the machine may be busy with the rest of the stack."""
expect.set_options(timeout=PATIENCE)


@pytest.fixture
async def page(browser: Browser, local_stack: dict[str, Any]) -> AsyncIterator[Page]:
    """The page, live, with an inbox in which nothing is unseen."""
    opened = await browser.new_page()
    opened.set_default_timeout(PATIENCE)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    await opened.goto(local_stack["shop"])
    await is_live(opened)
    await bell(opened).click()
    await expect(bell(opened)).to_have_accessible_name("Notifications")
    await opened.keyboard.press("Escape")
    yield opened
    assert faults == []
    await opened.close()


async def is_live(page: Page) -> None:
    await expect(page.locator("tocsin-inbox")).to_have_attribute("state", "live")


async def send(page: Page) -> str:
    """A message; the title of its item, which has come by the stream."""
    seen = "new Promise((told) => document.querySelector('tocsin-inbox').addEventListener('tocsin-item', (event) => told(event.detail.item.title), { once: true }))"
    coming = asyncio.ensure_future(page.evaluate(seen))
    await page.evaluate("0")  # it listens now
    await page.get_by_role("button", name="An order has arrived").click()
    return str(await coming)


def bell(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("^Notifications"))


def newest(page: Page) -> Locator:
    return page.locator("tocsin-inbox li").first


def told(page: Page, *statuses: str) -> Locator:
    """The newest message's timeline, once it has these."""
    message = page.locator("#timelines > li").first
    for status in statuses:
        message = message.filter(has=page.get_by_text(status, exact=True))
    return message


async def test_what_is_sent_arrives_and_what_is_done_is_told(page: Page) -> None:
    title = await send(page)
    assert re.fullmatch(r"Order A-\d+ has arrived", title)
    await expect(bell(page)).to_have_accessible_name(re.compile(r"^Notifications, \d+ new$"))
    await expect(told(page, "routed", "sent", "delivered")).to_be_visible()

    await bell(page).click()
    await expect(newest(page).get_by_role("heading")).to_have_text(title)
    await expect(bell(page)).to_have_accessible_name("Notifications")
    await newest(page).get_by_role("button", name="Mark as read").click()
    await newest(page).get_by_role("button", name="Mark as unread").wait_for()
    await newest(page).get_by_role("link", name="Something is missing").click()
    await newest(page).get_by_role("button", name="Archive").click()
    await expect(page.locator("tocsin-inbox").get_by_role("heading", name=title)).to_have_count(0)
    await page.get_by_role("button", name="Archived").click()
    await expect(newest(page).get_by_role("heading")).to_have_text(title)
    await page.keyboard.press("Escape")
    await expect(told(page, "delivered", "seen", "read", "clicked", "archived")).to_be_visible()
    await expect(page.get_by_role("status").first).to_have_text(
        "Pressed: help. It leads to https://shop.example/help"
    )


async def test_two_pages_of_a_person_show_the_same(
    page: Page, browser: Browser, local_stack: dict[str, Any]
) -> None:
    other = await browser.new_page()
    await other.goto(local_stack["shop"])
    await is_live(other)
    title = await send(page)
    await bell(other).click()
    await expect(newest(other).get_by_role("heading")).to_have_text(title)
    await expect(bell(page)).to_have_accessible_name("Notifications")  # seen over there
    await bell(page).click()
    await newest(page).get_by_role("button", name="Mark as read").click()
    await newest(other).get_by_role("button", name="Mark as unread").wait_for()
    await other.close()


async def test_the_page_finds_the_service_again_that_was_killed(
    page: Page, local_stack: dict[str, Any]
) -> None:
    first = await send(page)
    os.kill(process_of("dispatch-inapp", local_stack), signal.SIGKILL)
    await expect(page.locator("tocsin-inbox")).not_to_have_attribute("state", "live")
    await page.get_by_role("button", name="An order has arrived").click()
    await is_live(page)
    await expect(bell(page)).to_have_accessible_name("Notifications, 2 new")
    await bell(page).click()
    titles = page.locator("tocsin-inbox li").get_by_role("heading")
    await expect(titles.nth(1)).to_have_text(first)
    await expect(titles.first).not_to_have_text(first)


async def test_preferences_are_those_of_the_router(page: Page, local_stack: dict[str, Any]) -> None:
    await bell(page).click()
    await page.get_by_role("button", name="Preferences").click()
    orders = page.get_by_role("group", name="Your orders")
    await orders.get_by_label("Inbox").uncheck()
    key = {"authorization": f"Bearer {local_stack['admin_key']}"}
    async with httpx.AsyncClient(base_url=local_stack["entry"], headers=key) as tenant:
        switched: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE / 1000):
            while not switched:
                stored = (await tenant.get("/v1/recipients/anna/preferences")).json()["stored"]
                switched = [row for row in stored if row["channel"] == "inapp"]
                await asyncio.sleep(0.05)
    assert [(row["category"], row["enabled"], row["source"]) for row in switched] == [
        ("orders", False, "recipient")
    ]
    await orders.get_by_label("Inbox").check()
    await expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("")


def process_of(name: str, local_stack: dict[str, Any]) -> int:
    """Its process id now: it changes when the service is started again."""
    log = Path(local_stack["processes"][name]["log"])
    return int(json.loads((log.parents[1] / "endpoints.json").read_text())["processes"][name]["pid"])
