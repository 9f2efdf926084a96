"""The catcher's page as a person meets it: in a real browser, at desktop and at phone width."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler

import pytest
from playwright.async_api import Page, expect
from tests.threaded_server import answering

from tocsin.catcher.testing import RunningCatcher

pytestmark = pytest.mark.browser

HOSTILE = """<!doctype html><p id="said">Hello</p>
<script>document.getElementById("said").textContent = "script ran"; top.document.title = "stolen"</script>
<img src="STRANGER/pixel.png" onerror="document.getElementById('said').textContent = 'handler ran'">
<link rel="stylesheet" href="STRANGER/style.css"><iframe src="STRANGER/frame"></iframe>
<form action="STRANGER/form"><button>Send</button></form>"""
TAGS = '<img src=x onerror="document.title=1"><b>bold</b>'


@dataclass
class Stranger:
    """A server elsewhere, and what was asked of it."""

    url: str
    asked: list[str]
    visited: threading.Event


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    asked: list[str] = []
    visited = threading.Event()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            visited.set()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

    with answering(Answers) as url:
        yield Stranger(url, asked, visited)


def mail(
    catcher: RunningCatcher, *, html: str | None = None, subject: str = "Hello", to: str = "ada@example.com"
) -> None:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "shop@acme.example", to, subject
    letter.set_content("The text of the mail.")
    if html is not None:
        letter.add_alternative(html, subtype="html")
    catcher.mail(letter)


def sms(catcher: RunningCatcher, body: str, *, to: str = "+14155552671") -> None:
    catcher.sms({"To": to, "From": "12345", "Body": body}).raise_for_status()


async def no_sideways_scroll(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


async def test_a_newcomer_sees_how_to_begin_and_then_the_first_mail(
    desktop: Page, catcher: RunningCatcher
) -> None:
    await expect(desktop.get_by_role("heading", name="Nothing caught yet")).to_be_visible()
    await expect(desktop.locator("#empty pre")).to_contain_text("/v1/notifications")
    await expect(desktop.get_by_role("button", name="Clear")).to_be_disabled()

    mail(catcher, subject="Your order is on its way")

    await expect(desktop.get_by_role("heading", name="Your order is on its way")).to_be_visible()
    await expect(desktop.locator("#rows li")).to_have_count(1)
    await expect(desktop.locator("#empty")).to_be_hidden()


async def test_a_mail_can_do_nothing(desktop: Page, catcher: RunningCatcher, stranger: Stranger) -> None:
    mail(catcher, html=HOSTILE.replace("STRANGER", stranger.url))

    frame = desktop.frame_locator("#view > iframe")
    await expect(desktop.locator("#view > iframe")).to_have_attribute(
        "sandbox", "allow-popups allow-popups-to-escape-sandbox"
    )
    await expect(frame.locator("#said")).to_have_text("Hello")
    await frame.get_by_role("button", name="Send").click()
    await expect(frame.locator("#said")).to_have_text("Hello")
    assert await desktop.title() == "Tocsin catcher (1)"
    assert stranger.asked == []


async def test_a_link_in_a_mail_opens_in_a_window_of_its_own(
    desktop: Page, catcher: RunningCatcher, stranger: Stranger
) -> None:
    mail(catcher, html=f'<a href="{stranger.url}/parcel">Follow the parcel</a>')
    async with desktop.expect_popup():
        await desktop.frame_locator("#view > iframe").get_by_text("Follow the parcel").click()
    assert await asyncio.to_thread(stranger.visited.wait, 10)
    assert stranger.asked[0] == "/parcel"


async def test_what_was_caught_is_text_wherever_it_stands(desktop: Page, catcher: RunningCatcher) -> None:
    mail(catcher, subject=TAGS)
    sms(catcher, TAGS)
    await expect(desktop.locator("#rows li")).to_have_count(2)
    for row in range(2):
        await desktop.locator("#rows a").nth(row).click()
        await expect(desktop.locator("#rows a").nth(row)).to_have_attribute("aria-current", "true")
        await expect(desktop.locator("#reader")).to_contain_text("<b>bold</b>")
    assert await desktop.locator("#rows b, #reader b").count() == 0
    assert await desktop.title() == "Tocsin catcher (2)"


async def test_a_mail_has_text_headers_source_and_a_timeline(desktop: Page, catcher: RunningCatcher) -> None:
    mail(catcher, html="<p>Hello</p>")
    for tab, words in [
        ("Text", "The text of the mail."),
        ("Headers", "shop@acme.example"),
        ("Source", "multipart/alternative"),
        ("Timeline", "no notification id"),
    ]:
        await desktop.get_by_role("tab", name=tab).click()
        await expect(desktop.get_by_role("tabpanel")).to_contain_text(words)


async def test_sms_are_bubbles_with_segments_and_grow_live(desktop: Page, catcher: RunningCatcher) -> None:
    sms(catcher, "x" * 200)
    await expect(desktop.locator(".bubble")).to_have_count(1)
    await expect(desktop.locator(".bill")).to_contain_text("2 segments · GSM-7 · 200 of 306 units")
    await expect(desktop.locator(".pip")).to_have_count(2)
    sms(catcher, "Grüße 📦")
    await expect(desktop.locator(".bubble")).to_have_count(2)
    await expect(desktop.locator(".bill").last).to_contain_text("1 segment · UCS-2")


async def test_filters_by_channel_and_recipient(desktop: Page, catcher: RunningCatcher) -> None:
    mail(catcher, to="ada@example.com")
    mail(catcher, to="grete@example.de")
    sms(catcher, "Hello")
    rows = desktop.locator("#rows li")
    await expect(rows).to_have_count(3)
    await desktop.get_by_role("button", name="Email").click()
    await expect(rows).to_have_count(2)
    await desktop.get_by_label("Filter by recipient").fill("GRETE")
    await expect(rows).to_have_count(1)
    await desktop.get_by_role("button", name="SMS").click()
    await expect(desktop.get_by_text("No message matches this filter.")).to_be_visible()


async def test_clear_empties_every_open_page(desktop: Page, phone: Page, catcher: RunningCatcher) -> None:
    mail(catcher)
    await expect(phone.locator("#rows li")).to_have_count(1)
    await desktop.get_by_role("button", name="Clear").click()
    for page in (desktop, phone):
        await expect(page.get_by_role("heading", name="Nothing caught yet")).to_be_visible()


async def test_the_keyboard_is_enough(desktop: Page, catcher: RunningCatcher) -> None:
    mail(catcher, subject="first")
    mail(catcher, subject="second")
    await expect(desktop.locator("#rows li")).to_have_count(2)
    await desktop.keyboard.press("/")
    await desktop.keyboard.type("ada")
    await desktop.keyboard.press("Escape")
    await desktop.keyboard.press("ArrowDown")
    await desktop.keyboard.press("Enter")
    await expect(desktop.locator("#rows a[aria-current]")).to_contain_text("first")
    await expect(desktop.locator("#reader h1")).to_have_text("first")
    await desktop.keyboard.press("k")
    await expect(desktop.locator("#reader h1")).to_have_text("second")
    await desktop.keyboard.press("t")
    await expect(desktop.get_by_role("tab", name="Timeline")).to_be_focused()
    await desktop.keyboard.press("ArrowLeft")
    await expect(desktop.get_by_role("tab", name="Source")).to_have_attribute("aria-selected", "true")


async def test_a_phone_shows_one_thing_at_a_time_and_never_scrolls_sideways(
    phone: Page, catcher: RunningCatcher
) -> None:
    assert await no_sideways_scroll(phone)
    sms(catcher, "A very long word: " + "x" * 300, to="+4930901820")
    mail(
        catcher,
        subject="Unbreakable" * 20,
        html="<table width=900><tr><td>wide</table>",
        to=f"{'a' * 60}@example.com",
    )
    await expect(phone.locator("#rows li")).to_have_count(2)
    assert await no_sideways_scroll(phone)

    for row, tabs in (
        (0, ["HTML", "Text", "Headers", "Source", "Timeline"]),
        (1, ["Conversation", "Request"]),
    ):
        await phone.locator("#rows a").nth(row).click()
        await expect(phone.locator("#rows")).to_be_hidden()
        for tab in tabs:
            await phone.get_by_role("tab", name=tab).click()
            assert await no_sideways_scroll(phone)
        await phone.get_by_role("button", name="Messages").click()
        await expect(phone.locator("#rows")).to_be_visible()
        await expect(phone.locator("#reader")).to_be_hidden()


async def test_a_page_that_lost_the_catcher_says_so(desktop: Page, catcher: RunningCatcher) -> None:
    await desktop.route("**/api/stream", lambda route: route.abort())
    await desktop.reload()
    await expect(desktop.locator("#live")).to_have_text("Reconnecting")
    await desktop.unroute("**/api/stream")
    mail(catcher, subject="while away")
    await expect(desktop.locator("#rows li")).to_have_count(1)
    await expect(desktop.locator("#live")).to_have_text("Live")
