"""A shard held by nobody's group, for tests of what a worker does with it; and groups on a cluster in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from typing import Any, cast

import pytest

from tocsin.kafka import (
    OTHERS,
    CommittedOffset,
    ConsumerRecord,
    FencedShard,
    GroupTimeouts,
    Limits,
    ProducerRecord,
    RecordMetadata,
    Shard,
    TopicPartition,
)
from tocsin.kafka.consume import turn_reading
from tocsin.kafka.consume.member import Lease, Member
from tocsin.kafka.consume.shard import Assignment
from tocsin.kafka.produce.transaction_queue import TransactionQueue
from tocsin.kafka.produce.transactional_producer import Transactions
from tocsin.testing import ManualClock
from tocsin.testing.kafka import MemoryCluster, MemoryPublisher
from tocsin.testing.kafka.group import MemoryGroup
from tocsin.testing.stage import Stage, take_all

HASTY = GroupTimeouts(send_timeout=0.01, drain_timeout=0.05, rebalance_timeout=10)


class Committing:
    """The member and the transactions behind a shard: notes what is committed."""

    def __init__(self) -> None:
        self.offsets: list[object] = []
        self.written: list[list[bytes | None]] = []
        self.opened = asyncio.Event()
        self.opened.set()

    async def run(self, outgoing: Any, offsets: object) -> None:
        await self.opened.wait()
        self.written.append([record.value for record in outgoing])
        self.offsets.append(offsets)

    async def commit(self, offsets: object) -> bool:
        self.offsets.append(offsets)
        return True


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def committing() -> Committing:
    return Committing()


@pytest.fixture
def room() -> asyncio.Event:
    """Set when a full shard can take more."""
    return asyncio.Event()


@pytest.fixture
def new_shard(clock: ManualClock, committing: Committing, room: asyncio.Event) -> Callable[..., FencedShard]:
    def new_shard(
        positions: Mapping[TopicPartition, int], *, buffer_records: int = 100, buffer_bytes: int = 100_000
    ) -> FencedShard:
        lease = Lease(clock=clock, seconds=60)
        assignment = Assignment(
            number=7,
            group="g",
            prefix="tocsin.",
            partitions=frozenset(positions),
            member=cast("Member", committing),
            lease=lease,
            clock=clock,
            timeouts=OTHERS,
            buffer_records=buffer_records,
            buffer_bytes=buffer_bytes,
            room=room,
            fail=lambda error: None,
        )
        queue = TransactionQueue(
            transactions=cast("Transactions", committing), limits=Limits(None), failed=lambda error: None
        )
        return FencedShard(
            number=0,
            positions={partition: CommittedOffset(offset) for partition, offset in positions.items()},
            assignment=assignment,
            partition_count=4,
            queue=queue,
        )

    return new_shard


class MemoryStage(Stage):
    cluster: MemoryCluster

    def __init__(self) -> None:
        super().__init__(MemoryCluster())
        self.publisher = MemoryPublisher(self.cluster)

    async def topics(self, *names: str, groups: Collection[str] = (), partitions: int = 4) -> None:
        self.cluster.create(*map(self.topic, names), partitions=partitions)
        for group in groups:
            self.cluster.start(self.topic(group), self.topic(names[0]))

    async def publish(self, *records: ProducerRecord) -> list[RecordMetadata]:
        return await self.publisher.publish(records, timeout=20)

    async def read(self, name: str) -> list[ConsumerRecord]:
        return self.cluster.read(self.topic(name))

    async def end(self, name: str, partition: int) -> int:
        return self.cluster.logs.at(TopicPartition(self.topic(name), partition)).end


@pytest.fixture
async def stage() -> AsyncIterator[MemoryStage]:
    stage = MemoryStage()
    yield stage
    await stage.close()


@pytest.fixture
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_reading, "POLL_SECONDS", 0.01)


@pytest.fixture
async def prepared(stage: MemoryStage, short_polls: None) -> MemoryStage:
    await stage.topics("in", "out", groups=["copier", "plain", "table"])
    return stage


class Pauses:
    """The pauses before joining anew; they end at once, and note what was left of the group."""

    def __init__(self, group: MemoryGroup) -> None:
        self._group = group
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        assert not self._group.members, "it is a member no more while it waits"
        self.seconds.append(seconds)


@pytest.fixture
def pauses(prepared: MemoryStage) -> Pauses:
    return Pauses(prepared.cluster.group(prepared.topic("copier")))


def once(error: BaseException) -> Callable[[FencedShard], Coroutine[Any, Any, None]]:
    """A worker that raises the first time it is called, in one of its shards."""
    errors = [error]

    async def work(shard: FencedShard) -> None:
        if errors:
            raise errors.pop()
        await take_all(shard)

    return work


async def stubborn(shard: Shard) -> None:
    """Heeds no revoke."""
    await asyncio.Event().wait()
