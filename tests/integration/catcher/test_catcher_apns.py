"""The APNs endpoint: what it shows, and everything it refuses. Our own provider sends; the refusals are asked for by hand."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tocsin.catcher.testing import RunningCatcher
from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Channel, DeviceKind
from tocsin.dispatch_push.apns import ApnsConfig, ApnsProvider
from tocsin.dispatch_push.http2_client import Http2Client
from tocsin.dispatch_push.http2_exchange import Response
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

TOKEN = "ab" * 32


@pytest.fixture
def key(catcher: RunningCatcher) -> str:
    """Put in place after the catcher started, as the local stack does."""
    subprocess.run(
        [sys.executable, "-m", "tocsin.catcher", "apns-key", "--out", str(catcher.key_file)], check=True
    )
    assert catcher.key_file.stat().st_mode & 0o777 == 0o600
    return catcher.key_file.read_text()


async def sent(catcher: RunningCatcher, **fields: Any) -> Any:
    entry = {
        "name": "catcher", "kind": "apns", "key_file": str(catcher.key_file), "key_id": "CATCHERKEY", "team_id": "CATCHERDEV",
        "topic": "com.example.shop", "base_url": catcher.apns_url,
    }  # fmt: skip
    provider = ApnsProvider(ApnsConfig.model_validate(entry, context={"folder": Path()}), SystemClock())
    await provider.open()
    answer = await provider.send(
        job_for(Channel.PUSH, target=DeviceKind.APNS, **{"address": TOKEN, **fields})
    )
    await provider.close()
    return answer


async def test_a_push_is_caught(catcher: RunningCatcher, key: str) -> None:
    assert isinstance(await sent(catcher), Accepted)
    (push,) = catcher.messages(channel="push")
    job = job_for(Channel.PUSH)
    assert (push["to"], push["from"], push["project"]) == (TOKEN, "com.example.shop", "com.example.shop")
    assert (push["title"], push["body"], push["data"]["order"]) == (
        "marked-body title",
        "marked-body",
        "4711",
    )
    assert (push["notification_id"], push["delivery_id"], push["name"]) == (
        job.notification_id,
        job.delivery_id,
        job.delivery_id,
    )
    assert push["request"]["headers"]["apns-priority"] == "10"


@pytest.mark.parametrize(
    ("begins", "kind", "code"),
    [
        ("dead", Rejected, "Unregistered"),
        ("bad0", Rejected, "BadDeviceToken"),
        ("4290", Throttled, "TooManyRequests"),
        ("5000", Ambiguous, "InternalServerError"),
        ("5030", NotSent, "ServiceUnavailable"),
    ],
)
async def test_a_token_may_say_how_its_device_is(
    catcher: RunningCatcher, key: str, begins: str, kind: type, code: str
) -> None:
    answer = await sent(catcher, address=begins + TOKEN[4:])
    assert (type(answer), answer.code) == (kind, code)
    assert catcher.messages() == []


async def test_without_its_key_it_trusts_nobody(catcher: RunningCatcher, key: str) -> None:
    catcher.key_file.unlink()
    answer = await asked(catcher, key)
    assert answer == (403, "InvalidProviderToken")


async def asked(
    catcher: RunningCatcher, key: Any, body: bytes = b'{"aps":{}}', **headers: str | None
) -> tuple[int, str]:
    """Status and reason; of `headers` None takes one away, and `claims` and `kid` are the token's."""
    claims = {"iss": "CATCHERDEV", "iat": int(time.time()) + int(headers.pop("age", None) or 0)}
    claims |= {"iss": headers.pop("iss")} if "iss" in headers else {}
    kid = headers.pop("kid", "CATCHERKEY")
    given = {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "catcher",
        ":path": f"/3/device/{TOKEN}",
        "authorization": "bearer " + jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid}),
        "apns-topic": "com.example.shop",
        "apns-id": str(uuid4()),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    client = Http2Client(catcher.apns_url, connect_timeout=10)
    await client.open()
    head = [(name.encode(), value.encode()) for name, value in given.items() if value is not None]
    answer = await client.request(head, body, until=asyncio.get_running_loop().time() + 30)
    await client.close()
    assert isinstance(answer, Response)
    return answer.status, answer.body.decode().partition('"reason": "')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({}, (200, "")),
        ({":method": "GET"}, (405, "MethodNotAllowed")),
        ({":path": "/4/device/x"}, (404, "BadPath")),
        ({":path": "/3/device/"}, (400, "MissingDeviceToken")),
        ({":path": "/3/device/xyz"}, (400, "BadDeviceToken")),
        ({"authorization": None}, (403, "MissingProviderToken")),
        ({"authorization": "bearer x"}, (403, "InvalidProviderToken")),
        ({"kid": "OTHERKEY12"}, (403, "InvalidProviderToken")),
        ({"iss": "OTHERTEAM1"}, (403, "InvalidProviderToken")),
        ({"age": "-4000"}, (403, "ExpiredProviderToken")),
        ({"age": "4000"}, (403, "ExpiredProviderToken")),
        ({"apns_topic": None}, (400, "MissingTopic")),
        ({"apns_topic": "?"}, (400, "BadTopic")),
        ({"apns_push_type": "loud"}, (400, "InvalidPushType")),
        ({"apns_priority": "11"}, (400, "BadPriority")),
        ({"apns_expiration": "tomorrow"}, (400, "BadExpirationDate")),
        ({"apns_id": "1"}, (400, "BadMessageId")),
        ({"apns_collapse_id": "x" * 65}, (400, "BadCollapseId")),
        ({"body": b"[]"}, (400, "PayloadEmpty")),
        ({"body": b"no json"}, (400, "PayloadEmpty")),
        ({"body": b'{"aps":{},"x":"' + b"x" * 4096 + b'"}'}, (413, "PayloadTooLarge")),
    ],
)
async def test_what_it_refuses(
    catcher: RunningCatcher, key: str, given: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert await asked(catcher, key, **given) == answer


async def test_a_token_of_another_key(catcher: RunningCatcher, key: str) -> None:
    assert await asked(catcher, ec.generate_private_key(ec.SECP256R1())) == (403, "InvalidProviderToken")
