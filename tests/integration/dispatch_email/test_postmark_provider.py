"""The Postmark provider against a server that checks requests as the API's documentation describes them."""

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.integration.dispatch_email.postmark_server import NOW, TOKEN, PostmarkServer, fault, refusal

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    ProvidersInvalid,
    Rejected,
    Throttled,
    check_providers,
)
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.postmark import POSTMARK, PostmarkProvider
from tocsin.testing import ManualClock
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite

LINK = "https://tocsin.example/u/abc.def?x=1"
JOB = job_for(Channel.EMAIL, unsubscribe_url=LINK)
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
async def world(tmp_path: Path) -> AsyncIterator[PostmarkServer]:
    (tmp_path / "token").write_text(TOKEN + "\n")
    server = PostmarkServer()
    server.folder = tmp_path
    await server.listen()
    yield server
    await server.hang_up()


class TestPostmarkProvider(ProviderSuite):
    pass


async def test_the_request_is_what_the_job_says(world: PostmarkServer) -> None:
    async with world.provider() as provider:
        assert await provider.send(JOB) == Accepted(message_id="0a129aee-e1cd-480d-b08d-000000000001")
    assert world.messages == [MESSAGE]


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


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sender": None}, Reason.SENDER_MISSING),
        ({"sender": SenderIdentity(address="größe@example.com")}, Reason.CONTENT_REFUSED),
        ({"sender": SenderIdentity(address="a@b.example", reply_to="größe@example.com")}, Reason.CONTENT_REFUSED),
        ({"address": "größe@example.com"}, Reason.ADDRESS_INVALID),
        ({"address": "ada@example.org\r\nBcc: eve@example.org"}, Reason.ADDRESS_INVALID),
        ({"content": EmailContent(subject="x")}, Reason.CONTENT_REFUSED),
        ({"content": EmailContent(subject="x", text="", html="")}, Reason.CONTENT_REFUSED),
        ({"content": EmailContent(subject="x", text="a" * 10_000_000)}, Reason.TOO_LARGE),
        ({"unsubscribe_url": "https://x.example/\r\nBcc: eve@example.org"}, Reason.CONTENT_REFUSED),
        ({"delivery_id": "a\r\nBcc: eve@example.org"}, Reason.CONTENT_REFUSED),
    ],
    ids=range(10),
)  # fmt: skip
async def test_what_postmark_would_refuse_is_rejected_unsent(
    world: PostmarkServer, fields: dict[str, Any], reason: Reason
) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL, **fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert answer.detail is not None
    assert "example" not in answer.detail
    assert world.requests == 0


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


async def test_when_it_wants_to_be_asked_again_is_passed_on(world: PostmarkServer) -> None:
    status, headers, body = world.scripts[Behaviour.THROTTLES]
    world.scripted = (status, headers | {"Retry-After": "7"}, body)
    async with world.provider() as provider:
        assert await provider.send(JOB) == Throttled(
            code="429", detail="Postmark asks for patience.", retry_after=7.0
        )


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


async def test_an_instance_that_was_not_opened_says_so(world: PostmarkServer) -> None:
    provider = PostmarkProvider(world.config(), ManualClock(NOW))
    with pytest.raises(RuntimeError, match="not opened"):
        await provider.send(JOB)
    await provider.close()


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
    (tmp_path / "token").write_text(token)
    path = tmp_path / "providers.toml"
    path.write_text(f'[[providers]]\nname = "a"\nkind = "postmark"\nserver_token_file = "token"\n{lines}\n')
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {"postmark": POSTMARK})
    assert sentence in str(invalid.value)
    assert len(invalid.value.faults) == 1
    assert token == "" or token not in str(invalid.value)
