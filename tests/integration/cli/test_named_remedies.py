"""Errors that name a remedy: the service says the sentence, the command in it is run as it stands there, and the service is ready.

Losses and commits that cannot be read are mended in `tests/integration/channel/test_offsets_mended.py`.
"""

import asyncio
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.channel.test_dispatcher_endings import PROVIDERS

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import Admin, KafkaSettings, ProducerRecord, Publisher, TopicSpec
from tocsin.runtime import Health
from tocsin.testing.service_process import PATIENCE, ServiceProcess, service_process
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


class Installation:
    """A broker, a database, and settings that a person would have exported before any command."""

    def __init__(self, kafka: KafkaSettings, database: str, folder: Path) -> None:
        self.kafka = kafka
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "providers.toml").write_text(PROVIDERS)
        (folder / "inbox.toml").write_text('[[providers]]\nname = "inbox"\nkind = "inbox"\n')
        (folder / "token").write_text("secret")
        self.env = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
            "TOPIC_PARTITIONS": "4",
            "TOPIC_REPLICATION_FACTOR": "1",
            "DATABASE_URL": database,
            "ROUTER_HASH_KEYS": f"h1:{'h' * 32}",
            "DISPATCH_SMS_PROVIDERS_FILE": str(folder / "providers.toml"),
            "DISPATCH_INAPP_PROVIDERS_FILE": str(folder / "inbox.toml"),
        }

    async def run(self, text: str) -> str:
        """Run a command as it stands in a sentence; what it says beside its table. It has to succeed."""
        words = shlex.split(text)
        words = words[1:] if words[0] == "python" else ["-m", "tocsin.cli", *words[1:]]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            env=os.environ | self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    @asynccontextmanager
    async def service(self, module: str) -> AsyncIterator[ServiceProcess]:
        name, *arguments = module.split()
        async with service_process(name, *arguments, env=self.env, log=self.folder / "log") as started:
            yield started

    async def write(self, topic: str, key: bytes, value: bytes) -> None:
        publisher = Publisher(settings=self.kafka, health=Health())
        await publisher.open()
        await publisher.publish([ProducerRecord(topic, key, value)], timeout=30)
        await publisher.close()

    async def make_topic(self, name: str, partitions: int) -> None:
        admin = Admin(settings=self.kafka)
        await admin.open()
        try:
            await admin.apply(await admin.plan([TopicSpec(name=name, partitions=partitions)]))
        finally:
            await admin.close()


def commands(started: ServiceProcess) -> list[str]:
    """What its log names as remedy."""
    return re.findall(r"`((?:tocsin|python -m) [^`]+)`", started.log.read_text())


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What is wrong, whom it stops, and the command that its sentence has to name."""

    name: str
    make: Callable[[Installation], Awaitable[None]]
    service: str
    command: str
    before: Callable[[Installation], Awaitable[None]] | None = None
    """What the sentence asks a person to do before the command."""
    waits: bool = False
    """Whether the process waits for the command, and goes on by itself."""


async def nothing_at_all(_: Installation) -> None:
    """A new broker and a new database."""


async def no_tables(installation: Installation) -> None:
    await installation.run("tocsin topics apply")


async def topics_without_commits(installation: Installation) -> None:
    """As another tool makes them."""
    topics = Topics(installation.kafka.topic_prefix)
    for topic in topics.all():
        await installation.make_topic(topic.name, topic.partitions or 4)


async def one_topic_is_larger(installation: Installation) -> None:
    topics = Topics(installation.kafka.topic_prefix)
    await installation.make_topic(topics.events(Lane.BULK), 5)
    for topic in topics.all():
        if topic.name != topics.events(Lane.BULK):
            await installation.make_topic(topic.name, topic.partitions or 4)
    await installation.run("python -m tocsin.router migrate")


async def take_a_new_prefix(installation: Installation) -> None:
    installation.env["KAFKA_TOPIC_PREFIX"] += "anew."


TROUBLES = [
    Trouble(
        name="no topics", make=nothing_at_all, service="tocsin.dispatch_sms", command="tocsin topics apply", waits=True
    ),
    Trouble(
        name="no commits", make=topics_without_commits, service="tocsin.dispatch_sms", command="tocsin topics apply"
    ),
    Trouble(
        name="no tables of the router", make=no_tables, service="tocsin.router", command="python -m tocsin.router migrate"
    ),
    Trouble(
        name="no tables of the ledger", make=no_tables, service="tocsin.ledger", command="python -m tocsin.ledger migrate"
    ),
    Trouble(
        name="no tables of the scheduler", make=no_tables, service="tocsin.scheduler", command="python -m tocsin.scheduler migrate"
    ),
    Trouble(
        name="no tables of inboxes", make=no_tables, service="tocsin.dispatch_inapp", command="python -m tocsin.dispatch_inapp migrate"
    ),
    Trouble(
        name="topics of different sizes", make=one_topic_is_larger, service="tocsin.router worker", command="tocsin topics apply",
        before=take_a_new_prefix,
    ),
]  # fmt: skip


@pytest.fixture
def installation(kafka_server: str, topic_prefix: str, database_url: str, tmp_path: Path) -> Installation:
    kafka = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    return Installation(kafka, database_url, tmp_path)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
async def test_the_command_in_a_sentence_mends_what_it_is_about(installation: Installation, trouble: Trouble):
    await trouble.make(installation)
    async with installation.service(trouble.service) as started:
        await until(lambda: bool(commands(started)), seconds=PATIENCE)
        (command,) = set(commands(started))
        assert command == trouble.command
        if trouble.waits:
            await installation.run(command)
            await until(started.ready, seconds=PATIENCE)
            return
        assert await started.ended() == 3
    if trouble.before:
        await trouble.before(installation)
    await installation.run(command)
    async with installation.service(trouble.service) as started:
        await until(started.ready, seconds=PATIENCE)


async def test_a_record_of_the_directory_that_nobody_can_read_is_mended_by_republishing(
    installation: Installation,
):
    """The one service that knows what should stand there has to run for that."""
    await installation.run("tocsin topics apply")
    await installation.run("python -m tocsin.router migrate")
    directory = Topics(installation.kafka.topic_prefix).directory
    async with installation.service("tocsin.router api") as router:
        await until(router.ready, seconds=PATIENCE)
        await installation.write(directory, b"tenant/nobody", b"no entity")
        ingest = Installation(
            installation.kafka, installation.env["DATABASE_URL"], installation.folder / "ingest"
        )
        async with ingest.service("tocsin.ingest") as started:
            await until(lambda: bool(commands(started)), seconds=PATIENCE)
        (command,) = set(commands(started))
        assert command == "tocsin directory republish"
        await installation.run(command)
        async with ingest.service("tocsin.ingest") as started:
            await until(started.ready, seconds=PATIENCE)
