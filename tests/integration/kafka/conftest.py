"""Topics, groups and readers for tests on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tocsin.kafka import (
    NO_FAILPOINTS,
    Admin,
    Batch,
    ConsumerGroup,
    ExactlyOnce,
    Failpoints,
    Fenced,
    FencedShard,
    GroupSpec,
    GroupTimeouts,
    KafkaCluster,
    KafkaSettings,
    Outgoing,
    Projection,
    ProjectionStore,
    Publisher,
    Record,
    Stored,
    StoredPositions,
    TopicSpec,
    read_to_end,
)
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.health import Health
from tocsin.testing.until import until

# Bounds as short as a busy machine allows; the session is production's, so that no member is expelled by load.
SHORT = GroupTimeouts(
    send_timeout=2, drain_timeout=3, rebalance_timeout=10, heartbeat_interval=0.2, progress_timeout=30
)


@dataclass
class Member:
    """A component that runs in this process; `end` is how its run ended."""

    component: ConsumerGroup[Any] | Publisher
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def start(self) -> "Member":
        await self.component.open()
        self.task = asyncio.create_task(self.component.run(self.stop))
        return self

    async def leave(self) -> None:
        """As on SIGTERM: raises what the run raised."""
        self.stop.set()
        try:
            await self.ended()
        finally:
            await self.component.close()

    async def ended(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(30):
            await self.task

    async def discard(self) -> None:
        if self.task is not None:
            self.stop.set()
            self.task.cancel()
            await asyncio.wait([self.task])
            if not self.task.cancelled():
                self.task.exception()
        await self.component.close()


class Stage:
    """A fresh set of topics for one test, and what is done with them."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self.health = Health(service="test")
        self._members: list[Member] = []
        self._publisher: Publisher | None = None

    def topic(self, name: str) -> str:
        return f"{self.settings.topic_prefix}{name}"

    async def topics(
        self, *names: str, partitions: int = 4, groups: Sequence[GroupSpec] = (), compact: bool = False
    ) -> None:
        admin = Admin(settings=self.settings)
        await admin.open()
        try:
            specs = [
                TopicSpec(
                    name=self.topic(name), partitions=partitions, cleanup="compact" if compact else "delete"
                )
                for name in names
            ]
            await admin.apply(await admin.plan(specs, []))
            await admin.apply(await admin.plan(specs, groups))
        finally:
            await admin.close()

    def member(self, component: ConsumerGroup[Any]) -> Member:
        member = Member(component)
        self._members.append(member)
        return member

    def group(
        self,
        work: Callable[[FencedShard], Awaitable[None]],
        *,
        group: str,
        topics: Sequence[str],
        shards: int = 2,
        limits: dict[str, int] | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
        **more: Any,
    ) -> Member:
        """A member with transactions. Lost ownership ends it at once, unless ``rejoins`` says otherwise."""
        cluster = KafkaCluster(self.settings)
        ownership = Fenced(cluster=cluster, shards=shards, limits=limits, failpoints=failpoints)
        return self._member(
            cluster, group, topics, ownership=ownership, work=work, failpoints=failpoints, **more
        )

    def exactly_once(
        self,
        process: Callable[[Batch], Awaitable[Sequence[Outgoing]]],
        *,
        group: str,
        topics: Sequence[str],
        **more: Any,
    ) -> Member:
        return self.group(ExactlyOnce(process, clock=SystemClock()).work, group=group, topics=topics, **more)

    def projection(
        self,
        store: ProjectionStore,
        *,
        group: str,
        topics: Sequence[str],
        batch_records: int = 5_000,
        **more: Any,
    ) -> Member:
        work = Projection(store, batch_records=batch_records).work
        return self._member(
            KafkaCluster(self.settings), group, topics, ownership=StoredPositions(store), work=work, **more
        )

    def _member(self, cluster: KafkaCluster, group: str, topics: Sequence[str], **more: Any) -> Member:
        arguments: dict[str, Any] = {"timeouts": SHORT, "health": Health(service="test"), "rejoins": 0} | more
        return self.member(
            ConsumerGroup(
                cluster=cluster,
                group=f"{self.settings.topic_prefix}{group}",
                topics=[self.topic(name) for name in topics],
                clock=SystemClock(),
                **arguments,
            )
        )

    async def publish(self, *records: Outgoing) -> list[Stored]:
        if self._publisher is None:
            self._publisher = Publisher(settings=self.settings, health=self.health)
            await self._publisher.open()
        return await self._publisher.publish(records, timeout=20)

    async def read(self, name: str) -> list[Record]:
        """Everything committed in the topic now."""
        batches = read_to_end(settings=self.settings, topic=self.topic(name), deadline=30)
        return [record async for batch in batches for record in batch]

    async def close(self) -> None:
        for member in self._members:
            await member.discard()
        if self._publisher is not None:
            await self._publisher.close()


@pytest.fixture
async def stage(kafka_server: str, topic_prefix: str) -> AsyncIterator[Stage]:
    stage = Stage(KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix))
    try:
        yield stage
    finally:
        await stage.close()


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Awaitable[None]]:
    return until
