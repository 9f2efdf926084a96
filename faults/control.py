"""The words between a scenario and the processes that make trouble for it: one line of JSON each way."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec


class Refused(Exception):
    """The process does not do what it was asked; the sentence says why."""


class Reply(msgspec.Struct):
    """An answer: a fault in words, or whatever was asked for."""

    fault: str | None = None
    value: msgspec.Raw = msgspec.Raw(b"null")


async def serve_control(answer: Callable[[bytes], Awaitable[object]]) -> asyncio.Server:
    """Listens on a free port; what `answer` raises as Refused, or msgspec about the line, goes back as a fault."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                reply = Reply(value=msgspec.Raw(msgspec.json.encode(await answer(line))))
            except (Refused, msgspec.DecodeError) as fault:
                reply = Reply(fault=str(fault))
            writer.write(msgspec.json.encode(reply) + b"\n")
        writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", 0)


def write_ports(folder: Path, ports: object) -> None:
    """`ports.json` in `folder`: there when the process is ready, and then whole."""
    draft = folder / ".ports.json"
    draft.write_bytes(msgspec.json.encode(ports))
    draft.replace(folder / "ports.json")


class Control:
    """The scenario's side. Lines are answered in their order; callers may be many."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: object) -> msgspec.Raw:
        """The value of the answer. Raises Refused."""
        async with self._lock:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(msgspec.json.encode(request) + b"\n")
            line = await reader.readline()
        if not line:
            raise Refused("the process has ended")
        reply = msgspec.json.decode(line, type=Reply)
        if reply.fault is not None:
            raise Refused(reply.fault)
        return reply.value

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
