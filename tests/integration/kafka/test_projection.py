"""A projection into a store that, like a database, keeps rows and positions together or not at all."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from tocsin.kafka import (
    ConsumptionStopped,
    GroupSpec,
    GroupTimeouts,
    NoProgress,
    OffsetMissing,
    Outgoing,
    OwnershipLost,
    PartitionBatch,
    TopicPartition,
)
from tocsin.runtime import Health

pytestmark = pytest.mark.kafka


class Table:
    """Rows and positions, shared by all members; `hold` makes a store wait, `failure` makes it raise, `taking` a take wait."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.positions: dict[TopicPartition, int] = {}
        self.calls = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.failure: Exception | None = None
        self.takes = 0
        self.taking = asyncio.Event()
        self.taking.set()

    async def load_positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        self.takes += 1
        await self.taking.wait()
        return {one: self.positions[one] for one in partitions if one in self.positions}

    async def apply(self, batches: Sequence[PartitionBatch]) -> None:
        self.calls += 1
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        for batch in batches:
            if self.positions.get(batch.partition) != batch.expected:
                raise OwnershipLost("another process stored these")
        for batch in batches:
            self.positions[batch.partition] = batch.next
            self.rows += [record.value or b"" for record in batch.records]


class Numbers:
    """Publishes numbers, and knows which."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self.published: list[bytes] = []

    async def publish(self, count: int) -> None:
        start = len(self.published)
        values = [f"{number}".encode() for number in range(start, start + count)]
        self.published += values
        await self._stage.publish(*(Outgoing(self._stage.topic("in"), value, value) for value in values))

    def all_in(self, table: Table) -> Callable[[], bool]:
        return lambda: len(table.rows) >= len(self.published)


@pytest.fixture
async def prepared(stage: Any) -> Any:
    await stage.topics(
        "in", groups=[GroupSpec(group=f"{stage.settings.topic_prefix}table", topics=(stage.topic("in"),))]
    )
    return stage


def partitions(member: Any) -> int:
    """How many partitions the member reads now."""
    return sum(len(shard.positions) for shard in member.component.held.values())


def member(stage: Any, table: Table, *, health: Health | None = None, **more: Any) -> Any:
    return stage.projection(
        table, group="table", topics=["in"], health=health or Health(service="test"), **more
    )


async def test_every_record_counts_once_over_restarts(prepared: Any, until: Any) -> None:
    table, numbers = Table(), Numbers(prepared)
    for _ in range(2):
        await numbers.publish(300)
        one = await member(prepared, table, batch_records=50).start()
        await until(numbers.all_in(table))
        await one.leave()
    assert sorted(table.rows) == sorted(numbers.published)
    assert sum(table.positions.values()) == 600


async def test_records_move_to_a_second_member_and_back(prepared: Any, until: Any) -> None:
    table, numbers = Table(), Numbers(prepared)
    first = await member(prepared, table, batch_records=20).start()
    await numbers.publish(200)
    await until(lambda: partitions(first) == 4)
    second = await member(prepared, table, batch_records=20).start()
    for _ in range(10):
        await numbers.publish(100)
    await until(lambda: partitions(first) == partitions(second) == 2)
    await numbers.publish(200)
    await first.leave()
    await numbers.publish(200)
    await until(numbers.all_in(table))
    await second.leave()
    assert sorted(table.rows) == sorted(numbers.published)


async def test_giving_back_waits_for_the_store_under_way(prepared: Any, until: Any) -> None:
    table, numbers = Table(), Numbers(prepared)
    first = await member(prepared, table).start()
    await until(lambda: partitions(first) == 4)
    table.hold.clear()
    await numbers.publish(100)
    await until(lambda: table.calls == 1)
    second = await member(prepared, table).start()
    await until(lambda: not first.component.held)
    assert table.rows == []
    table.hold.set()
    await until(numbers.all_in(table))
    await first.leave()
    await second.leave()
    assert sorted(table.rows) == sorted(numbers.published)


async def test_what_was_given_back_stays_given_back_when_its_store_ends(prepared: Any, until: Any) -> None:
    table, numbers = Table(), Numbers(prepared)
    first = await member(prepared, table).start()
    await until(lambda: partitions(first) == 4)
    table.hold.clear()
    await numbers.publish(100)
    await until(lambda: table.calls == 1)
    second = await member(prepared, table).start()
    await until(lambda: not first.component.held)
    table.taking.clear()
    table.hold.set()
    await until(lambda: table.takes == 3)
    assert not first.component.held
    table.taking.set()
    await until(numbers.all_in(table))
    await first.leave()
    await second.leave()
    assert sorted(table.rows) == sorted(numbers.published)


async def test_a_lost_race_ends_the_member_and_stores_nothing(prepared: Any, until: Any) -> None:
    table, numbers = Table(), Numbers(prepared)
    one = await member(prepared, table).start()
    await until(lambda: partitions(one) == 4)
    table.positions = dict.fromkeys(one.component.held[0].positions, 7)
    await numbers.publish(20)
    with pytest.raises(OwnershipLost):
        await one.ended()
    assert table.rows == []


async def test_without_any_offset_the_command_is_named(stage: Any) -> None:
    await stage.topics("in")
    one = await member(stage, Table()).start()
    with pytest.raises(OffsetMissing, match="tocsin topics apply"):
        await one.ended()


async def test_the_stores_position_is_enough(stage: Any, until: Any) -> None:
    """As after the group's offsets have expired on the broker."""
    await stage.topics("in")
    table, numbers = Table(), Numbers(stage)
    table.positions = {TopicPartition(stage.topic("in"), number): 0 for number in range(4)}
    one = await member(stage, table).start()
    await numbers.publish(100)
    await until(numbers.all_in(table))
    await one.leave()
    assert sorted(table.rows) == sorted(numbers.published)


@pytest.mark.parametrize("position", [None, 5000])
async def test_consumption_that_must_stop_leaves_the_process_unready(
    prepared: Any, until: Any, position: int | None
) -> None:
    table, numbers, health = Table(), Numbers(prepared), Health(service="test")
    await numbers.publish(20)
    if position is None:
        table.failure = ConsumptionStopped("These records are no statuses.")
    else:
        table.positions = {TopicPartition(prepared.topic("in"), 0): position}
    one = await member(prepared, table, health=health).start()
    word = "no statuses" if position is None else "5000"
    await until(lambda: word in str(health.reasons()))
    assert one.task is not None
    assert not one.task.done()
    await one.leave()


IMPATIENT = GroupTimeouts(
    send_timeout=2, drain_timeout=3, rebalance_timeout=10, heartbeat_interval=0.2, progress_timeout=1
)


async def test_a_store_that_stands_still_ends_the_member(prepared: Any) -> None:
    table, numbers = Table(), Numbers(prepared)
    one = await member(prepared, table, timeouts=IMPATIENT).start()
    table.hold.clear()
    await numbers.publish(1)
    with pytest.raises(NoProgress, match="stood still for 1 s"):
        await one.ended()
    assert table.rows == []


async def test_reading_that_stands_still_ends_the_member(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", never)
    one = await member(prepared, Table(), timeouts=IMPATIENT).start()
    with pytest.raises(NoProgress, match="read nothing for 1 s"):
        await one.ended()
