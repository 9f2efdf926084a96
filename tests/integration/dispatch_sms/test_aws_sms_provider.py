"""The provider of AWS End User Messaging against a server that asks botocore whether signature and parameters are right."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from botocore.serialize import create_serializer
from tests.aws_judge import KEY_ID, SECRET, is_signed, operation, parameter_faults
from tests.integration.dispatch_sms.sms_api import SmsApi, SmsApiSuite
from tests.provider_account import NOW, assert_invalid

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
)
from tocsin.contracts.jobs import SenderIdentity, SmsContent
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_sms.aws_sms import AWS_SMS, AwsSmsProvider
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour

REGION = "eu-central-1"
SEND = operation("pinpoint-sms-voice-v2", "SendTextMessage")


def refusal(status: int, code: str, **members: Any) -> Response:
    body = {"__type": code, "Message": "marked-body to +4915112345678", **members}
    return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(body).encode()


class AwsSmsServer(SmsApi):
    """`POST /` of `sms-voice`, strict."""

    kind = AWS_SMS
    entry: ClassVar = {
        "kind": "aws_sms",
        "region": REGION,
        "access_key_id": KEY_ID,
        "secret_access_key_file": "secret",
    }
    secrets: ClassVar = {"secret": SECRET, "token": "a-session"}
    longest = 1600
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(
            400, "ConflictException", Reason="DESTINATION_PHONE_NUMBER_OPTED_OUT"
        ),
        Behaviour.THROTTLES: refusal(400, "ThrottlingException"),
        Behaviour.REFUSES_CREDENTIALS: refusal(400, "AccessDeniedException", Reason="ACCOUNT_DISABLED"),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sent: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []

    def texts(self) -> list[str]:
        return [parameters["MessageBody"] for parameters in self.sent]

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST / HTTP/1.1"
        assert is_signed(f"{self.url}/", head, body, service="sms-voice", region=REGION, now=NOW)
        parameters = json.loads(body)
        assert parameter_faults(SEND, parameters) == []
        self.sent.append(parameters)
        self.heads.append(head)
        self.taken += 1
        return (
            200,
            {"Content-Type": "application/x-amz-json-1.0"},
            json.dumps({"MessageId": f"m-{self.taken}"}).encode(),
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SmsApi]:
    async with AwsSmsServer.listening(tmp_path) as server:
        yield server


class TestAwsSmsProvider(SmsApiSuite):
    pass


async def test_the_request_is_what_botocore_makes_of_the_same_parameters(world: AwsSmsServer) -> None:
    job = job_for(Channel.SMS, content=SmsContent(body="Grüße 😀"), expires_at=NOW + timedelta(hours=1))
    settings = {"configuration_set": "tocsin", "max_price": "0.50", "message_type": "promotional"}
    async with world.provider(**settings) as provider:  # type: ignore[arg-type]  # call_timeout is not among them
        answer = await provider.send(job)
    assert answer == Accepted(message_id="m-1", segments=1)
    expected = {
        "DestinationPhoneNumber": "+4915112345678",
        "OriginationIdentity": "+4915100000000",
        "MessageBody": "Grüße 😀",
        "MessageType": "PROMOTIONAL",
        "ConfigurationSetName": "tocsin",
        "MaxPrice": "0.50",
        "TimeToLive": 3600,
        "Context": {"tocsin_notification": job.notification_id, "tocsin_delivery": job.delivery_id},
    }
    theirs = create_serializer("json").serialize_to_request(expected, SEND)
    assert world.sent == [json.loads(theirs["body"])]
    for name in ("Content-Type", "X-Amz-Target"):
        assert world.heads[0][name.lower()] == theirs["headers"][name]


async def test_what_receipts_need_comes_back_with_each_event(world: AwsSmsServer) -> None:
    job = job_for(Channel.SMS)
    async with world.provider() as provider:
        assert isinstance(provider, AwsSmsProvider)
        provider.seal_ref = lambda _job: "r" * 560
        assert isinstance(await provider.send(job), Accepted)
    assert world.sent[0]["Context"] == {
        "tocsin_notification": job.notification_id,
        "tocsin_delivery": job.delivery_id,
        "tocsin_ref": "r" * 560,
    }


async def test_temporary_credentials_bring_their_token(world: AwsSmsServer) -> None:
    async with world.provider(session_token_file="token") as provider:
        assert isinstance(await provider.send(job_for(Channel.SMS)), Accepted)
    assert world.heads[0]["x-amz-security-token"] == "a-session"


@pytest.mark.parametrize(
    ("tenant", "own", "sender"),
    [
        (SenderIdentity(address="SHOP"), "+15551234567", "SHOP"),
        (None, "pool-0123456789abcdef", "pool-0123456789abcdef"),
        (None, None, None),
    ],
)
async def test_who_sends(
    world: AwsSmsServer, tenant: SenderIdentity | None, own: str | None, sender: str | None
) -> None:
    async with world.provider(sender=own) as provider:
        assert isinstance(await provider.send(job_for(Channel.SMS, sender=tenant)), Accepted)
    assert world.sent[0].get("OriginationIdentity") == sender


@pytest.mark.parametrize(("hours", "left"), [(100, 259_200), (1, 3600), (0.001, 5), (-1, 5)])
async def test_aws_queue_is_told_when_the_message_expires(
    world: AwsSmsServer, hours: float, left: int
) -> None:
    async with world.provider() as provider:
        await provider.send(job_for(Channel.SMS, expires_at=NOW + timedelta(hours=hours)))
    assert world.sent[0]["TimeToLive"] == left


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(500, "InternalServerException"), Ambiguous),
        (
            refusal(400, "ServiceQuotaExceededException", Reason="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
            NotSent,
        ),
        ((502, {}, b"<html>Bad Gateway</html>"), Ambiguous),
        ((302, {"Location": "/login"}, b""), NotSent),
        ((200, {}, b"no json"), Ambiguous),
        ((400, {}, b"<html>Bad Request</html>"), NotSent),
        ((400, {}, b"[" * 100_000), NotSent),
    ],
)
async def test_other_answers(world: AwsSmsServer, answer: Response, kind: type) -> None:
    world.scripted = answer
    async with world.provider() as provider:
        assert type(await provider.send(job_for(Channel.SMS))) is kind
    assert world.requests == 1


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('max_price = "cheap"', "`max_price` is not valid"),
        ('message_type = "urgent"', "`message_type` is not valid"),
        ('configuration_set = "a b"', "`configuration_set` is not valid"),
        ('access_key_id_file = "secret"', "the file must hold the id of an access key"),
    ],
)
def test_faults_of_the_configuration(tmp_path: Path, lines: str, sentence: str) -> None:
    given = f'region = "{REGION}"\naccess_key_id = "{KEY_ID}"\nsecret_access_key_file = "secret"\n{lines}'
    assert_invalid(tmp_path, "aws_sms", AWS_SMS, lines=given, secret=("secret", SECRET), sentence=sentence)
