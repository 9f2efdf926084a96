"""Topics, groups and readers for tests on a real broker."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection

import pytest

from tocsin.kafka import (
    Admin,
    GroupSpec,
    KafkaCluster,
    KafkaSettings,
    Offsets,
    Outgoing,
    Publisher,
    Record,
    Stored,
    TopicPartition,
    TopicSpec,
    read_to_end,
)
from tocsin.testing.stage import Stage
from tocsin.testing.until import until


class KafkaStage(Stage):
    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(KafkaCluster(settings))
        self.settings = settings
        self._publisher: Publisher | None = None

    async def topics(
        self, *names: str, groups: Collection[str] = (), partitions: int = 4, compact: bool = False
    ) -> None:
        specs = [
            TopicSpec(
                name=self.topic(name), partitions=partitions, cleanup="compact" if compact else "delete"
            )
            for name in names
        ]
        starts = [GroupSpec(group=self.topic(group), topics=(specs[0].name,)) for group in groups]
        admin = Admin(settings=self.settings)
        await admin.open()
        try:
            await admin.apply(await admin.plan(specs, []))
            await admin.apply(await admin.plan(specs, starts))
        finally:
            await admin.close()

    async def publish(self, *records: Outgoing) -> list[Stored]:
        if self._publisher is None:
            self._publisher = Publisher(settings=self.settings, health=self.health)
            await self._publisher.open()
        return await self._publisher.publish(records, timeout=20)

    async def read(self, name: str) -> list[Record]:
        batches = read_to_end(settings=self.settings, topic=self.topic(name), deadline=30)
        return [record async for batch in batches for record in batch]

    async def end(self, name: str, partition: int) -> int:
        offsets = Offsets(settings=self.settings)
        await offsets.open()
        try:
            return (await offsets.ends([TopicPartition(self.topic(name), partition)])).popitem()[1]
        finally:
            await offsets.close()

    async def close(self) -> None:
        await super().close()
        if self._publisher is not None:
            await self._publisher.close()


@pytest.fixture
async def stage(kafka_server: str, topic_prefix: str) -> AsyncIterator[KafkaStage]:
    stage = KafkaStage(KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix))
    try:
        yield stage
    finally:
        await stage.close()


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Awaitable[None]]:
    return until
