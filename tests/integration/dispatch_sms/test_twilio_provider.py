"""The Twilio provider against a server that checks requests as the API's documentation describes them."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import pytest
from tests.integration.dispatch_sms.sms_api import SmsApi, SmsApiSuite, assert_rejected_unsent
from tests.provider_account import NOW, assert_invalid

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    Throttled,
)
from tocsin.contracts.jobs import SenderIdentity, SmsContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_sms.twilio import TWILIO, TwilioProvider
from tocsin.testing.http_world import Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour

ACCOUNT = "AC" + "1" * 32
SERVICE = "MG" + "2" * 32
KEY = "SK" + "3" * 32


def refusal(status: int, code: int, **headers: str) -> Response:
    body = {"code": code, "message": "Number +4915112345678 marked-body", "more_info": "…", "status": status}
    return (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps(body).encode(),
    )


class TwilioServer(SmsApi):
    """`POST …/Messages.json`, strict."""

    kind = TWILIO
    entry: ClassVar = {"kind": "twilio", "account_sid": ACCOUNT, "auth_token_file": "token"}
    secrets: ClassVar = {"token": "s3cret", "key": "k3y"}
    longest = 1600
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(400, 21211),
        Behaviour.THROTTLES: refusal(429, 20429, Retry_After="3"),
        Behaviour.REFUSES_CREDENTIALS: refusal(401, 20003),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.forms: list[dict[str, str]] = []
        self.heads: list[dict[str, str]] = []

    def texts(self) -> list[str]:
        return [form["Body"] for form in self.forms]

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        self.heads.append(head)
        self.forms.append(form)
        assert first == f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1"
        assert head["content-type"] == "application/x-www-form-urlencoded"
        scheme, _, login = head["authorization"].partition(" ")
        if (scheme, b64decode(login)) not in {
            ("Basic", f"{ACCOUNT}:s3cret".encode()),
            ("Basic", f"{KEY}:k3y".encode()),
        }:
            return refusal(401, 20003)
        assert form.keys() <= {
            "To",
            "From",
            "MessagingServiceSid",
            "Body",
            "ValidityPeriod",
            "StatusCallback",
        }
        assert form["To"].startswith("+")
        assert form["Body"]
        assert "From" in form or "MessagingServiceSid" in form
        assert 1 <= int(form["ValidityPeriod"]) <= 36_000
        self.taken += 1
        resource = {
            "sid": f"SM{self.taken:032x}",
            "status": "queued",
            "num_segments": "1",
            "error_code": None,
        }
        return 201, {"Content-Type": "application/json"}, json.dumps(resource).encode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SmsApi]:
    async with TwilioServer.listening(tmp_path) as server:
        yield server


class TestTwilioProvider(SmsApiSuite):
    pass


async def test_the_request_is_what_the_job_says(world: TwilioServer) -> None:
    content = SmsContent(body="Grüße & 50% auf €: 😀 " * 5)
    async with world.provider(status_callback="https://example.com/callbacks/twilio") as provider:
        answer = await provider.send(
            job_for(Channel.SMS, content=content, expires_at=NOW + timedelta(hours=1))
        )
    assert answer == Accepted(message_id=f"SM{1:032x}", segments=2)
    assert world.forms == [
        {
            "To": "+4915112345678",
            "From": "+4915100000000",
            "Body": content.body,
            "ValidityPeriod": "3600",
            "StatusCallback": "https://example.com/callbacks/twilio",
        }
    ]
    assert world.heads[0]["x-tocsin-delivery"] == job_for(Channel.SMS).delivery_id


@pytest.mark.parametrize("url", ["https://example.com/callbacks/twilio", None])
async def test_what_receipts_need_comes_back_with_each_callback(world: TwilioServer, url: str | None) -> None:
    async with world.provider(status_callback=url) as provider:
        assert isinstance(provider, TwilioProvider)
        provider.seal_ref = lambda _job: "the-ref"
        assert isinstance(await provider.send(job_for(Channel.SMS)), Accepted)
    assert world.forms[0].get("StatusCallback") == (f"{url}?ref=the-ref" if url else None)


@pytest.mark.parametrize(
    ("tenant", "instance", "form"),
    [
        (SenderIdentity(address="SHOP"), {"sender": "+15551234567"}, {"From": "SHOP"}),
        (None, {"sender": "+15551234567"}, {"From": "+15551234567"}),
        (None, {"messaging_service_sid": SERVICE}, {"MessagingServiceSid": SERVICE}),
        (
            SenderIdentity(address="12345"),
            {"messaging_service_sid": SERVICE},
            {"From": "12345", "MessagingServiceSid": SERVICE},
        ),
    ],
)
async def test_who_sends(
    world: TwilioServer, tenant: SenderIdentity | None, instance: dict[str, str], form: dict[str, str]
) -> None:
    async with world.provider(**instance) as provider:  # type: ignore[arg-type]  # call_timeout is not among them
        assert isinstance(await provider.send(job_for(Channel.SMS, sender=tenant)), Accepted)
    named = {name: value for name, value in world.forms[0].items() if name in {"From", "MessagingServiceSid"}}
    assert named == form


async def test_without_any_sender_it_is_rejected_unsent(world: TwilioServer) -> None:
    await assert_rejected_unsent(world, {"sender": None}, Reason.SENDER_MISSING)


@pytest.mark.parametrize(("hours", "validity"), [(72, "36000"), (0.001, "3"), (-1, "1")])
async def test_twilios_queue_is_told_when_the_message_expires(
    world: TwilioServer, hours: float, validity: str
) -> None:
    async with world.provider() as provider:
        await provider.send(job_for(Channel.SMS, expires_at=NOW + timedelta(hours=hours)))
    assert world.forms[0]["ValidityPeriod"] == validity


async def test_an_api_key_logs_in_too(world: TwilioServer) -> None:
    async with world.provider(auth_token_file=None, api_key_sid=KEY, api_key_secret_file="key") as provider:
        assert isinstance(await provider.send(job_for(Channel.SMS)), Accepted)


async def test_retry_after_is_passed_on(world: TwilioServer) -> None:
    await world.behave(Behaviour.THROTTLES)
    async with world.provider() as provider:
        assert await provider.send(job_for(Channel.SMS)) == Throttled(
            code="20429", detail="Twilio asks for patience.", retry_after=3.0
        )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(500, 20500), Ambiguous),
        (refusal(503, 20503), NotSent),
        ((502, {}, b"<html>Bad Gateway</html>"), Ambiguous),
        ((302, {"Location": "/login"}, b""), NotSent),
        ((200, {}, b"<html>Welcome</html>"), Ambiguous),
        ((201, {}, b"no json"), Accepted),
        ((201, {}, b"[" * 100_000), Accepted),
    ],
)
async def test_other_answers(world: TwilioServer, answer: Response, kind: type) -> None:
    world.scripted = answer
    async with world.provider() as provider:
        assert type(await provider.send(job_for(Channel.SMS))) is kind
    assert world.requests == 1


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("", "give `auth_token_file`, or `api_key_sid` and `api_key_secret_file`."),
        (f'api_key_sid = "{KEY}"', "`api_key_sid` and `api_key_secret_file` belong together."),
        ('auth_token_file = "token"\nbase_url = "ftp://x"', "`base_url` is not valid"),
        (
            f'auth_token_file = "token"\nsender = "X"\nmessaging_service_sid = "{SERVICE}"',
            "give `sender` or `messaging_service_sid`.",
        ),
    ],
)
def test_faults_of_the_configuration(tmp_path: Path, lines: str, sentence: str) -> None:
    given = f'account_sid = "{ACCOUNT}"\n{lines}'
    assert_invalid(tmp_path, "twilio", TWILIO, lines=given, secret=("token", "s3cret"), sentence=sentence)
