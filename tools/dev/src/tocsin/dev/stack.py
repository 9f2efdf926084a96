"""The local stack from nothing to ready, and back to nothing."""

import asyncio
import contextlib
import functools
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from tocsin.dev.commands import run_command
from tocsin.dev.entry import Entry
from tocsin.dev.errors import StartFailed
from tocsin.dev.kafka import KafkaServer
from tocsin.dev.postgres import PostgresServer, create_database, run_sql
from tocsin.dev.processes import end, free_port, spawn
from tocsin.dev.progress import Steps
from tocsin.dev.providers import FCM_PROJECT, TWILIO_ACCOUNT, TWILIO_TOKEN, write_providers
from tocsin.dev.readiness import wait_until_ready
from tocsin.dev.run_folder import RunFolder, replace_file
from tocsin.dev.sample import TENANT
from tocsin.dev.services import Service, Surroundings, common_environment, services
from tocsin.dev.supervisor import Program, Supervisor

DATABASE = "tocsin"
PARTITIONS = "4"


class Stack:
    """`up()` returns when everything is ready, `down()` when nothing of it is left, whatever `up()` had reached."""

    def __init__(self, *, folder: RunFolder, steps: Steps) -> None:
        self._folder = folder
        self._steps = steps
        self._data = folder.path / "data"
        self._supervisor = Supervisor(say=steps.say, changed=self._started)
        self._watch: asyncio.Task[None] | None = None
        self._kafka = KafkaServer(self._data / "kafka")
        self._postgres = PostgresServer(self._data / "postgres")
        self._entry: Entry | None = None
        self._around: Surroundings | None = None
        self._services: list[Service] = []
        self.addresses: dict[str, Any] = {}
        """Everything of endpoints.json but the sample and the processes."""
        self.catcher_url = f"http://127.0.0.1:{free_port()}"
        self.entry_url = f"http://127.0.0.1:{free_port()}"

    async def up(self) -> None:
        """Starts everything; `addresses` is then filled. Raises LocalStackError with one sentence."""
        self._watch = asyncio.create_task(self._supervisor.watch())
        smtp_port = free_port()
        await _side_by_side(self._start_kafka(), self._start_postgres(), self._start_catcher(smtp_port))
        self._around = self._look_around()
        write_providers(
            self._around.providers,
            catcher=self.catcher_url,
            smtp_port=smtp_port,
            fcm_account=self._folder.path / "fcm-account.json",
        )
        self._services = services(self._around)
        self._entry = Entry(
            port=int(self.entry_url.rpartition(":")[2]),
            services={one.name: one.url for one in self._services},
        )
        await self._entry.open()
        await _side_by_side(
            self._step(
                "Creating topics",
                "tocsin.cli",
                "topics",
                "apply",
                "--partitions",
                PARTITIONS,
                "--replication-factor",
                "1",
            ),
            self._step("Preparing the router's tables", "tocsin.router", "migrate"),
            self._step("Preparing the ledger's tables", "tocsin.ledger", "migrate"),
        )
        keys = await self._keys()
        await self._start_services()
        self.addresses = {
            "entry": self.entry_url,
            "kafka": self._kafka.bootstrap_servers,
            "database": self._postgres.url_of(DATABASE),
            **{one.name: one.url for one in self._services if one.name in {"ingest", "router", "ledger"}},
            "catcher": self.catcher_url,
            "catcher_smtp": f"127.0.0.1:{smtp_port}",
            "api_key": keys["api_key"],
            "admin_key": keys["admin_key"],
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
        await self._supervisor.stop_together({one.name for one in self._services})
        if self._entry is not None:
            await self._entry.close()
        await self._supervisor.stop()

    async def _start_kafka(self) -> None:
        with self._steps.step("Starting Apache Kafka (the first time its jars are downloaded)"):
            await asyncio.to_thread(self._kafka.prepare)
            self._supervisor.start(Program(name="kafka", launch=self._kafka.launch, log=self._kafka.log))
            await asyncio.to_thread(self._kafka.wait_ready)

    async def _start_postgres(self) -> None:
        with self._steps.step("Starting PostgreSQL"):
            await asyncio.to_thread(self._postgres.prepare)
            fast = functools.partial(end, first=signal.SIGINT)
            self._supervisor.start(
                Program(name="postgres", launch=self._postgres.launch, log=self._postgres.log, stop=fast)
            )
            await asyncio.to_thread(self._postgres.wait_ready)
            exists = f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"  # noqa: S608 -- a constant of ours
            if not await asyncio.to_thread(run_sql, self._postgres.url, exists):
                await asyncio.to_thread(create_database, self._postgres.url, DATABASE)

    async def _start_catcher(self, smtp_port: int) -> None:
        with self._steps.step("Starting the catcher"):
            account = self._folder.path / "fcm-account.json"
            where = [
                "--out",
                str(account),
                "--token-uri",
                f"{self.catcher_url}/token",
                "--project",
                FCM_PROJECT,
            ]
            env = {
                "CATCHER_HTTP_PORT": self.catcher_url.rpartition(":")[2],
                "CATCHER_SMTP_PORT": str(smtp_port),
                "CATCHER_TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT,
                "CATCHER_TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
                "CATCHER_FCM_ACCOUNT_FILE": str(account),
                "CATCHER_ENDPOINTS_FILE": str(self._folder.endpoints),
            }
            self._supervisor.start(self._program("catcher", "tocsin.catcher", env))
            async with aiohttp.ClientSession() as client:
                await _side_by_side(
                    self._command("tocsin.catcher", "fcm-account", *where, env={}),
                    wait_until_ready(
                        "catcher", f"{self.catcher_url}/api/messages", client=client, say=self._steps.say
                    ),
                )

    async def _start_services(self) -> None:
        for one in self._services:
            env = {**one.env, "HTTP_PORT": str(one.port)}
            self._supervisor.start(self._program(one.name, one.module, env))
        async with aiohttp.ClientSession() as client:
            await _side_by_side(*(self._ready(one, client) for one in self._services))

    async def _ready(self, one: Service, client: aiohttp.ClientSession) -> None:
        with self._steps.step(f"Starting {one.name}"):
            await wait_until_ready(
                one.name,
                f"{one.url}/readyz",
                client=client,
                say=self._steps.say,
                hopeless=functools.partial(self._supervisor.hopeless, one.name),
            )

    async def _keys(self) -> dict[str, str]:
        """One key for sending and reading, one for everything; made once, kept beside the database that knows them."""
        path = self._data / "keys.json"
        if path.exists():
            kept: dict[str, str] = json.loads(path.read_text())
            return kept
        keys = {
            "admin_key": await self._create_key("--admin", "--create-tenant"),
            "api_key": await self._create_key("--scopes", "send,read"),
        }
        replace_file(path, keys)
        return keys

    async def _create_key(self, *options: str) -> str:
        output = await self._command(
            "tocsin.cli", "keys", "create", "--tenant", TENANT, *options, env=self._environment()
        )
        words = [word for word in output.split() if word.startswith("tk_")]
        if len(words) != 1:
            raise StartFailed("`tocsin keys create` printed no key.")
        return words[0]

    async def _step(self, doing: str, *arguments: str) -> None:
        with self._steps.step(doing):
            await self._command(*arguments, env=self._environment())

    async def _command(self, *arguments: str, env: Mapping[str, str]) -> str:
        return await run_command(arguments, env=env, log=self._folder.logs / "commands.log")

    def _program(self, name: str, module: str, env: Mapping[str, str]) -> Program:
        log = self._folder.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        launch = functools.partial(_launch_module, module, env=env, log=log)
        return Program(name=name, launch=launch, log=log)

    def _environment(self) -> dict[str, str]:
        assert self._around is not None  # noqa: S101 -- commands run after the servers
        return common_environment(self._around)

    def _look_around(self) -> Surroundings:
        return Surroundings(
            kafka=self._kafka.bootstrap_servers,
            database=self._postgres.url_of(DATABASE),
            entry=self.entry_url,
            providers=self._folder.path / "providers",
            unsubscribe_secret=self._secret(),
        )

    def _secret(self) -> str:
        path = self._data / "unsubscribe-secret.json"
        if not path.exists():
            replace_file(path, {"secret": secrets.token_urlsafe(32)})
        secret: str = json.loads(path.read_text())["secret"]
        return secret

    def _started(self) -> None:
        alive = {
            one.name: (one.process.pid, one.log)
            for one in self._supervisor.programs
            if one.process is not None
        }
        self._folder.record({name: pid for name, (pid, _) in alive.items()})
        if "sample" in self.addresses:
            processes = {name: {"pid": pid, "log": str(log)} for name, (pid, log) in alive.items()}
            replace_file(self._folder.endpoints, {**self.addresses, "processes": processes})


def _launch_module(module: str, *, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    return spawn([sys.executable, "-m", module], env=env, log=log)


async def _side_by_side(*jobs: Any) -> None:
    """Awaits all; the first failure cancels the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
