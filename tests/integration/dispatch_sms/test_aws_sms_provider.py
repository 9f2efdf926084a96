"""The provider of AWS End User Messaging against a server that asks botocore whether signature and parameters are right."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from botocore.serialize import create_serializer
from tests.aws_judge import KEY_ID, SECRET, faults, is_signed, operation

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    ProvidersInvalid,
    Rejected,
    check_providers,
)
from tocsin.contracts.jobs import SenderIdentity, SmsContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_sms.aws_sms import AWS_SMS, AwsSmsConfig, AwsSmsProvider
from tocsin.testing import ManualClock
from tocsin.testing.http_world import HttpWorld, Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEND = operation("pinpoint-sms-voice-v2", "SendTextMessage")


def refusal(status: int, code: str, **members: Any) -> Response:
    body = {"__type": code, "Message": "marked-body to +4915112345678", **members}
    return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(body).encode()


class AwsSmsServer(HttpWorld):
    """`POST /` of `sms-voice`, strict."""

    channel = Channel.SMS
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(
            400, "ConflictException", Reason="DESTINATION_PHONE_NUMBER_OPTED_OUT"
        ),
        Behaviour.THROTTLES: refusal(400, "ThrottlingException"),
        Behaviour.REFUSES_CREDENTIALS: refusal(400, "AccessDeniedException", Reason="ACCOUNT_DISABLED"),
    }
    folder = Path()
    token: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []

    @asynccontextmanager
    async def provider(
        self, *, call_timeout: float = 10.0, **fields: object
    ) -> AsyncIterator[AwsSmsProvider]:
        entry = {
            "name": "test",
            "kind": "aws_sms",
            "region": "eu-central-1",
            "access_key_id": KEY_ID,
            "secret_access_key_file": "secret",
            "base_url": self.url,
            "call_timeout": call_timeout,
        } | fields
        config = AwsSmsConfig.model_validate(entry, context={"folder": self.folder})
        provider = AwsSmsProvider(config, ManualClock(NOW))
        await provider.open()
        yield provider
        await provider.close()

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST / HTTP/1.1"
        assert is_signed(f"{self.url}/", head, body, service="sms-voice", token=self.token)
        parameters = json.loads(body)
        assert faults(SEND, parameters) == []
        self.sent.append(parameters)
        self.heads.append(head)
        self.taken += 1
        return (
            200,
            {"Content-Type": "application/x-amz-json-1.0"},
            json.dumps({"MessageId": f"m-{self.taken}"}).encode(),
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AwsSmsServer]:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "token").write_text("a-session")
    server = AwsSmsServer()
    server.folder = tmp_path
    await server.listen()
    yield server
    await server.hang_up()


class TestAwsSmsProvider(ProviderSuite):
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


async def test_temporary_credentials_bring_their_token(world: AwsSmsServer) -> None:
    world.token = "a-session"
    async with world.provider(session_token_file="token") as provider:
        assert isinstance(await provider.send(job_for(Channel.SMS)), Accepted)


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
    ("fields", "reason"),
    [
        ({"address": "4915112345678"}, Reason.ADDRESS_INVALID),
        ({"content": SmsContent(body="x" * 1601)}, Reason.TOO_LARGE),
    ],
)
async def test_what_cannot_be_sent_is_rejected_unsent(
    world: AwsSmsServer, fields: dict[str, Any], reason: Reason
) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.SMS, **fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert world.requests == 0


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
    ],
)
async def test_other_answers(world: AwsSmsServer, answer: Response, kind: type) -> None:
    world.scripted = answer
    async with world.provider() as provider:
        assert type(await provider.send(job_for(Channel.SMS))) is kind
    assert world.requests == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"region": '"Frankfurt"'}, "`region` is not valid"),
        ({"access_key_id": '"key"'}, "`access_key_id` is not valid"),
        ({"secret_access_key_file": '"none"'}, "`secret_access_key_file` is not valid"),
        ({"max_price": '"cheap"'}, "`max_price` is not valid"),
        ({"message_type": '"urgent"'}, "`message_type` is not valid"),
        ({"base_url": '"https://example.com/path"'}, "`base_url` is not valid"),
        ({"configuration_set": '"a b"'}, "`configuration_set` is not valid"),
    ],
)
def test_faults_of_the_configuration(tmp_path: Path, fields: dict[str, str], sentence: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    entry = {
        "name": '"a"',
        "kind": '"aws_sms"',
        "region": '"eu-central-1"',
        "access_key_id": f'"{KEY_ID}"',
        "secret_access_key_file": '"secret"',
    } | fields
    path = tmp_path / "providers.toml"
    path.write_text("[[providers]]\n" + "".join(f"{name} = {value}\n" for name, value in entry.items()))
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {"aws_sms": AWS_SMS})
    assert sentence in str(invalid.value)
