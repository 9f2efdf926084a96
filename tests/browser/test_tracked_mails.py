"""A tracked mail in a browser: it reads as before, and its links lead where they led."""

from collections.abc import Sequence

import pytest
from playwright.async_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tests.listening import listening

from tocsin.channel.ref import RefKey
from tocsin.contracts.codec import decode_status
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.engagements import Engagements
from tocsin.dispatch_email.html_links import links_of, rewritten
from tocsin.dispatch_email.link_tokens import LinkTokens
from tocsin.dispatch_email.links_route import LinksRoute
from tocsin.dispatch_email.tracking import Tracking
from tocsin.kafka import ProducerRecord, RecordMetadata
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for

pytestmark = pytest.mark.browser

KEYS = [RefKey("1", "k" * 32)]
TRACKED = "https://t.example/t/AbC"
READ = """() => ({
  text: document.documentElement.textContent,
  tags: [...document.querySelectorAll("*")].map(e => e.tagName + [...e.attributes].filter(a => a.name !== "href").map(a => a.name + a.value)),
  links: [...document.querySelectorAll("a[href], area[href]")].map(e => e.getAttribute("href")),
})"""
DOCUMENTS = (
    "<!doctype html><title>A <a href=x></title><body><p>Hello &amp; <a href=https://x.example/?a=1&copy=2>x</a><A HREF='https://y.example/&eacute;'>y</A>",
    '<!--[if mso]><a href="https://x.example/"><![endif]--><![if !mso]><a class="b"href="https://x.example/">x</a><![endif]>',
    '<a title=\'a > b\' href=https://x.example/>x</a><a href="https://x.example/" href="https://y.example/">x</a><a href="\n https://x.example/a\nb ">z',
    "<style>a{content:'<a href=x>'}</style><textarea><a href=https://x.example/></TEXTAREA ><map><area href=https://x.example/></map><a href>n</a>",
    "</a title='<a href=https://x.example/>'><a href=https://y.example/>y</a> 1 < 2 <3 </ <a href=q> <a href=https://z.example/>z</a><!--> <a href=https://v.example/>v",
    "<table><tr><td><a href=https://x.example/>x<td></table><a/href=https://y.example/>y</a><a href='https://open.example/",
)


class Topic:
    def __init__(self) -> None:
        self.records: list[ProducerRecord] = []

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        self.records += records
        return []


@pytest.mark.parametrize("html", DOCUMENTS)
async def test_a_browser_reads_the_same_text_and_finds_no_other_links(browser: Browser, html: str) -> None:
    page = await browser.new_page(java_script_enabled=True)
    await page.route("**/*", lambda route: route.abort())
    await page.set_content(html, wait_until="commit")
    before = await page.evaluate(READ)
    await page.set_content(rewritten(html, links_of(html), lambda _: TRACKED), wait_until="commit")
    after = await page.evaluate(READ)
    assert (after["text"], after["tags"]) == (before["text"], before["tags"])
    assert after["links"] == [TRACKED if link else link for link in before["links"]]


async def shop(request: Request) -> Response:
    return PlainTextResponse(f"{request.url.path} {request.query_params['q']}")


async def test_a_person_who_clicks_gets_where_the_link_led_and_it_is_told(browser: Browser) -> None:
    clock, topic = ManualClock(), Topic()
    engagements = Engagements(channel=Channel.EMAIL, publisher=topic, topics=Topics(), clock=clock)
    tokens = LinkTokens(KEYS, channel=Channel.EMAIL)
    route = LinksRoute(channel=Channel.EMAIL, tokens=tokens, engagements=engagements)
    pages = Starlette(routes=[Route("/shop/{name}", shop)])
    async with listening(Starlette(routes=route.routes)) as url, listening(pages) as shop_url:
        html = f'<body><a href="{shop_url}/shop/ä b?q=1+%C3%BC&amp;r=&quot;2&quot;">Shop</a></body>'
        job = job_for(Channel.EMAIL, tracking="individual")
        mail = Tracking(url=url, keys=KEYS, clock=clock).content(
            job, EmailContent(subject="Hello", html=html)
        )
        clock.advance(hours=1)
        page = await browser.new_page(
            user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36"
        )
        await page.set_content(mail.html or "")
        assert await page.evaluate("document.images[0].naturalWidth") == 1
        await page.click("text=Shop")
        assert await page.inner_text("body") == "/shop/ä b 1 ü"
        clock.advance(1)
        await engagements.tell()
    told = [decode_status(record.value or b"") for record in topic.records]
    assert sorted(
        (status.status, bool(status.receipt and status.receipt.automated))
        for status in told
        if isinstance(status, Status)
    ) == [("clicked", False), ("opened", False)]
