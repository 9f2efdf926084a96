"""Which mails tell that they were opened, what their links say, and that nobody else can make one."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from pydantic import ValidationError
from tests.log_lines import lines_of

from tocsin.channel.ref import Ref, RefKey, Refs
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.link_tokens import MOST_CHARS, AnyMail, LinkKind, LinkTokens, OpenedLink
from tocsin.dispatch_email.settings import EmailSettings
from tocsin.dispatch_email.tracking import MOST_LINKS, Tracking, redirectable
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for

KEYS = [RefKey("2026", "k" * 32)]
TOKENS = LinkTokens(KEYS, channel=Channel.EMAIL)
BASE = "https://links.example.com/email"
UNSUBSCRIBE = "https://notify.example.com/u/abc.def"
HTML = (
    '<body><p>Hello &amp; welcome</p><a href="https://shop.example/a?x=1&amp;y=2">A</a> <a href=https://shop.example/b>B</a>'
    '<a href="mailto:help@shop.example">Help</a><a href="#top">Top</a><a data-notrack href="https://shop.example/login?token=secret">Log in</a>'
    f'<a href="{UNSUBSCRIBE}">No more</a></body>'
)


class Found(HTMLParser):
    """What a mail program shows: text, links, pictures."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.links, self.pictures = "", [], []  # type: ignore[var-annotated]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs).get("href"))
        elif tag == "img":
            self.pictures.append(dict(attrs).get("src"))

    def handle_data(self, data: str) -> None:
        self.text += data


def tracking(url: str | None = BASE, clock: ManualClock | None = None) -> Tracking:
    return Tracking(url=url, keys=KEYS, clock=clock or ManualClock())


def mail(html: str | None = HTML, text: str | None = "https://shop.example/a", **fields: Any) -> EmailContent:
    fields = {"tracking": "individual", "unsubscribe_url": UNSUBSCRIBE} | fields
    content = EmailContent(subject="Hello", html=html, text=text)
    return tracking().content(job_for(Channel.EMAIL, content=content, **fields), content)


def opened(url: str) -> OpenedLink:
    base, _, token = url.rpartition("/")
    assert base == f"{BASE}/t"
    link = TOKENS.open(token)
    assert link is not None
    return link


def test_links_of_http_and_a_picture_tell_and_nothing_else_is_changed() -> None:
    before, after = Found(HTML), Found(mail().html or "")
    assert after.text == before.text
    assert after.links[2:] == before.links[2:]
    assert [opened(url).url for url in after.links[:2]] == before.links[:2]
    assert {opened(url).kind for url in after.links[:2]} == {LinkKind.CLICKED}
    [picture] = after.pictures
    assert (opened(picture).kind, opened(picture).url) == (LinkKind.OPENED, None)
    assert mail().text == "https://shop.example/a"


def test_a_single_recipients_link_says_what_the_receipt_needs() -> None:
    job = job_for(Channel.EMAIL)
    about = opened(Found(mail().html or "").links[0]).about
    assert isinstance(about, Ref)
    assert (about.delivery_id, about.recipient, about.workflow) == (job.delivery_id, "ada", "order-shipped")
    assert about.address_hash == job.address_hash


def test_what_is_counted_says_nothing_of_a_person() -> None:
    found = Found(mail(tracking="aggregate").html or "")
    links = [opened(url) for url in (*found.links[:2], *found.pictures)]
    assert {type(link.about) for link in links} == {AnyMail}
    [about] = {link.about for link in links}
    assert isinstance(about, AnyMail)
    assert (about.workflow, about.category, about.template) == ("order-shipped", "orders", "default")
    other = opened(Found(mail(tracking="aggregate").html or "").links[0]).about
    assert isinstance(other, AnyMail)
    assert about.mail != other.mail


@pytest.mark.parametrize("fields", [{"tracking": "off"}, {"required": True}])
def test_what_is_not_to_be_tracked_goes_out_as_it_is(fields: dict[str, Any]) -> None:
    content = EmailContent(subject="Hello", html=HTML)
    job = job_for(Channel.EMAIL, content=content, **{"tracking": "individual"} | fields)
    assert tracking().content(job, content) is content


def test_the_time_is_a_whole_second_not_before_the_mail() -> None:
    clock = ManualClock()
    clock.advance(0.4)
    content = EmailContent(subject="Hello", html=HTML)
    html = tracking(clock=clock).content(job_for(Channel.EMAIL, tracking="individual"), content).html or ""
    sent = opened(Found(html).links[0]).sent
    assert 0 <= sent - clock.time_ms() / 1000 < 1


def test_many_links_are_bounded_and_one_that_comes_twice_is_one() -> None:
    html = "".join(f'<a href="https://x.example/{number}">x</a>' for number in range(MOST_LINKS + 5))
    links = Found(mail(html=html + html).html or "").links
    assert sum(str(link).startswith(BASE) for link in links) == 2 * MOST_LINKS
    assert len({link for link in links if str(link).startswith(BASE)}) == MOST_LINKS


def test_a_link_that_would_be_too_long_leads_there_itself() -> None:
    short, long = f"https://x.example/{'a' * 900}", f"https://x.example/{'a' * 2_000}"
    links = Found(mail(html=f'<a href="{short}">x</a><a href="{long}">x</a>').html or "").links
    assert opened(links[0]).url == short
    assert len(links[0]) <= MOST_CHARS
    assert links[1] == long


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://x.example/a?b=1&c=%20#d", "https://x.example/a?b=1&c=%20#d"),
        ("HTTP://X.example", "HTTP://X.example"),
        ("https://münchen.example/ä?ü=1", "https://m%C3%BCnchen.example/%C3%A4?%C3%BC=1"),
        ('https://x.example/a b"<>', "https://x.example/a%20b%22%3C%3E"),
        ("https://[::1]:8080/", "https://[::1]:8080/"),
        ("ftp://x.example/", None),
        ("javascript:alert(1)", None),
        ("//x.example/", None),
        ("/path", None),
        ("https://", None),
        ("https:///x.example", None),
        ("https:\\\\x.example/", None),
        ("https://x.example/\r\nSet-Cookie: a=1", None),
        ("https://x.example/\x00", None),
        ("https://x.example/\ud800", None),
    ],
)
def test_where_a_link_may_lead(url: str, expected: str | None) -> None:
    assert redirectable(url) == expected


@given(st.text(max_size=40))
def test_what_a_link_leads_to_is_one_line_of_ascii_of_http(rest: str) -> None:
    for url in (rest, f"https://{rest}"):
        target = redirectable(url)
        if target is not None:
            assert target.isascii()
            assert target.isprintable()
            assert " " not in target
            assert urlsplit(target.replace("[", "").replace("]", "")).scheme in {"http", "https"}


@pytest.mark.parametrize(
    ("url", "html", "fields", "outcome"),
    [
        (BASE, HTML, {}, "tracked"),
        (None, HTML, {}, "no_url"),
        (BASE, None, {}, "no_html"),
        (BASE, HTML, {"delivery_id": "none-of-ours"}, "no_ids"),
    ],
)
async def test_what_became_of_it_is_counted(
    url: str | None, html: str | None, fields: dict[str, Any], outcome: str
) -> None:
    labels = {"channel": "email", "tracking": "individual", "outcome": outcome}
    before = REGISTRY.get_sample_value("tocsin_tracked_messages_total", labels) or 0
    content = EmailContent(subject="Hello", html=html, text="Hello")
    sent = tracking(url).content(job_for(Channel.EMAIL, tracking="individual", **fields), content)
    assert (sent == content) is (outcome != "tracked")
    assert REGISTRY.get_sample_value("tocsin_tracked_messages_total", labels) == before + 1


async def test_that_a_category_wants_it_in_vain_is_said_once() -> None:
    content = EmailContent(subject="Hello", html=HTML)
    without = tracking(None)
    with lines_of("dispatch-email") as out:
        for _ in range(5):
            without.content(job_for(Channel.EMAIL, tracking="aggregate"), content)
        without.close()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["times"] for line in lines] == [1, 4]
    assert "DISPATCH_EMAIL_TRACKING_URL is not set" in lines[0]["event"]
    assert lines[0]["category"] == "orders"


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=600), st.from_regex(r"[A-Za-z0-9_-]{1,300}", fullmatch=True)))
def test_nobody_else_makes_a_token(token: str) -> None:
    assert TOKENS.open(token) is None


def test_what_was_sealed_for_receipts_or_with_another_key_or_elsewhere_opens_nothing() -> None:
    token = Found(mail().html or "").links[0].rpartition("/")[2]
    ref = Refs(KEYS, channel=Channel.EMAIL, instance="primary").seal(job_for(Channel.EMAIL))
    assert TOKENS.open(ref or "") is None
    assert Refs(KEYS, channel=Channel.EMAIL, instance="primary").open(token) is None
    assert LinkTokens([RefKey("2026", "o" * 32)], channel=Channel.EMAIL).open(token) is None
    assert LinkTokens(KEYS, channel=Channel.SMS).open(token) is None
    assert LinkTokens([RefKey("2027", "n" * 32), *KEYS], channel=Channel.EMAIL).open(token) is not None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"DISPATCH_REF_KEYS": ""}, "without keys no link can be sealed"),
        ({"DISPATCH_EMAIL_TRACKING_URL": "links.example.com"}, "write an address such as"),
    ],
)
def test_an_address_that_makes_no_sense_stops_the_start(
    change: dict[str, str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "providers.toml"
    file.write_text('[[providers]]\nname = "own"\nkind = "smtp"\nhost = "mail.example.com"\n')
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "DISPATCH_EMAIL_PROVIDERS_FILE": str(file),
        "DISPATCH_EMAIL_TRACKING_URL": BASE,
        "DISPATCH_REF_KEYS": "1:" + "k" * 32,
    }
    for name, value in (given | change).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=sentence):
        EmailSettings()
