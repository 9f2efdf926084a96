"""An HTTP server for tests of providers: reads requests whole, then answers, or misbehaves, as it is told."""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar

from tocsin.testing.provider_suite import Behaviour

Response = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


class HttpWorld(ABC):
    """Subclass it: `respond` checks a request as the API's documentation has it, and answers; `scripts` are its refusals.

    Counts what was `taken` in `respond`'s hands; `scripted`, when set, answers instead of `respond`.
    """

    server_loggers: tuple[str, ...] = ()
    scripts: ClassVar[dict[Behaviour, Response]] = {}

    def __init__(self) -> None:
        self.how = Behaviour.TAKES
        self.scripted: Response | None = None
        self.taken = 0
        self.requests = 0
        self.port = 0
        self._done = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        """Answer one request: its first line, its headers by lower-case name, its body."""

    def beside(self, _first: str, _head: dict[str, str], _body: bytes) -> Response | None:
        """Answer requests beside the point (for a token), whatever the behaviour; None: it is to the point."""
        return None

    async def listen(self) -> None:
        """Begin to listen, always on the same port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def hang_up(self) -> None:
        """Stop listening and reset every connection."""
        self._done.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def behave(self, how: Behaviour) -> None:
        """Change what happens from the next request on."""
        self.how, self.scripted = how, self.scripts.get(how)
        await (self.hang_up() if how is Behaviour.REFUSES_CONNECTIONS else self.listen())

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                await self._exchange(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, or was to be left
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(head["content-length"]))
        if (response := self.beside(first, head, body)) is None:
            self.requests += 1
            await self._misbehave(writer)
            response = self.scripted or self.respond(first, head, body)
        status, headers, content = response
        told = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*told, f"Content-Length: {len(content)}", "", ""]).encode() + content)
        await writer.drain()

    async def _misbehave(self, writer: asyncio.StreamWriter) -> None:
        match self.how:
            case Behaviour.SILENT:
                await self._done.wait()
                raise ConnectionResetError
            case Behaviour.RESETS:
                raise ConnectionResetError
            case Behaviour.BABBLES:
                writer.write(b"220 mail.example.org ESMTP marked-body\r\n")
                await writer.drain()
                raise ConnectionResetError
