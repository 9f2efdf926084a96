"""BullMQ with Redis and Nodemailer's pool."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from peers import installed, redis_server
from peers.message import PeerOrder, PeerResult
from peers.peer import Ground, process, produced, write_message

HERE = Path(__file__).parent


class BullMq:
    """One worker process with 50 jobs at a time. A job is done after its mail in any case; durable: Redis writes before it answers."""

    count = 4_000
    paced = True

    def __init__(self, *, durable: bool) -> None:
        self._durable = durable
        self.name = "BullMQ, durable" if durable else "BullMQ"

    def missing(self) -> str | None:
        """What is not installed."""
        if not shutil.which("node") or not shutil.which("npm"):
            return "Node.js with npm is not installed (Debian: apt install nodejs npm)"
        return redis_server.missing()

    @asynccontextmanager
    async def running(self, ground: Ground) -> AsyncIterator[Mapping[str, int]]:
        """Redis and the worker."""
        self._ground, self._programs = ground, await asyncio.to_thread(installed.node, HERE)
        async with redis_server.redis(ground.folder, durable=self._durable) as (port, redis):
            self._env = os.environ | {
                "REDIS_PORT": str(port),
                "SMTP_PORT": str(ground.sink.port),
                "MESSAGE_FILE": str(write_message(ground.folder)),
            }
            command = ["node", str(self._programs / "worker.mjs")]
            async with process(command, env=self._env, log=ground.folder / "worker.log") as worker:
                yield {"redis": redis, "worker": worker}

    async def send(self, order: PeerOrder) -> PeerResult:
        """`add`, one after the other."""
        command = ["node", str(self._programs / "enqueue.mjs")]
        return await produced(command, self._env, order, self._ground.folder)
