"""Calls of SendGrid's API: one client, one endpoint, and what its responses say."""

from datetime import datetime

import httpx

from tocsin.channel import Answer
from tocsin.channel.http import http_client, no_answer, retry_after
from tocsin.channel.pauses import LONGEST_PAUSE
from tocsin.dispatch_email.sendgrid_answers import answer_of
from tocsin.runtime import Clock

_A_MOMENT = 1_000_000_000
"""Seconds since 1970 are more than this since 2001, and no period is that long."""


class SendGridCalls:
    """One API key. Redirects are not followed: they would take it elsewhere."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        timeout: float,
        connect_timeout: float,
        connections: int,
        clock: Clock,
    ) -> None:
        self._url = f"{base_url}/v3/mail/send"
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",  # without it some of the API's endpoints answer 406
        }
        self._client = http_client(timeout=timeout, connect_timeout=connect_timeout, connections=connections)
        self._clock = clock

    async def mail_send(self, body: bytes) -> Answer:
        """What became of one mail."""
        try:
            response = await self._client.post(self._url, content=body, headers=self._headers)
        except httpx.TransportError as error:
            return no_answer(error)
        return answer_of(
            response.status_code,
            response.content,
            message_id=response.headers.get("x-message-id"),
            retry_after=pause(response, now=self._clock.now()),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def pause(response: httpx.Response, *, now: datetime) -> float | None:
    """Seconds to wait, as `Retry-After` says; else as `X-RateLimit-Reset`, the end of the limit's period, does.

    It is documented as seconds since 1970; a small number can only be seconds from now.
    """
    if (wanted := retry_after(response, now=now)) is not None:
        return wanted
    value = response.headers.get("x-ratelimit-reset", "").strip()
    if not (value.isdecimal() and value.isascii()):
        return None
    seconds = float(value[:12])
    if seconds > _A_MOMENT:
        seconds -= now.timestamp()
    return min(max(seconds, 0.0), LONGEST_PAUSE)
