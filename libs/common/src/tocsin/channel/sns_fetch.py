"""How SNS's own server is called: for certificates, and to confirm a subscription."""

import ssl
from typing import Final
from urllib.parse import urlsplit

import httpx

from tocsin.channel.guarded_http import AllowedTargets, guarded_client

TIMEOUT: Final = 4.0
"""Seconds for a call. SNS waits for 15 until a callback is answered: https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html."""


class NotFetched(Exception):
    """SNS did not answer, or not with what was asked for. Whoever waits for it is to try again."""


async def fetched(url: str, *, tls: ssl.SSLContext | None = None) -> bytes:
    """The first 16 KiB of what is under this https URL, redirects not followed. Raises NotFetched.

    `url` must be known to lead to SNS: its host may be called whatever address it has, because SNS can be reached by a private one, too.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise NotFetched
    client = guarded_client(
        timeout=TIMEOUT,
        connect_timeout=TIMEOUT,
        connections=1,
        allowed=AllowedTargets([parts.netloc]),
        tls=tls,
    )
    async with client:
        try:
            response = await client.get(url)
        except httpx.TransportError as error:
            raise NotFetched from error
    if response.status_code != 200:
        raise NotFetched
    return response.content
