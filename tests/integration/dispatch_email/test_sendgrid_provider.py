"""The SendGrid provider against a server that checks requests as the API's documentation describes them."""

from base64 import b64encode
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.attached_files import PDF, here, mail_with
from tests.integration.dispatch_email.mail_api import JOB, LINK, MailApi, MailApiSuite, assert_rejected_unsent
from tests.integration.dispatch_email.sendgrid_server import (
    RESERVED,
    SendGridServer,
    faults,
    refusal,
)
from tests.provider_account import assert_invalid

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    Rejected,
)
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.sendgrid import SENDGRID, SendGridProvider
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for

MESSAGE: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "marked-address@example.org"}]}],
    "from": {"email": "shop@example.com", "name": "Shop"},
    "reply_to": {"email": "help@example.com"},
    "subject": "marked-body subject",
    "content": [
        {"type": "text/plain", "value": "marked-body"},
        {"type": "text/html", "value": "<p>marked-body</p>"},
    ],
    "headers": {
        "Message-ID": f"<{JOB.delivery_id}@example.com>",
        "X-Tocsin-Notification": JOB.notification_id,
        "List-Unsubscribe": f"<{LINK}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    },
    "tracking_settings": {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    },
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MailApi]:
    async with SendGridServer.listening(tmp_path) as server:
        yield server


class TestSendGridProvider(MailApiSuite):
    pass


async def test_the_request_is_what_the_job_says(world: SendGridServer) -> None:
    async with world.provider() as provider:
        assert await provider.send(JOB) == Accepted(message_id="14c5d75ce93.dfd.64b469.1")
    assert world.messages == [MESSAGE]


async def test_what_receipts_need_comes_back_with_each_event(world: SendGridServer) -> None:
    async with world.provider() as provider:
        assert isinstance(provider, SendGridProvider)
        provider.seal_ref = lambda _job: "r" * 560
        assert isinstance(await provider.send(JOB), Accepted)
    (message,) = world.messages
    assert message == MESSAGE | {"custom_args": {"tocsin_ref": "r" * 560}}


async def test_files_go_with_the_mail(world: SendGridServer) -> None:
    files = [here(name="請求書.pdf"), here(b"png", name="logo.png", type="image/png", inline="logo")]
    async with world.provider() as provider:
        assert isinstance(provider, SendGridProvider)
        provider.files_of = lambda _job: files
        assert isinstance(await provider.send(mail_with(*(file.about for file in files))), Accepted)
    [message] = world.messages
    assert message["attachments"] == [
        {"content": b64encode(PDF).decode(), "type": "application/pdf", "filename": "請求書.pdf", "disposition": "attachment"},
        {"content": "cG5n", "type": "image/png", "filename": "logo.png", "disposition": "inline", "content_id": "logo"},
    ]  # fmt: skip


def changed(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in (deepcopy(MESSAGE) | fields).items() if value is not None}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (changed(personalizations=[]), "personalizations"),
        (changed(personalizations=[{"to": []}]), "personalizations.0.to"),
        (changed(personalizations=[{"to": [{"email": "ada"}]}]), "personalizations.0.to.0.email"),
        (changed(personalizations=[{"to": [{"email": f"{'a' * 320}@b.example"}]}]), "personalizations.0.to.0.email"),
        (changed(personalizations=[{"to": [{"email": "a@b.example", "name": "A, B"}]}]), "personalizations.0.to.0.name"),
        (changed(personalizations=[{"to": [{"email": "a@b.example"}] * 2}]), "personalizations.0.to"),
        (changed(**{"from": None}), "from"),
        (changed(**{"from": {"email": "größe@example.com"}}), "from.email"),
        (changed(reply_to={"name": "Help"}), "reply_to.email"),
        (changed(subject=""), "subject"),
        (changed(subject=None), "subject"),
        (changed(content=[]), "content"),
        (changed(content=[{"type": "text/plain", "value": ""}]), "content.0.value"),
        (changed(content=MESSAGE["content"][::-1]), "content.0.type"),
        (changed(headers={"X": 1}), "headers"),
        (changed(headers={"X Y": "1"}), "headers"),
        *((changed(headers={name.title(): "1"}), "headers") for name in sorted(RESERVED)),
        (changed(categories=["a"] * 2), "categories"),
        (changed(categories=["a" * 256]), "categories"),
        (changed(categories=[str(number) for number in range(11)]), "categories"),
        (changed(custom_args={"ref": "a" * 10_000}), "custom_args"),
        (changed(tracking_settings={"open_tracking": {"enable": "no"}}), "tracking_settings.open_tracking.enable"),
        (changed(text="Hello"), "text"),
    ],
)  # fmt: skip
def test_the_server_refuses_what_sendgrid_documents(message: dict[str, Any], field: str) -> None:
    assert [about for about, _ in faults(message)] == [field]


def test_the_server_takes_the_message() -> None:
    assert list(faults(MESSAGE)) == []


async def test_a_mail_without_name_reply_or_unsubscribing(world: SendGridServer) -> None:
    sender = SenderIdentity(address="shop@example.com")
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.EMAIL, sender=sender)), Accepted)
    (message,) = world.messages
    assert message["from"] == {"email": "shop@example.com"}
    assert "reply_to" not in message
    assert message["headers"].keys() == {"Message-ID", "X-Tocsin-Notification"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sender": SenderIdentity(address="shop")}, Reason.CONTENT_REFUSED),
        ({"address": "ada"}, Reason.ADDRESS_INVALID),
        ({"content": EmailContent(subject=" \r\n", text="x")}, Reason.CONTENT_REFUSED),
        ({"content": EmailContent(subject="x", text="", html="")}, Reason.CONTENT_REFUSED),
    ],
    ids=range(4),
)
async def test_what_sendgrid_would_refuse_is_rejected_unsent(
    world: MailApi, fields: dict[str, Any], reason: Reason
) -> None:
    await assert_rejected_unsent(world, fields, reason)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ((202, {}, b""), Accepted),
        ((200, {}, b""), Ambiguous),
        (refusal(500, ("", "internal server error")), Ambiguous),
        (refusal(503, ("", "service not available")), Ambiguous),
        ((502, {}, b"<html>Bad Gateway</html>"), Ambiguous),
        ((302, {"Location": "/login"}, b""), NotSent),
        (refusal(403, ("from", "The from address does not match a verified Sender Identity.")), NotSent),
        (refusal(413, ("", "content too large")), Rejected),
    ],
    ids=range(8),
)
async def test_other_answers(world: SendGridServer, response: Response, kind: type) -> None:
    world.scripted = response
    async with world.provider() as provider:
        assert type(await provider.send(JOB)) is kind
    assert world.requests == 1


async def test_another_key_is_refused(world: SendGridServer) -> None:
    (world.folder / "key").write_text("SG.another")
    async with world.provider() as provider:
        answer = await provider.send(JOB)
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED


@pytest.mark.parametrize(
    ("key", "lines", "sentence"),
    [
        ("SG.a", 'base_url = "ftp://x"', "`base_url` is not valid"),
        ("SG.a", 'base_url = "https://api.sendgrid.com/"', "`base_url` is not valid"),
        ("SG.a", "call_timeout = 30", "`call_timeout` is not valid"),
        ("", "", "is empty."),
        ("two words", "", "the file must hold a single word, and nothing else"),
        ("schlüssel", "", "the file must hold a single word, and nothing else"),
    ],
)
def test_faults_of_the_configuration(tmp_path: Path, key: str, lines: str, sentence: str) -> None:
    assert_invalid(
        tmp_path,
        "sendgrid",
        SENDGRID,
        lines=f'api_key_file = "key"\n{lines}',
        secret=("key", key),
        sentence=sentence,
    )
