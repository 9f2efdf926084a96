"""The SES provider against a server in which botocore judges what comes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.attached_files import PDF, here, mail_with
from tests.integration.dispatch_email.mail_api import JOB, LINK, MailApi, MailApiSuite, assert_rejected_unsent
from tests.integration.dispatch_email.mail_forms import parsed
from tests.integration.dispatch_email.ses_server import KEY_ID, SECRET, SesServer, fault, refusal
from tests.provider_account import NOW, assert_invalid

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    Rejected,
    Throttled,
)
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.ses import SES, SesConfig, SesProvider
from tocsin.testing import ManualClock
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for

ASKED: dict[str, Any] = {
    "FromEmailAddress": "shop@example.com",
    "Destination": {"ToAddresses": ["marked-address@example.org"]},
    "ConfigurationSetName": "tocsin",
}
SOURCE = b"From: shop@example.com\r\n\r\nHello\r\n"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MailApi]:
    async with SesServer.listening(tmp_path) as server:
        yield server


class TestSesProvider(MailApiSuite):
    pass


async def test_files_go_with_the_mail(world: SesServer) -> None:
    files = [here(name="請求書.pdf"), here(b"png", name="logo.png", type="image/png", inline="logo")]
    async with world.provider() as provider:
        assert isinstance(provider, SesProvider)
        provider.files_of = lambda _job: files
        assert isinstance(await provider.send(mail_with(*(file.about for file in files))), Accepted)
    ((_, source),) = world.messages
    mail = parsed(source)
    assert [(part.get_filename(), part.get_content()) for part in mail.iter_attachments()] == [
        ("請求書.pdf", PDF)
    ]
    [logo] = [part for part in mail.walk() if part["Content-ID"] == "<logo>"]
    assert (logo.get_filename(), logo.get_content()) == ("logo.png", b"png")


async def test_the_request_is_what_the_job_says(world: SesServer) -> None:
    async with world.provider() as provider:
        assert await provider.send(JOB) == Accepted(message_id="0102018f-1-000000")
    ((asked, source),) = world.messages
    assert asked == ASKED
    mail = parsed(source)
    assert {name: str(mail[name]) for name in mail if name not in {"Date", "MIME-Version", "Content-Type"}} == {
        "Message-ID": f"<{JOB.delivery_id}@example.com>",
        "From": "Shop <shop@example.com>",
        "Reply-To": "help@example.com",
        "To": "marked-address@example.org",
        "Subject": "marked-body subject",
        "List-Unsubscribe": f"<{LINK}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "X-Tocsin-Notification": JOB.notification_id,
    }  # fmt: skip
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert (text.get_content(), html.get_content()) == ("marked-body", "<p>marked-body</p>")


async def test_the_mail_carries_what_brings_its_receipt_back(world: SesServer) -> None:
    async with world.provider() as provider:
        assert isinstance(provider, SesProvider)
        provider.seal_ref = lambda _job: "r" * 560
        assert isinstance(await provider.send(JOB), Accepted)
    ((_, source),) = world.messages
    assert "".join(str(parsed(source)["X-Tocsin-Ref"]).split()) == "r" * 560


async def test_a_temporary_key_sends_its_token(world: SesServer) -> None:
    (world.folder / "token").write_text("marked-token/+==")
    async with world.provider(session_token_file="token") as provider:
        assert isinstance(await provider.send(JOB), Accepted)


async def test_a_temporary_key_stands_in_three_files(world: SesServer) -> None:
    (world.folder / "id").write_text(KEY_ID + "\n")
    (world.folder / "token").write_text("marked-token/+==")
    async with world.provider(
        access_key_id=None, access_key_id_file="id", secret_access_key_file="key", session_token_file="token"
    ) as provider:
        assert isinstance(await provider.send(JOB), Accepted)


async def test_without_a_configuration_set_none_is_asked_for(world: SesServer) -> None:
    async with world.provider(configuration_set=None) as provider:
        assert isinstance(await provider.send(JOB), Accepted)
    assert "ConfigurationSetName" not in world.messages[0][0]


def test_the_endpoint_follows_the_region(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    entry = {"name": "a", "kind": "ses", "region": "ap-southeast-2", "access_key_id": KEY_ID}
    config = SesConfig.model_validate(entry | {"secret_access_key_file": "key"}, context={"folder": tmp_path})
    assert (
        SesProvider(config, ManualClock(NOW))._url
        == "https://email.ap-southeast-2.amazonaws.com/v2/email/outbound-emails"
    )


@pytest.mark.parametrize(
    "message",
    [
        ASKED | {"Destination": {"ToAddresses": []}},
        ASKED | {"Destination": {"ToAddresses": ["a@b.example"] * 51}},
        ASKED | {"Destination": {"ToAddresses": ["ada"]}},
        ASKED | {"Destination": {"To": ["a@b.example"]}},
        ASKED | {"FromEmailAddress": "shop@elsewhere.example"},
        ASKED | {"FromEmailAddress": 1},
        ASKED | {"ConfigurationSetName": "another"},
        ASKED | {"Subject": "Hello"},
    ],
    ids=range(8),
)
def test_the_server_refuses_what_ses_documents(message: dict[str, Any]) -> None:
    assert fault(message, SOURCE) is not None


@pytest.mark.parametrize(
    "source", [b"Subject: x\r\n\r\n", SOURCE.replace(b"Hello", "größe".encode()), SOURCE + b"x\n", SOURCE + b"x" * 999]
)  # fmt: skip
def test_the_server_refuses_what_is_no_mail(source: bytes) -> None:
    assert fault(ASKED, source) is not None


def test_the_server_takes_the_message() -> None:
    assert fault(ASKED, SOURCE) is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sender": SenderIdentity(address="shop")}, Reason.CONTENT_REFUSED),
        ({"address": "ada"}, Reason.ADDRESS_INVALID),
    ],
    ids=range(2),
)  # fmt: skip
async def test_what_ses_would_refuse_is_rejected_unsent(
    world: MailApi, fields: dict[str, Any], reason: Reason
) -> None:
    await assert_rejected_unsent(world, fields, reason)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ((200, {}, b""), Ambiguous),
        ((200, {"Retry-After": "7"}, b'{"MessageId": "1"}'), Accepted),
        (refusal(500, "InternalFailure", ""), Ambiguous),
        (refusal(503, "ServiceUnavailable", ""), Ambiguous),
        ((502, {}, b"<html>Bad Gateway</html>"), Ambiguous),
        ((302, {"Location": "/login"}, b""), NotSent),
        (refusal(400, "ThrottlingException", "Daily message quota exceeded"), Throttled),
        (refusal(413, "RequestEntityTooLargeException", ""), Rejected),
    ],
    ids=range(8),
)
async def test_other_answers(world: SesServer, response: Response, kind: type) -> None:
    world.scripted = response
    async with world.provider() as provider:
        assert type(await provider.send(JOB)) is kind
    assert world.requests == 1


async def test_a_sender_that_is_not_verified_is_not_the_accounts_fault(world: SesServer) -> None:
    async with world.provider() as provider:
        answer = await provider.send(
            job_for(Channel.EMAIL, sender=SenderIdentity(address="a@elsewhere.example"))
        )
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.SENDER_REFUSED


@pytest.mark.parametrize(
    "fields", [{"region": "eu-west-2"}, {"access_key_id": "AKIDANOTHER12345"}, {"secret_access_key_file": "other"}]
)  # fmt: skip
async def test_another_key_or_region_is_refused(world: SesServer, fields: dict[str, Any]) -> None:
    (world.folder / "other").write_text("another-secret")
    async with world.provider(**fields) as provider:
        answer = await provider.send(JOB)
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED


@pytest.mark.parametrize(
    ("key", "lines", "sentence"),
    [
        ("s3cret", 'region = "Europe"', "`region` is not valid"),
        ("s3cret", 'region = "eu-west-1"\naccess_key_id = "short"', "`access_key_id` is not valid"),
        ("s3cret", 'region = "eu-west-1"\naccess_key_id_file = "key"', "the file must hold the id of an access key"),
        ("AKIDEXAMPLE12345", f'region = "eu-west-1"\naccess_key_id = "{KEY_ID}"\naccess_key_id_file = "key"', "give `access_key_id` or `access_key_id_file`, one of them."),
        ("s3cret", 'region = "eu-west-1"\n# no access_key_id', "give `access_key_id` or `access_key_id_file`, one of them."),
        ("s3cret", 'region = "eu-west-1"\nconfiguration_set = "two words"', "`configuration_set` is not valid"),
        ("s3cret", 'region = "eu-west-1"\nbase_url = "https://email.example.com/"', "`base_url` is not valid"),
        ("s3cret", 'region = "eu-west-1"\nsession_token_file = "absent"', "absent cannot be read"),
        ("", 'region = "eu-west-1"', "is empty."),
        ("two words", 'region = "eu-west-1"', "the file must hold a single word, and nothing else."),
        ("s3cret", "", "`region` is missing."),
    ],
)  # fmt: skip
def test_faults_of_the_configuration(tmp_path: Path, key: str, lines: str, sentence: str) -> None:
    given = "" if "access_key_id" in lines else f'access_key_id = "{KEY_ID}"\n'
    assert_invalid(
        tmp_path,
        "ses",
        SES,
        lines=f'secret_access_key_file = "key"\n{given}{lines}',
        secret=("key", key),
        sentence=sentence,
    )
