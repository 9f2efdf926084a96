"""Celery with Redis and smtplib."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from peers import installed, redis_server
from peers.message import PeerOrder, PeerResult
from peers.peer import Ground, process, produced, write_message

HERE = Path(__file__).parent


class Celery:
    """Prefork workers, one a core, which is the default. Durable: acknowledged after the mail, Redis writes before it answers."""

    count = 3_000
    paced = True

    def __init__(self, *, durable: bool) -> None:
        self._durable = durable
        self.name = "Celery, durable" if durable else "Celery"

    def missing(self) -> str | None:
        """What is not installed."""
        return redis_server.missing()

    @asynccontextmanager
    async def running(self, ground: Ground) -> AsyncIterator[Mapping[str, int]]:
        """Redis and the workers."""
        self._folder, self._python = ground.folder, await asyncio.to_thread(installed.python, HERE)
        async with redis_server.redis(ground.folder, durable=self._durable) as (port, redis):
            self._env = os.environ | {
                "REDIS_URL": f"redis://127.0.0.1:{port}/0",
                "SMTP_PORT": str(ground.sink.port),
                "MESSAGE_FILE": str(write_message(ground.folder)),
                "PYTHONPATH": str(HERE),
                "DURABLE": "yes" if self._durable else "",
            }
            command = [
                str(self._python),
                "-m",
                "celery",
                "-A",
                "mail_tasks",
                "worker",
                "--loglevel",
                "WARNING",
            ]
            async with process(command, env=self._env, log=ground.folder / "worker.log") as worker:
                yield {"redis": redis, "workers": worker}

    async def send(self, order: PeerOrder) -> PeerResult:
        """One task after the other."""
        return await produced([str(self._python), str(HERE / "enqueue.py")], self._env, order, self._folder)
