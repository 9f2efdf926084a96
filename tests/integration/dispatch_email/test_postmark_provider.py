"""The Postmark provider against a server that checks requests as the API's documentation describes them."""

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.attached_files import PDF, here, mail_with
from tests.integration.dispatch_email.mail_api import JOB, LINK, MailApi, MailApiSuite, assert_rejected_unsent
from tests.integration.dispatch_email.postmark_server import PostmarkServer, fault, refusal
from tests.provider_account import assert_invalid

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    Rejected,
)
from tocsin.channel.preparation import File, FilesOf
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.postmark import POSTMARK, PostmarkProvider
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for

MESSAGE: dict[str, Any] = {
    "From": '"Shop" <shop@example.com>',
    "To": "marked-address@example.org",
    "ReplyTo": "help@example.com",
    "Subject": "marked-body subject",
    "TextBody": "marked-body",
    "HtmlBody": "<p>marked-body</p>",
    "Headers": [
        {"Name": "Message-ID", "Value": f"<{JOB.delivery_id}@example.com>"},
        {"Name": "X-PM-KeepID", "Value": "true"},
        {"Name": "X-Tocsin-Notification", "Value": JOB.notification_id},
        {"Name": "List-Unsubscribe", "Value": f"<{LINK}>"},
        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
    ],
    "MessageStream": "outbound",
    "TrackOpens": False,
    "TrackLinks": "None",
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MailApi]:
    async with PostmarkServer.listening(tmp_path) as server:
        yield server


class TestPostmarkProvider(MailApiSuite):
    pass


async def test_files_go_with_the_mail(world: PostmarkServer) -> None:
    files = [here(name="請求書.pdf"), here(b"png", name="logo.png", type="image/png", inline="logo")]
    async with world.provider() as provider:
        assert isinstance(provider, PostmarkProvider)
        provider.files_of = lambda _job: files
        assert isinstance(await provider.send(mail_with(*(file.about for file in files))), Accepted)
    [message] = world.messages
    assert message["Attachments"] == [
        {"Name": "請求書.pdf", "Content": b64encode(PDF).decode(), "ContentType": "application/pdf"},
        {"Name": "logo.png", "Content": "cG5n", "ContentType": "image/png", "ContentID": "cid:logo"},
    ]


def _always(files: Sequence[File]) -> FilesOf:
    return lambda _job: files


async def test_files_that_postmark_does_not_take_are_rejected_unsent(world: PostmarkServer) -> None:
    """7 MB are 9.7 MB in base64, and 7.5 MB more than the 10 that it takes."""
    answers = []
    for size in (7_000_000, 7_500_000):
        files = (here(b"x" * size),)
        async with world.provider() as provider:
            assert isinstance(provider, PostmarkProvider)
            provider.files_of = _always(files)
            answers.append(await provider.send(mail_with(files[0].about)))
    taken, answer = answers
    assert isinstance(taken, Accepted)
    assert isinstance(answer, Rejected)
    assert answer.reason == Reason.TOO_LARGE


async def test_the_request_is_what_the_job_says(world: PostmarkServer) -> None:
    async with world.provider() as provider:
        assert await provider.send(JOB) == Accepted(message_id="0a129aee-e1cd-480d-b08d-000000000001")
    assert world.messages == [MESSAGE]


async def test_the_mail_carries_what_brings_its_receipt_back(world: PostmarkServer) -> None:
    async with world.provider() as provider:
        assert isinstance(provider, PostmarkProvider)
        provider.seal_ref = lambda _job: "r" * 560
        assert isinstance(await provider.send(JOB), Accepted)
    assert world.messages == [MESSAGE | {"Metadata": {f"tocsin_ref_{place}": "r" * 80 for place in range(7)}}]


async def test_a_category_may_have_a_stream_of_its_own(world: PostmarkServer) -> None:
    async with world.provider(message_streams={"news": "broadcast"}) as provider:
        for category in ("news", "orders"):
            assert isinstance(await provider.send(job_for(Channel.EMAIL, category=category)), Accepted)
    assert [message["MessageStream"] for message in world.messages] == ["broadcast", "outbound"]


async def test_a_stream_that_is_not_there_is_not_the_messages_fault(world: PostmarkServer) -> None:
    async with world.provider(message_stream="marketing") as provider:
        answer = await provider.send(JOB)
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.PROVIDER_ERROR


async def test_a_mail_without_name_reply_or_unsubscribing(world: PostmarkServer) -> None:
    async with world.provider() as provider:
        answer = await provider.send(
            job_for(Channel.EMAIL, sender=SenderIdentity(address="shop@example.com"))
        )
    assert isinstance(answer, Accepted)
    (message,) = world.messages
    assert message["From"] == "shop@example.com"
    assert "ReplyTo" not in message
    assert {header["Name"] for header in message["Headers"]} == {
        "Message-ID",
        "X-PM-KeepID",
        "X-Tocsin-Notification",
    }


def changed(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in (deepcopy(MESSAGE) | fields).items() if value is not None}


@pytest.mark.parametrize(
    "message",
    [
        changed(From=None),
        changed(From="größe@example.com"),
        changed(From="Shop, GmbH <shop@example.com>"),
        changed(From="shop@elsewhere.example"),
        changed(To=None),
        changed(To="ada"),
        changed(To="ada@example.org, eve@example.org"),
        changed(ReplyTo="help"),
        changed(Subject=None),
        changed(TextBody="", HtmlBody=""),
        changed(TextBody=None, HtmlBody=None),
        changed(Headers=[{"Name": "X"}]),
        changed(Headers=[{"Name": "X", "Value": "1\r\nBcc: eve@example.org"}]),
        changed(MessageStream="marketing"),
        changed(TrackLinks="All"),
        changed(Metadata={"ref": "a" * 81}),
        changed(Metadata={"a" * 21: "a"}),
        changed(Metadata={str(number): "a" for number in range(11)}),
        changed(Html="Hello"),
    ],
    ids=range(19),
)
def test_the_server_refuses_what_postmark_documents(message: dict[str, Any]) -> None:
    assert fault(message) is not None


def test_the_server_takes_the_message() -> None:
    assert fault(MESSAGE) is None


async def test_a_mail_of_empty_texts_is_rejected_unsent(world: MailApi) -> None:
    await assert_rejected_unsent(
        world, {"content": EmailContent(subject="x", text="", html="")}, Reason.CONTENT_REFUSED
    )


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ((200, {}, b""), Ambiguous),
        (refusal(500, 0, ""), Ambiguous),
        (refusal(503, 100, "Maintenance"), NotSent),
        ((502, {}, b"<html>Bad Gateway</html>"), Ambiguous),
        ((302, {"Location": "/login"}, b""), NotSent),
        ((413, {}, b""), Rejected),
        (refusal(422, 412, "Account is pending"), NotSent),
    ],
    ids=range(7),
)
async def test_other_answers(world: PostmarkServer, response: Response, kind: type) -> None:
    world.scripted = response
    async with world.provider() as provider:
        assert type(await provider.send(JOB)) is kind
    assert world.requests == 1


async def test_another_token_or_sender_is_not_the_messages_fault(world: PostmarkServer) -> None:
    (world.folder / "other").write_text("another-token")
    async with world.provider(server_token_file="other") as provider:
        refused = await provider.send(JOB)
    async with world.provider() as provider:
        unknown = await provider.send(
            job_for(Channel.EMAIL, sender=SenderIdentity(address="a@elsewhere.example"))
        )
    assert isinstance(refused, NotSent)
    assert isinstance(unknown, NotSent)
    assert (refused.reason, unknown.reason) == (Reason.CREDENTIALS_REFUSED, Reason.SENDER_REFUSED)


@pytest.mark.parametrize(
    ("token", "lines", "sentence"),
    [
        ("t0ken", 'message_stream = "two words"', "`message_stream` is not valid"),
        ("t0ken", 'message_streams = { news = "" }', "`message_streams.news` is not valid"),
        ("t0ken", 'base_url = "https://x/"', "`base_url` is not valid"),
        ("", "", "is empty."),
        ("two words", "", "the file must hold a single word, and nothing else."),
    ],
)
def test_faults_of_the_configuration(tmp_path: Path, token: str, lines: str, sentence: str) -> None:
    assert_invalid(
        tmp_path,
        "postmark",
        POSTMARK,
        lines=f'server_token_file = "token"\n{lines}',
        secret=("token", token),
        sentence=sentence,
    )
