"""The HTTP client of providers that speak HTTP: httpx is its face, aiohttp carries the bytes.

httpx's own transport spends several times the CPU once many requests are in flight; `bench/http_transport.py` has the
figures. Its other half matters as much: an error says whether the provider can have taken the request.
"""

import asyncio
import io
import ssl
from datetime import datetime

import aiohttp
import httpx
from yarl import URL

from tocsin.channel.answers import Ambiguous, NotSent
from tocsin.channel.pauses import LONGEST_PAUSE, pause_until
from tocsin.contracts.vocabulary import Reason
from tocsin.observability import client_span, current_span

# These end a request before its first byte: no connection, no TLS, no free place in the pool, no host that can be called.
_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_AT_ONCE = 1024 * 1024
"""Bytes of a body: of what is larger, such as a mail with attachments, aiohttp writes a piece after the other, and others go on between two."""
_PORTS = {"http": 80, "https": 443}


def http_client(
    *,
    timeout: float,
    connections: int,
    connect_timeout: float,
    tls: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """A client for one provider: at most `connections` at once, redirects never followed, no proxy, no cookies.

    A request ends within `timeout` seconds, waiting for a free connection included; connecting within `connect_timeout` of them.
    Errors are httpx's; give them to `no_answer`.
    """
    transport = AiohttpTransport(
        timeout=timeout, connect_timeout=connect_timeout, connections=connections, tls=tls
    )
    return httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)


def no_answer(error: httpx.TransportError) -> NotSent | Ambiguous:
    """What a request without a response means for its message.

    Not sent: connecting failed, was refused, timed out, or TLS did. Ambiguous: anything after, for a request is one
    write, and nobody knows how much of it arrived.
    """
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return NotSent(reason=Reason.UNREACHABLE, detail="The provider could not be reached.")
    return Ambiguous(detail="The provider did not answer after the request was sent.")


def retry_after(response: httpx.Response, *, now: datetime) -> float | None:
    """Seconds to wait as the `Retry-After` header says, as number or date (RFC 9110); None without a sensible one."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal() and value.isascii():
        return min(float(value[:9]), LONGEST_PAUSE)
    return pause_until(value, now=now)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Carries httpx requests over kept aiohttp connections; bodies in memory, both ways.

    Raises ConnectError or ConnectTimeout when nothing can have left, other TransportErrors when something may have.
    Made within a running loop at the first request.
    """

    def __init__(
        self, *, timeout: float, connect_timeout: float, connections: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=connect_timeout)
        self.connections = connections
        self.tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange, the response's body included."""
        if current_span() is None:
            return await self._exchange(request)
        with client_span(request.method, _described(request)) as call:
            response = await self._exchange(request)
            if call.opened is not None:
                call.opened.set("http.response.status_code", response.status_code)
                if response.status_code >= 400:
                    call.opened.fail(str(response.status_code))
            return response

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        session = self._session or self._open()
        body = await request.aread()
        try:
            async with session.request(
                request.method,
                URL(str(request.url), encoded=True),  # as it is: it may be signed
                headers=request.headers.multi_items(),
                data=io.BytesIO(body) if len(body) > _AT_ONCE else body or None,
                allow_redirects=False,
            ) as response:
                return await self.read(response, request)
        except _NEVER_LEFT as error:
            kind = httpx.ConnectTimeout if isinstance(error, TimeoutError) else httpx.ConnectError
            raise kind(type(error).__name__, request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout(type(error).__name__, request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(type(error).__name__, request=request) from error

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # TLS transports close in the next turn of the loop

    async def read(self, response: aiohttp.ClientResponse, request: httpx.Request) -> httpx.Response:
        """The response, with its whole body."""
        content = await response.read()
        return httpx.Response(response.status, headers=response.raw_headers, content=content, request=request)

    def connector(self) -> aiohttp.TCPConnector:
        """What connects: to whatever a host's name resolves to."""
        return aiohttp.TCPConnector(limit=self.connections, ssl=self.tls or True)

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=self.connector(),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            requote_redirect_url=False,
        )
        return self._session


def _described(request: httpx.Request) -> dict[str, str | int | float | bool]:
    """What OpenTelemetry's conventions for HTTP say of a call, without its URL: that may hold an account's id or a token."""
    url = request.url
    return {
        "http.request.method": request.method,
        "server.address": url.host,
        "server.port": url.port or _PORTS.get(url.scheme, 0),
    }
