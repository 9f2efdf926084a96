"""What all kinds have in common: an SMS is one request, and what became of it is read from the response."""

from abc import ABC, abstractmethod
from typing import ClassVar

import httpx

from tocsin.channel import Answer, Rejected, SenderConfig
from tocsin.channel.http import http_client, no_answer, retry_after
from tocsin.contracts.jobs import Job
from tocsin.dispatch_sms.sms_job import text_of
from tocsin.runtime import Clock


class HttpSmsProvider(ABC):
    """One account. Without idempotency keys: a second send arrives twice. Redirects are not followed: they would take credentials elsewhere."""

    longest_text: ClassVar[int]
    """Characters that the API takes."""

    def __init__(self, config: SenderConfig, clock: Clock) -> None:
        self.name = config.name
        self._instance = config
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    @abstractmethod
    def request(self, job: Job, text: str) -> httpx.Request | Rejected:
        """The request for one SMS, or why the provider would refuse it for certain."""

    @abstractmethod
    def answer(self, response: httpx.Response, text: str) -> Answer:
        """What the response means."""

    async def open(self) -> None:
        """Make the client; connections come with the first messages."""
        self._client = http_client(
            timeout=self._instance.call_timeout,
            connect_timeout=self._instance.connecting,
            connections=self._instance.max_in_flight,
        )

    async def send(self, job: Job) -> Answer:
        """Hand one SMS over, unless the provider would refuse it for certain."""
        text = text_of(job, longest=self.longest_text)
        if isinstance(text, Rejected):
            return text
        if self._client is None:
            raise RuntimeError("the provider was not opened")
        request = self.request(job, text)
        if isinstance(request, Rejected):
            return request
        try:
            response = await self._client.send(request)
        except httpx.TransportError as error:
            return no_answer(error)
        return self.answer(response, text)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    def pause(self, response: httpx.Response) -> float | None:
        """Seconds to wait, where the response says so."""
        return retry_after(response, now=self._clock.now())
