"""The Vonage provider against a server that checks requests as the API's documentation describes them, and as Vonage's own models do."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.integration.dispatch_sms.sms_api import SmsApi, SmsApiSuite, assert_rejected_unsent
from tests.provider_account import NOW, assert_invalid
from vonage_jwt import JwtClient
from vonage_messages.models import Sms

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    Throttled,
)
from tocsin.contracts.jobs import SenderIdentity, SmsContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_sms.vonage import VONAGE, VonageProvider
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour

APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
ID = f'application_id = "{APPLICATION}"'


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def refusal(status: int, code: str, **headers: str) -> Response:
    problem = {
        "type": f"https://developer.vonage.com/api-errors/messages#{code}",
        "title": "A title",
        "detail": "marked-body to +4915112345678",
        "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
    }
    return (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps(problem).encode(),
    )


class VonageServer(SmsApi):
    """`POST /v1/messages`, strict."""

    kind = VONAGE
    entry: ClassVar = {"kind": "vonage", "application_id": APPLICATION, "private_key_file": "key.pem"}
    secrets: ClassVar = {"key.pem": pem(key())}
    longest = 1000
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(422, "1170"),
        Behaviour.THROTTLES: refusal(429, "1000", Retry_After="3"),
        Behaviour.REFUSES_CREDENTIALS: refusal(401, "unauthorized"),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.messages: list[dict[str, Any]] = []
        self.claims: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []

    def texts(self) -> list[str]:
        return [message["text"] for message in self.messages]

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST /v1/messages HTTP/1.1"
        assert head["content-type"] == "application/json"
        self.heads.append(head)
        scheme, _, token = head["authorization"].partition(" ")
        claims = jwt.decode(
            token,
            key().public_key(),
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False},
        )
        assert (scheme, claims["application_id"]) == ("Bearer", APPLICATION)
        now = self.clock.now().timestamp()
        assert claims["iat"] <= now < claims["exp"] <= claims["iat"] + 24 * 3600
        self.claims.append(claims)
        message = json.loads(body)
        Sms.model_validate({**message, "from_": message["from"]})
        assert message.keys() <= {
            "channel",
            "message_type",
            "to",
            "from",
            "text",
            "ttl",
            "client_ref",
            "webhook_url",
        }
        assert (message["channel"], message["message_type"]) == ("sms", "text")
        assert 20 <= message["ttl"] <= 604_800
        self.messages.append(message)
        self.taken += 1
        return (
            202,
            {"Content-Type": "application/json"},
            json.dumps({"message_uuid": f"u-{self.taken}"}).encode(),
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SmsApi]:
    async with VonageServer.listening(tmp_path) as server:
        yield server


class TestVonageProvider(SmsApiSuite):
    pass


async def test_the_request_is_what_the_job_says(world: VonageServer) -> None:
    content = SmsContent(body="Grüße & 50% auf €: 😀 " * 5)
    job = job_for(Channel.SMS, content=content, expires_at=NOW + timedelta(hours=1))
    async with world.provider(webhook_url="https://example.com/callbacks/vonage") as provider:
        answer = await provider.send(job)
    assert answer == Accepted(message_id="u-1", segments=2)
    assert world.messages == [
        {
            "channel": "sms",
            "message_type": "text",
            "to": "4915112345678",
            "from": "4915100000000",
            "text": content.body,
            "ttl": 3600,
            "client_ref": job.delivery_id,
            "webhook_url": "https://example.com/callbacks/vonage",
        }
    ]
    assert world.heads[0]["x-tocsin-delivery"] == job.delivery_id


async def test_what_receipts_need_comes_back_in_the_webhooks_address(world: VonageServer) -> None:
    async with world.provider(webhook_url="https://example.com/callbacks/vonage") as provider:
        assert isinstance(provider, VonageProvider)
        provider.seal_ref = lambda _job: "the-ref"
        assert isinstance(await provider.send(job_for(Channel.SMS)), Accepted)
    async with world.provider() as provider:
        assert isinstance(provider, VonageProvider)
        provider.seal_ref = lambda _job: "the-ref"
        assert isinstance(await provider.send(job_for(Channel.SMS)), Accepted)
    assert [message.get("webhook_url") for message in world.messages] == [
        "https://example.com/callbacks/vonage?ref=the-ref",
        None,
    ]


async def test_the_token_is_what_vonages_own_library_makes(world: VonageServer) -> None:
    async with world.provider() as provider:
        await provider.send(job_for(Channel.SMS))
    theirs = JwtClient(APPLICATION, pem(key())).generate_application_jwt().decode()
    ours = world.heads[0]["authorization"].removeprefix("Bearer ")
    assert jwt.get_unverified_header(ours) == jwt.get_unverified_header(theirs)
    claims = jwt.decode(theirs, options={"verify_signature": False})
    assert world.claims[0].keys() == claims.keys()
    assert world.claims[0]["exp"] - world.claims[0]["iat"] == claims["exp"] - claims["iat"]


async def test_a_token_is_used_for_ten_minutes(world: VonageServer) -> None:
    async with world.provider() as provider:
        for seconds in (0, 599, 1):
            world.clock.advance(seconds)
            await provider.send(job_for(Channel.SMS))
    first, second, third = (claims["jti"] for claims in world.claims)
    assert first == second != third


@pytest.mark.parametrize(
    ("tenant", "own", "sender"),
    [
        (SenderIdentity(address="SHOP"), "+15551234567", "SHOP"),
        (None, "+15551234567", "15551234567"),
        (SenderIdentity(address="12345"), None, "12345"),
    ],
)
async def test_who_sends(
    world: VonageServer, tenant: SenderIdentity | None, own: str | None, sender: str
) -> None:
    async with world.provider(sender=own) as provider:
        assert isinstance(await provider.send(job_for(Channel.SMS, sender=tenant)), Accepted)
    assert world.messages[0]["from"] == sender


async def test_without_any_sender_it_is_rejected_unsent(world: VonageServer) -> None:
    await assert_rejected_unsent(world, {"sender": None}, Reason.SENDER_MISSING)


@pytest.mark.parametrize(("hours", "ttl"), [(100, 259_200), (1, 3600), (0.001, 20), (-1, 20)])
async def test_vonages_queue_is_told_when_the_message_expires(
    world: VonageServer, hours: float, ttl: int
) -> None:
    async with world.provider() as provider:
        await provider.send(job_for(Channel.SMS, expires_at=NOW + timedelta(hours=hours)))
    assert world.messages[0]["ttl"] == ttl


async def test_retry_after_is_passed_on(world: VonageServer) -> None:
    await world.behave(Behaviour.THROTTLES)
    async with world.provider() as provider:
        assert await provider.send(job_for(Channel.SMS)) == Throttled(
            code="1000", detail="Vonage asks for patience.", retry_after=3.0
        )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(402, "low-balance"), NotSent),
        (refusal(500, "1030"), Ambiguous),
        ((502, {}, b"<html>Bad Gateway</html>"), Ambiguous),
        ((302, {"Location": "/login"}, b""), NotSent),
        ((202, {}, b"no json"), Ambiguous),
        ((202, {}, b"{}"), Ambiguous),
    ],
)
async def test_other_answers(world: VonageServer, answer: Response, kind: type) -> None:
    world.scripted = answer
    async with world.provider() as provider:
        assert type(await provider.send(job_for(Channel.SMS))) is kind
    assert world.requests == 1


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('application_id = "x"\nprivate_key_file = "key"', "`application_id` is not valid"),
        (f'{ID}\nprivate_key_file = "no.pem"', "`private_key_file` is not valid"),
        (f'{ID}\nprivate_key_file = "text"', "the file is no private key in PEM without a password."),
        (f'{ID}\nprivate_key_file = "ec.pem"', "the key is no RSA key."),
        (f'{ID}\nprivate_key_file = "key"\nwebhook_url = "example.com"', "`webhook_url` is not valid"),
        (f'{ID}\nprivate_key_file = "key"\nbase_url = "ftp://x"', "`base_url` is not valid"),
        (f'{ID}\nprivate_key_file = "key"\napi_key = "x"', "`api_key` is no setting of this kind of provider."),
    ],
)  # fmt: skip
def test_faults_of_the_configuration(tmp_path: Path, lines: str, sentence: str) -> None:
    (tmp_path / "text").write_text("no key")
    (tmp_path / "ec.pem").write_text(pem(ec.generate_private_key(ec.SECP256R1())))
    assert_invalid(tmp_path, "vonage", VONAGE, lines=lines, secret=("key", pem(key())), sentence=sentence)
