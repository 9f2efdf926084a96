"""The HTTP client for URLs that tenants give: it connects only to addresses that may be called.

Each address is looked at when its socket is made, just before connecting. So it does not matter how a URL writes an address or what a name
resolved to a moment ago: an address that was not looked at has no socket. Of several addresses of a name, those that may not be called are left
out before; only a name that has no other is forbidden.

    TransportError
    └── ConnectError
        └── TargetForbidden     the URL leads where nobody may call: asking again changes nothing until the URL or its name does
"""

import asyncio
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from tocsin.channel.http import AiohttpTransport
from tocsin.runtime.outgoing import DEFAULT_PORTS, NOT_PUBLIC, AllowedTargets

__all__ = ["AllowedTargets", "TargetForbidden", "guarded_client"]

ANSWER_BYTES: Final = 16 * 1024
"""Of an answer's body, so much is read: a far end must not fill our memory."""
BODY_BYTES: Final = "body_bytes"
"""The extension of a request that says how much of its answer's body is read, where that is not what the client has for all."""
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

WITH_USER: Final = "The URL holds a user name or a password. Send them in a header."


class TargetForbidden(httpx.ConnectError):
    """The URL leads where tenants may not send us; nothing was sent. The text is a sentence that the tenant may read.

    What else may be called stands in OUTGOING_ALLOW.
    """


def guarded_client(
    *,
    timeout: float,
    connect_timeout: float,
    connections: int,
    allowed: AllowedTargets,
    body_bytes: int = ANSWER_BYTES,
    tls: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """A client like `http_client`, for URLs that tenants give. Raises TargetForbidden where no request may go.

    Of an answer's body the first `body_bytes` are kept, as they came: nothing is decompressed. `connections` bounds three kinds of targets, each for
    itself: hosts that are allowed by name, addresses over https, and addresses over http.
    """
    transport = GuardedTransport(
        timeout=timeout,
        connect_timeout=connect_timeout,
        connections=connections,
        allowed=allowed,
        body_bytes=body_bytes,
        tls=tls,
    )
    return httpx.AsyncClient(
        transport=transport,
        follow_redirects=False,
        trust_env=False,
        headers={"accept-encoding": "identity"},
    )


class GuardedTransport(httpx.AsyncBaseTransport):
    """Carries a request where `allowed` lets it go."""

    def __init__(
        self,
        *,
        timeout: float,
        connect_timeout: float,
        connections: int,
        allowed: AllowedTargets,
        body_bytes: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._names = _Names(threads=connections)
        carrier = partial(
            _Carrier,
            names=self._names,
            body_bytes=body_bytes,
            timeout=timeout,
            connect_timeout=connect_timeout,
            connections=connections,
            tls=tls,
        )
        self._to_named_hosts = carrier(gate=None)
        self._to_addresses = {
            "https": carrier(gate=_Gate(allowed, tls=True)),
            "http": carrier(gate=_Gate(allowed, tls=False)),
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange, the answer's first bytes included."""
        try:
            return await self._carrier(request).handle_async_request(request)
        except TargetForbidden:
            raise
        except httpx.ConnectError as error:
            if _is_forbidden(error.__cause__):
                raise TargetForbidden(NOT_PUBLIC, request=request) from error
            raise

    async def aclose(self) -> None:
        """Close every connection."""
        for carrier in (self._to_named_hosts, *self._to_addresses.values()):
            await carrier.aclose()
        self._names.shut()

    def _carrier(self, request: httpx.Request) -> "_Carrier":
        """What may carry the request. Raises TargetForbidden where the URL says enough to know that nothing may."""
        url = request.url
        if url.userinfo:
            raise TargetForbidden(WITH_USER, request=request)
        host, port = url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS.get(url.scheme, 0)
        fault = self._allowed.fault(scheme=url.scheme, host=host.strip("[]"), port=port)
        if fault is not None:
            raise TargetForbidden(fault, request=request)
        return self._to_named_hosts if self._allowed.host(host, port) else self._to_addresses[url.scheme]


class _Forbidden(OSError):
    """The address may not be called. An OSError, because that is what making a socket may raise."""


def _is_forbidden(error: BaseException | None) -> bool:
    """Whether no address may be called, or the host is a number that aiohttp takes for no address (`127.1`)."""
    return isinstance(error, aiohttp.InvalidURL) or isinstance(getattr(error, "__cause__", None), _Forbidden)


class _Gate:
    """Makes sockets, and none for an address that may not be called."""

    def __init__(self, allowed: AllowedTargets, *, tls: bool) -> None:
        self._allowed = allowed
        self._tls = tls

    def __call__(self, target: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, port, *_rest) = target
        if not self.lets(str(host), int(port)):
            raise _Forbidden(NOT_PUBLIC)
        return socket.socket(family, kind, protocol)

    def lets(self, address: str, port: int) -> bool:
        """Whether this address may be called."""
        return self._allowed.address(ip_address(address), port, tls=self._tls)


class _Carrier(AiohttpTransport):
    """Connects through a gate; None: wherever the name leads, because the operator allows the name."""

    def __init__(
        self,
        *,
        gate: _Gate | None,
        names: "_Names",
        body_bytes: int,
        timeout: float,
        connect_timeout: float,
        connections: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        super().__init__(timeout=timeout, connect_timeout=connect_timeout, connections=connections, tls=tls)
        self._gate = gate
        self._names = names
        self._body_bytes = body_bytes

    def connector(self) -> aiohttp.TCPConnector:
        """What connects: through the gate."""
        return aiohttp.TCPConnector(
            limit=self.connections,
            ssl=self.tls or True,
            resolver=self._names if self._gate is None else _CallableNames(self._names, self._gate),
            socket_factory=self._gate,
        )

    async def read(self, response: aiohttp.ClientResponse, request: httpx.Request) -> httpx.Response:
        """The response, with the beginning of its body. httpx would decompress it, so it is not told of any compression."""
        content, most = bytearray(), request.extensions.get(BODY_BYTES, self._body_bytes)
        while len(content) < most:
            part = await response.content.read(most - len(content))
            if not part:
                break
            content += part
        headers = [
            (name, value) for name, value in response.raw_headers if name.lower() != b"content-encoding"
        ]
        return httpx.Response(response.status, headers=headers, content=bytes(content), request=request)


class _Names(AbstractResolver):
    """Looks names up, in threads of its own: a name server that does not answer holds one for many seconds, and the process's few
    others would soon be used up by a few such names."""

    def __init__(self, *, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name, as the system finds them."""
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except UnicodeError as error:  # a label of no or of more than 63 characters
            raise socket.gaierror(socket.EAI_NONAME, "not a name that can be looked up") from error
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=version,
                proto=protocol,
                flags=_NUMERIC,
            )
            for version, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Several connectors share it: see `shut`."""

    def shut(self) -> None:
        """Begin no other look-up. One that is under way goes on, and the process does not exit before its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _CallableNames(AbstractResolver):
    """The addresses of a name that may be called."""

    def __init__(self, names: _Names, gate: _Gate) -> None:
        self._names = names
        self._gate = gate

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises _Forbidden where none of them may be called."""
        found = await self._names.resolve(host, port, family)
        may_be_called = [address for address in found if self._gate.lets(address["host"], address["port"])]
        if not may_be_called:
            raise _Forbidden(NOT_PUBLIC)
        return may_be_called

    async def close(self) -> None:
        """As `_Names.close`."""
