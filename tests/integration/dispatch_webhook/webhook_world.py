"""A tenant's endpoint that verifies what it gets with the library of Standard Webhooks, and the provider that calls it."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

from standardwebhooks import Webhook

from tocsin.channel import Provider
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import WebhookEndpointRecord, endpoint_seal
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_webhook.endpoints import Endpoints
from tocsin.dispatch_webhook.webhook import WebhookConfig, WebhookProvider
from tocsin.kafka import ConsumerRecord
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing import ManualClock
from tocsin.testing.http_world import HttpWorld, Response
from tocsin.testing.provider_suite import Behaviour
from tocsin.trust import Seal

SECRET = "whsec_" + base64.b64encode(b"marked-body-of-a-secret-32-bytes").decode()
SEAL = Seal([("k1", "s" * 32)])
KEY = "marked-address-endpoint"


def endpoint(
    url: str,
    *,
    key: str = KEY,
    tenant: str = "acme",
    secrets: Sequence[str] = (SECRET,),
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> WebhookEndpointRecord:
    """As the router publishes one."""
    entity = endpoint_seal(key)
    return WebhookEndpointRecord(
        tenant=tenant,
        key=key,
        url=url,
        event_types=["*"],
        secrets=[SEAL.seal(secret, tenant=tenant, entity=entity) for secret in secrets],
        headers=None if headers is None else SEAL.seal(json.dumps(headers), tenant=tenant, entity=entity),
        **fields,
    )


def put(copy: Endpoints, entity: WebhookEndpointRecord) -> None:
    copy.apply(ConsumerRecord("directory", 0, 0, 0, entity.record_key, encode(entity)))


class WebhookWorld(HttpWorld):
    """One endpoint, strict."""

    channel = Channel.WEBHOOK
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: (410, {}, b"marked-address marked-body"),
        Behaviour.THROTTLES: (429, {"Retry-After": "7"}, b""),
        Behaviour.REFUSES_CREDENTIALS: (401, {}, b"marked-address"),
    }
    server_loggers: tuple[str, ...] = ("httpx",)
    """Its lines hold whole URLs: services log none of them (`observability.logging`)."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(datetime.now(UTC))  # the library judges by the system's
        self.endpoints = Endpoints(seal=SEAL)
        self.secret = SECRET
        self.received: list[tuple[dict[str, str], bytes]] = []

    async def listen(self) -> None:
        await super().listen()
        put(self.endpoints, endpoint(self.hook))

    @property
    def hook(self) -> str:
        return f"{self.url}/marked-address-hook"

    @property
    def job_fields(self) -> dict[str, object]:
        return {"address_key": KEY, "address": KEY}

    @asynccontextmanager
    async def provider(
        self, *, call_timeout: float = 10.0, allow: Sequence[str] = ("127.0.0.1:*",), **fields: object
    ) -> AsyncIterator[Provider]:
        entry = {"name": "test", "kind": "webhook", "call_timeout": call_timeout} | fields
        provider = WebhookProvider(
            WebhookConfig.model_validate(entry),
            self.clock,
            endpoints=self.endpoints,
            allowed=AllowedTargets(allow),
        )
        await provider.open()
        yield provider
        await provider.close()

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        assert first == "POST /marked-address-hook HTTP/1.1"
        assert head["content-type"] == "application/json"
        Webhook(self.secret).verify(body, head)
        assert json.loads(body).keys() >= {"type", "timestamp", "data"}
        self.received.append((head, body))
        self.taken += 1
        return 204, {}, b""
