"""The FCM provider against a server that checks tokens and messages as Google's documentation describes them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

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
from tocsin.contracts.jobs import PushContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_push.fcm import FCM, FcmConfig, FcmProvider
from tocsin.testing import ManualClock
from tocsin.testing.http_world import HttpWorld, Response
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EMAIL = "tocsin@shop-project.iam.gserviceaccount.com"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def key_file(**fields: str) -> str:
    account = {
        "type": "service_account",
        "project_id": "shop-project",
        "private_key_id": "key-1",
        "private_key": pem(RSA_KEY),
        "client_email": EMAIL,
    }
    return json.dumps(account | fields)


def refusal(http: int, status: str, fcm: str | None = None, **headers: str) -> Response:
    details = (
        [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": fcm}] if fcm else []
    )
    error = {"code": http, "message": "marked-address marked-body", "status": status, "details": details}
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return http, told, json.dumps({"error": error}).encode()


class FcmServer(HttpWorld):
    """`/token` and `/v1/projects/shop-project/messages:send`, strict."""

    channel = Channel.PUSH
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(404, "NOT_FOUND", "UNREGISTERED"),
        Behaviour.THROTTLES: refusal(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry_After="7"),
        Behaviour.REFUSES_CREDENTIALS: refusal(403, "PERMISSION_DENIED"),
    }
    folder = Path()

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(NOW)
        self.messages: list[dict[str, Any]] = []
        self.granted: list[str] = []
        self.revoked: set[str] = set()
        self.token_answer: Response | None = None

    @asynccontextmanager
    async def provider(self, *, call_timeout: float = 10.0, **fields: object) -> AsyncIterator[Provider]:
        entry = {
            "name": "test",
            "kind": "fcm",
            "service_account_file": "account.json",
            "base_url": self.url,
            "token_uri": f"{self.url}/token",
            "call_timeout": call_timeout,
        }
        config = FcmConfig.model_validate(entry | fields, context={"folder": self.folder})
        provider = FcmProvider(config, self.clock)
        await provider.open()
        try:
            yield provider
        finally:
            await provider.close()

    def beside(self, first: str, head: dict[str, str], body: bytes) -> Response | None:
        if first != "POST /token HTTP/1.1":
            return None
        if self.token_answer is not None:
            self.granted.append("refused")
            return self.token_answer
        assert head["content-type"] == "application/x-www-form-urlencoded"
        form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        claims = jwt.decode(
            form["assertion"],
            RSA_KEY.public_key(),
            algorithms=["RS256"],
            audience=f"{self.url}/token",
            issuer=EMAIL,
            options={"verify_exp": False, "verify_iat": False},
        )
        assert jwt.get_unverified_header(form["assertion"]) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
        assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
        assert claims["iat"] == self.clock.now().timestamp()
        assert claims["exp"] == claims["iat"] + 3600
        token = f"ya29.{len(self.granted)}"
        self.granted.append(token)
        answer = {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST /v1/projects/shop-project/messages:send HTTP/1.1"
        assert head["content-type"] == "application/json"
        token = head["authorization"].removeprefix("Bearer ")
        if token in self.revoked or token not in self.granted:
            return refusal(401, "UNAUTHENTICATED")
        payload = json.loads(body)
        assert payload.keys() == {"message"}
        message = payload["message"]
        assert message.keys() - {"webpush"} == {"token", "notification", "data", "android", "apns"}
        assert all(isinstance(value, str) for value in message["data"].values())
        self.messages.append(message)
        self.taken += 1
        return 200, {}, json.dumps({"name": f"projects/shop-project/messages/{self.taken}"}).encode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FcmServer]:
    (tmp_path / "account.json").write_text(key_file())
    server = FcmServer()
    server.folder = tmp_path
    await server.listen()
    yield server
    await server.hang_up()


class TestFcmProvider(ProviderSuite):
    pass


async def test_the_message_is_what_the_job_says(world: FcmServer) -> None:
    job = job_for(Channel.PUSH, expires_at=NOW + timedelta(hours=1))
    async with world.provider() as provider:
        assert await provider.send(job) == Accepted(message_id="projects/shop-project/messages/1")
    assert world.messages == [
        {
            "token": job.private.address,
            "notification": {"title": "marked-body title", "body": "marked-body"},
            "data": {
                "order": "4711",
                "tocsin_notification": job.notification_id,
                "tocsin_delivery": job.delivery_id,
            },
            "android": {"ttl": "3600s", "notification": {"tag": job.delivery_id}},
            "apns": {
                "headers": {
                    "apns-collapse-id": job.delivery_id,
                    "apns-expiration": str(int(NOW.timestamp()) + 3600),
                }
            },
        }
    ]


@pytest.mark.parametrize(
    ("link", "webpush"),
    [
        ("https://shop.example/orders/1", {"fcm_options": {"link": "https://shop.example/orders/1"}}),
        ("http://localhost:8080/orders/1", None),  # FCM takes only https there
    ],
)
async def test_the_link_reaches_the_app_and_is_opened_by_browsers(
    world: FcmServer, link: str, webpush: dict[str, Any] | None
) -> None:
    job = job_for(Channel.PUSH)
    job.intent.private.link = link
    async with world.provider() as provider:
        assert isinstance(await provider.send(job), Accepted)
    (message,) = world.messages
    assert (message["data"]["tocsin_link"], message.get("webpush")) == (link, webpush)


@pytest.mark.parametrize(
    "name", ["tocsin_notification", "tocsin_delivery", "from", "google.x", "gcm.notification.y"]
)
async def test_names_that_are_not_the_tenants_end_before_the_call(world: FcmServer, name: str) -> None:
    """No template can be saved with one of them; one that was saved before must not slip through either."""
    content = PushContent(title="t", body="b", data={name: "forged"})
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.PUSH, content=content))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.CONTENT_REFUSED
    assert world.requests == 0


@pytest.mark.parametrize(("letters", "too_large"), [(3_900, False), (3_960, True), (5_000, True)])
@pytest.mark.parametrize("field", ["body", "data"])
async def test_a_push_over_4_kib_is_too_large_before_the_call(
    world: FcmServer, letters: int, too_large: bool, field: str
) -> None:
    text = "x" * letters
    content = PushContent(
        title="t", body=text if field == "body" else "", data={} if field == "body" else {"k": text}
    )
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.PUSH, content=content))
    assert isinstance(answer, Rejected if too_large else Accepted)
    assert getattr(answer, "reason", None) == (Reason.TOO_LARGE if too_large else None)
    assert world.requests == (0 if too_large else 1)


async def test_one_token_serves_many_until_shortly_before_its_end(world: FcmServer) -> None:
    async with world.provider() as provider:
        await asyncio.gather(*(provider.send(job_for(Channel.PUSH)) for _ in range(30)))
        assert len(world.granted) == 1
        world.clock.advance(3599 - 301)
        await provider.send(job_for(Channel.PUSH))
        assert len(world.granted) == 1
        world.clock.advance(2)
        await asyncio.gather(*(provider.send(job_for(Channel.PUSH)) for _ in range(30)))
        assert len(world.granted) == 2
    assert world.taken == 61


async def test_a_refused_token_is_replaced_once_for_all(world: FcmServer) -> None:
    async with world.provider() as provider:
        await provider.send(job_for(Channel.PUSH))
        world.revoked.add(world.granted[0])
        answers = await asyncio.gather(*(provider.send(job_for(Channel.PUSH)) for _ in range(10)))
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert len(world.granted) == 2


async def test_a_second_refusal_is_final(world: FcmServer) -> None:
    world.scripted = refusal(401, "UNAUTHENTICATED")
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.PUSH))
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED
    assert (world.requests, len(world.granted)) == (2, 2)


async def test_a_401_about_apns_does_not_cost_the_token(world: FcmServer) -> None:
    world.scripted = refusal(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR")
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.PUSH)), NotSent)
    assert (world.requests, len(world.granted)) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ((400, {}, b'{"error": "invalid_grant"}'), NotSent, Reason.CREDENTIALS_REFUSED),
        ((429, {"Retry-After": "5"}, b""), Throttled, None),
        ((500, {}, b""), NotSent, Reason.PROVIDER_ERROR),
        ((200, {}, b"<html>"), NotSent, Reason.PROVIDER_ERROR),
    ],
)
async def test_without_a_token_nothing_is_sent_and_all_who_wait_hear_so(
    world: FcmServer, answer: Response, kind: type, reason: Reason | None
) -> None:
    world.token_answer = answer
    async with world.provider() as provider:
        answers = await asyncio.gather(*(provider.send(job_for(Channel.PUSH)) for _ in range(5)))
        assert len(world.granted) == 1
        assert {type(answer) for answer in answers} == {kind}
        assert getattr(answers[0], "reason", None) == reason
        assert world.requests == 0
        world.token_answer = None
        assert isinstance(await provider.send(job_for(Channel.PUSH)), Accepted)


async def test_a_token_endpoint_that_is_away_is_unreachable(world: FcmServer) -> None:
    async with world.provider(token_uri="http://127.0.0.1:1/token") as provider:
        answer = await provider.send(job_for(Channel.PUSH))
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.UNREACHABLE


async def test_a_caller_who_leaves_does_not_take_the_token_from_the_others(world: FcmServer) -> None:
    async with world.provider() as provider:
        first = asyncio.create_task(provider.send(job_for(Channel.PUSH)))
        second = asyncio.create_task(provider.send(job_for(Channel.PUSH)))
        await asyncio.sleep(0)
        first.cancel()
        assert isinstance(await second, Accepted)
        with pytest.raises(asyncio.CancelledError):
            await first
    assert len(world.granted) == 1


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "tökén", "x" * 4097])
async def test_what_is_no_token_is_rejected_unsent(world: FcmServer, token: str) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.PUSH, address=token))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.ADDRESS_INVALID
    assert world.requests == 0


async def test_an_internal_error_is_ambiguous(world: FcmServer) -> None:
    world.scripted = refusal(500, "INTERNAL", "INTERNAL")
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.PUSH)), Ambiguous)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{}", "the file is no JSON key of a Google service account."),
        ("not json", "the file is no JSON key of a Google service account."),
        (key_file(private_key="-----BEGIN"), "the file is no JSON key of a Google service account."),
        (
            key_file(private_key=pem(ec.generate_private_key(ec.SECP256R1()))),
            "the service account's key is no RSA key.",
        ),
    ],
)
def test_faults_of_the_key_file(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "account.json").write_text(content)
    path = tmp_path / "providers.toml"
    path.write_text('[[providers]]\nname = "a"\nkind = "fcm"\nservice_account_file = "account.json"\n')
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {"fcm": FCM})
    assert sentence in str(invalid.value)
    assert "BEGIN" not in str(invalid.value)


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "account.json").write_text(key_file())
    config = FcmConfig.model_validate(
        {"name": "a", "kind": "fcm", "service_account_file": "account.json"}, context={"folder": tmp_path}
    )
    assert "PRIVATE" not in repr(config) + repr(config.account) + str(config.model_dump())
    assert config.account.token_uri == "https://oauth2.googleapis.com/token"
