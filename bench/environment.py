"""Where the bench takes place: a real broker, a real database, topics, tables, keys, and services as processes."""

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import aiohttp

from tocsin.catcher.service_account import write_account
from tocsin.dev import KafkaServer, PostgresServer, StartFailed
from tocsin.dev.commands import run_command
from tocsin.dev.installation import DATABASE, make_tenant, make_topics_and_tables, start_servers
from tocsin.dev.processes import end, free_port, spawn
from tocsin.dev.providers import FCM_PROJECT, write_providers
from tocsin.dev.readiness import wait_until_ready
from tocsin.dev.services import PARTITIONS, LocalService, StackSettings, services
from tocsin.kafka import KafkaSettings

TENANT = "bench"
NOBODY = 1
"""A port at which nothing listens: no dispatcher asks a provider before it has a job."""


def _another(service: LocalService) -> LocalService:
    """The same service with ports of its own."""
    operations, port = free_port(), free_port() if service.port else None
    env = {**service.env, "OPERATIONS_PORT": str(operations)} | ({"HTTP_PORT": str(port)} if port else {})
    return replace(service, env=env, operations_port=operations, port=port)


class Environment:
    """Ready when entered; everything in it ends when it is left. All files lie in `folder`.

    Mails go to `smtp_port`, everything else to `http_port`; `settings` go over those of every service. Each service is
    sampled into a file in `samples`, where that is given (`profiled.py`). Services run as in the local stack (`tocsin.dev.services`), except that they log JSON, as in production.
    """

    def __init__(
        self,
        folder: Path,
        *,
        smtp_port: int,
        http_port: int = NOBODY,
        partitions: int = PARTITIONS,
        settings: Mapping[str, str] | None = None,
        samples: Path | None = None,
        optimised: bool = False,
    ) -> None:
        self.folder = folder
        self._samples = samples
        self.partitions = partitions
        self._settings = dict(settings or {})
        self._smtp_port = smtp_port
        self._http_port = http_port
        self._kafka = KafkaServer(folder / "kafka", optimised=optimised)
        self._postgres = PostgresServer(folder / "postgres")
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ended: dict[str, str] = {}
        self._services: dict[str, LocalService] = {}
        self.key = ""

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._close()

    @property
    def kafka(self) -> KafkaSettings:
        """How to reach the broker."""
        return KafkaSettings(bootstrap_servers=self._kafka.bootstrap_servers)

    @property
    def database(self) -> str:
        """The database's URL."""
        return self._postgres.url_of(DATABASE)

    @property
    def pids(self) -> dict[str, int]:
        """Broker, database, and the services that run now."""
        below = {"broker": self._kafka.pid, "database": self._postgres.pid}
        return {name: process.pid for name, process in self._running.items()} | {
            name: pid for name, pid in below.items() if pid is not None
        }

    def url(self, name: str) -> str:
        """Where a service's API listens."""
        url = self._services[name].url
        assert url is not None, f"{name} has no API"
        return url

    def port(self, name: str) -> int:
        """The same, the port alone."""
        port = self._services[name].port
        assert port is not None, f"{name} has no API"
        return port

    def instances(self, name: str, count: int) -> list[str]:
        """The names under which so many instances of a service are launched; the first is its own."""
        first, names = self._services[name], [name, *(f"{name}-{number}" for number in range(2, count + 1))]
        for another in names[1:]:
            if another not in self._services:
                self._services[another] = _another(first)
        return names

    def launch(self, name: str, *arguments: str, **env: str) -> None:
        """Start a service without waiting; `env` goes over the local stack's settings."""
        service = self._services[name]
        settings = os.environ | service.env | {"LOG_FORMAT": "json"} | self._settings | env
        how = ["-m"]
        if self._samples is not None:
            self._samples.mkdir(exist_ok=True)
            how = [str(Path(__file__).with_name("profiled.py")), str(self._samples / f"{name}.json")]
        command = [sys.executable, *how, service.module, *arguments]
        self._running[name] = spawn(command, log=self.log_of(name), env=settings)

    async def ready(self, *names: str) -> None:
        """Returns when all of them say so; raises StartFailed."""
        async with aiohttp.ClientSession() as client:
            await asyncio.gather(*(self._ready(name, client) for name in names))

    async def stop(self, *names: str) -> None:
        """End those of these services that run, side by side, in good order."""
        self._note_ended()
        running = [self._running.pop(name) for name in names if name in self._running]
        await asyncio.gather(*(asyncio.to_thread(end, process) for process in running))

    @contextlib.asynccontextmanager
    async def running(self, *names: str, **env: str) -> AsyncIterator[None]:
        """These services, ready; ended afterwards."""
        for name in names:
            self.launch(name, **env)
        try:
            await self.ready(*names)
            yield
        finally:
            await self.stop(*names)

    @contextlib.asynccontextmanager
    async def running_role(self, name: str, role: str, **env: str) -> AsyncIterator[None]:
        """The same for one role of one service."""
        self.launch(name, role, **env)
        try:
            await self.ready(name)
            yield
        finally:
            await self.stop(name)

    def ended(self) -> list[str]:
        """Services that have ended by themselves since the last time this was asked."""
        self._note_ended()
        ended, self._ended = list(self._ended.values()), {}
        return ended

    def _note_ended(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                self._ended[name] = (
                    f"{name} ended by itself, exit code {process.returncode}; log {self.log_of(name)}"
                )

    def log_of(self, name: str) -> Path:
        """Where a service's output goes."""
        return self.folder / f"{name}.log"

    async def _open(self) -> None:
        await start_servers(self._kafka, self._postgres)
        self._services = {service.name: service for service in services(self._stack_settings())}
        await make_topics_and_tables(self._command, partitions=self.partitions)
        self.key = await make_tenant(self._command, TENANT)

    def _stack_settings(self) -> StackSettings:
        providers, sink = self.folder / "providers", f"http://127.0.0.1:{self._http_port}"
        write_account(providers / "account.json", project=FCM_PROJECT, token_uri=f"{sink}/token")
        write_providers(
            providers, catcher=sink, smtp_port=self._smtp_port, fcm_account=providers / "account.json"
        )
        return StackSettings(
            kafka=self._kafka.bootstrap_servers,
            database=self.database,
            entry="https://notify.bench.example",
            providers=providers,
            unsubscribe_secret=secrets.token_urlsafe(32),
            hash_secret=secrets.token_urlsafe(32),
            seal_secret=secrets.token_urlsafe(32),
        )

    async def _command(self, *arguments: str) -> str:
        return await run_command(arguments, env=self._services["router"].env, log=self.log_of("commands"))

    async def _ready(self, name: str, client: aiohttp.ClientSession) -> None:
        def hopeless() -> str | None:
            ended = self._running[name].poll() is not None
            return f"it ended; its log is {self.log_of(name)}" if ended else None

        await wait_until_ready(
            name, f"{self._services[name].operations}/readyz", client=client, say=print, hopeless=hopeless
        )

    def _close(self) -> None:
        for process in self._running.values():
            with contextlib.suppress(StartFailed):
                end(process, timeout=10)
        self._running.clear()
        self._postgres.stop()
        self._kafka.stop()
