"""A browser and its push service, which checks requests as RFC 8030, 8188, 8291 and 8292 have them."""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tocsin.channel import Provider
from tocsin.contracts.vocabulary import Channel, DeviceKind
from tocsin.dispatch_push.webpush import WebPushConfig, WebPushProvider
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing import ManualClock
from tocsin.testing.http_world import HttpWorld, Response
from tocsin.testing.provider_suite import Behaviour

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VAPID_KEY = ec.generate_private_key(ec.SECP256R1())


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


class Browser:
    """Subscribed at an endpoint."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = b"sixteen octets.."

    @property
    def subscription(self) -> str:
        """As `JSON.stringify` gives it."""
        keys = {"p256dh": base64url(point(self.key)), "auth": base64url(self.auth)}
        fields = {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}
        return json.dumps(fields, separators=(",", ":"))

    def read(self, body: bytes) -> dict[str, Any]:
        """What its service worker gets."""
        plain = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        read: dict[str, Any] = json.loads(plain)
        return read


class PushService(HttpWorld):
    """One browser's endpoint, strict."""

    channel = Channel.PUSH
    server_loggers: tuple[str, ...] = ("httpx",)
    """Its lines hold whole URLs: services log none of them (`observability.logging`)."""
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: (410, {}, b"marked-address marked-body"),
        Behaviour.THROTTLES: (429, {"Retry-After": "7"}, b""),
        Behaviour.REFUSES_CREDENTIALS: (401, {}, b"marked-address"),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.messages: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.bodies: list[bytes] = []
        self.browser = Browser("")
        (folder / "vapid.pem").write_text(pem(VAPID_KEY))

    async def listen(self) -> None:
        await super().listen()
        self.browser.endpoint = f"{self.url}/push/marked-address-endpoint"

    @property
    def job_fields(self) -> dict[str, object]:
        return {"target": DeviceKind.WEBPUSH, "address": self.browser.subscription}

    def entry(self, **fields: object) -> dict[str, object]:
        entry = {
            "name": "test",
            "kind": "webpush",
            "vapid_key_file": "vapid.pem",
            "subject": "mailto:push@example.com",
        }
        return entry | fields

    @asynccontextmanager
    async def provider(
        self, *, call_timeout: float = 10.0, allow: Sequence[str] = ("127.0.0.1:*",), **fields: object
    ) -> AsyncIterator[Provider]:
        entry = self.entry(call_timeout=call_timeout, **fields)
        config = WebPushConfig.model_validate(entry, context={"folder": self.folder})
        provider = WebPushProvider(config, self.clock, allowed=AllowedTargets(allow))
        await provider.open()
        try:
            yield provider
        finally:
            await provider.close()

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST /push/marked-address-endpoint HTTP/1.1"
        scheme, token, key = head["authorization"].replace(",", "").split(" ")
        assert (scheme, key) == ("vapid", f"k={base64url(point(VAPID_KEY))}")
        claims = jwt.decode(
            token.removeprefix("t="),
            VAPID_KEY.public_key(),
            algorithms=["ES256"],
            audience=self.url,
            options={"verify_exp": False},
        )
        assert claims["sub"] == "mailto:push@example.com"
        assert 0 < claims["exp"] - self.clock.now().timestamp() <= 24 * 3600
        assert head["content-encoding"] == "aes128gcm"
        assert head["urgency"] in {"very-low", "low", "normal", "high"}
        assert len(head["topic"]) <= 32
        assert 0 <= int(head["ttl"]) <= 2_419_200
        assert len(body) <= 4096
        self.messages.append((head, self.browser.read(body)))
        self.bodies.append(body)
        self.taken += 1
        return 201, {"Location": f"{self.url}/message/1"}, b""
