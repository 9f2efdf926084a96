"""A sink as the bench sees it: a process, and what it caught."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import msgspec

from caught import Caught, Temper
from tocsin.dev.processes import end, free_port, spawn, wait_for_port

LOOK_EVERY = 0.05  # seconds
QUIET = 1.0  # seconds without another message after which nothing more is taken to come
LINE_BYTES = 1 << 28
SMTP, HTTP = "smtp_sink.py", "http_sink.py"


class Sink:
    """`port` is where messages go. Use it as a context: the process ends with it."""

    def __init__(self, log: Path, *, program: str = SMTP, temper: Temper | None = None) -> None:
        self._log = log
        self._program = program
        self._temper = temper or Temper()
        self.port = free_port()
        self.control_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        program = str(Path(__file__).with_name(self._program))
        told = (str(self.port), str(self.control_port), msgspec.json.encode(self._temper).decode())
        self._process = spawn([sys.executable, program, *told], log=self._log)
        wait_for_port(self.control_port, process=self._process, name="The sink", log=self._log, timeout=20)
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self.control_port, limit=LINE_BYTES
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._writer.close()
        if self._process is not None:
            end(self._process)

    async def count(self) -> int:
        """Messages caught since the last `take`."""
        return int(await self._ask(b"count\n"))

    async def take(self) -> Caught:
        """What was caught since the last `take`."""
        return msgspec.json.decode(await self._ask(b"take\n"), type=Caught)

    async def wait_for(self, wanted: int, *, patience: float) -> None:
        """Returns when so many are here and no other came for a second, or none came for so many seconds: the ids tell what is missing, and
        what came twice, also late."""
        await self._stands_still(at=wanted, patience=patience, quiet=QUIET)

    async def reaches(self, wanted: int, *, patience: float) -> None:
        """The same without the second: others may be on their way."""
        await self._stands_still(at=wanted, patience=patience, quiet=0)

    async def _stands_still(self, *, at: int, patience: float, quiet: float) -> None:
        here, moved = await self.count(), time.monotonic()
        while time.monotonic() - moved < (patience if here < at else quiet):
            await asyncio.sleep(LOOK_EVERY)
            if (now := await self.count()) != here:
                here, moved = now, time.monotonic()

    async def _ask(self, line: bytes) -> bytes:
        self._writer.write(line)
        return await self._reader.readline()
