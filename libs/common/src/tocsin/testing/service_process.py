"""A service as a process of its own, as an operator starts it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tocsin.testing.until import until

PATIENCE: Final = 120
"""Seconds before a test gives up: a busy machine may need long to start a process."""
LISTENS: Final = {
    "HTTP_HOST": "127.0.0.1",
    "HTTP_PORT": "0",
    "OPERATIONS_HOST": "127.0.0.1",
    "OPERATIONS_PORT": "0",
    "LOG_FORMAT": "json",
}
"""Settings with which a service takes free ports of loopback and logs what can be read here."""


@dataclass(frozen=True)
class ServiceProcess:
    """The process and what it says."""

    process: asyncio.subprocess.Process
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines about this event."""
        return [line for line in self.lines() if line["event"] == event]

    async def addresses(self, count: int = 1) -> list[str]:
        """Where it listens, once it does: for probes and metrics first, then the API."""
        await until(lambda: len(self.said("listening")) >= count, seconds=PATIENCE)
        return [f"http://127.0.0.1:{line['port']}" for line in self.said("listening")]

    async def ready(self) -> bool:
        """Whether it says so. Fails once it has ended."""
        if self.process.returncode is not None:
            raise RuntimeError(f"It has ended: {self.log.read_text()}")
        if not self.said("listening"):
            return False
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{(await self.addresses())[0]}/readyz")
        return answer.status_code == 200

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


@asynccontextmanager
async def service_process(
    module: str, *arguments: str, env: Mapping[str, str], log: Path
) -> AsyncIterator[ServiceProcess]:
    """`python -m module`, killed when the context is left. `env` goes over `LISTENS` and the environment of the tests."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            env={**os.environ, **LISTENS, **env},
            stdout=out,
            stderr=out,
        )
    try:
        yield ServiceProcess(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
