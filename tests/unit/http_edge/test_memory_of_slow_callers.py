"""What 400 connections that say nothing and 150 half-sent bodies cost a process, and that it serves all others meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tocsin.runtime.http import HttpSettings

PROGRAM = Path(__file__).with_name("edge_process.py")
MIB = 1024 * 1024
HALF = b"a" * (MIB - 1)
HEAD_MIB = 200
in_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


class Served:
    """The process, and connections to it."""

    def __init__(self, pid: int, port: int, key: str) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._port = port
        self.key = key
        self._writers: list[asyncio.StreamWriter] = []

    def resident(self) -> float:
        """MiB of memory it holds."""
        line = next(line for line in self._status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    async def send(self, data: bytes) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        writer.write(data)
        return reader

    async def send_half(self, *, key: bool) -> asyncio.StreamReader:
        field = f"Authorization: Bearer {self.key}\r\n" if key else ""
        head = f"POST /v1/take HTTP/1.1\r\nHost: t\r\n{field}Content-Length: {MIB}\r\n\r\n"
        return await self.send(head.encode() + HALF)

    async def send_head(self) -> None:
        """One header of 200 MiB, or as much of it as is read."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        writer.write(b"GET /v1/things HTTP/1.1\r\nHost: t\r\nX: ")
        with suppress(ConnectionError):
            for _ in range(HEAD_MIB):
                writer.write(b"a" * MIB)
                await writer.drain()

    async def serves(self) -> bool:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}", timeout=20) as client:
            got = await client.get("/v1/things")
            taken = await client.post(
                "/v1/take", content=b"{}", headers={"authorization": f"Bearer {self.key}"}
            )
        return (got.status_code, taken.status_code) == (200, 200)

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    port, key = (await process.stdout.readline()).decode().split()
    server = Served(process.pid, int(port), key)
    try:
        yield server
    finally:
        server.close()
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 60)


async def status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(60):
        return int((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1])


# A third above the most of ten runs, each alone, on two cores with other work (MiB):
# without a key 8, 12, 14, 15, 15, 18, 22, 32, 33, 48; with one 52, 54, 55, 56, 60, 61, 61, 62, 73, 74.
# The busier the cores, the more bodies pass through the process at the same moment.
MOST_WITHOUT_KEY, MOST_WITH_KEY = 64, 96


@in_proc
@pytest.mark.parametrize(("key", "most"), [(False, MOST_WITHOUT_KEY), (True, MOST_WITH_KEY)])
async def test_finding_6_idle_connections_and_half_sent_bodies_leave_memory_flat_and_others_served(
    key: bool, most: int
) -> None:
    """150 bodies without their last byte took 162 MiB, and stayed as long as the caller liked."""
    async with served() as server:
        assert await server.serves()
        before = server.resident()
        for _ in range(400):
            await server.send(b"GET / HTTP/1.1\r\nX: ")
        halves: list[Any] = await asyncio.gather(*(server.send_half(key=key) for _ in range(150)))
        if not key:
            answers = {await status(half) for half in halves}
            assert answers == {401, 429}  # of so many refusals, the later ones are told to wait
            assert await server.serves()
        else:  # a tenant fills its quarter of 64 MiB, and is refused beyond it
            refused = [asyncio.create_task(status(half)) for half in halves]
            _, held = await asyncio.wait(refused, timeout=5)
            assert len(held) == 16
            assert {task.result() for task in refused if task.done()} == {503}
            for task in held:
                task.cancel()
        assert server.resident() - before < most


@in_proc
async def test_finding_4_a_head_of_200_mib_leaves_memory_flat() -> None:
    async with served() as server:
        assert await server.serves()
        before = server.resident()
        await server.send_head()
        assert await server.serves()
        assert server.resident() - before < 8


def test_a_service_that_is_told_nothing_has_these_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_TIMEOUT", "BODY_TIMEOUT", "HEAD_BYTES", "HEAD_FIELDS"):
        monkeypatch.delenv(f"HTTP_{name}", raising=False)
    limits = HttpSettings().limits
    assert (limits.head_timeout, limits.body_timeout) == (10, 30)
    assert (limits.head_bytes, limits.head_fields) == (32 * 1024, 100)
