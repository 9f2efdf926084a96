"""A click on the catcher's page closes the loop: the provider's callback is read as the callbacks role reads it, and the timeline shows the status."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from playwright.async_api import Page, expect
from tests.threaded_server import answering

from tocsin.catcher.receipts.keys import write_receipt_keys
from tocsin.catcher.testing import SENDGRID_KEY, RunningCatcher, running_catcher
from tocsin.channel.receipts import ProviderEvent, RawRequest, Receipts
from tocsin.dispatch_email.callbacks import RECEIPTS as OF_EMAIL
from tocsin.dispatch_sms.callbacks import RECEIPTS as OF_SMS
from tocsin.runtime import SystemClock

pytestmark = pytest.mark.browser

API_KEY = "tk_live_catcher_secret"
APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
REF = "r" * 230
NOTIFICATION, EMAIL, SMS = (str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in ("n", "email", "sms"))
OF_INSTANCE = {"catcher-sendgrid": EMAIL, "catcher-vonage": SMS}
SENT: list[dict[str, Any]] = [
    {"at": "2026-03-01T12:00:00.000Z", "status": "accepted"},
    {"at": "2026-03-01T12:00:00.020Z", "status": "routed", "channel": "inapp", "delivery_id": str(uuid.uuid4())},
    {"at": "2026-03-01T12:00:00.500Z", "status": "sent", "channel": "inapp", "delivery_id": str(uuid.uuid4())},
    {"at": "2026-03-01T12:00:01.500Z", "status": "sent", "channel": "email", "delivery_id": EMAIL, "provider": "catcher-sendgrid"},
    {"at": "2026-03-01T12:00:01.500Z", "status": "sent", "channel": "sms", "delivery_id": SMS, "provider": "catcher-vonage"},
]  # fmt: skip


@dataclass
class Stack:
    """The entry: it tells the timeline, and takes callbacks as the role does, with the readers of the real one."""

    readers: dict[str, Receipts]
    url: str = ""
    timeline: list[dict[str, Any]] = field(default_factory=lambda: list(SENT))

    def take(self, request: RawRequest) -> int:
        instance = request.url.partition("/callbacks/")[2].partition("?")[0]
        (event,) = asyncio.run(self._verified(instance, request))
        assert isinstance(event, ProviderEvent)
        assert event.ref == REF
        assert event.status is not None
        status = {"at": "2026-03-01T12:00:09.000Z", "status": event.status.value}
        self.timeline.append(status | {"delivery_id": OF_INSTANCE[instance], "provider_code": event.code})
        return 200

    async def _verified(self, instance: str, request: RawRequest) -> Any:
        return await self.readers[instance].verify(request)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    write_receipt_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def stack(keys: Path) -> Iterator[Stack]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {"summary": {}, "timeline": running.timeline})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = urlsplit(self.path).query
            self._answer(running.take(RawRequest(f"{running.url}{self.path}", "", query, headers, body)), {})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    secrets = {
        "catcher-sendgrid": (OF_EMAIL["sendgrid"], {"public_key_files": ["sendgrid-verification-key.pem"]}),
        "catcher-vonage": (OF_SMS["vonage"], {"signature_secret_files": ["vonage-signature-secret"]}),
    }
    readers = {
        instance: kind.create(kind.config.model_validate(table, context={"folder": keys}), SystemClock())
        for instance, (kind, table) in secrets.items()
    }
    running = Stack(readers)
    with answering(Answers) as running.url:
        yield running


@pytest.fixture
def catcher(tmp_path: Path, stack: Stack, keys: Path) -> Iterator[RunningCatcher]:
    """One that knows the stack, and plays receipts there."""
    with running_catcher(
        tmp_path,
        CATCHER_ENTRY_URL=stack.url,
        CATCHER_API_KEY=API_KEY,
        CATCHER_CALLBACKS_URL=stack.url,
        CATCHER_RECEIPT_KEYS_FOLDER=str(keys),
        CATCHER_VONAGE_APPLICATION_ID=APPLICATION,
        CATCHER_VONAGE_PUBLIC_KEY_FILE=str(keys / "vonage-application-public-key.pem"),
    ) as running:
        yield running


def send_by_sendgrid(catcher: RunningCatcher) -> None:
    message = {
        "personalizations": [{"to": [{"email": "ada@example.com"}]}],
        "from": {"email": "shop@acme.example", "name": "Shop"},
        "subject": "On its way",
        "content": [{"type": "text/plain", "value": "It left."}],
        "headers": {"X-Tocsin-Notification": NOTIFICATION, "X-Tocsin-Delivery": EMAIL},
        "custom_args": {"tocsin_ref": REF},
    }
    key = {"Authorization": f"Bearer {SENDGRID_KEY}"}
    httpx.post(f"{catcher.url}/v3/mail/send", json=message, headers=key).raise_for_status()


def send_by_vonage(catcher: RunningCatcher, stack: Stack, keys: Path) -> None:
    at = int(SystemClock().now().timestamp())
    claims = {"application_id": APPLICATION, "iat": at, "jti": str(uuid.uuid4()), "exp": at + 900}
    token = jwt.encode(claims, (keys / "vonage-application-key.pem").read_bytes(), algorithm="RS256")
    message = {
        "channel": "sms",
        "message_type": "text",
        "to": "4915112345678",
        "from": "SHOP",
        "text": "It left.",
        "client_ref": SMS,
        "webhook_url": f"{stack.url}/sms/callbacks/catcher-vonage?ref={REF}",
    }
    headers = {"Authorization": f"Bearer {token}", "X-Tocsin-Notification": NOTIFICATION}
    httpx.post(f"{catcher.url}/v1/messages", json=message, headers=headers).raise_for_status()


async def played(page: Page, button: str, *, status: str, look: str, shown: list[str]) -> None:
    """A click on this button of the open timeline, which must show the status by itself."""
    plays = page.get_by_role("group", name="Play a receipt")
    await expect(plays.get_by_role("button")).to_have_text(shown)
    steps = page.locator("ol.timeline > li")
    await expect(steps).to_have_count(len(SENT))
    await plays.get_by_role("button", name=button, exact=True).click()
    await expect(plays.get_by_role("status")).to_have_text(f"{button} was told.")
    await expect(steps).to_have_count(len(SENT) + 1)
    await expect(steps.last).to_have_attribute("data-look", look)
    await expect(steps.last.locator("strong")).to_have_text(status)
    await expect(steps.last).to_contain_text("this message")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("button", "status", "look"), [("Clicked", "clicked", "good"), ("Bounced", "bounced", "bad")]
)
async def test_a_click_tells_what_became_of_a_mail_of_sendgrid(
    desktop: Page, catcher: RunningCatcher, button: str, status: str, look: str
) -> None:
    await asyncio.to_thread(send_by_sendgrid, catcher)
    await expect(desktop.locator("#reader .who")).to_contain_text("by SendGrid")
    await desktop.get_by_role("tab", name="Timeline").click()
    await expect(desktop.locator("ol.timeline > li").nth(2)).to_contain_text("Inbox")
    shown = ["Delivered", "Bounced", "Undelivered", "Complained", "Unsubscribed", "Opened", "Clicked"]
    await played(desktop, button, status=status, look=look, shown=shown)


async def test_a_click_tells_what_became_of_a_text_message_of_vonage(
    phone: Page, catcher: RunningCatcher, stack: Stack, keys: Path
) -> None:
    await asyncio.to_thread(send_by_vonage, catcher, stack, keys)
    await phone.locator("#rows a").click()
    await expect(phone.locator("#reader .who")).to_contain_text("by Vonage")
    await phone.get_by_role("tab", name="Timeline").click()
    await played(phone, "Undelivered", status="undelivered", look="bad", shown=["Delivered", "Undelivered"])
    await expect(phone.locator("ol.timeline > li").last).to_contain_text("code 1260")
