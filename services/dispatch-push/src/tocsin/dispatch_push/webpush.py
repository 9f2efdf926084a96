"""Provider kind `webpush`: the push services of browsers (RFC 8030), each at the URL that a browser's subscription names.

Tenants give these URLs, so only public addresses are connected to. They are secrets: they stand in no log, metric or status.
"""

import re
from functools import partial
from typing import Annotated, Final, Literal

import httpx
from pydantic import AfterValidator, Field

from tocsin.channel import (
    Answer,
    Idempotency,
    ProviderKind,
    Rejected,
    SecretFile,
    TargetedConfig,
)
from tocsin.channel.guarded_http import AllowedTargets, TargetForbidden, guarded_client
from tocsin.channel.http import no_answer, retry_after
from tocsin.contracts.jobs import Job
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.subscription import read_subscription
from tocsin.contracts.vocabulary import DeviceKind, Reason
from tocsin.dispatch_push.es256_key import es256_key, is_es256_key
from tocsin.dispatch_push.vapid import Vapid
from tocsin.dispatch_push.webpush_answers import answer_of
from tocsin.dispatch_push.webpush_message import PLAIN_BYTES, WebPushMessage, message_of
from tocsin.runtime import Clock

PUSH_SERVICES: Final = frozenset(
    {
        "fcm.googleapis.com",  # Chrome, and what is built from it
        "updates.push.services.mozilla.com",  # Firefox
        "web.push.apple.com",  # Safari
    }
)
"""The hosts of the push services that nearly all browsers use, as their subscriptions name them. Each has one host for everybody."""

_SUBJECT = re.compile(r"(?:mailto:[^\s@]+@[^\s@]+|https://\S+)").fullmatch


def _contact(text: str) -> str:
    if not _SUBJECT(text):
        raise ValueError("push services want an address to turn to: mailto:… or https://…")
    return text


class WebPushConfig(TargetedConfig):
    """`[[providers]]` with `kind = "webpush"`."""

    kind: Literal["webpush"]
    max_in_flight: int = Field(default=256, ge=1, le=10_000)
    """Calls at once. One push service has at most an eighth of them."""
    vapid_key_file: Annotated[SecretFile, AfterValidator(is_es256_key)]
    """The private key, whose public half browsers were given when they subscribed."""
    subject: Annotated[str, AfterValidator(_contact)]
    """Whom a push service may turn to."""


class WebPushProvider:
    """All push services, with one VAPID key. A second send of a delivery replaces the first: its topic and its tag are the delivery's.

    Service workers find `tocsin_notification` and `tocsin_delivery` in the message's `data`, and the notification's link, where it has
    one, as `tocsin_link`.
    """

    def __init__(self, config: WebPushConfig, clock: Clock, *, allowed: AllowedTargets) -> None:
        self.name = config.name
        self._config = config
        self._allowed = allowed
        self._clock = clock
        self._vapid = Vapid(key=es256_key(config.vapid_key_file), subject=config.subject, clock=clock)
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
        """The host of a push service that all tenants use; for every other host the tenant, who could name as many hosts as the
        instance has places."""
        try:
            host = httpx.URL(read_subscription(job.private.address).endpoint).host
        except (ValueRefused, httpx.InvalidURL):
            return None
        return host if host in PUSH_SERVICES else f"other hosts of {job.tenant}"

    async def send(self, job: Job) -> Answer:
        """Send to one browser, within `call_timeout` seconds."""
        message = message_of(job, now=self._clock.time_ms() / 1000)
        if isinstance(message, Rejected):
            return message
        try:
            url = httpx.URL(message.endpoint)
        except httpx.InvalidURL:
            return _not_an_endpoint("The subscription's endpoint is no URL.")
        return await self._posted(url, message, job)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    async def _posted(self, url: httpx.URL, message: WebPushMessage, job: Job) -> Answer:
        if self._client is None:
            raise RuntimeError("the provider was not opened")
        origin = f"{url.scheme}://{url.netloc.decode()}"
        headers = {**message.headers, "Authorization": self._vapid.authorization(origin)}
        try:
            response = await self._client.post(url, content=message.body, headers=headers)
        except TargetForbidden:
            return _not_an_endpoint("The subscription's endpoint leads where nobody may call.")
        except httpx.TransportError as error:
            return no_answer(error)
        pause = retry_after(response, now=self._clock.now())
        return answer_of(response.status_code, message_id=job.delivery_id, retry_after=pause)


def _not_an_endpoint(detail: str) -> Rejected:
    return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)


def webpush_kind(allowed: AllowedTargets) -> ProviderKind[WebPushConfig]:
    """The kind, whose endpoints may lead to `allowed`."""
    return ProviderKind(
        config=WebPushConfig,
        create=partial(WebPushProvider, allowed=allowed),
        idempotency=Idempotency.COLLAPSE,
        targets=frozenset({DeviceKind.WEBPUSH}),
        title="browsers by Web Push",
        limit=f"{PLAIN_BYTES} bytes",
        actions=f"{ACTIONS_PER_MESSAGE} buttons",
    )
