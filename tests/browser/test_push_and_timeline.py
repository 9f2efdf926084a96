"""A push as the card on a phone's screen, and a caught message's timeline: asked of the stack, drawn as it goes on."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from playwright.async_api import Page, expect
from tests.threaded_server import answering

from tocsin.catcher.testing import RunningCatcher, running_catcher

pytestmark = pytest.mark.browser

PROJECT = "browser-tests"
KEY = "tk_live_catcher_secret"
NOTIFICATION, EMAIL, SMS = (str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in ("n", "email", "sms"))
RULES = [
    {"rule": "preference", "outcome": "passes", "input": {"email": True}},
    {"rule": "address", "outcome": "<b>found</b>", "input": None},
]
BEGUN: list[dict[str, Any]] = [
    {"at": "2026-03-01T12:00:00.000Z", "status": "accepted"},
    {"at": "2026-03-01T12:00:00.020Z", "status": "routed", "channel": "email", "delivery_id": EMAIL, "decision": {"rules": RULES}},
    {"at": "2026-03-01T12:00:00.020Z", "status": "skipped", "channel": "sms", "delivery_id": SMS, "rule": "preference", "reason": "switched_off"},
]  # fmt: skip
ENDED: list[dict[str, Any]] = [
    *BEGUN,
    {"at": "2026-03-01T12:00:01.500Z", "status": "sent", "channel": "email", "delivery_id": EMAIL, "provider": "smtp"},
]  # fmt: skip


@dataclass
class Stack:
    """A stand-in for the stack's entry: it tells `timeline` (None: not known yet) to whoever has the key."""

    url: str
    timeline: list[dict[str, Any]] | None = None
    asked: list[str] = field(default_factory=list)
    takes: int = 200
    handed_over: list[tuple[str, bytes]] = field(default_factory=list)
    """The mails that came back: what was shown, and the mail."""

    def answer(self, path: str, authorization: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if authorization != f"Bearer {KEY}":
            return 401, {}
        if self.timeline is None:
            return 404, {"code": "not_yet_known"}
        return 200, {"summary": {}, "timeline": self.timeline}


@pytest.fixture
def stack() -> Iterator[Stack]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = running.answer(self.path, self.headers.get("authorization", ""))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            mail = self.rfile.read(int(self.headers["content-length"]))
            running.handed_over.append((self.headers.get("authorization", ""), mail))
            self.send_response(running.takes)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with answering(Answers) as url:
        running = Stack(url)
        yield running


@pytest.fixture
def catcher(tmp_path: Path, stack: Stack) -> Iterator[RunningCatcher]:
    """One that knows the stack."""
    with running_catcher(
        tmp_path,
        CATCHER_ENTRY_URL=stack.url,
        CATCHER_API_KEY=KEY,
        CATCHER_MAIL_CALLBACK_URL=f"{stack.url}/email/callbacks/catcher/mail",
        CATCHER_MAIL_CALLBACK_TOKEN="shown",
    ) as running:
        yield running


def mail_of_the_notification(catcher: RunningCatcher, *, ref: str | None = None) -> None:
    letter = EmailMessage()
    if ref is not None:
        letter["X-Tocsin-Ref"] = ref
    letter["From"], letter["To"], letter["Subject"] = "shop@acme.example", "ada@example.com", "On its way"
    letter["X-Tocsin-Notification"], letter["X-Tocsin-Delivery"] = NOTIFICATION, EMAIL
    letter.set_content("It left.")
    catcher.mail(letter)


def push(catcher: RunningCatcher, message: dict[str, Any]) -> None:
    """Sends it as the real API is used: a signed assertion for a token, then the message."""
    command = [sys.executable, "-m", "tocsin.catcher", "fcm-account", "--out", str(catcher.account_file)]
    subprocess.run([*command, "--token-uri", f"{catcher.url}/token", "--project", PROJECT], check=True)
    account = json.loads(catcher.account_file.read_text())
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "aud": account["token_uri"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "iat": now,
        "exp": now + 3600,
    }
    grant = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(claims, account["private_key"], algorithm="RS256"),
    }
    token = httpx.post(account["token_uri"], data=grant).raise_for_status().json()["access_token"]
    httpx.post(
        f"{catcher.url}/v1/projects/{PROJECT}/messages:send",
        json={"message": message},
        headers={"Authorization": f"Bearer {token}"},
    ).raise_for_status()


async def test_a_push_is_a_card_with_its_data_and_device(desktop: Page, catcher: RunningCatcher) -> None:
    push(
        catcher,
        {
            "token": "device-of-ada",
            "notification": {"title": "On its way", "body": "<i>Your order</i> left"},
            "data": {"order": "A-77"},
        },
    )
    card = desktop.locator("article.card")
    await expect(card.get_by_role("heading", name="On its way")).to_be_visible()
    await expect(card).to_contain_text("<i>Your order</i> left")
    await expect(card).to_contain_text(PROJECT)
    facts = desktop.get_by_role("tabpanel")
    for words in ("order", "A-77", "Token", "device-of-ada", f"projects/{PROJECT}/messages/"):
        await expect(facts).to_contain_text(words)
    await desktop.get_by_role("button", name="Push").click()
    await expect(desktop.locator("#rows li")).to_have_count(1)


async def test_the_timeline_is_drawn_and_goes_on_by_itself(
    desktop: Page, catcher: RunningCatcher, stack: Stack
) -> None:
    mail_of_the_notification(catcher)
    await desktop.get_by_role("tab", name="Timeline").click()
    steps = desktop.locator("ol.timeline > li")
    await expect(desktop.get_by_role("tabpanel").locator(".note")).to_be_visible()
    await expect(steps).to_have_count(0)

    stack.timeline = BEGUN
    await expect(steps).to_have_count(3)
    await expect(steps.nth(1)).to_contain_text("this message")
    await expect(steps.nth(2)).to_have_attribute("data-look", "none")
    await expect(steps.nth(2)).to_contain_text("rule preference · switched off")

    stack.timeline = ENDED
    await expect(steps).to_have_count(4)
    await expect(steps.nth(3)).to_have_attribute("data-look", "good")
    await expect(steps.nth(3)).to_contain_text("+1.5 s")
    await expect(steps.nth(3)).to_contain_text("by smtp")
    await steps.nth(1).get_by_text("Why: 2 rules looked at").click()
    await expect(steps.nth(1).locator("tbody tr")).to_have_count(2)
    await expect(steps.nth(1)).to_contain_text("<b>found</b>")
    assert await desktop.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert set(stack.asked) == {f"/v1/timelines/{NOTIFICATION}"}
    assert KEY not in await desktop.content()


async def test_a_receipt_is_played_at_a_click_and_the_timeline_tells_it(
    desktop: Page, catcher: RunningCatcher, stack: Stack
) -> None:
    stack.timeline = ENDED
    mail_of_the_notification(catcher, ref="the-ref")
    await desktop.get_by_role("tab", name="Timeline").click()
    plays = desktop.get_by_role("group", name="Play a receipt")
    await expect(plays.get_by_role("button")).to_have_text(["Delivered", "Bounced", "Complained", "Read"])
    steps = desktop.locator("ol.timeline > li")
    await expect(steps).to_have_count(4)

    stack.takes = 503
    await plays.get_by_role("button", name="Bounced").click()
    await expect(plays.get_by_role("status")).to_have_text("It was answered with 503.")

    stack.takes = 200
    await plays.get_by_role("button", name="Bounced").click()
    await expect(plays.get_by_role("status")).to_have_text("Bounced was told.")
    told = {"at": "2026-03-01T12:00:09.000Z", "status": "bounced", "channel": "email", "delivery_id": EMAIL, "provider_code": "5.1.1"}  # fmt: skip
    stack.timeline = [*ENDED, told]
    await expect(steps).to_have_count(5)
    await expect(steps.nth(4)).to_have_attribute("data-look", "bad")
    await expect(steps.nth(4)).to_contain_text("code 5.1.1")

    (first, again) = stack.handed_over
    assert first[0] == again[0] == "Bearer shown"
    assert b"X-Tocsin-Ref: the-ref\r\n" in again[1]
    assert b"Action: failed\r\n" in again[1]
    assert "Bearer shown" not in await desktop.content()
    assert await desktop.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_mail_without_a_ref_has_no_receipts(
    desktop: Page, catcher: RunningCatcher, stack: Stack
) -> None:
    stack.timeline = ENDED
    mail_of_the_notification(catcher)
    await desktop.get_by_role("tab", name="Timeline").click()
    await expect(desktop.locator("ol.timeline > li")).to_have_count(4)
    await expect(desktop.get_by_role("group", name="Play a receipt")).to_have_count(0)
