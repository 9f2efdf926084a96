"""The witness as a process of its own: it tells of groups that nobody runs, and of a broker that has gone."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.kafka import KafkaServer
from tocsin.kafka import Admin, GroupSpec, KafkaSettings, ProducerRecord, Publisher, TopicSpec
from tocsin.runtime import Health
from tocsin.testing.service_process import service_process
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

NOBODY = "127.0.0.1:1"
EVENTS_LEFT = 'tocsin_group_{}{{component="router",kind="events",lane="critical"}}'
LAG, OLDEST = EVENTS_LEFT.format("lag_messages"), EVENTS_LEFT.format("oldest_seconds")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One of our own: nobody else's may be frozen."""
    with KafkaServer(tmp_path_factory.mktemp("witnessed")) as server:
        yield server


@pytest.fixture
async def settings(broker: KafkaServer) -> KafkaSettings:
    """With every topic and every group's start."""
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    topics, admin = Topics(settings.topic_prefix), Admin(settings=settings)
    specs = [TopicSpec(name=topic.name, partitions=topic.partitions or 2) for topic in topics.all()]
    groups = [GroupSpec(group=group.name, topics=group.topics) for group in topics.groups()]
    await admin.open()
    try:
        await admin.apply(await admin.plan(specs))
        await admin.apply(await admin.plan(specs, groups))
    finally:
        await admin.close()
    return settings


class Page:
    """What the witness shows."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def value(self, name: str) -> float | None:
        text = (await self._client.get("/metrics")).text
        line = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(line[1]) if line else None

    async def readiness(self) -> httpx.Response:
        return await self._client.get("/readyz")

    async def sees(self) -> bool:
        return await self.value('tocsin_witness_up{component="ledger"}') == 1

    async def is_blind(self) -> bool:
        return await self.value('tocsin_witness_up{component="ledger"}') == 0


@asynccontextmanager
async def witness(bootstrap_servers: str, folder: Path) -> AsyncIterator[Page]:
    env = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}
    async with service_process("tocsin.ledger", "witness", env=env, log=folder / "witness.log") as process:
        (address,) = await process.addresses()
        async with httpx.AsyncClient(base_url=address) as client:
            yield Page(client)


async def test_events_that_no_router_takes_are_seen_and_age_also_while_the_broker_is_frozen(
    settings: KafkaSettings, broker: KafkaServer, tmp_path: Path
) -> None:
    events, publisher = (
        Topics(settings.topic_prefix).events(Lane.CRITICAL),
        Publisher(settings=settings, health=Health()),
    )
    await publisher.open()
    async with witness(settings.bootstrap_servers, tmp_path) as page:
        await until(page.sees, seconds=60)
        assert await page.value(LAG) == 0
        assert await page.value('tocsin_group_members{component="router",lane="critical"}') == 0
        await publisher.publish([ProducerRecord(events, b"%d" % number, b"{}") for number in range(5)], timeout=20)  # fmt: skip

        async def all_wait_and_age() -> bool:
            return await page.value(LAG) == 5 and (await page.value(OLDEST) or 0) > 0

        await until(all_wait_and_age, seconds=60)
        broker.freeze()
        try:
            await until(page.is_blind, seconds=60)
            assert (await page.readiness()).status_code == 503
            assert await page.value(LAG) == 5
            before = await page.value(OLDEST) or 0

            async def ages() -> bool:
                return (await page.value(OLDEST) or 0) > before

            await until(ages, seconds=60)
        finally:
            broker.thaw()
        await until(page.sees, seconds=60)
    await publisher.close()


async def test_without_a_broker_it_runs_and_says_why_it_sees_nothing(tmp_path: Path) -> None:
    async with witness(NOBODY, tmp_path) as page:

        async def says_why() -> bool:
            return "No Kafka broker answers" in (await page.readiness()).text

        await until(says_why, seconds=60)
        assert await page.is_blind()
