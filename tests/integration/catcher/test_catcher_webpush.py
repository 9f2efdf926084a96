"""The push service of browsers: what it shows, and everything it refuses. Our own provider sends."""

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tocsin.catcher.testing import RunningCatcher
from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Channel, DeviceKind
from tocsin.dispatch_push.webpush import WebPushConfig, WebPushProvider
from tocsin.runtime import SystemClock
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing.jobs import job_for

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = (
    urlsafe_b64encode(KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    .rstrip(b"=")
    .decode()
)


def subscription(catcher: RunningCatcher, **asked: str) -> dict[str, Any]:
    answer = httpx.post(f"{catcher.url}/push", json=asked).raise_for_status()
    made: dict[str, Any] = answer.json()
    return made


async def sent(catcher: RunningCatcher, folder: Path, token: dict[str, Any]) -> Any:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "vapid.pem").write_bytes(pem)
    entry = {
        "name": "catcher", "kind": "webpush", "vapid_key_file": "vapid.pem", "subject": "mailto:push@example.com",
    }  # fmt: skip
    config = WebPushConfig.model_validate(entry, context={"folder": folder})
    provider = WebPushProvider(config, SystemClock(), allowed=AllowedTargets(["127.0.0.1:*"]))
    await provider.open()
    job = job_for(Channel.PUSH, target=DeviceKind.WEBPUSH, address=json.dumps(token))
    answer = await provider.send(job)
    await provider.close()
    return answer


async def test_a_push_is_caught_and_read(catcher: RunningCatcher, tmp_path: Path) -> None:
    assert isinstance(
        await sent(catcher, tmp_path, subscription(catcher, applicationServerKey=PUBLIC)), Accepted
    )
    (push,) = catcher.messages(channel="push")
    job = job_for(Channel.PUSH)
    assert (push["title"], push["body"], push["data"]["order"]) == (
        "marked-body title",
        "marked-body",
        "4711",
    )
    assert (push["notification_id"], push["delivery_id"]) == (job.notification_id, job.delivery_id)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"behaves": "gone"}, Rejected),
        ({"behaves": "busy"}, Throttled),
        ({"behaves": "broken"}, Ambiguous),
        ({"applicationServerKey": "B" * 87}, NotSent),
    ],
)
async def test_a_subscription_may_say_how_it_is(
    catcher: RunningCatcher, tmp_path: Path, asked: dict[str, str], kind: type
) -> None:
    assert isinstance(await sent(catcher, tmp_path, subscription(catcher, **asked)), kind)
    assert catcher.messages() == []


async def test_what_a_browser_cannot_decrypt_is_taken_and_shown_as_such(
    catcher: RunningCatcher, tmp_path: Path
) -> None:
    token = subscription(catcher)
    token["keys"] = subscription(catcher)["keys"]
    assert isinstance(await sent(catcher, tmp_path, token), Accepted)
    assert catcher.messages()[0]["title"] == "(this browser cannot decrypt the message)"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 201),
        ({"authorization": None}, 401),
        ({"authorization": "Bearer x"}, 401),
        ({"audience": "https://elsewhere.example"}, 403),
        ({"life": -10}, 403),
        ({"life": 25 * 3600}, 403),
        ({"signed_by": ec.generate_private_key(ec.SECP256R1())}, 403),
        ({"ttl": None}, 400),
        ({"ttl": "soon"}, 400),
        ({"content-encoding": "aesgcm"}, 400),
        ({"urgency": "now"}, 400),
        ({"topic": "x" * 33}, 400),
        ({"body": b"x" * 4097}, 413),
        ({"path": "/push/unknown"}, 404),
    ],
)
def test_what_it_refuses(catcher: RunningCatcher, change: dict[str, Any], status: int) -> None:
    change = dict(change)
    life, audience = change.pop("life", 3600), change.pop("audience", catcher.url)
    key, body = change.pop("signed_by", KEY), change.pop("body", b"x")
    url = catcher.url + change.pop("path") if "path" in change else subscription(catcher)["endpoint"]
    claims = {"aud": audience, "exp": int(time.time()) + life, "sub": "mailto:push@example.com"}
    token = jwt.encode(claims, key, algorithm="ES256")
    headers = {
        "authorization": f"vapid t={token}, k={PUBLIC}",
        "ttl": "60",
        "content-encoding": "aes128gcm",
    } | change
    given = {name: value for name, value in headers.items() if value is not None}
    assert httpx.post(url, content=body, headers=given).status_code == status
