"""The Twilio provider against a server that checks requests as the API's documentation describes them."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import pytest

from tocsin.channel import (
    Accepted,
    Ambiguous,
    NotSent,
    Provider,
    ProvidersInvalid,
    Rejected,
    Throttled,
    check_providers,
)
from tocsin.contracts.jobs import SenderIdentity, SmsContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_sms.twilio import TWILIO, TwilioConfig, TwilioProvider
from tocsin.testing import ManualClock
from tocsin.testing.http_world import HttpWorld, Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite

ACCOUNT = "AC" + "1" * 32
SERVICE = "MG" + "2" * 32
KEY = "SK" + "3" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ODD_TEXT = "10\u00a0000\u202f€ \u3000 \u202ecba\u202c \u200f\r\n  two  \t\n+%26&=👩‍👩‍👧"


def refusal(status: int, code: int, **headers: str) -> Response:
    body = {"code": code, "message": "Number +4915112345678 marked-body", "more_info": "…", "status": status}
    return (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps(body).encode(),
    )


class TwilioServer(HttpWorld):
    """`POST …/Messages.json`, strict."""

    channel = Channel.SMS
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(400, 21211),
        Behaviour.THROTTLES: refusal(429, 20429, Retry_After="3"),
        Behaviour.REFUSES_CREDENTIALS: refusal(401, 20003),
    }
    folder = Path()

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.heads: list[dict[str, str]] = []

    @asynccontextmanager
    async def provider(self, *, call_timeout: float = 10.0, **fields: object) -> AsyncIterator[Provider]:
        clock = ManualClock(NOW)
        entry = {
            "name": "test",
            "kind": "twilio",
            "account_sid": ACCOUNT,
            "auth_token_file": "token",
            "base_url": self.url,
            "call_timeout": call_timeout,
        } | fields
        entry = {name: value for name, value in entry.items() if value is not None}
        provider = TwilioProvider(TwilioConfig.model_validate(entry, context={"folder": self.folder}), clock)
        await provider.open()
        yield provider
        await provider.close()

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
async def world(tmp_path: Path) -> AsyncIterator[TwilioServer]:
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "key").write_text("k3y\n")
    server = TwilioServer()
    server.folder = tmp_path
    await server.listen()
    yield server
    await server.hang_up()


class TestTwilioProvider(ProviderSuite):
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


async def test_a_text_arrives_as_it_is(world: TwilioServer) -> None:
    async with world.provider() as provider:
        await provider.send(job_for(Channel.SMS, content=SmsContent(body=ODD_TEXT)))
    assert world.forms[0]["Body"] == ODD_TEXT


async def test_without_any_sender_it_is_rejected_unsent(world: TwilioServer) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.SMS, sender=None))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.SENDER_MISSING
    assert world.forms == []


@pytest.mark.parametrize("number", ["", "4915112345678", "+0151", "+49 151 12345678", "+49151123456789012"])
async def test_what_is_no_number_is_rejected_unsent(world: TwilioServer, number: str) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.SMS, address=number))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.ADDRESS_INVALID
    assert world.forms == []


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
    (tmp_path / "token").write_text("s3cret")
    path = tmp_path / "providers.toml"
    path.write_text(f'[[providers]]\nname = "a"\nkind = "twilio"\naccount_sid = "{ACCOUNT}"\n{lines}\n')
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {"twilio": TWILIO})
    assert sentence in str(invalid.value)
