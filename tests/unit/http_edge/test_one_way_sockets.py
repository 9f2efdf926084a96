"""WebSockets pass at their own path alone, within the server's bounds, and a hostile caller ends its own connection and no other."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tocsin.runtime import HttpSettings, one_way_socket
from tocsin.runtime.http import HttpServer
from tocsin.runtime.one_way_socket import OneWaySocket
from tocsin.testing.until import until

PATH = "/v1/told"
MASK = b"\x01\x02\x03\x04"
HEAD = (
    b"GET %b HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: %b\r\n\r\n"
)


def head(path: str = PATH, *, cookie: bytes = b"a") -> bytes:
    return HEAD % (path.encode(), cookie)


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, masked: bool = True, bits: int = 0) -> bytes:
    """A frame of a client (RFC 6455, section 5.2)."""
    length = len(data)
    size = bytes([length]) if length < 126 else b"\x7e" + struct.pack("!H", length)
    first = bytes([(0x80 if fin else 0) | bits | opcode])
    body = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data)) if masked else data
    return first + bytes([size[0] | (0x80 if masked else 0)]) + size[1:] + (MASK if masked else b"") + body


async def told(scope: Any, receive: Any, send: Any) -> None:
    """Says hello, then one number after the other as long as somebody listens."""
    assert scope["path"] == PATH
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "hello"})
    flooded = scope["query_string"] == b"flood"
    leaving = asyncio.ensure_future(receive())
    while flooded and not leaving.done():
        await send({"type": "websocket.send", "text": "x" * 10_000})
        await asyncio.sleep(0)
    await leaving


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """Answers in HTTP whatever is asked."""
    del receive
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"http"})


@dataclass
class Running:
    server: HttpServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def connect(self, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return reader, writer

    async def upgraded(self, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A socket that has been greeted."""
        reader, writer = await self.connect(*(pieces or (head(),)))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(7) == b"\x81\x05hello"
        return reader, writer


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    settings = HttpSettings(host="127.0.0.1", port=0, connections=10)
    server = HttpServer(name="edge", app=plain, settings=settings, sockets={PATH: told})
    await server.start()
    yield Running(server)
    await server.finish()


def code_in(said: bytes) -> int:
    """The code of the close frame at the end of what the server said."""
    at = said.rindex(b"\x88")
    return int(struct.unpack("!H", said[at + 2 : at + 4])[0])


async def test_a_socket_passes_at_its_path_and_nowhere_else(running: Running) -> None:
    async with (
        aiohttp.ClientSession(running.url) as client,
        client.ws_connect(PATH) as opened,
    ):
        assert await opened.receive_str() == "hello"
        for path in ("/", "/v1/told/", "/v1/tolD", "/v1/%74old"):
            reader, writer = await running.connect(head(path))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 "), path
            writer.close()
        async with client.get(PATH) as answer:
            assert await answer.text() == "http"


@pytest.mark.parametrize("pieces", [1, 3, 40])
async def test_a_head_may_come_in_pieces(running: Running, pieces: int) -> None:
    whole = head(cookie=b"c" * 5000)
    size = len(whole) // pieces + 1
    reader, writer = await running.upgraded(
        *(whole[begin : begin + size] for begin in range(0, len(whole), size))
    )
    writer.write(frame(0x9, b"ping"))
    assert await reader.readexactly(6) == b"\x8a\x04ping"
    writer.close()


async def test_who_speaks_before_it_is_let_in_is_cut_off(running: Running) -> None:
    reader, writer = await running.connect(head() + frame(0x9, b"ping"))
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


async def test_other_protocols_and_methods_are_answered_in_http(running: Running) -> None:
    for changed in (
        head().replace(b"websocket", b"h2c"),
        head().replace(b"GET", b"POST").replace(b"Cookie: a", b"Content-Length: 0"),
        head().replace(b"Upgrade: websocket", b"Upgrade: websocket, h2c"),
        head(cookie=b"c" * 9000),
    ):
        reader, writer = await running.connect(changed)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()


@pytest.mark.parametrize(
    "changed", [(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), (b"Version: 13", b"Version: 8")]
)
async def test_a_handshake_that_is_none_is_refused(running: Running, changed: tuple[bytes, bytes]) -> None:
    reader, writer = await running.connect(head().replace(*changed))
    assert (await reader.read()).startswith(b"HTTP/1.1 4")
    writer.close()


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(0x1, b"hello")], 1008),
        ([frame(0x2, b"\x00\xff")], 1008),
        ([frame(0x1, b"he", fin=False), frame(0x0, b"llo")], 1008),
        ([frame(0x1, b"he", fin=False)] + [frame(0x0, b"x" * 500, fin=False)] * 50, 1009),
        ([frame(0x1, b"x" * 1025)], 1009),
        ([b"\x81\xff" + struct.pack("!Q", 2**62) + MASK], 1009),
        ([frame(0x1, b"\xff\xfe")], 1008),
        ([frame(0x0, b"of nothing")], 1002),
        ([frame(0x1, b"hello", masked=False)], 1002),
        ([frame(0x1, b"hello", bits=0x40)], 1002),
        ([frame(0x3)], 1002),
        ([frame(0x9, b"x" * 126)], 1002),
        ([frame(0x9, fin=False)], 1002),
        ([frame(0x8, b"\x00")], 1002),
        ([frame(0x8, struct.pack("!H", 1000))], 1000),
        ([b"GET / HTTP/1.1\r\n\r\n" * 20], 1002),
    ],
    ids=[
        "text", "binary", "fragments", "fragments-without-end", "long", "longest", "no-utf-8", "continues-nothing", "unmasked", "compressed",
        "unknown", "long-ping", "half-ping", "short-close", "close", "http",
    ],
)  # fmt: skip
async def test_a_hostile_frame_ends_its_own_connection(
    running: Running, monkeypatch: pytest.MonkeyPatch, frames: list[bytes], code: int
) -> None:
    monkeypatch.setattr(one_way_socket, "LINGER_SECONDS", 0.2)  # these callers do not close by themselves
    async with aiohttp.ClientSession(running.url) as client, client.ws_connect(PATH) as other:
        assert await other.receive_str() == "hello"
        reader, writer = await running.upgraded()
        for each in frames:
            writer.write(each)
        assert code_in(await reader.read()) == code
        writer.close()
        await until(lambda: running.server.connections == 1)
        await other.ping()
        assert not other.closed


@pytest.mark.parametrize("query", ["", "?flood"])
async def test_who_answers_no_ping_or_reads_nothing_is_not_kept(
    running: Running, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(one_way_socket, "PING_SECONDS", 0.05)
    _, writer = await running.connect(head(PATH + query))
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await until(lambda: running.server.connections == 1)
    await until(lambda: running.server.connections == 0)
    writer.transport.abort()


async def test_sockets_count_among_the_connections(running: Running) -> None:
    opened = [await running.upgraded() for _ in range(10)]
    reader, writer = await running.connect(head())
    assert (await reader.read()).startswith(
        b"HTTP/1.1 200 "
    )  # refused as any other; this app does not say so
    opened[0][1].close()
    await until(lambda: running.server.connections < 10)
    again = await running.upgraded()
    for _, each in [*opened, again, (reader, writer)]:
        each.close()


async def test_a_server_that_stops_says_so(running: Running) -> None:
    reader, writer = await running.upgraded()
    await running.server.finish()
    assert code_in(await reader.read()) == 1012
    writer.close()


class Transport(asyncio.Transport):
    """Of a caller who sends and does not read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


async def test_who_does_not_read_is_not_read() -> None:
    """Each ping of theirs would add an answer to what waits for them."""
    socket = object.__new__(OneWaySocket)
    socket.writable, transport = asyncio.Event(), Transport()
    socket.transport = transport
    socket.pause_writing()
    assert transport.calls == ["pause"]
    socket.resume_writing()
    assert transport.calls == ["pause", "resume"]
    assert socket.writable.is_set()
