"""Provider kind `webhook`: the endpoints of tenants, each a far end of its own.

Tenants give the URLs, so only public addresses are connected to, and what the operator allows besides. Everything sent is signed as Standard
Webhooks says; `webhook-id` is the delivery's id, the same at every attempt.
"""

import asyncio
from functools import partial
from typing import Final, Literal

import httpx
from pydantic import Field

from tocsin.channel import Answer, Idempotency, InstanceConfig, NotSent, ProviderKind, Rejected
from tocsin.channel.guarded_http import AllowedTargets, TargetForbidden, guarded_client
from tocsin.channel.http import retry_after
from tocsin.contracts.directory import WebhookEndpointRecord
from tocsin.contracts.jobs import Job, WebhookContent
from tocsin.contracts.limits import RENDERED_PART_BYTES
from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.contracts.webhook_body import body_of
from tocsin.contracts.webhook_signature import signature_headers
from tocsin.dispatch_webhook.endpoints import Endpoints
from tocsin.dispatch_webhook.webhook_answers import answer_of, not_answered
from tocsin.observability import get_logger
from tocsin.runtime import Clock
from tocsin.runtime.bounds import CRITICAL
from tocsin.trust import SealBroken, SealKeyMissing

log = get_logger(__name__)

_USER_AGENT: Final = "Tocsin-Webhooks/1"
_CRITICAL_SECONDS: Final = CRITICAL.send_timeout - 1
"""The critical lane ends a call itself a second later, and could not say then that it was a failure."""


class WebhookConfig(InstanceConfig):
    """`[[providers]]` with `kind = "webhook"`. One is enough: it serves every endpoint."""

    kind: Literal["webhook"]
    max_in_flight: int = Field(default=1024, ge=1, le=10_000)
    """Calls at once, to all endpoints together: a tenant's, which are at most 50, take a fifth of them."""
    max_in_flight_per_endpoint: int = Field(default=4, ge=1, le=1_000)
    """Calls at once to one endpoint: the fewer, the more of them can hang while the others go on."""
    call_timeout: float = Field(default=15.0, gt=0, lt=30)
    """Seconds for one call, as Standard Webhooks advises. At most 7 s on the critical lane."""


class WebhookProvider:
    """All endpoints of all tenants. A second send of a delivery has the same `webhook-id` and the same body."""

    def __init__(
        self, config: WebhookConfig, clock: Clock, *, endpoints: Endpoints, allowed: AllowedTargets
    ) -> None:
        self.name = config.name
        self.far_end_places = config.max_in_flight_per_endpoint
        self._config = config
        self._clock = clock
        self._endpoints = endpoints
        self._allowed = allowed
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client; connections come with the first messages."""
        self._client = guarded_client(
            timeout=self._config.call_timeout,
            connect_timeout=self._config.connecting,
            connections=self._config.max_in_flight,
            allowed=self._allowed,
        )

    def far_end(self, job: Job) -> str | None:
        """The endpoint."""
        return f"{job.tenant}/{job.address_key}"

    async def send(self, job: Job) -> Answer:
        """Post to the endpoint as it is now, within `call_timeout` seconds."""
        content = job.private.content
        if not isinstance(content, WebhookContent):
            return Rejected(reason=Reason.CONTENT_REFUSED, detail="The job's content is no webhook's.")
        endpoint = self._endpoints.get(job) or await self._endpoints.wait_for(job)
        if endpoint is None or not endpoint.enabled:
            detail = "The endpoint was deleted." if endpoint is None else "The endpoint is disabled."
            return Rejected(reason=Reason.ENDPOINT_DISABLED, detail=detail)
        return await self._posted(job, endpoint, body_of(job))

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    async def _posted(self, job: Job, endpoint: WebhookEndpointRecord, body: bytes) -> Answer:
        if self._client is None:
            raise RuntimeError("the provider was not opened")
        try:
            headers = self._headers(job, endpoint, body)
        except (SealKeyMissing, SealBroken):
            detail = "The endpoint's secrets cannot be opened here: SEAL_KEYS has to be what the router's is, or they have to be saved again."
            return NotSent(reason=Reason.SENDER_REFUSED, detail=detail)
        seconds = _CRITICAL_SECONDS if job.lane is Lane.CRITICAL else self._config.call_timeout
        try:
            async with asyncio.timeout(min(seconds, self._config.call_timeout)):
                response = await self._client.post(endpoint.url, content=body, headers=headers)
        except TargetForbidden as forbidden:
            return Rejected(reason=Reason.ADDRESS_INVALID, detail=str(forbidden))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return Rejected(reason=Reason.ADDRESS_INVALID, detail="The endpoint's URL is none.")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return not_answered(job, sent=False)
        except (httpx.TransportError, TimeoutError):
            return not_answered(job, sent=True)
        pause = retry_after(response, now=self._clock.now())
        return answer_of(response.status_code, job, retry_after=pause)

    def _headers(self, job: Job, endpoint: WebhookEndpointRecord, body: bytes) -> dict[str, str]:
        opened = self._endpoints.opened(endpoint)
        signature = signature_headers(
            opened.secrets,
            message_id=job.delivery_id,
            timestamp=self._clock.time_ms() // 1000,
            body=body,
        )
        # Ours come last: whatever stands in the table, none of the tenant's takes their place.
        own = {"content-type": "application/json", "user-agent": _USER_AGENT, **signature}
        return {name.lower(): value for name, value in opened.headers.items()} | own


def webhook_kind(endpoints: Endpoints, allowed: AllowedTargets) -> ProviderKind[WebhookConfig]:
    """The kind, whose endpoints are these and may lead to `allowed`."""
    return ProviderKind(
        config=WebhookConfig,
        create=partial(WebhookProvider, endpoints=endpoints, allowed=allowed),
        idempotency=Idempotency.COLLAPSE,
        title="endpoints of tenants",
        limit=f"{RENDERED_PART_BYTES // 1024} KiB a part of its template",
    )
