"""The Mailgun provider against a server that checks requests as the API's documentation describes them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import MultipartReader, StreamReader
from aiohttp.base_protocol import BaseProtocol
from tests.attached_files import PDF, here, mail_with
from tests.integration.dispatch_email.mail_api import JOB, LINK, MailApi, MailApiSuite, assert_rejected_unsent
from tests.integration.dispatch_email.mail_forms import parsed
from tests.integration.dispatch_email.mailgun_server import (
    DOMAIN,
    KEY,
    Form,
    MailgunServer,
    faults,
    form_of,
    refusal,
)
from tests.provider_account import NOW, assert_invalid

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    Rejected,
)
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.composing import composed
from tocsin.dispatch_email.http_provider import MailRequest
from tocsin.dispatch_email.mailgun import MAILGUN, MailgunConfig, MailgunProvider
from tocsin.testing import ManualClock
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for

SOURCE = b"From: shop@example.com\r\n\r\nHello\r\n"
FORM: Form = {"to": b"ada@example.org", "o:tracking": b"no", "file message": SOURCE}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MailApi]:
    async with MailgunServer.listening(tmp_path) as server:
        yield server


class TestMailgunProvider(MailApiSuite):
    pass


async def test_files_go_with_the_mail(world: MailgunServer) -> None:
    files = [here(name="請求書.pdf"), here(b"png", name="logo.png", type="image/png", inline="logo")]
    async with world.provider() as provider:
        assert isinstance(provider, MailgunProvider)
        provider.files_of = lambda _job: files
        assert isinstance(await provider.send(mail_with(*(file.about for file in files))), Accepted)
    mail = parsed(world.forms[0]["file message"])
    assert [(part.get_filename(), part.get_content()) for part in mail.iter_attachments()] == [
        ("請求書.pdf", PDF)
    ]
    [logo] = [part for part in mail.walk() if part["Content-ID"] == "<logo>"]
    assert (logo.get_filename(), logo.get_content()) == ("logo.png", b"png")


async def test_the_request_is_what_the_job_says(world: MailgunServer) -> None:
    async with world.provider() as provider:
        assert await provider.send(JOB) == Accepted(message_id=f"2026.1@{DOMAIN}")
    (form,) = world.forms
    mail = parsed(form.pop("file message"))
    assert form == {
        "to": b"marked-address@example.org",
        "o:tracking": b"no",
        "o:tracking-clicks": b"no",
        "o:tracking-opens": b"no",
    }
    assert (mail["Message-ID"], mail["From"], mail["To"], mail["List-Unsubscribe"]) == (
        f"<{JOB.delivery_id}@example.com>",
        "Shop <shop@example.com>",
        "marked-address@example.org",
        f"<{LINK}>",
    )


async def test_the_mail_carries_what_brings_its_receipt_back(world: MailgunServer) -> None:
    async with world.provider() as provider:
        assert isinstance(provider, MailgunProvider)
        provider.seal_ref = lambda _job: "r" * 560
        assert isinstance(await provider.send(JOB), Accepted)
    (form,) = world.forms
    assert form["v:tocsin"] == b"r" * 560


async def test_aiohttp_reads_the_form_byte_by_byte(world: MailgunServer) -> None:
    """Dashes that look like a boundary's stay what they are."""
    job = job_for(
        Channel.EMAIL, content=EmailContent(subject="--x", text="--x\r\n--\r\n", html="<p>--x--</p>")
    )
    provider = world.unopened()
    assert isinstance(provider, MailgunProvider)
    request = composed(job, provider.request)
    assert isinstance(request, MailRequest)
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop=loop), 2**16, loop=loop)
    stream.feed_data(request.body)
    stream.feed_eof()
    reader = MultipartReader(request.headers, stream)
    form: dict[str, bytes] = {}
    while (part := await reader.next()) is not None:
        assert not isinstance(part, MultipartReader)
        assert part.name is not None
        form[f"file {part.name}" if part.filename else part.name] = bytes(await part.read())
    assert form == form_of(request.headers["Content-Type"], request.body)
    assert list(faults(form)) == []
    text = parsed(form["file message"]).get_body(("plain",))
    assert text is not None
    assert text.get_content() == "--x\r\n--\r\n"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://api.mailgun.net/v3/mail.example.com/messages.mime"),
        ({"region": "eu"}, "https://api.eu.mailgun.net/v3/mail.example.com/messages.mime"),
        ({"base_url": "http://127.0.0.1:1"}, "http://127.0.0.1:1/v3/mail.example.com/messages.mime"),
    ],
)
def test_the_endpoint_follows_the_region(tmp_path: Path, fields: dict[str, str], url: str) -> None:
    (tmp_path / "key").write_text(KEY)
    entry = {"name": "a", "kind": "mailgun", "domain": DOMAIN, "api_key_file": "key"}
    config = MailgunConfig.model_validate(entry | fields, context={"folder": tmp_path})
    assert MailgunProvider(config, ManualClock(NOW))._url == url


@pytest.mark.parametrize(
    "form",
    [
        FORM | {"to": b"ada"},
        FORM | {"to": b""},
        FORM | {"o:tracking": b"off"},
        FORM | {"v:tocsin": b"a" * 17_000},
        FORM | {"file message": b"Subject: x\r\n\r\n"},
        {"to": b"ada@example.org", "message": SOURCE},
    ],
    ids=range(6),
)
def test_the_server_refuses_what_mailgun_documents(form: Form) -> None:
    assert list(faults(form)) != []


def test_the_server_takes_the_message() -> None:
    assert list(faults(FORM)) == []


async def test_a_second_address_is_rejected_unsent(world: MailApi) -> None:
    await assert_rejected_unsent(
        world, {"address": "ada@example.org,eve@example.org"}, Reason.ADDRESS_INVALID
    )


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ((200, {}, b""), Ambiguous),
        (refusal(500, "Internal Server Error"), Ambiguous),
        ((502, {}, b"<html>Bad Gateway</html>"), Ambiguous),
        ((302, {"Location": "/login"}, b""), NotSent),
        (refusal(402, "Request failed"), NotSent),
        (refusal(413, "Payload too large"), Rejected),
    ],
    ids=range(6),
)
async def test_other_answers(world: MailgunServer, response: Response, kind: type) -> None:
    world.scripted = response
    async with world.provider() as provider:
        assert type(await provider.send(JOB)) is kind
    assert world.requests == 1


async def test_another_key_or_domain_is_not_the_messages_fault(world: MailgunServer) -> None:
    (world.folder / "other").write_text("another-key")
    async with world.provider(api_key_file="other") as provider:
        refused = await provider.send(JOB)
    async with world.provider(domain="elsewhere.example.com") as provider:
        unknown = await provider.send(JOB)
    assert isinstance(refused, NotSent)
    assert isinstance(unknown, NotSent)
    assert (refused.reason, unknown.reason) == (Reason.CREDENTIALS_REFUSED, Reason.PROVIDER_ERROR)


@pytest.mark.parametrize(
    ("key", "lines", "sentence"),
    [
        ("k3y", 'domain = "localhost"', "`domain` is not valid"),
        ("k3y", 'domain = "mail.example.com/.."', "`domain` is not valid"),
        ("k3y", 'domain = "mail.example.com"\nregion = "asia"', "`region` is not valid"),
        ("k3y", 'domain = "mail.example.com"\nbase_url = "https://x/"', "`base_url` is not valid"),
        ("", 'domain = "mail.example.com"', "is empty."),
        ("two words", 'domain = "mail.example.com"', "the file must hold a single word, and nothing else."),
        ("k3y", "", "`domain` is missing."),
    ],
)
def test_faults_of_the_configuration(tmp_path: Path, key: str, lines: str, sentence: str) -> None:
    assert_invalid(
        tmp_path,
        "mailgun",
        MAILGUN,
        lines=f'api_key_file = "key"\n{lines}',
        secret=("key", key),
        sentence=sentence,
    )
