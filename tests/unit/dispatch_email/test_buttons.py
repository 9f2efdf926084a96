"""Buttons of mails: where they stand, where they lead, and what is told of who pressed them."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.log_lines import lines_of
from tests.unit.dispatch_email.test_followed_links import PERSON, TOKENS, Role
from tests.unit.dispatch_email.test_tracking import BASE, KEYS, Found

from tocsin.channel.ref import Ref, sealed_job
from tocsin.contracts.actions import InboxAction
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.buttons import Buttons
from tocsin.dispatch_email.link_tokens import LinkKind, OpenedLink, SealedLink
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for

TRACK = InboxAction(name="track", label='Track "it" & <more>', url="https://dhl.example/?a=1&b=ü")
LATER = InboxAction(name="later", label="Remind me later")
ACTIONS = [TRACK, LATER]


def mail(
    *actions: InboxAction,
    url: str | None = BASE,
    text: str | None = "Hello",
    html: str | None = "<p>Hello</p>",
    **fields: Any,
) -> EmailContent:
    content = EmailContent(subject="Hello", text=text, html=html, actions=list(actions))
    return Buttons(url=url, keys=KEYS, clock=ManualClock()).content(
        job_for(Channel.EMAIL, content=content, **fields), content
    )  # fmt: skip


def opened(url: str) -> OpenedLink:
    assert url.startswith(f"{BASE}/a/")
    link = TOKENS.open(url.rpartition("/")[2])
    assert link is not None
    return link


def counted(outcome: str) -> float:
    labels = {"channel": "email", "outcome": outcome}
    return REGISTRY.get_sample_value("tocsin_message_buttons_total", labels) or 0


def test_buttons_say_which_one_was_pressed_and_whose_mail_it_was() -> None:
    found = Found(mail(*ACTIONS).html or "")
    track, later = map(opened, found.links)
    assert (track.kind, track.action, track.url, track.label) == (
        LinkKind.PRESSED, "track", "https://dhl.example/?a=1&b=%C3%BC", None,
    )  # fmt: skip
    assert (later.kind, later.action, later.url, later.label) == (
        LinkKind.PRESSED, "later", None, "Remind me later",
    )  # fmt: skip
    assert isinstance(track.about, Ref)
    assert track.about.recipient == "ada"
    assert TRACK.label in found.text
    assert "<more>" not in (mail(*ACTIONS).html or "")


def test_they_are_told_of_mails_that_nobody_tracks() -> None:
    for fields in ({"tracking": "off"}, {"required": True}):
        assert len(Found(mail(*ACTIONS, **fields).html or "").links) == 2


def test_they_stand_where_the_template_says_or_at_the_end() -> None:
    html = "<body><p>A</p><!-- actions --><p>B</p></body>"
    there = mail(LATER, html=html).html or ""
    assert there.startswith('<body><p>A</p><p style="margin:24px 0"><a ')
    assert there.endswith("</a></p><p>B</p></body>")
    assert (mail(LATER, html="<body>A</body>").html or "").endswith("</a></p></body>")


def test_the_text_has_a_line_for_each() -> None:
    text = mail(*ACTIONS).text or ""
    assert text.startswith('Hello\n\nTrack "it" & <more>:\nhttps://')
    assert "\n\nRemind me later:\nhttps://" in text
    assert {opened(line).action for line in text.splitlines() if line.startswith("https://")} == {
        "track",
        "later",
    }


@pytest.mark.parametrize(("text", "html"), [("Hello", None), (None, "<p>Hello</p>")])
def test_a_part_that_a_mail_lacks_is_not_made(text: str | None, html: str | None) -> None:
    sent = mail(*ACTIONS, text=text, html=html)
    assert (sent.text is None, sent.html is None) == (text is None, html is None)


def test_a_mail_without_buttons_goes_out_as_it_is() -> None:
    content = EmailContent(subject="Hello", html="<p>Hello</p>")
    assert (
        Buttons(url=BASE, keys=KEYS, clock=ManualClock()).content(job_for(Channel.EMAIL), content) is content
    )


async def test_without_an_address_they_lead_where_they_lead_and_those_that_lead_nowhere_are_left_out() -> (
    None
):
    before = counted("told"), counted("not_told"), counted("left_out")
    with lines_of("dispatch-email") as out:
        found = Found(mail(*ACTIONS, url=None).html or "")
    assert found.links == [TRACK.url]
    assert "Remind me later" not in found.text
    assert (counted("told"), counted("not_told"), counted("left_out")) == (
        before[0],
        before[1] + 1,
        before[2] + 1,
    )
    (line,) = out.getvalue().splitlines()
    assert "DISPATCH_EMAIL_TRACKING_URL is not set" in json.loads(line)["event"]


def test_a_url_that_would_make_a_link_too_long_is_led_to_itself() -> None:
    url = "https://x.example/" + "a" * 1_900
    assert Found(mail(InboxAction(name="a", label="A", url=url)).html or "").links == [url]


def link(role: Role, name: str, url: str | None = None, **fields: Any) -> str:
    about = sealed_job(job_for(Channel.EMAIL, **fields))
    assert about is not None
    label = None if url else f"{name} <b>"
    return f"/a/{TOKENS.seal(SealedLink(LinkKind.PRESSED, role.sent, about, url, name, label))}"


def pressed(role: Role) -> list[tuple[str, str | None, bool]]:
    return [
        (status.status, status.receipt.action, status.receipt.automated)
        for status in role.statuses
        if status.receipt is not None
    ]


async def test_a_button_leads_on_and_its_name_is_told() -> None:
    role = Role()
    answer = await role.follow(link(role, "track", "https://dhl.example/"))
    assert (answer.status_code, answer.headers["location"]) == (302, "https://dhl.example/")
    await role.told()
    assert pressed(role) == [("clicked", "track", False)]


class Forms(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "form":
            self.forms.append(dict(attrs))


async def test_a_button_that_leads_nowhere_is_pressed_on_a_page_and_not_by_opening_it() -> None:
    role = Role()
    path = link(role, "later")
    for method in ("GET", "HEAD"):
        asked = await role.follow(path, method=method)
        assert asked.status_code == 200
        assert "default-src 'none'" in asked.headers["content-security-policy"]
    page = (await role.follow(path)).text
    assert Forms(page).forms == [{"method": "post"}]
    assert "later &lt;b&gt;" in page
    await role.told()
    assert role.topic.records == []
    thanks = await role.follow(path, method="POST")
    assert (thanks.status_code, Forms(thanks.text).forms) == (200, [])
    assert (await role.follow(path, method="POST")).status_code == 200
    await role.told()
    assert pressed(role) == [("clicked", "later", False)]


async def test_a_scanner_that_follows_all_buttons_is_none_who_answers() -> None:
    role = Role()
    await role.follow(link(role, "yes", "https://shop.example/answer"))
    await role.follow(link(role, "no", "https://shop.example/answer"))
    await role.told()
    assert sorted(pressed(role)) == [("clicked", "no", True), ("clicked", "yes", True)]


async def test_two_buttons_are_two_answers() -> None:
    role = Role()
    for name in ("yes", "no", "yes"):
        await role.follow(link(role, name), method="POST")
        await role.told()
    assert pressed(role) == [("clicked", "yes", False), ("clicked", "no", False)]
    assert len({status.status_id for status in role.statuses}) == 2


async def test_a_link_of_the_text_is_no_button_and_a_button_no_link() -> None:
    role = Role()
    token = link(role, "later").rpartition("/")[2]
    assert (await role.follow(f"/t/{token}")).status_code == 404
    clicked = role.link("https://shop.example/").rpartition("/")[2]
    assert (await role.follow(f"/a/{clicked}")).status_code == 404
    assert (await role.follow(f"/a/{clicked}", method="POST")).status_code == 404
    assert (await role.follow(f"/t/{clicked}", method="POST")).status_code == 405


async def test_people_are_told_in_words_that_a_link_does_not_work() -> None:
    role = Role()
    headers = {"accept": "text/html,*/*", "user-agent": PERSON}
    answer = await role.client.get("/a/made-up", headers=headers)
    assert (answer.status_code, "This link does not work" in answer.text) == (404, True)
    assert (await role.client.get("/a/made-up")).json()["code"] == "invalid_link"
