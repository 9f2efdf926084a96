"""Where the scenarios take place: a real broker, a real database, far ends, and two instances of the services under test."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiohttp
import psutil

from reached import REACHED, SERVICES
from sinks.handle import Sinks
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev import KafkaCluster, KafkaServer, PostgresServer, StartFailed
from tocsin.dev.commands import run_command
from tocsin.dev.installation import DATABASE, make_tenant, make_topics_and_tables, start_servers
from tocsin.dev.processes import end, spawn
from tocsin.dev.readiness import wait_until_ready
from tocsin.dev.services import PARTITIONS, LocalService, StackSettings, services
from tocsin.kafka import KafkaSettings

TENANT, OTHER = "faults", "other"
INSTANCES = 2
UNRECORDED = 8
"""Deliveries of one lane that have ended at a dispatcher and are not recorded yet, at most: a crash may repeat them."""
PLACES = 8
"""Calls at once of one provider instance: a crash may repeat these, too."""
RESTART_AFTER = 0.5  # seconds
LOOK_EVERY = 0.1  # seconds


@dataclass(eq=False)
class Instance:
    """One process of a service, over all its lives."""

    service: LocalService
    number: int
    log: Path
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = False
    """Whether it is started again when it has ended."""
    env: dict[str, str] = field(default_factory=dict)
    """Over the service's own, for its next life alone."""
    launched: float = 0.0
    starts: list[float] = field(default_factory=list)
    """Of all its lives."""
    ended: float = 0.0

    @property
    def name(self) -> str:
        """`router-1`."""
        return f"{self.service.name}-{self.number}"

    @property
    def alive(self) -> bool:
        """Whether the process is there, be it frozen or not ready."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """To the process and all that it has started."""
        if self.process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process.pid)
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(number)


@dataclass(frozen=True)
class Exit:
    """The end of a process: the signal as a negative number, as Python has it."""

    name: str
    code: int
    at: float
    asked: bool
    """Whether the scenario ended it."""


class Ground:
    """Ready when entered; everything in it ends when it is left. All files lie in `folder`.

    A process that ends is started again after half a second, as Kubernetes would, for as long as it is wanted.
    """

    replicas = 1
    """Of every topic."""
    most = INSTANCES
    """Instances of each service that can be there at once."""

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, places: int = PLACES
    ) -> None:
        """`settings` go over those of every service; `places`: calls at once of each provider instance."""
        self.folder = folder
        self.kafka_server = KafkaServer(folder / "kafka")
        self.postgres = PostgresServer(folder / "postgres")
        self.sinks = Sinks(folder / "sinks", names=("main", OTHER))
        self.instances: dict[tuple[str, int], Instance] = {}
        self.exits: list[Exit] = []
        self.keys: dict[str, str] = {}
        self._settings = dict(settings or {})
        self._places = places
        self._watch: asyncio.Task[None] | None = None
        self._asked: set[str] = set()
        self._way_out = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._close()

    @property
    def kafka(self) -> KafkaSettings:
        """How to reach the broker past every proxy."""
        return KafkaSettings(bootstrap_servers=self.brokers.bootstrap_servers)

    @property
    def brokers(self) -> KafkaServer | KafkaCluster:
        """All there are."""
        return self.kafka_server

    @property
    def status_topics(self) -> Mapping[str, int]:
        """Where statuses are written, with the number of partitions."""
        return {Topics().status(lane): PARTITIONS for lane in Lane}

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.postgres.url_of(DATABASE)

    def program(self, module: str) -> list[str]:
        """The command line of a service."""
        return [sys.executable, "-m", module]

    def of(self, name: str) -> list[Instance]:
        """All instances of a service, those that run and those that do not."""
        return [self.instances[name, number] for number in range(1, self.most + 1)]

    def urls(self, name: str) -> list[str]:
        """Where the API of each instance that is wanted listens."""
        return [one.service.url for one in self.of(name) if one.wanted and one.service.url]

    async def run(self, counts: Mapping[str, int]) -> None:
        """So many instances of each service run and are ready; without a number, one."""
        for name in SERVICES:
            for instance in self.of(name):
                if instance.number <= counts.get(name, 1):
                    if not instance.wanted:
                        self.start(instance)
                elif instance.wanted:
                    await self.stop(instance)
        await self.ready(*(one for one in self.instances.values() if one.wanted))

    def start(self, instance: Instance, **env: str) -> None:
        """Without waiting; `env` holds for this life alone."""
        instance.wanted, instance.env = True, env
        self._launch(instance)

    async def ready(self, *instances: Instance) -> None:
        """Returns when all of them say so; raises StartFailed."""
        async with aiohttp.ClientSession() as client:
            await asyncio.gather(
                *(
                    wait_until_ready(
                        one.name, f"{one.service.operations}/readyz", client=client, say=lambda _: None
                    )
                    for one in instances
                )
            )

    async def stop(self, instance: Instance) -> int:
        """SIGTERM, and its exit code when it has ended; it is not started again."""
        instance.wanted = False
        return await self._end(instance, signal.SIGTERM)

    async def restart(self, instance: Instance, **env: str) -> int:
        """SIGTERM, and a new life when it has ended: the exit code of the old one, once the new one is ready."""
        code = await self.stop(instance)
        self.start(instance, **env)
        await self.ready(instance)
        return code

    async def kill(self, instance: Instance) -> None:
        """SIGKILL; it is started again as whatever ends is."""
        await self._end(instance, signal.SIGKILL)

    @contextlib.asynccontextmanager
    async def frozen(self, instance: Instance) -> AsyncIterator[None]:
        """SIGSTOP, then SIGCONT."""
        instance.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            instance.signal(signal.SIGCONT)

    async def command(self, *arguments: str) -> str:
        """What a `python -m …` of ours prints; raises StartFailed when it fails."""
        env = self.instances["router", 1].service.env
        return await run_command(arguments, env=env, log=self.folder / "commands.log")

    async def _end(self, instance: Instance, how: signal.Signals) -> int:
        process = instance.process
        if process is None:
            return 0
        self._asked.add(instance.name)
        await asyncio.to_thread(end, process, first=how, timeout=80)
        self._note_end(instance)
        return process.returncode

    def _launch(self, instance: Instance) -> None:
        settings = {
            "LOG_FORMAT": "json",
            "CRASH_NOTES": "",
            "EXIT_NOTES": "",
            **self._settings,
            **instance.env,
        }
        instance.env = {}
        instance.process = spawn(
            self.program(instance.service.module),
            log=instance.log,
            env=os.environ | instance.service.env | settings,
        )
        instance.launched = time.time()
        instance.starts.append(instance.launched)

    def _note_end(self, instance: Instance) -> None:
        process = instance.process
        if process is None or process.poll() is None:
            return
        instance.process, instance.ended = None, time.time()
        asked = instance.name in self._asked
        self._asked.discard(instance.name)
        self.exits.append(Exit(instance.name, process.returncode, time.time(), asked))

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for instance in self.instances.values():
                self._note_end(instance)
                if (
                    instance.wanted
                    and instance.process is None
                    and time.time() - instance.ended >= RESTART_AFTER
                ):
                    self._launch(instance)

    async def _open(self) -> None:
        await self._way_out.enter_async_context(self.sinks)
        await start_servers(self.brokers, self.postgres)
        self._make_instances(self._stack_settings())
        await make_topics_and_tables(self.command, replicas=self.replicas)
        for tenant in (TENANT, OTHER):
            self.keys[tenant] = await make_tenant(self.command, tenant)
        self._watch = asyncio.create_task(self._keep_alive())

    def _make_instances(self, settings: StackSettings) -> None:
        for number in range(1, self.most + 1):
            for service in services(settings):
                if service.name not in SERVICES:
                    continue
                log = self.folder / f"{service.name}-{number}.log"
                self.instances[service.name, number] = Instance(_bounded(service), number, log)

    def _stack_settings(self) -> StackSettings:
        providers = self.folder / "providers"
        self.sinks.write_providers(providers, max_in_flight=self._places)
        return StackSettings(
            kafka=self.brokers.bootstrap_servers,
            database=self.database,
            entry="https://notify.faults.example",
            providers=providers,
            unsubscribe_secret=secrets.token_urlsafe(32),
            hash_secret=secrets.token_urlsafe(32),
            seal_secret=secrets.token_urlsafe(32),
        )

    async def _close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        alive = [one for one in self.instances.values() if one.process is not None]
        for one in alive:
            one.signal(signal.SIGCONT)
        await asyncio.gather(
            *(asyncio.to_thread(_end_soon, one.process) for one in alive if one.process is not None)
        )
        self.postgres.stop()
        self.brokers.kill()  # nobody needs its data again
        await self._way_out.aclose()


def _bounded(service: LocalService) -> LocalService:
    """A dispatcher has few deliveries unrecorded, so that the bound of what a crash repeats is a tight one; and what it puts off waits for
    seconds only, so that a scenario is over soon after its trouble."""
    if service.name not in {channel.dispatcher for channel in REACHED}:
        return service
    prefix = service.name.replace("-", "_").upper()
    return LocalService(
        name=service.name,
        env={**service.env, f"{prefix}_MAX_UNRECORDED": str(UNRECORDED), f"{prefix}_RETRY_CAP": "5"},
        operations_port=service.operations_port,
        port=service.port,
    )


def _end_soon(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(StartFailed):
        end(process, timeout=10)
