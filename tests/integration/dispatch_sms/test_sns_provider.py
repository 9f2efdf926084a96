"""The SNS provider against a server that asks botocore whether signature and parameters are right, and against moto's SNS."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import pytest
from botocore.serialize import create_serializer
from moto.server import ThreadedMotoServer
from moto.sns.models import sns_backends
from tests.aws_judge import KEY_ID, SECRET, faults, is_signed, operation

from tocsin.channel import Accepted, Ambiguous, NotSent, ProvidersInvalid, Rejected, check_providers
from tocsin.contracts.jobs import SenderIdentity, SmsContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_sms.sns import SNS, SnsConfig, SnsProvider
from tocsin.testing import ManualClock
from tocsin.testing.http_world import HttpWorld, Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PUBLISH = operation("sns", "Publish")
MOTOS_ACCOUNT = "123456789012"


def refusal(status: int, code: str, message: str = "marked-body to +4915112345678") -> Response:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return status, {"Content-Type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>".encode()


def parameters_of(form: dict[str, str]) -> dict[str, Any]:
    """What a form of Publish says, as botocore names it."""
    attributes = {
        value: {
            "DataType": form[name.removesuffix("Name") + "Value.DataType"],
            "StringValue": form[name.removesuffix("Name") + "Value.StringValue"],
        }
        for name, value in form.items()
        if name.endswith(".Name")
    }
    return {
        "PhoneNumber": form["PhoneNumber"],
        "Message": form["Message"],
        "MessageAttributes": attributes,
    }


class SnsServer(HttpWorld):
    """`POST /` with `Action=Publish`, strict."""

    channel = Channel.SMS
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(
            400, "InvalidParameter", "Invalid parameter: PhoneNumber Reason: +4915112345678 is not valid"
        ),
        Behaviour.THROTTLES: refusal(400, "Throttling"),
        Behaviour.REFUSES_CREDENTIALS: refusal(403, "InvalidClientTokenId"),
    }
    folder = Path()

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.heads: list[dict[str, str]] = []

    @asynccontextmanager
    async def provider(self, *, call_timeout: float = 10.0, **fields: object) -> AsyncIterator[SnsProvider]:
        async with sns(self.folder, base_url=self.url, call_timeout=call_timeout, **fields) as provider:
            yield provider

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST / HTTP/1.1"
        assert is_signed(f"{self.url}/", head, body, service="sns")
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        assert (form["Action"], form["Version"]) == ("Publish", "2010-03-31")
        assert faults(PUBLISH, {"PhoneNumber": form["PhoneNumber"], "Message": form["Message"]}) == []
        self.forms.append(form)
        self.heads.append(head)
        self.taken += 1
        result = f"<PublishResult><MessageId>m-{self.taken}</MessageId></PublishResult>"
        return 200, {"Content-Type": "text/xml"}, f"<PublishResponse>{result}</PublishResponse>".encode()


@asynccontextmanager
async def sns(folder: Path, **fields: object) -> AsyncIterator[SnsProvider]:
    entry = {
        "name": "test",
        "kind": "sns",
        "region": "eu-central-1",
        "access_key_id": KEY_ID,
        "secret_access_key_file": "secret",
    } | fields
    provider = SnsProvider(SnsConfig.model_validate(entry, context={"folder": folder}), ManualClock(NOW))
    await provider.open()
    yield provider
    await provider.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    return tmp_path


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[SnsServer]:
    server = SnsServer()
    server.folder = folder
    await server.listen()
    yield server
    await server.hang_up()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of moto's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class TestSnsProvider(ProviderSuite):
    pass


async def test_the_request_is_what_botocore_makes_of_the_same_parameters(world: SnsServer) -> None:
    text = "Grüße & 50% auf €: 😀"
    job = job_for(Channel.SMS, content=SmsContent(body=text), sender=SenderIdentity(address="SHOP"))
    async with world.provider(max_price="0.50") as provider:
        assert await provider.send(job) == Accepted(message_id="m-1", segments=1)
    expected = {
        "PhoneNumber": "+4915112345678",
        "Message": text,
        "MessageAttributes": {
            "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
            "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "SHOP"},
            "AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": "0.50"},
        },
    }
    assert faults(PUBLISH, {**expected, "MessageAttributes": {}}) == []
    theirs = create_serializer("query").serialize_to_request(expected, PUBLISH)
    assert world.forms == [theirs["body"]]
    assert world.heads[0]["content-type"] == theirs["headers"]["Content-Type"]


@pytest.mark.parametrize(
    ("tenant", "own", "attribute"),
    [
        ("SHOP", "+15551234567", ("AWS.SNS.SMS.SenderID", "SHOP")),
        (None, "+15551234567", ("AWS.MM.SMS.OriginationNumber", "+15551234567")),
        (None, "12345", ("AWS.MM.SMS.OriginationNumber", "12345")),
        (None, None, None),
    ],
)
async def test_who_sends(
    world: SnsServer, tenant: str | None, own: str | None, attribute: tuple[str, str] | None
) -> None:
    sender = SenderIdentity(address=tenant) if tenant else None
    async with world.provider(sender=own) as provider:
        assert isinstance(await provider.send(job_for(Channel.SMS, sender=sender)), Accepted)
    attributes = parameters_of(world.forms[0])["MessageAttributes"]
    senders = {
        (name, attributes[name]["StringValue"])
        for name in ("AWS.SNS.SMS.SenderID", "AWS.MM.SMS.OriginationNumber")
        if name in attributes
    }
    assert senders == ({attribute} if attribute else set())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"address": "4915112345678"}, Reason.ADDRESS_INVALID),
        ({"content": SmsContent(body="x" * 1601)}, Reason.TOO_LARGE),
    ],
)
async def test_what_cannot_be_sent_is_rejected_unsent(
    world: SnsServer, fields: dict[str, Any], reason: Reason
) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.SMS, **fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert world.requests == 0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(500, "InternalError"), Ambiguous),
        ((502, {}, b"<html>Bad Gateway</html>"), Ambiguous),
        ((302, {"Location": "/login"}, b""), NotSent),
        ((200, {}, b"<html>Welcome</html>"), Ambiguous),
    ],
)
async def test_other_answers(world: SnsServer, answer: Response, kind: type) -> None:
    world.scripted = answer
    async with world.provider() as provider:
        assert type(await provider.send(job_for(Channel.SMS))) is kind
    assert world.requests == 1


async def test_moto_takes_a_message_as_it_is(moto: str, folder: Path) -> None:
    text = "10\u00a0000\u202f€ \u3000\r\n  two  \t\n+%26&=👩‍👩‍👧"
    async with sns(folder, base_url=moto, sender="SHOP") as provider:
        answer = await provider.send(job_for(Channel.SMS, content=SmsContent(body=text), sender=None))
    assert isinstance(answer, Accepted)
    taken = sns_backends[MOTOS_ACCOUNT]["eu-central-1"].sms_messages
    assert taken[answer.message_id or ""] == ("+4915112345678", text)


def test_faults_of_the_configuration(folder: Path) -> None:
    path = folder / "providers.toml"
    path.write_text('[[providers]]\nname = "a"\nkind = "sns"\nregion = "x"\nconfiguration_set = "y"\n')
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {"sns": SNS})
    assert len(invalid.value.faults) == 4
    said = str(invalid.value)
    assert "`region` is not valid" in said
    assert "`access_key_id` is missing." in said
    assert "`secret_access_key_file` is missing." in said
    assert "`configuration_set` is no setting of this kind of provider." in said
