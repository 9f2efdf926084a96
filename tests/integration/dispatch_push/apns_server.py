"""A server that checks requests as Apple's documentation has them."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.integration.dispatch_push.http2_world import Http2World

from tocsin.channel import Provider
from tocsin.contracts.vocabulary import Channel, DeviceKind
from tocsin.dispatch_push.apns import ApnsConfig, ApnsProvider
from tocsin.testing import ManualClock
from tocsin.testing.http_world import Response
from tocsin.testing.provider_suite import Behaviour

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY_ID, TEAM_ID, TOPIC = "ABC123DEFG", "TEAM456789", "com.example.shop"
KEY = ec.generate_private_key(ec.SECP256R1())
HEADERS = {
    ":method", ":scheme", ":authority", ":path", "authorization", "apns-topic", "apns-push-type", "apns-priority",
    "apns-expiration", "apns-id", "apns-collapse-id",
}  # fmt: skip


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def refusal(status: int, reason: str, **fields: int) -> Response:
    return status, {"apns-id": "x"}, json.dumps({"reason": reason, **fields}).encode()


class ApnsServer(Http2World):
    """`/3/device/<token>`, strict."""

    channel = Channel.PUSH
    job_fields: ClassVar = {"target": DeviceKind.APNS}
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(410, "Unregistered", timestamp=1767225600000),
        Behaviour.THROTTLES: refusal(429, "TooManyRequests"),
        Behaviour.REFUSES_CREDENTIALS: refusal(403, "InvalidProviderToken"),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.messages: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.tokens: list[str] = []
        """The different ones, in the order in which they came."""
        (folder / "key.p8").write_text(pem(KEY))

    def entry(self, **fields: object) -> dict[str, object]:
        entry = {
            "name": "test",
            "kind": "apns",
            "key_file": "key.p8",
            "key_id": KEY_ID,
            "team_id": TEAM_ID,
            "topic": TOPIC,
            "base_url": self.url,
        }
        return entry | fields

    @asynccontextmanager
    async def provider(self, *, call_timeout: float = 10.0, **fields: object) -> AsyncIterator[Provider]:
        entry = self.entry(call_timeout=call_timeout, **fields)
        provider = ApnsProvider(ApnsConfig.model_validate(entry, context={"folder": self.folder}), self.clock)
        await provider.open()
        try:
            yield provider
        finally:
            await provider.close()

    def respond(self, head: dict[str, str], body: bytes) -> Response:
        assert head.keys() == HEADERS
        assert (head[":method"], head[":authority"]) == ("POST", f"127.0.0.1:{self.port}")
        token = head["authorization"].removeprefix("bearer ")
        assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "JWT", "kid": KEY_ID}
        claims = jwt.decode(token, KEY.public_key(), algorithms=["ES256"], options={"verify_iat": False})
        assert claims.keys() == {"iss", "iat"}
        assert claims["iss"] == TEAM_ID
        assert 0 <= self.clock.now().timestamp() - claims["iat"] < 3600
        if token not in self.tokens:
            self.tokens.append(token)
        assert re.fullmatch(r"/3/device/(?:[0-9a-f]{2}){32,}", head[":path"])
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", head["apns-id"])
        assert len(head["apns-collapse-id"]) <= 64
        assert head["apns-push-type"] == "alert"
        assert head["apns-priority"] in {"10", "5"}
        assert int(head["apns-expiration"]) > NOW.timestamp()
        assert len(body) <= 4096
        self.messages.append((head, json.loads(body)))
        self.taken += 1
        return 200, {"apns-id": head["apns-id"]}, b""
