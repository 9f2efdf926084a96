"""Mail, over a real socket: what is kept, what is refused."""

import smtplib
import socket
from collections.abc import Callable
from email.message import EmailMessage
from uuid import uuid4

import httpx
import pytest

from tocsin.catcher.testing import RunningCatcher

Starter = Callable[..., RunningCatcher]


def letter(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    given = {"From": "Acme <shop@acme.example>", "To": "ada@example.com", "Subject": "Grüße, Ada", **headers}
    for name, value in given.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("Your order is on its way café.\n")
    mail.add_alternative("<p>Your order is <b>on its way</b></p>", subtype="html")
    return mail


def test_a_mail_is_kept_decoded_and_in_source(catcher: RunningCatcher) -> None:
    notification, delivery = uuid4(), uuid4()
    catcher.mail(letter(Message_ID=f"<{delivery}@acme.example>", X_Tocsin_Notification=str(notification)))

    [mail] = catcher.messages()
    assert (mail["channel"], mail["to"], mail["from"]) == (
        "email",
        "ada@example.com",
        "Acme <shop@acme.example>",
    )
    assert mail["subject"] == "Grüße, Ada"
    assert mail["text"] == "Your order is on its way café.\n"
    assert "<b>on its way</b>" in mail["html"]
    assert ["Subject", "Grüße, Ada"] in mail["headers"]
    assert "multipart/alternative" in mail["raw"]
    assert (mail["notification_id"], mail["delivery_id"]) == (str(notification), str(delivery))
    assert httpx.get(f"{catcher.url}/api/messages/{mail['id']}").json() == {**mail, "plays": []}


def test_each_recipient_of_an_envelope_has_a_message_of_its_own(catcher: RunningCatcher) -> None:
    catcher.mail(letter(), to=["ada@example.com", "Grete@example.de"])
    assert {mail["to"] for mail in catcher.messages()} == {"ada@example.com", "Grete@example.de"}
    assert [mail["to"] for mail in catcher.messages(to="grete@EXAMPLE.de")] == ["Grete@example.de"]


def test_a_mail_without_ids_is_kept_without_ids(catcher: RunningCatcher) -> None:
    catcher.mail(letter(Message_ID="<something-else@acme.example>"))
    [mail] = catcher.messages()
    assert (mail["notification_id"], mail["delivery_id"]) == (None, None)


@pytest.mark.parametrize(
    ("source", "subject", "text"),
    [
        (b"From: a@b.example\r\nSubject: =?no-such-charset?q?x=41?=\r\n\r\nhello\r\n", None, "hello"),
        (
            b"From: a@b.example\r\nSubject: plain\r\nContent-Type: text/plain; charset=klingon\r\n\r\nh\xc3\xa4\r\n",
            "plain",
            "hä",
        ),
        (b"From: a@b.example\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\nraw\r\n", "grüße", "raw"),
        (
            b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nunfinished\r\n",
            "",
            "unfinished",
        ),
        (b"From: a@b.example\r\n\r\n", "", ""),
    ],
    ids=[
        "unknown charset in a header",
        "unknown charset of a body",
        "raw utf-8",
        "unfinished multipart",
        "nothing",
    ],
)
def test_whatever_a_sender_did_wrong_something_readable_is_kept(
    catcher: RunningCatcher, source: bytes, subject: str | None, text: str
) -> None:
    catcher.raw_mail(source)
    [mail] = catcher.messages()
    assert subject is None or mail["subject"] == subject
    assert mail["text"].strip() == text


def test_an_attachment_is_described(catcher: RunningCatcher) -> None:
    mail = letter()
    mail.add_attachment(b"%PDF" + b"x" * 96, maintype="application", subtype="pdf", filename="invoice.pdf")
    catcher.mail(mail)
    assert catcher.messages()[0]["attachments"] == [
        {"name": "invoice.pdf", "content_type": "application/pdf", "bytes": 100}
    ]


@pytest.mark.parametrize(
    ("recipient", "source", "code"),
    [
        ("nobody", b"From: a@b.example\r\n\r\nhello\r\n", 553),
        ("No-Such-Mailbox-7@b.example", b"From: a@b.example\r\n\r\nhello\r\n", 550),
        ("ada@example.com", b"Subject: no one's\r\n\r\nhello\r\n", 550),
        ("ada@example.com", b"From: a@b.example\r\nFrom: c@d.example\r\n\r\nhello\r\n", 550),
        (
            "ada@example.com",
            b"From: a@b.example\r\n\r\n" + (b"x" * 70 + b"\r\n") * 310_000,
            552,
        ),
    ],
    ids=["no domain", "no mailbox", "no From", "two From", "too large"],
)
def test_what_a_provider_refuses_is_refused(
    catcher: RunningCatcher, recipient: str, source: bytes, code: int
) -> None:
    with pytest.raises(smtplib.SMTPException) as refused:
        catcher.raw_mail(source, to=recipient)
    match refused.value:
        case smtplib.SMTPRecipientsRefused(recipients=answers):
            assert answers[recipient][0] == code
        case smtplib.SMTPResponseException(smtp_code=answer):
            assert answer == code
    assert catcher.messages() == []


def test_a_login_is_asked_for_when_one_is_set(start_catcher: Starter) -> None:
    catcher = start_catcher(CATCHER_SMTP_USERNAME="tocsin", CATCHER_SMTP_PASSWORD="open sesame")
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port, timeout=10) as smtp:
        with pytest.raises(smtplib.SMTPResponseException) as unknown:
            smtp.sendmail("a@b.example", ["ada@example.com"], b"From: a@b.example\r\n\r\nhello\r\n")
        assert unknown.value.smtp_code == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login("tocsin", "wrong")
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port, timeout=10) as smtp:
        smtp.login("tocsin", "open sesame")
        smtp.send_message(letter())
    assert len(catcher.messages()) == 1


def test_a_peer_that_goes_away_harms_nobody(catcher: RunningCatcher) -> None:
    with socket.create_connection(("127.0.0.1", catcher.smtp_port), timeout=10) as peer:
        peer.recv(100)
        peer.sendall(
            b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ada@example.com>\r\nDATA\r\nFrom: a@b.ex"
        )
    catcher.mail(letter())
    assert len(catcher.messages()) == 1
