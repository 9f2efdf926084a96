"""Debian's redis-server: as it is shipped, or with every write on disk before it is answered."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tocsin.dev.processes import end, free_port, spawn, wait_for_port

PROGRAM = "redis-server"
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def missing() -> str | None:
    """Why there is none."""
    return (
        None if shutil.which(PROGRAM) else "redis-server is not installed (Debian: apt install redis-server)"
    )


@asynccontextmanager
async def redis(folder: Path, *, durable: bool) -> AsyncIterator[tuple[int, int]]:
    """Its port and its process."""
    port, log = free_port(), folder / "redis.log"
    place = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder))
    running = spawn([PROGRAM, *place, *(DURABLE if durable else ())], log=log)
    try:
        wait_for_port(port, process=running, name="Redis", log=log, timeout=20)
        yield port, running.pid
    finally:
        end(running)
