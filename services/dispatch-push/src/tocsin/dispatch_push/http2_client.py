"""The one HTTP/2 connection to a server: opened when it is needed, shared by all requests, replaced once it takes no more."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from tocsin.dispatch_push.http2_connection import Http2Connection
from tocsin.dispatch_push.http2_exchange import Exchange, Fate, Response, Unanswered

_CONNECTIONS: Final = 3
"""One after the other for one request: a server may say farewell just when a request is about to begin."""
_PORTS: Final = {"https": 443, "http": 80}


class Http2Client:
    """Speaks to the server of `url`, of `http:` without TLS. What sends no settings of HTTP/2 is no such server, whatever ALPN says."""

    def __init__(self, url: str, *, connect_timeout: float, ca_file: str | None = None) -> None:
        parts = urlsplit(url)
        self.scheme = parts.scheme.encode()
        self.authority = parts.netloc.encode()
        self.host = parts.hostname or ""
        self.port = parts.port or _PORTS[parts.scheme]
        self._connect_timeout = connect_timeout
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self._connection: Http2Connection | None = None
        self._opening: asyncio.Task[Http2Connection | None] | None = None

    async def open(self) -> None:
        """Read the certificates to trust; the connection comes with the first request."""
        if self.scheme == b"https":
            self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file)
            self._tls.set_alpn_protocols(["h2"])

    async def request(
        self, head: Sequence[tuple[bytes, bytes]], body: bytes, *, until: float
    ) -> Response | Unanswered:
        """The answer, if it comes by `until` on the loop's clock. `head` begins with the pseudo-headers; `body` is not empty."""
        answer: Response | Unanswered = Unanswered(Fate.NOT_BEGUN)
        for _ in range(_CONNECTIONS):
            connection = await self._usable(until)
            if connection is None:
                break
            answer = await _over(connection, Exchange(head, body, until=until))
            late = asyncio.get_running_loop().time() >= until
            if late or isinstance(answer, Response) or answer.fate is not Fate.NOT_BEGUN:
                break
        return answer

    async def close(self) -> None:
        """Close the connection; no request is under way."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._connection is not None:
            self._connection.drop()
            await asyncio.sleep(0)  # the socket is closed in the next turn of the loop

    async def _usable(self, until: float) -> Http2Connection | None:
        """However many ask at once, one connection is opened. None: there is none in time."""
        if self._connection is not None and self._connection.usable:
            return self._connection
        if self._opening is None:
            self._opening = asyncio.create_task(self._connect())
            self._opening.add_done_callback(self._opened)
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(self._opening)
        except TimeoutError:
            return None

    def _opened(self, _task: object) -> None:
        self._opening = None

    async def _connect(self) -> Http2Connection | None:
        connection: Http2Connection | None = None
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Http2Connection, self.host, self.port, ssl=self._tls
                )
                await connection.opened
        except (OSError, TimeoutError):
            if connection is not None:
                connection.drop()
            return None
        self._connection = connection
        return connection


async def _over(connection: Http2Connection, exchange: Exchange) -> Response | Unanswered:
    connection.begin(exchange)
    try:
        async with asyncio.timeout_at(exchange.until):
            return await asyncio.shield(exchange.answer)
    except TimeoutError:
        connection.probe()  # is it the server that is slow, or is nobody there any more?
        return Unanswered(exchange.fate)
    finally:
        connection.give_up(exchange)
