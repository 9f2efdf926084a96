"""Mails with files, read by the standard library's parser, which knows RFC 2231 and nothing of us."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attached_files import NAMES, here

from tocsin.channel.preparation import File
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.attachments import file_name
from tocsin.dispatch_email.mailboxes import mailbox
from tocsin.dispatch_email.mime import mail


def read(*files: File, text: str | None = "Hello", html: str | None = None) -> EmailMessage:
    """The mail as the parser reads it, without a defect and with no long line."""
    message = mail(
        content=EmailContent(subject="Hello", text=text, html=html),
        sender=SenderIdentity(address="shop@example.com"),
        to=mailbox("ada@example.org"),
        delivery_id="3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10",
        notification_id="c1d3a1f0-2f6e-5a2b-9a67-0d7a3b1c2e4f",
        unsubscribe_url=None,
        files=files,
        now=1_767_225_600.7,
    )
    assert message.isascii()
    assert all(len(line) <= 78 for line in message.split(b"\r\n"))
    parsed = message_from_bytes(message, policy=policy.SMTP)
    assert not [defect for part in parsed.walk() for defect in part.defects]
    return parsed


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_comes_back(name: str) -> None:
    [part] = read(here(name=name)).iter_attachments()
    assert part.get_filename() == name
    assert part.get_content_disposition() == "attachment"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=150))
def test_whatever_name_is_taken_comes_back(name: str) -> None:
    try:
        file_name(name)
    except ValueRefused:
        return
    [part] = read(here(name=name)).iter_attachments()
    assert part.get_filename() == name


@given(st.binary(max_size=3000))
def test_the_file_is_byte_for_byte_what_it_was(content: bytes) -> None:
    [part] = read(here(content, type="application/octet-stream")).iter_attachments()
    assert part.get_content() == content


@pytest.mark.parametrize(
    ("text", "html", "shape"),
    [
        ("Hello", None, ["multipart/mixed", "text/plain", "image/png", "application/pdf"]),
        (None, "<img src='cid:logo'>", ["multipart/mixed", "multipart/related", "text/html", "image/png", "application/pdf"]),
        (
            "Hello",
            "<img src='cid:logo'>",
            ["multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png", "application/pdf"],
        ),
    ],
)  # fmt: skip
def test_what_the_html_shows_stands_beside_it(text: str | None, html: str | None, shape: list[str]) -> None:
    logo = here(b"png", name="logo.png", type="image/png", inline="logo")
    parsed = read(logo, here(), text=text, html=html)
    assert [part.get_content_type() for part in parsed.walk()] == shape
    [image] = [part for part in parsed.walk() if part.get_content_type() == "image/png"]
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == ("inline" if html else "attachment")
    for part in parsed.walk():
        if part.get_content_type() == "multipart/related":
            assert part.get_param("type") == ("multipart/alternative" if text else "text/html")
