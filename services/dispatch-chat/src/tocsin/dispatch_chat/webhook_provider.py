"""What providers have in common whose addresses are URLs that tenants give: where these may lead, and that nobody sees them.

A URL leads to the provider's own hosts, over https, and never to an address that is not public; what the operator allows besides stands in
`OUTGOING_ALLOW`. It carries its own authority, so it stands in no log, metric or status. Redirects are not followed.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Annotated, ClassVar

import httpx
from pydantic import AfterValidator, Field

from tocsin.channel import Answer, Rejected, TargetedConfig
from tocsin.channel.guarded_http import AllowedTargets, TargetForbidden, guarded_client
from tocsin.channel.http import no_answer, retry_after
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_chat.chat_job import far_end_of, ids_of
from tocsin.runtime import Clock

_HOST = re.compile(r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*").fullmatch


def _host(text: str) -> str:
    if not _HOST(text):
        raise ValueError(f"{text!r} is no host: write hooks.example.com, or *.example.com for all below it")
    return text


Hosts = tuple[Annotated[str, AfterValidator(_host)], ...]


class WebhookConfig(TargetedConfig):
    """For kinds whose addresses are URLs. A kind has its provider's hosts as the default of `hosts`."""

    max_in_flight: int = Field(default=256, ge=1, le=10_000)
    """Calls at once. One place has at most an eighth of them."""
    hosts: Hosts = Field(min_length=1)
    """Where URLs may lead: `hooks.slack.com`, or `*.example.com` for all below it."""


class WebhookProvider(ABC):
    """All places of one provider. A second send arrives twice; what was taken has no id, so the delivery's stands for it."""

    not_an_address: ClassVar[str]
    """Why a URL is not called, for whoever reads the timeline."""

    def __init__(self, config: WebhookConfig, clock: Clock, *, allowed: AllowedTargets) -> None:
        self.name = config.name
        self._instance = config
        self._allowed = allowed
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    @abstractmethod
    def body(self, job: Job) -> bytes | Rejected:
        """The message as JSON, or why the provider would refuse it for certain."""

    @abstractmethod
    def answer(self, job: Job, response: httpx.Response, *, retry_after: float | None) -> Answer:
        """What the response means."""

    async def open(self) -> None:
        """Make the client; connections come with the first messages."""
        self._client = guarded_client(
            timeout=self._instance.call_timeout,
            connect_timeout=self._instance.connecting,
            connections=self._instance.max_in_flight,
            allowed=self._allowed,
        )

    def far_end(self, job: Job) -> str | None:
        """The place, as a hash."""
        return far_end_of(job)

    async def send(self, job: Job) -> Answer:
        """Write one message, within `call_timeout` seconds."""
        body = self.body(job)
        if isinstance(body, Rejected):
            return body
        try:
            url = httpx.URL(job.private.address)
        except httpx.InvalidURL:
            return self._no_address()
        if not is_one_of(url.host, self._instance.hosts):
            return self._no_address()
        return await self._posted(url, body, job)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    async def _posted(self, url: httpx.URL, body: bytes, job: Job) -> Answer:
        if self._client is None:
            raise RuntimeError("the provider was not opened")
        try:
            headers = {"Content-Type": "application/json", **ids_of(job)}
            response = await self._client.post(url, content=body, headers=headers)
        except TargetForbidden:
            return self._no_address()
        except httpx.TransportError as error:
            return no_answer(error)
        return self.answer(job, response, retry_after=retry_after(response, now=self._clock.now()))

    def _no_address(self) -> Rejected:
        return Rejected(reason=Reason.ADDRESS_INVALID, detail=self.not_an_address)


def is_one_of(host: str, hosts: Iterable[str]) -> bool:
    """Whether the host is among these. `*.example.com` is every host below `example.com`, and not that itself."""
    host = host.lower().rstrip(".")
    return any(
        host.endswith(known[1:]) and len(host) >= len(known) if known.startswith("*.") else host == known
        for known in hosts
    )
