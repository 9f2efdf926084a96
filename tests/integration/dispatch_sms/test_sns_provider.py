"""The SNS provider against a server that asks botocore whether signature and parameters are right, and against moto's SNS."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import pytest
from botocore.serialize import create_serializer
from moto.server import ThreadedMotoServer
from moto.sns.models import sns_backends
from tests.aws_judge import KEY_ID, SECRET, is_signed, operation, parameter_faults
from tests.integration.dispatch_sms.sms_api import ODD_TEXT, SmsApi, SmsApiSuite
from tests.provider_account import NOW, assert_invalid

from tocsin.channel import Accepted, Ambiguous, NotSent
from tocsin.contracts.jobs import SenderIdentity, SmsContent
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_sms.sns import SNS
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour

REGION = "eu-central-1"
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


class SnsServer(SmsApi):
    """`POST /` with `Action=Publish`, strict."""

    kind = SNS
    entry: ClassVar = {
        "kind": "sns",
        "region": REGION,
        "access_key_id": KEY_ID,
        "secret_access_key_file": "secret",
    }
    secrets: ClassVar = {"secret": SECRET}
    longest = 1600
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(
            400, "InvalidParameter", "Invalid parameter: PhoneNumber Reason: +4915112345678 is not valid"
        ),
        Behaviour.THROTTLES: refusal(400, "Throttling"),
        Behaviour.REFUSES_CREDENTIALS: refusal(403, "InvalidClientTokenId"),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.forms: list[dict[str, str]] = []
        self.heads: list[dict[str, str]] = []

    def texts(self) -> list[str]:
        return [form["Message"] for form in self.forms]

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST / HTTP/1.1"
        assert is_signed(f"{self.url}/", head, body, service="sns", region=REGION, now=NOW)
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        assert (form["Action"], form["Version"]) == ("Publish", "2010-03-31")
        assert (
            parameter_faults(PUBLISH, {"PhoneNumber": form["PhoneNumber"], "Message": form["Message"]}) == []
        )
        self.forms.append(form)
        self.heads.append(head)
        self.taken += 1
        result = f"<PublishResult><MessageId>m-{self.taken}</MessageId></PublishResult>"
        return 200, {"Content-Type": "text/xml"}, f"<PublishResponse>{result}</PublishResponse>".encode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SmsApi]:
    async with SnsServer.listening(tmp_path) as server:
        yield server


class TestSnsProvider(SmsApiSuite):
    pass


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of moto's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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
    assert parameter_faults(PUBLISH, {**expected, "MessageAttributes": {}}) == []
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


async def test_moto_takes_a_message_as_it_is(moto: str, world: SnsServer) -> None:
    async with world.provider(base_url=moto, sender="SHOP") as provider:
        answer = await provider.send(job_for(Channel.SMS, content=SmsContent(body=ODD_TEXT), sender=None))
    assert isinstance(answer, Accepted)
    taken = sns_backends[MOTOS_ACCOUNT][REGION].sms_messages
    assert taken[answer.message_id or ""] == ("+4915112345678", ODD_TEXT)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('region = "x"', "`region` is not valid"),
        (f'region = "{REGION}"\nconfiguration_set = "y"', "`configuration_set` is no setting of this kind of provider."),
    ],
)  # fmt: skip
def test_faults_of_the_configuration(tmp_path: Path, lines: str, sentence: str) -> None:
    given = f'access_key_id = "{KEY_ID}"\nsecret_access_key_file = "secret"\n{lines}'
    assert_invalid(tmp_path, "sns", SNS, lines=given, secret=("secret", SECRET), sentence=sentence)
