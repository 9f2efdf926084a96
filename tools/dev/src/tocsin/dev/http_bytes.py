"""HTTP/1.1 messages as bytes: where one ends, and which of its header fields are for one connection only (RFC 9112)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Self

LARGEST_HEAD = 256 * 1024
"""Bytes; far beyond what any service here takes, so that the service refuses and not the entry."""
_PIECE = 64 * 1024
_ONE_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade")
)

Write = Callable[[bytes], Awaitable[None]]
"""Returns when as much may be written again."""


class MalformedMessage(Exception):
    """Where the message ends cannot be told from its head, so nothing after it can be read. The connection is closed."""


class Body(NamedTuple):
    """How the end of a body is found: by its chunks, by its length, or, when neither is given, by the end of the connection."""

    chunked: bool = False
    length: int | None = None


NO_BODY = Body(length=0)


class Head(NamedTuple):
    """First line and header fields, each line as it came, without its line break."""

    first: bytes
    lines: Sequence[bytes]

    @classmethod
    async def read(cls, source: asyncio.StreamReader) -> Self | None:
        """The next head; None where the connection ended before it began."""
        try:
            raw = await source.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial.strip():
                raise MalformedMessage("The connection ended within the head of a message.") from error
            return None
        except asyncio.LimitOverrunError as error:
            raise MalformedMessage(f"A head may have {LARGEST_HEAD} bytes.") from error
        first, *lines = raw.lstrip(b"\r\n")[:-4].split(b"\r\n")
        return cls(first, lines)

    def values(self, name: bytes) -> list[bytes]:
        """What all fields of this name hold, in their order, parted at commas."""
        return [
            value.strip().lower()
            for line in self.lines
            if _name(line) == name
            for value in line.partition(b":")[2].split(b",")
        ]

    def body(self, *, otherwise: Body) -> Body:
        """How the body ends; `otherwise` where the head does not say. Raises MalformedMessage where it says two things."""
        codings, lengths = self.values(b"transfer-encoding"), set(self.values(b"content-length"))
        if codings and not lengths and codings[-1] == b"chunked":
            return Body(chunked=True)
        if codings or len(lengths) > 1 or not all(length.isdigit() for length in lengths):
            raise MalformedMessage("The head does not say where its body ends.")
        return Body(length=int(lengths.pop())) if lengths else otherwise

    def passed_on(self, *, closing: bool) -> bytes:
        """The head for the next connection, as it came but for what is about this one. Its body passes on as it came, too."""
        gone = _ONE_CONNECTION.union(self.values(b"connection")) - {b"transfer-encoding", b"content-length"}
        kept = [line for line in self.lines if _name(line) not in gone]
        if closing:
            kept.append(b"Connection: close")
        return b"\r\n".join((self.first, *kept, b"", b""))


async def copy_body(body: Body, source: asyncio.StreamReader, to: Write | None) -> None:
    """Pass the body on as it comes, or read past it when there is nowhere to pass it. Trailers are dropped."""
    if body.chunked:
        await _copy_chunks(source, to)
    elif body.length is None:
        while piece := await source.read(_PIECE):
            await _write(piece, to)
    else:
        await _copy_length(body.length, source, to)


async def _copy_chunks(source: asyncio.StreamReader, to: Write | None) -> None:
    while True:
        line = await source.readuntil(b"\r\n")
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError as error:
            raise MalformedMessage("A chunk does not say its size.") from error
        if size == 0:
            while await source.readuntil(b"\r\n") != b"\r\n":
                pass
            await _write(b"0\r\n\r\n", to)
            return
        await _write(line, to)
        await _copy_length(size + 2, source, to)


async def _copy_length(length: int, source: asyncio.StreamReader, to: Write | None) -> None:
    while length:
        piece = await source.read(min(length, _PIECE))
        if not piece:
            raise MalformedMessage("The connection ended within a body.")
        length -= len(piece)
        await _write(piece, to)


async def _write(piece: bytes, to: Write | None) -> None:
    if to is not None:
        await to(piece)


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].strip().lower()
