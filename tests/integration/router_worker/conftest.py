"""Workers on a real broker and a real database, and what they wrote."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr
from sqlalchemy import insert

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import decode_job, decode_status, encode
from tocsin.contracts.directory import (
    CategoryRecord,
    DirectoryRecord,
    Step,
    TemplateRecord,
    TenantRecord,
    WorkflowRecord,
)
from tocsin.contracts.events import Event
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.statuses import Decision, Target
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.database import Database, DatabaseSettings
from tocsin.kafka import (
    Admin,
    ConsumerRecord,
    GroupSpec,
    GroupTimeouts,
    KafkaSettings,
    ProducerRecord,
    Publisher,
    TopicSpec,
    read_to_end,
)
from tocsin.router import tables
from tocsin.router.migrations import MIGRATIONS
from tocsin.router.settings import RouterSettings
from tocsin.router.worker import worker_components
from tocsin.runtime import Clock, Component, Health, SystemClock
from tocsin.scheduler import app
from tocsin.scheduler.migrations import MIGRATIONS as TIMER_TABLES
from tocsin.scheduler.settings import SchedulerSettings
from tocsin.testing.until import until

# Shorter than a real lane's, so that tests do not wait for what they do not test; long enough for a busy machine.
TIMEOUTS = GroupTimeouts(send_timeout=2, drain_timeout=5, rebalance_timeout=10, heartbeat_interval=0.3)
PARTITIONS = 4
PEOPLE = [f"p{number}" for number in range(20)]
PARTS = {
    Channel.EMAIL: {"subject": "Hi {{ data.name }}", "text": "Hello {{ data.name }}"},
    Channel.SMS: {"body": "Sms {{ data.name }}"},
    Channel.PUSH: {"title": "Push", "body": "Push {{ data.name }}"},
}


@dataclass
class RunningWorker:
    """A worker in this process."""

    components: list[Component]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        for component in self.components:
            await component.open()
            self.tasks.append(asyncio.create_task(component.run(self.stop)))

    async def leave(self) -> None:
        """As on SIGTERM: raises what a component raised."""
        self.stop.set()
        try:
            async with asyncio.timeout(60):
                await asyncio.gather(*self.tasks)
        finally:
            for component in reversed(self.components):
                await component.close()
            self.components = []

    async def discard(self) -> None:
        self.stop.set()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        for component in reversed(self.components):
            await component.close()


class Site:
    """Topics, tables and a directory with one workflow, `shipped`, on three channels, and twenty people."""

    def __init__(self, kafka: KafkaSettings, url: str) -> None:
        self.kafka = kafka
        self.url = url
        self.topics = Topics(kafka.topic_prefix)
        self.health = Health(service="test")
        self.database = Database(
            settings=DatabaseSettings(url=url),
            service="test",
            check=self.health.check("db"),
            migrations=MIGRATIONS,
        )
        self.publisher = Publisher(
            settings=kafka,
            health=self.health,
            limits={topic.name: topic.max_message_bytes for topic in self.topics.all()},
        )
        self._workers: list[RunningWorker] = []

    async def open(self, lanes: Sequence[Lane]) -> None:
        await MIGRATIONS.upgrade(self.database.engine)
        await self.database.open()
        await self._make_topics(lanes)
        await self.publisher.open()
        await self._fill_tables()
        await self.publish_entities(
            TenantRecord(tenant="acme", name="Acme", senders={"email": SenderIdentity(address="shop@example.test")}),
            CategoryRecord(tenant="acme", key="orders"),
            WorkflowRecord(
                tenant="acme", key="shipped", revision=1, event_types=["com.shop.shipped"], category="orders",
                lane=Lane.CRITICAL, steps=[Step(name="1", channels=tuple(PARTS))],
            ),
            *(
                TemplateRecord(tenant="acme", workflow="shipped", channel=channel, locale="en", revision=1, parts=parts)
                for channel, parts in PARTS.items()
            ),
        )  # fmt: skip

    async def close(self) -> None:
        for worker in self._workers:
            await worker.discard()
        await self.publisher.close()
        await self.database.close()

    async def worker(self, *lanes: Lane, clock: Clock | None = None, **settings: Any) -> RunningWorker:
        """A running worker; its group has its shards before this returns only by chance."""
        health = Health(service="test")
        database = Database(
            settings=DatabaseSettings(url=self.url), service="router", check=health.check("database")
        )
        router = RouterSettings(
            kafka=self.kafka,
            database=DatabaseSettings(url=self.url),
            lanes=list(lanes) or [Lane.TRANSACTIONAL],
            hash_keys=[SecretStr(f"h1:{'h' * 32}")],
            **settings,
        )
        components = worker_components(
            router, database=database, health=health, clock=clock, timeouts=TIMEOUTS
        )
        worker = RunningWorker([database, *components])
        self._workers.append(worker)
        await worker.start()
        return worker

    async def publish_entities(self, *entities: DirectoryRecord) -> None:
        await self.publish(
            *(ProducerRecord(self.topics.directory, entity.record_key, encode(entity)) for entity in entities)
        )

    async def publish(self, *records: ProducerRecord) -> list[str]:
        """The places of the records."""
        return [stored.ref for stored in await self.publisher.publish(records, timeout=60)]

    def event(
        self, event_id: str, *, person: str = "p0", lane: Lane = Lane.TRANSACTIONAL, partition: int | None = None,
        name: str = "Ann", **more: Any,
    ) -> ProducerRecord:  # fmt: skip
        event = Event(
            tenant="acme", source="/shop", id=event_id, type="com.shop.shipped", subject=person,
            data=msgspec.Raw(encode({"name": name})), **more,
        )  # fmt: skip
        headers, value = write_kafka(event)
        key = recipient_key("acme", person)
        return ProducerRecord(self.topics.events(lane), key, value, tuple(headers), partition)

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Everything committed in the topic now."""
        batches = read_to_end(settings=self.kafka, topic=topic, deadline=30)
        return [record async for batch in batches for record in batch]

    async def statuses(self, lane: Lane = Lane.TRANSACTIONAL) -> list[Any]:
        return [decode_status(record.value or b"") for record in await self.read(self.topics.status(lane))]

    async def decisions(self, lane: Lane = Lane.TRANSACTIONAL) -> list[Decision]:
        return [record for record in await self.statuses(lane) if isinstance(record, Decision)]

    async def targets(self, lane: Lane = Lane.TRANSACTIONAL) -> list[Target]:
        """What was decided of each delivery."""
        return [
            target
            for decision in await self.decisions(lane)
            for channel in decision.channels
            for target in channel.targets
        ]

    async def jobs(self, channel: Channel, lane: Lane = Lane.TRANSACTIONAL) -> list[Any]:
        return [
            decode_job(record.value or b"") for record in await self.read(self.topics.jobs(channel, lane))
        ]

    async def forget(self, topic: str) -> None:
        """What the topic holds is no longer kept."""
        admin = Admin(settings=self.kafka)
        await admin.open()
        try:
            await admin.delete_topics([topic])
        finally:
            await admin.close()
        await until(self._without(topic), seconds=30)
        await self._make_topics(self._lanes)

    def _without(self, topic: str) -> Callable[[], Awaitable[bool]]:
        async def gone() -> bool:
            reader = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
            await reader.start()
            try:
                return topic not in await reader.list_topics()
            finally:
                await reader.close()

        return gone

    async def _make_topics(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        admin = Admin(settings=self.kafka)
        await admin.open()
        specs = [
            TopicSpec(
                name=topic.name,
                partitions=topic.partitions or PARTITIONS,
                cleanup="compact" if topic.compacted else "delete",
                retention_ms=topic.retention_ms,
                max_message_bytes=topic.max_message_bytes,
            )
            for topic in self.topics.all()
            if topic.lane is None or topic.lane in lanes
        ]
        groups = [
            GroupSpec(group=group.name, topics=group.topics)
            for group in self.topics.groups()
            if group.service in {"router", "scheduler"}
            and any(group.name.endswith(f".{lane}") for lane in lanes)
        ]
        try:
            await admin.apply(await admin.plan(specs, []))
            await admin.apply(await admin.plan(specs, groups))
        finally:
            await admin.close()

    async def _fill_tables(self) -> None:
        async with self.database.engine.begin() as db:
            await db.execute(insert(tables.tenants).values(id="acme", name="Acme"))
            await db.execute(insert(tables.categories).values(tenant="acme", key="orders"))
            people = [
                {"tenant": "acme", "id": person, "email": f"{person}@example.test", "phone": "+4915112345678"}
                for person in PEOPLE
            ]
            await db.execute(insert(tables.recipients), people)
            devices = [
                {"tenant": "acme", "recipient": person, "id": f"{person}-d", "token": f"{person}-t"}
                for person in PEOPLE
            ]
            await db.execute(insert(tables.devices), devices)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The router's tables, empty."""
    database = Database(
        settings=DatabaseSettings(url=SecretStr(database_url)),
        service="test",
        check=Health(service="test").check("database"),
        migrations=MIGRATIONS,
    )
    await MIGRATIONS.upgrade(database.engine)
    yield database
    await database.close()


@pytest.fixture
async def make_site(
    kafka_server: str, topic_prefix: str, database_url: str
) -> AsyncIterator[Callable[..., Awaitable[Site]]]:
    sites: list[Site] = []

    async def make(*lanes: Lane) -> Site:
        site = Site(KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix), database_url)
        sites.append(site)
        await site.open(lanes or [Lane.TRANSACTIONAL])
        return site

    yield make
    for site in sites:
        await site.close()


@pytest.fixture
async def site(make_site: Callable[..., Awaitable[Site]]) -> Site:
    return await make_site()


class MovedClock(SystemClock):
    """Goes on as the machine's does, so much ahead of it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead

    def time_ms(self) -> int:
        return super().time_ms() + round(self.ahead.total_seconds() * 1000)


@pytest.fixture
async def scheduler(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MovedClock]:
    """A scheduler of the lane, and the clock that it looks at."""
    clock = MovedClock()
    monkeypatch.setattr(app, "SystemClock", lambda: clock)
    await TIMER_TABLES.upgrade(site.database.engine)
    settings = SchedulerSettings(
        kafka=site.kafka, database=DatabaseSettings(url=site.url), lanes=[Lane.TRANSACTIONAL]
    )
    running = RunningWorker(list(app.build(settings).components))
    await running.start()
    yield clock
    await running.discard()


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Awaitable[None]]:
    """`tocsin.testing.until`, with the time that workers need on a busy machine."""
    return partial(until, seconds=90, every=0.05)
