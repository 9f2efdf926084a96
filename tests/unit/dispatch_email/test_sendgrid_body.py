"""The JSON for SendGrid: whatever the content, it is well-formed, complete, and no value can begin a header of its own."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.dispatch_email.sendgrid_server import faults

from tocsin.channel import Rejected
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.composing import composed
from tocsin.dispatch_email.sendgrid_body import mail_send_body
from tocsin.testing.jobs import job_for

hostile = st.sampled_from(
    ["\r\nBcc: eve@example.org\r\n", "\n\n", "\0", "\u2028", "10\u00a0000\u202f€", "\x85", ' "\\<>,;:', "\ud800"]
)  # fmt: skip
texts = st.lists(st.one_of(st.text(st.characters()), hostile), max_size=6).map("".join)
_ENDS_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def sent(content: EmailContent, name: str | None = None) -> dict[str, Any] | Rejected:
    sender = SenderIdentity(address="shop@example.com", name=name)
    body = composed(job_for(Channel.EMAIL, content=content, sender=sender), mail_send_body)
    return body if isinstance(body, Rejected) else json.loads(body)


def normal(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@settings(max_examples=100)
@given(subject=texts, name=texts, text=texts, html=texts)
def test_any_content_becomes_a_mail_that_sendgrid_takes(
    subject: str, name: str, text: str, html: str
) -> None:
    message = sent(EmailContent(subject=f"About {subject}", text=text, html=html), name)
    if not (text or html):
        assert isinstance(message, Rejected)
        return
    assert isinstance(message, dict)
    assert list(faults(message)) == []
    assert not _ENDS_A_LINE.search(message["subject"])
    assert not _ENDS_A_LINE.search(message["from"].get("name", ""))
    assert message["from"].get("name") != ""
    expected = [("text/plain", normal(text)), ("text/html", normal(html))]
    assert [(part["type"], part["value"]) for part in message["content"]] == [
        part for part in expected if part[1]
    ]


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (EmailContent(subject="s", text="t"), ["text/plain"]),
        (EmailContent(subject="s", html="<p>h</p>"), ["text/html"]),
        (EmailContent(subject="s", text="t", html="<p>h</p>"), ["text/plain", "text/html"]),
        (EmailContent(subject="s", text="", html="<p>h</p>"), ["text/html"]),
    ],
)
def test_parts_without_content_are_left_out(content: EmailContent, kinds: list[str]) -> None:
    message = sent(content)
    assert isinstance(message, dict)
    assert [part["type"] for part in message["content"]] == kinds


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Müller, GmbH; Köln", "Müller, GmbH; Köln"), ("a\r\nBcc: b", "a Bcc: b"), (" \n", None), (None, None)],
)
def test_the_senders_name(name: str | None, shown: str | None) -> None:
    message = sent(EmailContent(subject="s", text="t"), name)
    assert isinstance(message, dict)
    assert message["from"].get("name") == shown
