"""<tocsin-inbox> in a real browser: on a shop's page with a strict policy, its service on another origin."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.inbox_service import inbox_service
from tests.browser.inbox_state import OLD_TOKEN, TOKEN, InboxService

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en" dir="{dir}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Shop</title>
<h1>Shop</h1><a href="#top">First</a><tocsin-inbox address="{api}"></tocsin-inbox><a href="#end">Last</a>
<script type="module" src="page.js"></script></html>"""
SCRIPT = """import "./tocsin-inbox.js";
const inbox = document.querySelector("tocsin-inbox");
window.told = [];
for (const name of ["item", "open", "refused"]) {
  inbox.addEventListener(`tocsin-${name}`, (event) => { window.told.push([name, event.detail]); if (name === "open") event.preventDefault(); });
}
window.tokens = [];
inbox.token = () => window.tokens.shift() ?? "TOKEN";""".replace("TOKEN", TOKEN)
MARKUP = '<b>bold</b><img src=x onerror="document.title=1">'
DESK = {"width": 1200, "height": 800}
PHONE = {"width": 390, "height": 780}


@pytest.fixture
def service() -> Iterator[InboxService]:
    pages = {"ltr.html": PAGE.replace("{dir}", "ltr"), "rtl.html": PAGE.replace("{dir}", "rtl")}
    with inbox_service(pages | {"page.js": SCRIPT}) as running:
        yield running


@asynccontextmanager
async def shown(
    browser: Browser, service: InboxService, *, path: str = "ltr.html", size: Any = DESK, state: str = "live"
) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport=size)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_default_timeout(20_000)
    await page.goto(f"{service.origin}/{path}")
    await expect(page.locator("tocsin-inbox")).to_have_attribute("state", state)
    yield page
    assert faults == []
    await page.close()


@pytest.fixture
async def page(browser: Browser, service: InboxService) -> AsyncIterator[Page]:
    """The shop's page, with two items, live."""
    service.add("Your order is on its way", body="It comes\nFriday", link="https://shop.example/orders/1")
    service.add("Welcome", actions=[{"name": "tour", "label": "Take the tour"}])
    async with shown(browser, service) as opened:
        yield opened


def bell(page: Page) -> Any:
    return page.get_by_role("button", name=re.compile("^Notifications"))


def rows(page: Page) -> Any:
    return page.locator("tocsin-inbox li")


async def test_the_bell_counts_and_the_panel_shows_what_is_new(page: Page, service: InboxService) -> None:
    await expect(bell(page)).to_have_accessible_name("Notifications, 2 new")
    await bell(page).click()
    panel = page.get_by_role("dialog", name="Notifications")
    await expect(panel.get_by_role("heading", level=3)).to_have_text(["Welcome", "Your order is on its way"])
    await expect(panel.get_by_role("heading", level=2)).to_be_focused()
    await expect(panel.locator("time").first).to_have_attribute("datetime", "2026-11-27T12:00:00Z")
    await expect(bell(page)).to_have_accessible_name("Notifications")
    assert service.calls("POST", "/v1/inbox/items/seen") == [{"until": 2}]
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(bell(page)).to_be_focused()


async def test_what_arrives_is_counted_read_out_and_shown_at_once(page: Page, service: InboxService) -> None:
    service.add("While closed")
    await expect(bell(page)).to_have_accessible_name("Notifications, 3 new")
    await expect(page.locator("[part=said]").last).to_have_text("While closed")
    await bell(page).click()
    await expect(rows(page)).to_have_count(3)
    service.add("While open")
    await expect(rows(page).first).to_contain_text("While open")
    await expect(page.locator("dialog [part=said]")).to_have_text("While open")
    service.items[0]["read_at"] = "2026-11-27T12:03:00Z"  # on another device
    service.tell("changed", service.items[0])
    await expect(rows(page).last.get_by_role("button", name="Mark as unread")).to_be_visible()
    assert [detail["item"]["title"] for _, detail in await page.evaluate("told")] == [
        "While closed",
        "While open",
    ]


async def test_read_and_archive_are_saved_and_the_focus_stays_near(page: Page, service: InboxService) -> None:
    await bell(page).click()
    await rows(page).first.get_by_role("button", name="Mark as read").press("Enter")
    await expect(rows(page).first.get_by_role("button", name="Mark as unread")).to_be_focused()
    await rows(page).first.get_by_role("button", name="Archive").press("Enter")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page).first.get_by_role("button", name="Archive")).to_be_focused()
    assert service.calls("PATCH", "/v1/inbox/items/item-2") == [{"read": True}, {"archived": True}]
    await page.get_by_role("button", name="Archived").click()
    await expect(rows(page).get_by_role("heading")).to_have_text("Welcome")
    await rows(page).get_by_role("button", name="Move back").click()
    await expect(rows(page)).to_have_count(0)
    await page.get_by_role("button", name="Unread", exact=True).click()
    await expect(rows(page).get_by_role("heading")).to_have_text("Your order is on its way")


async def test_links_and_actions_are_reported_and_left_to_the_page(page: Page, service: InboxService) -> None:
    await bell(page).click()
    await page.get_by_role("link", name="Your order").click()
    await page.get_by_role("button", name="Take the tour").click()
    await expect(rows(page).last.get_by_role("button", name="Mark as unread")).to_be_visible()
    opened = [detail for name, detail in await page.evaluate("told") if name == "open"]
    assert [(detail["url"], detail.get("action")) for detail in opened] == [
        ("https://shop.example/orders/1", None),
        ("", "tour"),
    ]
    assert service.calls("PATCH", "/v1/inbox/items/item-1") == [{"read": True}]
    assert service.calls("POST", "/v1/inbox/items/item-2/actions/tour") == [None]


async def test_what_a_message_says_is_text_and_its_links_are_of_the_web(
    page: Page, service: InboxService
) -> None:
    hostile = "javascript:document.title=2"
    action = {"name": "a", "label": MARKUP, "url": hostile}
    service.add(MARKUP, body=MARKUP, link=hostile, icon="data:image/svg+xml,<svg/>", actions=[action])
    await bell(page).click()
    row = rows(page).first
    await expect(row.get_by_role("heading")).to_have_text(MARKUP)
    await expect(row.locator("[part=item-body]")).to_have_text(MARKUP)
    await row.get_by_role("button", name=MARKUP).click()
    assert await row.locator("b, img, a").count() == 0
    assert await page.title() == "Shop"


async def test_a_stream_that_ends_is_followed_anew_from_what_is_known(
    page: Page, service: InboxService
) -> None:
    service.streams_work = False
    service.end_streams()
    service.items.append(service.items[0] | {"id": "item-3", "seq": 3, "title": "Meanwhile"})
    await expect(bell(page)).to_have_accessible_name("Notifications, 3 new")
    await expect(page.locator("tocsin-inbox")).to_have_attribute("state", "polling")
    service.items.append(service.items[0] | {"id": "item-4", "seq": 4, "title": "Later"})
    await expect(bell(page)).to_have_accessible_name("Notifications, 4 new")
    service.streams_work = True
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.locator("tocsin-inbox")).to_have_attribute("state", "live")
    assert service.opened == [2, 4]
    titles = [detail["item"]["title"] for _, detail in await page.evaluate("told")]
    assert titles == ["Meanwhile", "Later"]


async def test_without_a_connection_it_says_so_and_nothing_is_lost(page: Page, service: InboxService) -> None:
    await bell(page).click()
    await expect(rows(page)).to_have_count(2)
    service.is_down = True
    service.end_streams()
    await expect(page.get_by_role("status")).to_have_text("No connection. Trying again.")
    await rows(page).first.get_by_role("button", name="Archive").click()
    await expect(rows(page)).to_have_count(2)
    service.is_down = False
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.get_by_role("status")).to_have_text("")
    await expect(page.locator("tocsin-inbox")).to_have_attribute("state", "live")


async def test_a_token_that_is_no_longer_taken_is_asked_for_again(page: Page, service: InboxService) -> None:
    service.good_tokens = {"token-2"}
    await page.evaluate("tokens.push('token-2')")
    await bell(page).click()
    await expect(rows(page)).to_have_count(2)
    service.good_tokens = set()
    service.tell("expired", {})
    await expect(page.locator("tocsin-inbox")).to_have_attribute("state", "refused")
    await expect(page.get_by_role("status")).to_have_text("You are signed out.")
    assert ["refused", {"status": 401, "code": "token_expired"}] in await page.evaluate("told")
    service.good_tokens = {OLD_TOKEN}
    await page.evaluate("token => document.querySelector('tocsin-inbox').token = token", OLD_TOKEN)
    await expect(page.locator("tocsin-inbox")).to_have_attribute("state", "live")


async def test_preferences_are_boxes_and_what_is_required_stays_on(page: Page, service: InboxService) -> None:
    await bell(page).click()
    await page.get_by_role("button", name="Preferences").click()
    orders = page.get_by_role("group", name="Your orders")
    await expect(orders.get_by_role("checkbox")).to_have_count(2)
    await orders.get_by_label("Email").uncheck()
    await expect(page.get_by_role("group", name="Sign-in codes").get_by_role("checkbox")).to_be_disabled()
    await page.get_by_role("button", name="Back").click()
    await expect(rows(page)).to_have_count(2)
    change = {"channel": "email", "category": "orders", "enabled": False}
    assert service.calls("PATCH", "/v1/me/preferences") == [{"preferences": [change]}]


async def test_the_keyboard_goes_round_within_the_panel(page: Page) -> None:
    await bell(page).press("Enter")
    await expect(rows(page)).to_have_count(2)
    inside = "document.activeElement?.localName + ' ' + document.querySelector('tocsin-inbox').shadowRoot.activeElement?.part"
    await page.keyboard.press("Shift+Tab")
    last = await page.evaluate(inside)
    assert last.startswith("tocsin-inbox tool")
    await page.keyboard.press("Tab")
    assert await page.evaluate(inside) == "tocsin-inbox preferences"
    seen = set()
    for _ in range(14):
        await page.keyboard.press("Tab")
        seen.add(await page.evaluate(inside))
    assert {"tocsin-inbox tab", "tocsin-inbox close", "tocsin-inbox link", "tocsin-inbox preferences"} < seen
    assert all(stop.startswith("tocsin-inbox ") for stop in seen)


@pytest.mark.parametrize(("path", "side"), [("ltr.html", "left"), ("rtl.html", "right")])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_the_panel_lies_within_the_window(
    browser: Browser, service: InboxService, *, path: str, side: str, size: dict[str, int]
) -> None:
    for number in range(25):
        service.add(f"Message {number} " + "Unbreakable" * 20)
    async with shown(browser, service, path=path, size=size) as page:
        await bell(page).click()
        await expect(rows(page)).to_have_count(20)
        box = await page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= size["width"]
        assert 0 <= box["y"] <= box["y"] + box["height"] <= size["height"]
        assert (box["width"] == size["width"]) is (size == PHONE)
        border = await rows(page).first.evaluate(
            f"row => getComputedStyle(row).border{side.capitalize()}Width"
        )
        assert border == "3px"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_role("button", name="Show more").click()
        await expect(rows(page)).to_have_count(25)


async def test_another_token_shows_nothing_of_the_person_before(page: Page, service: InboxService) -> None:
    await bell(page).click()
    await expect(rows(page)).to_have_count(2)
    service.items.clear()
    await page.evaluate("token => document.querySelector('tocsin-inbox').token = token", TOKEN)
    await expect(rows(page)).to_have_count(0)
    await expect(page.get_by_text("Nothing here")).to_be_visible()


async def test_words_of_the_pages_own_take_the_place_of_ours(page: Page) -> None:
    labels = {"title": "Mitteilungen", "unseen": "{n} neue"}
    await page.evaluate("labels => document.querySelector('tocsin-inbox').labels = labels", labels)
    await expect(page.get_by_role("button", name="Mitteilungen, 2 neue")).to_be_visible()
