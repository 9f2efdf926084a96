"""Consumer groups on some cluster, for the length of a test, and the parts that such tests are made of."""
# ruff: noqa: S101 - what helps a test may assert

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tocsin.kafka import (
    Batch,
    Cluster,
    ConsumerGroup,
    ConsumerRecord,
    ExactlyOnce,
    Fenced,
    FencedShard,
    GroupTimeouts,
    Limits,
    OwnershipLost,
    PartitionBatch,
    Plain,
    ProducerRecord,
    Projection,
    ProjectionStore,
    RecordMetadata,
    Shard,
    StoredPositions,
    TopicPartition,
)
from tocsin.kafka.produce.transactional_producer import Transactions
from tocsin.runtime import Clock, Health, SystemClock
from tocsin.runtime.failpoints import NO_FAILPOINTS, Failpoints

# Bounds as short as a busy machine allows; the session is production's, so that no member is expelled by load.
SHORT = GroupTimeouts(
    send_timeout=2, drain_timeout=3, rebalance_timeout=10, heartbeat_interval=0.2, progress_timeout=30
)


@dataclass
class Running:
    """A consumer group that runs in this process."""

    component: ConsumerGroup[Any]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def start(self) -> "Running":
        await self.component.open()
        self.task = asyncio.create_task(self.component.run(self.stop))
        return self

    @property
    def partitions(self) -> int:
        """How many partitions it reads now."""
        return sum(len(shard.positions) for shard in self.component.held.values())

    async def leave(self) -> None:
        """As on SIGTERM: raises what the run raised."""
        self.stop.set()
        try:
            await self.ended()
        finally:
            await self.component.close()

    async def ended(self) -> None:
        """Wait for the end of the run; raises what it raised."""
        assert self.task is not None
        async with asyncio.timeout(30):
            await self.task

    async def discard(self) -> None:
        """End it, however it goes."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
            if not self.task.cancelled():
                self.task.exception()
        await self.component.close()


class Stage(ABC):
    """Fresh topics of one test on some cluster, and consumer groups that end with the test."""

    def __init__(self, cluster: Cluster, *, clock: Clock | None = None) -> None:
        self.cluster = cluster
        self.clock = clock or SystemClock()
        self.health = Health(service="test")
        self._running: list[Running] = []

    def topic(self, name: str) -> str:
        """The name with the prefix of this test; groups have it too."""
        return f"{self.cluster.prefix}{name}"

    @abstractmethod
    async def topics(self, *names: str, groups: Collection[str] = (), partitions: int = 4) -> None:
        """Create topics. ``groups`` get their start offsets for the first one."""

    @abstractmethod
    async def publish(self, *records: ProducerRecord) -> list[RecordMetadata]:
        """Store records outside of any transaction."""

    @abstractmethod
    async def read(self, name: str) -> list[ConsumerRecord]:
        """Every committed record of the topic."""

    @abstractmethod
    async def end(self, name: str, partition: int) -> int:
        """The high watermark."""

    def run(self, component: ConsumerGroup[Any]) -> Running:
        """What is started of it ends with the test."""
        self._running.append(Running(component))
        return self._running[-1]

    def group(
        self,
        work: Callable[[Any], Awaitable[None]],
        *,
        ownership: Any,
        group: str,
        topics: Sequence[str],
        **more: Any,
    ) -> Running:
        """Lost ownership ends its run at once, unless ``rejoins`` says otherwise."""
        arguments: dict[str, Any] = {"timeouts": SHORT, "health": Health(service="test"), "rejoins": 0} | more
        return self.run(
            ConsumerGroup(
                cluster=self.cluster,
                group=self.topic(group),
                topics=[self.topic(name) for name in topics],
                ownership=ownership,
                work=work,
                clock=self.clock,
                **arguments,
            )
        )

    def fenced(
        self,
        work: Callable[[FencedShard], Awaitable[None]],
        *,
        shards: int = 2,
        limits: dict[str, int] | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
        group: str = "copier",
        topics: Sequence[str] = ("in",),
        **more: Any,
    ) -> Running:
        """A group with transactions."""
        ownership = Fenced(cluster=self.cluster, shards=shards, limits=limits, failpoints=failpoints)
        return self.group(
            work, ownership=ownership, group=group, topics=topics, failpoints=failpoints, **more
        )

    def exactly_once(
        self, process: Callable[[Batch], Awaitable[Sequence[ProducerRecord]]], **more: Any
    ) -> Running:
        """A group that processes batches."""
        return self.fenced(ExactlyOnce(process, clock=self.clock).work, **more)

    def copier(self, **more: Any) -> Running:
        """A group that writes what it reads in ``in`` to ``out``."""

        async def copy(batch: Batch) -> Sequence[ProducerRecord]:
            return [ProducerRecord(self.topic("out"), record.key, record.value) for record in batch.records]

        return self.exactly_once(copy, **more)

    def projection(
        self, store: ProjectionStore, *, group: str = "table", batch_records: int = 5_000, **more: Any
    ) -> Running:
        """A group whose positions stand in a store."""
        work = Projection(store, batch_records=batch_records).work
        return self.group(work, ownership=StoredPositions(store), group=group, topics=["in"], **more)

    def plain(
        self, work: Callable[[Shard], Awaitable[None]], *, group: str = "plain", **more: Any
    ) -> Running:
        """A group that commits by itself."""
        return self.group(work, ownership=Plain(shards=2), group=group, topics=["in"], **more)

    def transactions(self, *, failpoints: Failpoints = NO_FAILPOINTS) -> Transactions:
        """An owner of one transactional id, which is always the same."""
        name = self.topic("copier")
        return self.cluster.transactions(
            transactional_id=f"{name}.0", group=name, limits=Limits(None), failpoints=failpoints
        )

    async def publish_values(self, values: Iterable[bytes]) -> None:
        """Into ``in``; each value is its record's key as well."""
        await self.publish(*(ProducerRecord(self.topic("in"), value, value) for value in values))

    async def copied(self, values: Collection[bytes]) -> bool:
        """Whether ``out`` has each value; an assertion fails once it has one of them twice."""
        seen = Counter(record.value for record in await self.read("out"))
        assert not seen - Counter(values), "a record took effect twice"
        return seen == Counter(values)

    async def close(self) -> None:
        """End what still runs."""
        for running in self._running:
            await running.discard()


class HoldAt:
    """A failpoint that waits at one place until it is opened, or raises there."""

    def __init__(self, place: str, error: Exception | None = None) -> None:
        self.place = place
        self.error = error
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def reach(self, name: str) -> None:
        """Wait here."""
        if name != self.place:
            return
        self.reached.set()
        if self.error is not None:
            raise self.error
        await self.open.wait()


class MemoryTable:
    """Rows and positions, kept together as a database does. Members share it. ``load`` and ``apply`` wait for their events;
    ``failure`` is raised instead of keeping rows."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.positions: dict[TopicPartition, int] = {}
        self.loads = self.calls = 0
        self.may_load, self.may_apply = asyncio.Event(), asyncio.Event()
        self.may_load.set()
        self.may_apply.set()
        self.failure: Exception | None = None

    async def load_positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """As `ProjectionStore` says."""
        self.loads += 1
        await self.may_load.wait()
        return {place: self.positions[place] for place in partitions if place in self.positions}

    async def apply(self, batches: Sequence[PartitionBatch]) -> None:
        """As `ProjectionStore` says."""
        self.calls += 1
        await self.may_apply.wait()
        if self.failure is not None:
            raise self.failure
        if any(self.positions.get(batch.partition) != batch.expected for batch in batches):
            raise OwnershipLost("another process stored these")
        for batch in batches:
            self.positions[batch.partition] = batch.next
            self.rows += [record.value or b"" for record in batch.records]


def numbers(*bounds: int) -> list[bytes]:
    """Values that differ."""
    return [f"{number}".encode() for number in range(*bounds)]


async def take_all(shard: Shard) -> None:
    """A worker that drops what it takes."""
    while await shard.take() is not None:
        pass
