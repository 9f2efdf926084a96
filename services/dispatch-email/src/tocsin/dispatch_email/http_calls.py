"""The HTTP client of `HttpMailProvider`, apart from it so that only those who have such an instance load it."""

import httpx

from tocsin.channel import Ambiguous, NotSent
from tocsin.channel.http import http_client, no_answer, retry_after
from tocsin.dispatch_email.http_provider import MailRequest, MailResponse
from tocsin.runtime import Clock


class HttpCalls:
    """Kept connections to one provider. Redirects are not followed: they would take credentials elsewhere."""

    def __init__(self, *, timeout: float, connect_timeout: float, connections: int, clock: Clock) -> None:
        self._client = http_client(timeout=timeout, connect_timeout=connect_timeout, connections=connections)
        self._clock = clock

    async def post(self, request: MailRequest) -> MailResponse | NotSent | Ambiguous:
        """The response, or what it means that there is none."""
        try:
            response = await self._client.post(request.url, content=request.body, headers=request.headers)
        except httpx.TransportError as error:
            return no_answer(error)
        return MailResponse(
            status=response.status_code,
            headers=response.headers,
            body=response.content,
            retry_after=retry_after(response, now=self._clock.now()),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
