"""The proving ground's network: what a link does to the bytes on it, in every mode, and after it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Self

import pytest

from control import Refused
from links import Network
from proxy import Mode


class Echo:
    """A server that says everything back."""

    async def __aenter__(self) -> Self:
        self._writers: list[asyncio.StreamWriter] = []
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # sockets are closed in the loop's next turn

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()


class Client:
    """One connection through the link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.reader.readexactly(len(data))

    async def hears_nothing(self, data: bytes) -> None:
        """Says it and hears nothing for a while."""
        self.writer.write(data)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await self.reader.read(1)


Connect = Callable[[int], Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    writers: list[asyncio.StreamWriter] = []

    async def connect(port: int) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return Client(reader, writer)

    yield connect
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)  # sockets are closed in the loop's next turn


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path / "network") as network:
        yield network


async def test_a_link_passes_is_cut_and_passes_again(network: Network, connect: Connect) -> None:
    async with Echo() as echo:
        port = await network.link("it", echo.port)
        client = await connect(port)
        large = bytes(range(256)) * 20_000
        assert await client.say(large) == large
        await network.change("it", Mode.CUT)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.say(b"x")
        with pytest.raises(ConnectionError):
            await connect(port)
        await network.change("it", Mode.PASS)
        assert await (await connect(port)).say(b"again") == b"again"


async def test_a_half_open_link_says_nothing_and_loses_nothing(network: Network, connect: Connect) -> None:
    async with Echo() as echo:
        port = await network.link("it", echo.port)
        client = await connect(port)
        assert await client.say(b"one") == b"one"
        await network.change("it", Mode.HALF_OPEN)
        await client.hears_nothing(b"two")
        late = await connect(port)
        await late.hears_nothing(b"three")
        await network.change("it", Mode.PASS)
        assert await client.reader.readexactly(3) == b"two"
        assert await late.reader.readexactly(5) == b"three"


async def test_a_delayed_link_and_a_dripping_one_take_their_time(network: Network, connect: Connect) -> None:
    async with Echo() as echo:
        client = await connect(await network.link("it", echo.port))
        await network.change("it", Mode.DELAY, 100)
        begun = time.monotonic()
        assert await client.say(b"one") == b"one"
        assert time.monotonic() - begun >= 0.2
        await network.change("it", Mode.DRIP, 1000)
        begun = time.monotonic()
        assert await client.say(b"x" * 300) == b"x" * 300
        assert time.monotonic() - begun >= 0.2


async def test_the_end_of_either_side_reaches_the_other(network: Network, connect: Connect) -> None:
    async with Echo() as echo:
        client = await connect(await network.link("it", echo.port))
        client.writer.write(b"last")
        client.writer.write_eof()
        assert await client.reader.read() == b"last"


async def test_a_target_that_does_not_listen_looks_like_a_reset(network: Network, connect: Connect) -> None:
    async with Echo() as echo:
        port = echo.port
    client = await connect(await network.link("it", port))
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await client.say(b"x")


async def test_an_unknown_link_is_refused(network: Network) -> None:
    with pytest.raises(Refused, match="no link is called 'else'"):
        await network.change("else", Mode.CUT)
