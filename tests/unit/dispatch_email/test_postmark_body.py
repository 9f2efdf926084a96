"""The JSON for Postmark: whatever the content, it is well-formed, complete, and no value can begin a header of its own."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.dispatch_email.postmark_server import fault, mailbox_of

from tocsin.channel import Rejected
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.composing import composed
from tocsin.dispatch_email.mailboxes import MailAddress
from tocsin.dispatch_email.postmark_body import email_body
from tocsin.testing.jobs import job_for

hostile = st.sampled_from(
    ["\r\nBcc: eve@example.org\r\n", "\n\n", "\0", "\u2028", "10\u00a0000\u202f€", "\x85", ' "\\<>,;:', "\ud800"]
)  # fmt: skip
texts = st.lists(st.one_of(st.text(st.characters()), hostile), max_size=6).map("".join)
_ENDS_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def sent(
    content: EmailContent, name: str | None = None, *, ref: str | None = None
) -> dict[str, Any] | Rejected:
    def compose(job: Job, content: EmailContent, sender: SenderIdentity, to: MailAddress) -> bytes | Rejected:
        return email_body(job, content, sender, to, stream="outbound", ref=ref)

    sender = SenderIdentity(address="shop@example.com", name=name)
    body = composed(job_for(Channel.EMAIL, content=content, sender=sender), compose)
    return body if isinstance(body, Rejected) else json.loads(body)


def normal(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@settings(max_examples=100)
@given(subject=texts, name=texts, text=texts, html=texts)
def test_any_content_becomes_a_mail_that_postmark_takes(
    subject: str, name: str, text: str, html: str
) -> None:
    message = sent(EmailContent(subject=subject, text=text, html=html), name)
    if not (text or html):
        assert isinstance(message, Rejected)
        return
    assert isinstance(message, dict)
    assert fault(message) is None
    assert not _ENDS_A_LINE.search(message["Subject"])
    assert not _ENDS_A_LINE.search(message["From"])
    assert mailbox_of(message["From"]) == "shop@example.com"
    assert (message.get("TextBody", ""), message.get("HtmlBody", "")) == (normal(text), normal(html))


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        ({"text": "a" * 5_000_000}, True),
        ({"text": "a" * 5_000_001}, False),
        ({"text": "a", "html": "b" * 5_000_001}, False),
        ({"text": "ä" * 2_500_001}, False),
        ({"text": "a" * 5_000_000, "html": "b" * 5_000_000}, False),
        ({"text": "a" * 4_900_000, "html": "b" * 4_900_000}, True),
    ],
    ids=range(6),
)
def test_how_large_a_part_may_be(*, content: dict[str, Any], taken: bool) -> None:
    message = sent(EmailContent(subject="s", **content))
    assert isinstance(message, dict) is taken
    if isinstance(message, Rejected):
        assert message.reason is Reason.TOO_LARGE
    else:
        assert fault(message) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Shop", '"Shop" <shop@example.com>'),
        ('Müller, "GmbH" \\ Köln', '"Müller, \\"GmbH\\" \\\\ Köln" <shop@example.com>'),
        ("a\r\nBcc: b", '"a Bcc: b" <shop@example.com>'),
        (" \n", "shop@example.com"),
        (None, "shop@example.com"),
    ],
)
def test_the_senders_name(name: str | None, shown: str) -> None:
    message = sent(EmailContent(subject="s", text="t"), name)
    assert isinstance(message, dict)
    assert message["From"] == shown


@pytest.mark.parametrize(("size", "values"), [(110, [80, 30]), (160, [80, 80]), (560, [80] * 7)])
def test_a_ref_goes_in_pieces_that_postmark_takes(size: int, values: list[int]) -> None:
    message = sent(EmailContent(subject="s", text="t"), ref="r" * size)
    assert isinstance(message, dict)
    assert fault(message) is None
    assert [len(value) for value in message["Metadata"].values()] == values
    assert list(message["Metadata"]) == [f"tocsin_ref_{place}" for place in range(len(values))]
