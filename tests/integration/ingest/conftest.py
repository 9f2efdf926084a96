"""Ingest as a process of its own, on a real broker."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import ApiKeyRecord, Scope, Step, WorkflowRecord
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    Admin,
    ConsumerRecord,
    KafkaSettings,
    ProducerRecord,
    Publisher,
    TopicSpec,
    read_to_end,
)
from tocsin.runtime import Health
from tocsin.testing.service_process import service_process
from tocsin.web import KeyParts, new_key

PARTITIONS = 3


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 120) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition lies in other processes
            await asyncio.sleep(0.02)


@dataclass
class Ingest:
    """One running ingest; `operations` is the address of its probes and metrics."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient
    operations: str

    async def post(self, path: str, body: Any, *, key: str, **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, json=body, headers={"authorization": f"Bearer {key}", **names})

    async def ready(self) -> bool:
        return (await self.client.get(f"{self.operations}/readyz")).status_code == 200

    async def checks(self) -> dict[str, str | None]:
        answer = await self.client.get(f"{self.operations}/readyz")
        return {check["name"]: check["reason"] for check in answer.json()["checks"]}

    async def metrics(self) -> str:
        return (await self.client.get(f"{self.operations}/metrics")).text

    async def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 60)


class Environment:
    """A broker's topics under one prefix, what stands in the directory, and an ingest beside it."""

    def __init__(self, settings: KafkaSettings, logs: Path) -> None:
        self.settings = settings
        self.topics = Topics(settings.topic_prefix)
        self._logs = logs

    async def create_topics(self) -> None:
        """The topics ingest writes and reads."""
        admin = Admin(settings=self.settings)
        await admin.open()
        try:
            events = [TopicSpec(name=self.topics.events(lane), partitions=PARTITIONS) for lane in Lane]
            directory = TopicSpec(name=self.topics.directory, partitions=1, cleanup="compact")
            await admin.apply(await admin.plan([*events, directory], []))
        finally:
            await admin.close()

    async def write(self, *records: ProducerRecord) -> None:
        publisher = Publisher(settings=self.settings, health=Health(service="test"))
        await publisher.open()
        try:
            await publisher.publish(records, timeout=20)
        finally:
            await publisher.close()

    async def add_key(self, *scopes: Scope, mode: Literal["live", "test"] = "live") -> KeyParts:
        key = new_key(mode)
        entity = ApiKeyRecord(tenant="acme", id=key.id, mode=mode, sha256=key.sha256, scopes=list(scopes))
        await self.write(ProducerRecord(self.topics.directory, entity.record_key, encode(entity)))
        return key

    async def revoke(self, key: KeyParts) -> None:
        await self.write(ProducerRecord(self.topics.directory, f"api_key/acme/{key.id}".encode(), None))

    async def add_workflow(
        self, key: str = "hello", lane: Lane = Lane.TRANSACTIONAL, revision: int = 1, **fields: Any
    ) -> None:
        entity = WorkflowRecord(
            tenant="acme",
            key=key,
            revision=revision,
            category="c",
            lane=lane,
            steps=[Step(name="1", channels=(Channel.EMAIL,))],
            **fields,
        )
        await self.write(ProducerRecord(self.topics.directory, entity.record_key, encode(entity)))

    async def events(self, lane: Lane = Lane.TRANSACTIONAL) -> list[ConsumerRecord]:
        batches = read_to_end(settings=self.settings, topic=self.topics.events(lane), deadline=30)
        return [record async for batch in batches for record in batch]

    @asynccontextmanager
    async def ingest(self, **environment: str) -> AsyncIterator[Ingest]:
        """A running ingest, listening; not necessarily ready."""
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": self.settings.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": self.settings.topic_prefix,
        }
        log = self._logs / "ingest.log"
        async with service_process("tocsin.ingest", env=settings | environment, log=log) as started:
            operations, api = await started.addresses(2)
            async with httpx.AsyncClient(base_url=api, timeout=20) as client:
                yield Ingest(started.process, client, operations)


@pytest.fixture
def environment_of(topic_prefix: str, tmp_path: Path) -> Callable[[str], Environment]:
    """An environment at a broker of the test's own."""
    return lambda servers: Environment(
        KafkaSettings(bootstrap_servers=servers, topic_prefix=topic_prefix), tmp_path
    )


@pytest.fixture
def environment(kafka_server: str, environment_of: Callable[[str], Environment]) -> Environment:
    return environment_of(kafka_server)


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Awaitable[None]]:
    return until
