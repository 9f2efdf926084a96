"""The one entry port of the local stack: a small reverse proxy that sends each path to the service that owns it.

It passes bytes on. Request line, header fields and bodies arrive as they were sent, in both directions; only what is about one
connection (`Connection` and what it names, trailers) ends here, and each request has a connection of its own to its service. The paths
of providers' callbacks lose their first word, as they do at the Gateway.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from tocsin.dev.http_bytes import LARGEST_HEAD, NO_BODY, Body, Head, MalformedMessage, copy_body

OWNERS: tuple[tuple[str, str], ...] = (
    ("/v1/notifications", "ingest"),
    ("/v1/events", "ingest"),
    ("/v1/cancellations", "ingest"),
    ("/v1/timelines", "ledger"),
    ("/v1/dead-letters", "ledger"),
    ("/v1/redrives", "ledger"),
    ("/v1/test-webhooks", "ledger"),
    ("/v1/inbox", "dispatch-inapp"),
    ("/v1", "router"),
    ("/u", "router"),
    ("/email/callbacks", "dispatch-email-callbacks"),
    ("/sms/callbacks", "dispatch-sms-callbacks"),
)
"""Path prefix -> service; the first that fits decides. The Gateway's manifest has the same. It leads to ports of APIs only."""

SHORTENED = frozenset(("dispatch-email-callbacks", "dispatch-sms-callbacks"))
"""Services that know their paths without the first word."""

SOCKET = "/v1/inbox/socket"
"""Where a client may ask for a WebSocket; what follows the request are bytes, in both directions."""

BODY_ENDS_WITHIN = 1.0
"""Seconds that the rest of a request's body may take after its answer. Later the connection is closed."""
_DOTS = frozenset((".", ".."))
_BROKEN = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, MalformedMessage)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""Of a connection."""


def owner(path: str) -> str | None:
    """Name of the service that owns `path`, percent-encoded or not; None when nobody does.

    A path with `.` or `..` in it has no owner: what it means depends on who resolves it.
    """
    segments = [unquote(segment) for segment in path.split("/")]
    if not _DOTS.isdisjoint(segments):
        return None
    for prefix, name in OWNERS:
        wanted = prefix.split("/")
        if segments[: len(wanted)] == wanted:
            return name
    return None


class Entry:
    """Serves 127.0.0.1:`port` and passes each request on to the owner's address in `services` (name -> base URL)."""

    def __init__(self, *, port: int, services: Mapping[str, str]) -> None:
        self._port = port
        self._services = {name: urlsplit(url) for name, url in services.items()}
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self) -> None:
        """Listens; raises OSError when the port is taken."""
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self._port, limit=LARGEST_HEAD
        )

    async def close(self) -> None:
        """Stops listening, and ends what is under way."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        while self._connections:
            task, writer = self._connections.popitem()
            await asyncio.wait({task})
            await _closed(writer)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(lambda ended: self._connections.pop(ended, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, request after request."""
        with contextlib.suppress(*_BROKEN):
            while await self._exchange(reader, writer):
                pass
            await _let_read(reader, writer)
        await _closed(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether another may follow on this connection."""
        try:
            head = await Head.read(reader)
            if head is None:
                return False
            method, target, version = head.first.split(b" ")
            body = head.body(otherwise=NO_BODY)
        except (MalformedMessage, ValueError):
            await _problem(writer, 400, "bad_request", "The request is no HTTP.", closing=True)
            return False
        closing = version != b"HTTP/1.1" or b"close" in head.values(b"connection")
        name = owner(_path(target))
        if name is None or name not in self._services:
            await copy_body(body, reader, None)
            await _problem(
                writer,
                404,
                "not_found",
                "No service owns this path.",
                closing=closing,
                bare=method == b"HEAD",
            )
            return not closing
        if name in SHORTENED:
            head = head._replace(first=b" ".join((method, _shortened(target), version)))
        service = self._services[name]
        try:
            service_reader, service_writer = await asyncio.open_connection(
                service.hostname, service.port, limit=LARGEST_HEAD
            )
        except OSError:
            await _not_answered(writer, name)
            return False
        client, ends = (reader, writer), (service_reader, service_writer)
        if _path(target) == SOCKET and head.values(b"upgrade") == [b"websocket"]:
            await _tunnel(head, client, ends)
            follows = False
        else:
            follows = await _passed_on(head, body, client, ends, name=name, closing=closing)
        return follows and not closing


async def _passed_on(
    head: Head, body: Body, client: Ends, service: Ends, *, name: str, closing: bool
) -> bool:
    """The request, and its answer back; whether both came to their ends."""
    sending = asyncio.create_task(_send(head, body, client[0], service[1]))
    try:
        method = head.first.split(b" ")[0]
        answered = await _answer(service[0], client[1], method=method, closing=closing)
        if answered is None:
            await _not_answered(client[1], name)
            return False
        await asyncio.wait({sending}, timeout=BODY_ENDS_WITHIN)
        return answered and sending.done() and sending.exception() is None
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await _closed(service[1])


async def _let_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take what the client still sends until it closes, too: closing on unread bytes would reset the connection, and with it
    the answer that the client has not read yet."""
    with contextlib.suppress(OSError):  # it has gone already, or takes too long
        writer.write_eof()
        async with asyncio.timeout(BODY_ENDS_WITHIN):
            while await reader.read(LARGEST_HEAD):
                pass


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _send(head: Head, body: Body, client: asyncio.StreamReader, service: asyncio.StreamWriter) -> None:
    """The request. A client that leaves midway takes the service's connection with it.

    It is written beside the service's transport: at a write that fails, a transport gives up what it has not read yet, such as the
    answer of a service that wants no more of the body and has closed.
    """
    loop = asyncio.get_running_loop()
    with service.get_extra_info("socket").dup() as beside:
        write = partial(loop.sock_sendall, beside)
        try:
            await write(head.passed_on(closing=True))
            await copy_body(body, client, write)
        except (asyncio.IncompleteReadError, MalformedMessage):
            service.transport.abort()
            raise


async def _tunnel(head: Head, client: Ends, service: Ends) -> None:
    """The request as it came, then bytes in both directions until one of the two ends."""
    service[1].write(b"\r\n".join((head.first, *head.lines, b"", b"")))
    ways = {
        asyncio.create_task(_all_of(client[0], service[1])),
        asyncio.create_task(_all_of(service[0], client[1])),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await _closed(service[1])


async def _all_of(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while piece := await source.read(LARGEST_HEAD):
        to.write(piece)
        await to.drain()


async def _answer(
    service: asyncio.StreamReader, client: asyncio.StreamWriter, *, method: bytes, closing: bool
) -> bool | None:
    """The answer, with what is said before it (1xx). Whether its end can be told; None where there was no answer."""
    while True:
        try:
            head = await Head.read(service)
            if head is None:
                return None
            status = int(head.first[9:12])
            bare = method == b"HEAD" or status < 200 or status in (204, 304)
            body = NO_BODY if bare else head.body(otherwise=Body())
        except (ConnectionError, MalformedMessage, ValueError):
            return None
        if status >= 200:
            break
        client.write(head.passed_on(closing=False))
        await client.drain()
    told = body.chunked or body.length is not None

    async def write(piece: bytes) -> None:
        client.write(piece)
        await client.drain()

    await write(head.passed_on(closing=closing or not told))
    await copy_body(body, service, write)
    return told


def _path(target: bytes) -> str:
    """The path of a request's target, as it was sent; without scheme and host where they are given."""
    text = target.partition(b"?")[0].decode("latin-1")
    if "://" in text and not text.startswith("/"):
        text = "/" + text.partition("://")[2].partition("/")[2]
    return text


def _shortened(target: bytes) -> bytes:
    """The target without the first word of its path; without scheme and host where they are given."""
    if not target.startswith(b"/"):
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return b"/" + target[1:].partition(b"/")[2]


async def _not_answered(client: asyncio.StreamWriter, name: str) -> None:
    detail = f"{name} does not answer; it may be starting."
    await _problem(client, 502, "bad_gateway", detail, closing=True)


async def _problem(
    client: asyncio.StreamWriter, status: int, code: str, detail: str, *, closing: bool, bare: bool = False
) -> None:
    title = HTTPStatus(status).phrase
    body = json.dumps(
        {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    )
    lines = [
        f"HTTP/1.1 {status} {title}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *(["Connection: close"] if closing else []),
        "",
        "" if bare else body,
    ]
    client.write("\r\n".join(lines).encode())
    await client.drain()
