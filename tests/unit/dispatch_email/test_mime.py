"""Our mails against the standard library's parser: structure, content, injection."""

import sys
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.dispatch_email.headers import one_line
from tocsin.dispatch_email.mailboxes import NoMailbox, mailbox
from tocsin.dispatch_email.mime import mail, quoted_printable
from tocsin.dispatch_email.own_headers import NoMail

DELIVERY = "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10"
NOTIFICATION = "c1d3a1f0-2f6e-5a2b-9a67-0d7a3b1c2e4f"
URL = "https://tocsin.example/u/abc.def-_~?x=1&y=2"
FIELDS = [
    "MIME-Version",
    "Date",
    "Message-ID",
    "From",
    "Reply-To",
    "To",
    "Subject",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "X-Tocsin-Notification",
    "Content-Type",
]
# What breaks headers and bodies most easily comes up often.
hostile = st.sampled_from(
    [
        "\r\nBcc: eve@example.org\r\n",
        "\n\n",
        "\r",
        "\0",
        "=?utf-8?q?=0A?=",
        "=?",
        "\u2028",
        "10\u00a0000\u202f€",
        "\u3000",
        " \u00a0\t",
        "\x85",
        ' "\\<>,;:',
        "\n.",
    ]
)
texts = st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), hostile), max_size=6).map(
    "".join
)
surrogates = st.text(st.characters())


def build(
    *,
    subject: str = "Hello",
    text: str | None = "Hello",
    html: str | None = None,
    name: str | None = None,
    address: str = "shop@example.com",
    reply_to: str | None = None,
    to: str = "ada@example.org",
    url: str | None = None,
    delivery: str = DELIVERY,
) -> bytes:
    return mail(
        content=EmailContent(subject=subject, text=text, html=html),
        sender=SenderIdentity(address=address, name=name, reply_to=reply_to),
        to=mailbox(to),
        delivery_id=delivery,
        notification_id=NOTIFICATION,
        unsubscribe_url=url,
        now=1_767_225_600.7,
    )


def parsed(raw: bytes) -> EmailMessage:
    """The parser's reading, after checking that it found nothing to complain about."""
    message = BytesParser(policy=policy.default).parsebytes(raw)
    assert [part.defects for part in message.walk()] == [[]] * len(list(message.walk()))
    for name, value in message.items():
        assert not getattr(value, "defects", ()), (name, value.defects)
    return message


def lines_are_sound(raw: bytes) -> None:
    assert raw.endswith(b"\r\n")
    assert b"\0" not in raw
    for line in raw.split(b"\r\n"):
        assert len(line) <= 998
        assert b"\r" not in line
        assert b"\n" not in line


def text_of(message: EmailMessage, kind: str) -> str:
    part = next(part for part in message.walk() if part.get_content_type() == kind)
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def display_name(raw: bytes) -> str:
    """The sender's name. RFC 2047 joins encoded words without a space; the parser of addresses in Python 3.11 puts one between,
    and takes a no-break space behind a space away. That of plain headers does neither."""
    field = str(BytesParser(policy=policy.compat32).parsebytes(raw)["From"])
    if "=?utf-8?b?" in field:
        return str(make_header(decode_header(field[: field.rindex("<")].rstrip())))
    return str(parsed(raw)["From"].addresses[0].display_name)


def normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


@settings(max_examples=400)
@given(subject=texts, name=texts, text=texts, html=texts)
def test_every_content_is_read_back_without_a_defect(subject: str, name: str, text: str, html: str) -> None:
    raw = build(subject=subject, name=name, text=text, html=html, reply_to="help@example.com", url=URL)
    lines_are_sound(raw)
    assert raw.isascii()
    message = parsed(raw)
    assert message.keys() == FIELDS
    assert message["Subject"] == one_line(subject)
    assert display_name(raw) == one_line(name)
    assert message["From"].addresses[0].addr_spec == "shop@example.com"
    assert len(message["From"].addresses) == 1
    assert message["To"].addresses[0].addr_spec == "ada@example.org"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert text_of(message, "text/plain") == normal(text)
    assert text_of(message, "text/html") == normal(html)


@pytest.mark.parametrize(
    ("subject", "read"),
    [
        ("Only 10\u00a0000\u202f€", "Only 10\u00a0000\u202f€"),
        ("\u3000件名\u3000です", "件名\u3000です"),
        ("a\u2003b\u2009c", "a\u2003b\u2009c"),
        (" a \t\r\n b\x0bc\x85d\u2028e ", "a b c d e"),
        ("10\u00a0000\r\nBcc: eve@example.org", "10\u00a0000 Bcc: eve@example.org"),
    ],
)
def test_a_subject_keeps_no_break_spaces_and_no_line_breaks(subject: str, read: str) -> None:
    raw = build(subject=subject, name=subject)
    lines_are_sound(raw)
    message = parsed(raw)
    assert message["Subject"] == read
    assert message["From"].addresses[0].display_name == read
    assert message["Bcc"] is None


@settings(max_examples=150)
@given(body=texts)
def test_a_mail_of_one_part_has_no_alternatives(body: str) -> None:
    plain, html = parsed(build(text=body)), parsed(build(text=None, html=body))
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text_of(plain, "text/plain") == normal(body) + "\r\n"
    assert text_of(html, "text/html") == normal(body) + "\r\n"


@settings(max_examples=100)
@given(subject=surrogates, body=surrogates)
def test_what_is_no_text_cannot_break_a_mail(subject: str, body: str) -> None:
    raw = build(subject=subject, text=body)
    lines_are_sound(raw)
    parsed(raw)


@pytest.mark.parametrize("blank", [" ", "\t"])
@pytest.mark.parametrize("length", range(70, 80))
def test_a_blank_at_the_end_of_a_line_makes_it_no_longer_than_76(length: int, blank: str) -> None:
    body = "x" * length + blank + "\nend"
    raw = build(text=body)
    assert max(map(len, raw.split(b"\r\n"))) <= 76
    assert text_of(parsed(raw), "text/plain") == normal(body) + "\r\n"


@pytest.mark.parametrize(
    "name", ['"' * 40, "Acme (Shop)", "Müller (Köln)", "Acme ) (", 'Acme, "Shop": a \\ b', "شركة Acme"]
)
def test_a_display_name_comes_back_and_is_folded_where_quoting_makes_it_too_long(name: str) -> None:
    raw = build(name=name)
    assert max(map(len, raw.split(b"\r\n"))) <= 76
    assert display_name(raw) == name
    assert [address.addr_spec for address in parsed(raw)["From"].addresses] == ["shop@example.com"]


def test_a_long_url_is_whole_in_the_text_part() -> None:
    url = URL + "&token=" + "a=b.-_~%20" * 100
    raw = build(text=f"End it:\n{url}\nBye", html="<p>x</p>")
    assert text_of(parsed(raw), "text/plain").split("\r\n") == ["End it:", url, "Bye"]


@settings(max_examples=200)
@given(text=texts, html=texts)
def test_lines_of_bodies_and_folded_headers_stay_within_76(text: str, html: str) -> None:
    raw = build(text=text, html=html, subject=text, name=html)
    assert max(map(len, raw.split(b"\r\n"))) <= 76


@settings(max_examples=300)
@given(text=st.text("ab=.é \t\n", max_size=400))
def test_a_text_is_encoded_as_its_lines_one_by_one_are(text: str) -> None:
    lines = [quoted_printable(line) for line in text.split("\n")]
    assert quoted_printable(text) == b"\r\n".join(lines)


@example(address="a.@example.com", as_sender=False)
@example(address=".a@example.com", as_sender=True)
@example(address="a..b@example.com", as_sender=False)
@settings(max_examples=300)
@given(
    address=st.one_of(texts, st.emails(), texts.map(lambda t: f"a{t}@example.com")), as_sender=st.booleans()
)
def test_an_address_is_refused_or_stays_one_address(address: str, as_sender: bool) -> None:
    try:
        raw = build(address=address, reply_to=address) if as_sender else build(to=address)
    except NoMailbox:
        return
    lines_are_sound(raw)
    message = BytesParser(policy=policy.SMTPUTF8).parsebytes(raw)
    for field in ("From", "Reply-To") if as_sender else ("To",):
        assert len(message.get_all(field, [])) == 1
        assert len(message[field].addresses) == 1
        assert not message[field].defects or not raw.isascii()
    assert "Bcc" not in message


@settings(max_examples=200)
@given(value=texts)
def test_ids_and_urls_are_refused_or_stay_in_their_field(value: str) -> None:
    for fields in ({"delivery": value}, {"url": f"https://example.com/{value}"}):
        try:
            raw = build(**fields)
        except NoMail:
            continue
        lines_are_sound(raw)
        assert "Bcc" not in parsed(raw)


def test_fields_hold_what_the_job_says() -> None:
    message = parsed(
        build(
            name='Zoë "Z" Müller',
            reply_to="help@xn--bcher-kva.example",
            subject="Grüße",
            url=URL,
            html="<p>x</p>",
        )
    )
    assert message["Message-ID"] == f"<{DELIVERY}@example.com>"
    assert message["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert message["From"].addresses[0].display_name == 'Zoë "Z" Müller'
    assert message["Reply-To"] == "help@xn--bcher-kva.example"
    assert message["List-Unsubscribe"] == f"<{URL}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["X-Tocsin-Notification"] == NOTIFICATION


def test_a_name_that_is_an_address_stays_a_name() -> None:
    name = "eve@evil.example <eve@evil.example>"
    (sender,) = parsed(build(name=name))["From"].addresses
    assert (sender.addr_spec, sender.display_name) == ("shop@example.com", name)


def test_without_url_and_name_their_fields_are_absent() -> None:
    message = parsed(build())
    assert message["From"] == "shop@example.com"
    assert {"List-Unsubscribe", "List-Unsubscribe-Post", "Reply-To"}.isdisjoint(message.keys())


@pytest.mark.parametrize(
    "subject",
    [
        "short",
        "words " * 60,
        "w" * 300,
        "grüße " * 60,
        "=?utf-8?q?not_ours?=",
        "👩‍👩‍👧‍👦" * 40,
        "\u202eorder\u202c \u2066שלם\u2069 \u200fend",
        "Заказ 漢字 العربية ไทย Zoë " * 8,
        "",
        " \t ",
    ],
)
def test_long_and_odd_subjects_come_back(subject: str) -> None:
    raw = build(subject=subject)
    assert parsed(raw)["Subject"] == subject.strip()
    assert max(map(len, raw.split(b"\r\n"))) <= 76


def test_nothing_of_a_message_is_kept_when_its_mail_is_made() -> None:
    message = {
        "subject": "493021 is your code",
        "text": "Your code is 493021",
        "html": "<b>493021</b>",
        "to": "ann@a.test",
    }
    before = {part: sys.getrefcount(words) for part, words in message.items()}
    build(**message)
    assert {part: sys.getrefcount(words) for part, words in message.items()} == before


def test_a_mail_without_any_part_is_refused() -> None:
    with pytest.raises(NoMail, match="neither text nor HTML"):
        build(text=None)
