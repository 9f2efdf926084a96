"""The local stack from nothing to ready, and back to nothing."""

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from tocsin.cli.topics import apply_registry
from tocsin.dev.commands import run_command
from tocsin.dev.entry import Entry
from tocsin.dev.errors import StartFailed
from tocsin.dev.local_catcher import LocalCatcher
from tocsin.dev.processes import end, free_port, spawn
from tocsin.dev.progress import Steps
from tocsin.dev.readiness import wait_until_ready
from tocsin.dev.run_folder import RunFolder, replace_file
from tocsin.dev.secrets_file import kept_secret, tables_and_keys
from tocsin.dev.servers import Servers
from tocsin.dev.services import PARTITIONS, LocalService, StackSettings, callback_roles, services
from tocsin.dev.shop.shop_server import ShopServer
from tocsin.dev.supervisor import Program, Supervisor
from tocsin.kafka import GroupAtWork, KafkaFault, KafkaSettings
from tocsin.runtime.bounds import CLOSING, SHUTDOWN

OLD_SESSIONS_END_WITHIN = 60.0
"""Seconds; the session of a killed process lasts 6 to 45."""


class Stack:
    """`up()` returns when everything is ready, `down()` when nothing of it is left, whatever `up()` had reached."""

    def __init__(self, *, folder: RunFolder, steps: Steps) -> None:
        self._folder = folder
        self._steps = steps
        self._data = folder.path / "data"
        self._supervisor = Supervisor(say=steps.say, changed=self._started)
        self._watch: asyncio.Task[None] | None = None
        self._servers = Servers(data=self._data, supervisor=self._supervisor, steps=steps)
        self._entry_port = free_port()
        self._catcher = LocalCatcher(
            folder=folder.path, endpoints=folder.endpoints, entry=self._entry_address
        )
        self._entry: Entry | None = None
        self._shop: ShopServer | None = None
        self._shop_port = free_port()
        self._services: list[LocalService] = []
        self._keys: dict[str, str] = {}
        self.addresses: dict[str, Any] = {}
        """Everything of endpoints.json but the sample and the processes."""

    async def up(self) -> None:
        """Starts everything; `addresses` is then filled. Raises LocalStackError with one sentence."""
        self._watch = asyncio.create_task(self._supervisor.watch())
        await _side_by_side(self._kafka_and_topics(), self._database_and_tables(), self._start_catcher())
        await self._start_services()
        await self._open_shop()
        self.addresses = {
            "entry": self._entry_address,
            "kafka": self._servers.kafka,
            "database": self._servers.database,
            **{service.name: service.url for service in self._services if service.url},
            "operations": {service.name: service.operations for service in self._services},
            "catcher": self._catcher.url,
            "catcher_smtp": self._catcher.smtp,
            "shop": f"http://127.0.0.1:{self._shop_port}",
            **self._keys,
        }

    def publish_endpoints(self, sample: Mapping[str, Any]) -> None:
        """Writes endpoints.json, from now on kept right: its presence says that the stack is ready."""
        self.addresses["sample"] = dict(sample)
        self._started()

    async def down(self) -> None:
        """Ends everything: services first, then what they stand on."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._supervisor.stop_together({service.name for service in self._services})
        if self._shop is not None:
            await self._shop.close()
        if self._entry is not None:
            await self._entry.close()
        await self._supervisor.stop()

    async def _kafka_and_topics(self) -> None:
        await self._servers.start_kafka()
        with self._steps.step("Creating topics"):
            settings = KafkaSettings(bootstrap_servers=self._servers.kafka)
            try:
                await _create_topics_once_old_sessions_end(settings)
            except KafkaFault as exc:
                raise StartFailed(f"Topics could not be created: {exc}") from exc

    async def _database_and_tables(self) -> None:
        await self._servers.start_postgres()
        command = functools.partial(self._command, env={"DATABASE_URL": self._servers.database})
        with self._steps.step("Creating tables and API keys"):
            self._keys = await tables_and_keys(self._data / "keys.json", command=command)

    async def _start_catcher(self) -> None:
        with self._steps.step("Starting the catcher"):
            self._catcher.write_providers()
            self._supervisor.start(self._program("catcher", ["tocsin.catcher"], self._catcher.env))
            async with aiohttp.ClientSession() as client:
                await _side_by_side(
                    self._command(*self._catcher.account_command, env={}),
                    self._command(*self._catcher.key_command, env={}),
                    self._command(*self._catcher.receipt_keys_command, env={}),
                    self._answers("catcher", f"{self._catcher.url}/api/messages", client),
                )

    async def _start_services(self) -> None:
        settings = self._settings()
        self._services = [*services(settings), *callback_roles(settings)]
        addresses = {service.name: service.url for service in self._services if service.url}
        self._entry = Entry(port=self._entry_port, services=addresses)
        await self._entry.open()
        for service in self._services:
            command = [service.module, *service.arguments]
            self._supervisor.start(self._program(service.name, command, service.env))
        async with aiohttp.ClientSession() as client:
            await _side_by_side(*(self._ready(service, client) for service in self._services))

    async def _open_shop(self) -> None:
        self._shop = ShopServer(
            entry=self._entry_address, api_key=self._keys["api_key"], secret=self.shop_secret
        )
        await self._shop.open(self._shop_port)

    async def _ready(self, service: LocalService, client: aiohttp.ClientSession) -> None:
        with self._steps.step(f"Starting {service.name}"):
            await self._answers(service.name, f"{service.operations}/readyz", client)

    async def _answers(self, name: str, url: str, client: aiohttp.ClientSession) -> None:
        hopeless = functools.partial(self._supervisor.hopeless, name)
        await wait_until_ready(name, url, client=client, say=self._steps.say, hopeless=hopeless)

    async def _command(self, *arguments: str, env: Mapping[str, str]) -> str:
        return await run_command(arguments, env=env, log=self._folder.logs / "commands.log")

    def _program(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> Program:
        log = self._folder.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        return Program(
            name=name,
            launch=functools.partial(_launch, command, env=env, log=log),
            log=log,
            stop=functools.partial(end, timeout=SHUTDOWN + CLOSING),
        )

    def _settings(self) -> StackSettings:
        return StackSettings(
            kafka=self._servers.kafka,
            database=self._servers.database,
            entry=self._entry_address,
            providers=self._catcher.providers,
            unsubscribe_secret=kept_secret(self._data / "unsubscribe-secret.json"),
            hash_secret=kept_secret(self._data / "hash-secret.json"),
            seal_secret=kept_secret(self._data / "seal-secret.json"),
            ref_secret=kept_secret(self._data / "ref-secret.json"),
        )

    @property
    def shop_secret(self) -> str:
        """What the page of the sample shop signs its recipients' tokens with."""
        return kept_secret(self._data / "shop-secret.json")

    @property
    def _entry_address(self) -> str:
        return f"http://127.0.0.1:{self._entry_port}"

    def _started(self) -> None:
        alive = {
            program.name: (program.process.pid, program.log)
            for program in self._supervisor.programs
            if program.process is not None
        }
        self._folder.record({name: pid for name, (pid, _) in alive.items()})
        if "sample" in self.addresses:
            processes = {name: {"pid": pid, "log": str(log)} for name, (pid, log) in alive.items()}
            replace_file(self._folder.endpoints, {**self.addresses, "processes": processes})


def _launch(command: Sequence[str], *, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    return spawn([sys.executable, "-m", *command], env={**os.environ, **env}, log=log)


async def _side_by_side(*jobs: Coroutine[Any, Any, object]) -> None:
    """Awaits all; the first failure cancels the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _create_topics_once_old_sessions_end(settings: KafkaSettings) -> None:
    """The broker of a stack that was killed still counts its services as members, until their sessions end."""
    deadline = asyncio.get_running_loop().time() + OLD_SESSIONS_END_WITHIN
    while True:
        try:
            await apply_registry(settings, partitions=PARTITIONS, replication_factor=1)
        except GroupAtWork:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(1)
        else:
            return
