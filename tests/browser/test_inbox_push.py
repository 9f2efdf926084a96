"""Push messages by <tocsin-inbox>: the browser's device, and the service worker that shows them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Worker, expect
from tests.browser.inbox_service import inbox_service
from tests.browser.inbox_state import TOKEN, InboxService

from tocsin.testing.until import until

pytestmark = pytest.mark.browser

ENDPOINT = "https://push.example/send/1"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title>
<tocsin-inbox address="{api}" worker="tocsin-inbox-worker.js" vapid-key="BKey" app="shop"></tocsin-inbox>
<script type="module" src="page.js"></script></html>"""
# No push service can be reached in a test, so what the browser would get of one stands in its place.
SCRIPT = """let made = null;
const subscription = { endpoint: "ENDPOINT", toJSON: () => ({ endpoint: "ENDPOINT", keys: { p256dh: "p", auth: "a" } }), unsubscribe: async () => { made = null; return true; } };
PushManager.prototype.getSubscription = async () => made;
PushManager.prototype.subscribe = async (given) => { window.subscribed = given; return (made = subscription); };
window.told = [];
document.querySelector("tocsin-inbox").addEventListener("tocsin-push", (event) => window.told.push(event.detail));
await import("./tocsin-inbox.js");
document.querySelector("tocsin-inbox").token = "TOKEN";""".replace("ENDPOINT", ENDPOINT).replace(
    "TOKEN", TOKEN
)
MESSAGE = {
    "title": "On its way",
    "body": "It comes on Friday",
    "tag": "delivery-1",
    "data": {"tocsin_notification": "n-1", "tocsin_delivery": "d-1", "tocsin_link": "javascript:alert(1)"},
}


@pytest.fixture
def service() -> Iterator[InboxService]:
    with inbox_service({"shop.html": PAGE, "page.js": SCRIPT}, trusted_types=False) as running:
        yield running


@pytest.fixture
async def context(browser: Browser, service: InboxService) -> AsyncIterator[BrowserContext]:
    made = await browser.new_context()
    await made.grant_permissions(["notifications"], origin=service.origin)
    yield made
    await made.close()


@pytest.fixture
async def page(context: BrowserContext, service: InboxService) -> Page:
    opened = await context.new_page()
    await opened.goto(f"{service.origin}/shop.html")
    await expect(opened.locator("tocsin-inbox")).to_have_attribute("state", "live")
    return opened


async def worker_of(context: BrowserContext, page: Page) -> Worker:
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    return context.service_workers[0]


async def delivered(context: BrowserContext, page: Page, message: dict[str, Any]) -> None:
    """A push message, as the browser gives it to the worker."""
    session = await context.new_cdp_session(page)
    known: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def note(event: dict[str, Any]) -> None:
        for registration in event["registrations"]:
            if not known.done():
                known.set_result(registration["registrationId"])

    session.on("ServiceWorker.workerRegistrationUpdated", note)
    await session.send("ServiceWorker.enable")
    origin = await page.evaluate("location.origin")
    sent = {"origin": origin, "registrationId": await known, "data": json.dumps(message)}
    await session.send("ServiceWorker.deliverPushMessage", sent)


async def test_a_browser_is_a_device_for_as_long_as_its_person_wants(
    page: Page, service: InboxService
) -> None:
    await page.get_by_role("button", name="Notifications").click()
    await page.get_by_role("button", name="Preferences").click()
    box = page.get_by_label("Push messages to this browser")
    await box.check()
    await page.wait_for_function("window.subscribed?.applicationServerKey === 'BKey'")
    await until(lambda: bool(service.devices))
    ((name, device),) = service.devices.items()
    assert name.startswith("web-")
    token = json.dumps({"endpoint": ENDPOINT, "keys": {"p256dh": "p", "auth": "a"}}, separators=(",", ":"))
    assert device == {"kind": "webpush", "token": token, "app": "shop"}
    await box.uncheck()
    await until(lambda: not service.devices)


async def test_a_push_message_is_shown_and_the_page_told_when_it_is_opened(
    context: BrowserContext, page: Page
) -> None:
    worker = await worker_of(context, page)
    await delivered(context, page, MESSAGE)
    shown = "registration.getNotifications().then((all) => all.map(({ title, body, tag }) => ({ title, body, tag })))"

    async def is_shown() -> bool:
        return bool(await worker.evaluate(shown))

    await until(is_shown)
    assert await worker.evaluate(shown) == [{name: MESSAGE[name] for name in ("title", "body", "tag")}]
    opened = """async (action) => {
      self.opened = [];
      clients.openWindow = async (url) => self.opened.push(url);
      const [notification] = await registration.getNotifications();
      dispatchEvent(new NotificationEvent("notificationclick", { notification, action }));
    }"""
    await worker.evaluate(opened, "later")
    await page.wait_for_function("window.told.length === 1")
    told = {"state": "pressed", "action": "later", "notification": "n-1", "delivery": "d-1"}
    assert await page.evaluate("told") == [told]
    assert await worker.evaluate("self.opened") == [await worker.evaluate("registration.scope")]
