"""In which order a consumer begins, and how it reads by turns, on a cluster in memory."""

import asyncio
from typing import Any

import pytest
from tests.unit.kafka.conftest import MemoryStage, Pauses

from tocsin.kafka import (
    ConsumerRecord,
    Fenced,
    FencedShard,
    LeaseLost,
    PartitionsUnequal,
    Plain,
    ProducerRecord,
    Shard,
    TopicPartition,
)
from tocsin.kafka.consume import turn_reading
from tocsin.testing.kafka.cluster import MemoryTransactions
from tocsin.testing.kafka.group import MemoryMember
from tocsin.testing.stage import HoldAt, numbers, take_all
from tocsin.testing.until import until


async def test_fences_before_it_asks_for_positions_and_only_then_reads(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    class Notes:
        async def reach(self, name: str) -> None:
            happened.append(name)

    def noting(cls: type, method: str) -> None:
        original = getattr(cls, method)

        async def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
            happened.append(method)
            return await original(self, *args, **kwargs)

        monkeypatch.setattr(cls, method, noted)

    for method in ("committed", "poll"):
        noting(MemoryMember, method)
    noting(MemoryTransactions, "open")
    noting(MemoryTransactions, "run")
    await prepared.publish_values(numbers(20))
    running = await prepared.copier(failpoints=Notes()).start()
    await until(lambda: prepared.copied(numbers(20)))
    await running.leave()
    assert happened[:6] == ["before_fence", "open", "open", "after_fence", "committed", "poll"]


async def test_topics_with_different_numbers_of_partitions_are_refused_before_it_joins(
    prepared: MemoryStage,
) -> None:
    prepared.cluster.create(prepared.topic("narrow"), partitions=2)
    for ownership in (Fenced(cluster=prepared.cluster, shards=2), Plain(shards=2)):
        group = prepared.group(take_all, ownership=ownership, group="plain", topics=["in", "narrow"])
        with pytest.raises(PartitionsUnequal, match=r"tocsin\.in: 4, tocsin\.narrow: 2"):
            await group.start()


async def test_topics_that_the_work_writes_have_as_many_partitions_too(prepared: MemoryStage) -> None:
    prepared.cluster.create(prepared.topic("narrow"), partitions=2)
    written = [prepared.topic("narrow")]
    for ownership in (Fenced(cluster=prepared.cluster, shards=2), Plain(shards=2)):
        group = prepared.group(take_all, ownership=ownership, group="plain", topics=["in"], written=written)
        with pytest.raises(PartitionsUnequal, match=r"tocsin\.in: 4, tocsin\.narrow: 2"):
            await group.start()


async def test_while_it_acquires_it_has_a_lease_and_reads_nothing(prepared: MemoryStage) -> None:
    hold = HoldAt("before_fence")
    await prepared.publish_values(numbers(20))
    running = await prepared.copier(failpoints=hold).start()
    await hold.reached.wait()
    await until(running.component._lease.ok)
    assert not running.component.held
    assert running.component._member is not None
    for number in range(4):
        ends = running.component._member.log_ends(TopicPartition(prepared.topic("in"), number))
        assert ends is not None
        assert ends.position == 0
        assert ends.end > 0
    hold.open.set()
    await until(lambda: prepared.copied(numbers(20)))
    await running.leave()


async def test_assignments_are_counted_over_memberships(prepared: MemoryStage, pauses: Pauses) -> None:
    assignments: list[int] = []
    lost = [LeaseLost("too late")]

    async def work(shard: Shard) -> None:
        assignments.append(shard.assignment)
        if lost:
            raise lost.pop()
        await take_all(shard)

    running = await prepared.plain(work, rejoins=1, sleep=pauses).start()
    await until(lambda: len(assignments) == 2)
    await running.leave()
    assert assignments == [1, 2]


# Reading by turns


async def test_a_hot_partition_does_not_starve_the_others(prepared: MemoryStage) -> None:
    batches: list[list[int]] = []

    async def work(shard: Shard) -> None:
        while batch := await shard.take(max_records=10_000, max_bytes=10**9):
            batches.append(sorted({record.partition for record in batch.records}))

    await prepared.publish(
        *(ProducerRecord(prepared.topic("in"), None, value, partition=2) for value in numbers(5_000)),
        *(ProducerRecord(prepared.topic("in"), None, b"cold", partition=number) for number in (0, 1, 3)),
    )
    running = await prepared.plain(work).start()
    await until(lambda: bool(batches))
    await running.leave()
    assert batches[0] == [0, 1, 2, 3]


async def test_the_worker_has_its_turn_after_each_read(prepared: MemoryStage) -> None:
    """Also where one partition alone has records, and nothing that is awaited has to be waited for."""
    batches: list[int] = []

    async def work(shard: Shard) -> None:
        while batch := await shard.take(max_records=10_000, max_bytes=10**9):
            batches.append(len(batch.records))

    topic = prepared.topic("in")
    await prepared.publish(*(ProducerRecord(topic, None, b"v", partition=0) for _ in range(3_000)))
    running = await prepared.plain(work).start()
    await until(lambda: sum(batches) == 3_000)
    await running.leave()
    assert batches == [turn_reading.POLL_RECORDS] * 6


async def test_reading_pauses_for_a_full_shard_alone(prepared: MemoryStage) -> None:
    """And goes on where it stood, once the worker takes."""
    may_take = asyncio.Event()
    taken: dict[int, list[int]] = {0: [], 1: []}

    async def work(shard: FencedShard) -> None:
        if shard.number == 0:
            await may_take.wait()
        while batch := await shard.take():
            taken[shard.number] += [record.offset for record in batch.records]

    async def publish(count: int, partition: int) -> None:
        topic = prepared.topic("in")
        await prepared.publish(
            *(ProducerRecord(topic, None, b"v", partition=partition) for _ in range(count))
        )

    running = await prepared.fenced(work, buffer_records=600).start()
    await publish(3_000, 0)
    await until(lambda: 0 in running.component.held and running.component.held[0].full)
    place = TopicPartition(prepared.topic("in"), 0)
    assert running.component._member is not None
    read = running.component._member.log_ends(place)
    await publish(2_000, 1)
    await until(lambda: len(taken[1]) == 2_000)
    assert running.component._member.log_ends(place) == read
    assert read is not None
    assert read.position < 1_200
    may_take.set()
    await until(lambda: len(taken[0]) == 3_000)
    await running.leave()
    assert taken == {0: list(range(3_000)), 1: list(range(2_000))}


async def test_what_arrives_while_a_shard_is_released_is_read_by_its_next_owner(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_reading, "POLL_SECONDS", 5)  # the poll under way gets the records
    put: list[bool] = []
    original = Shard.put

    def noting(self: Shard, records: list[ConsumerRecord]) -> None:
        put.append(self.revoked.is_set())
        original(self, records)

    monkeypatch.setattr(Shard, "put", noting)
    may_end = asyncio.Event()
    shards: list[Shard] = []
    taken: list[bytes | None] = []

    async def work(shard: Shard) -> None:
        shards.append(shard)
        while batch := await shard.take():
            taken.extend(record.value for record in batch.records)
            await shard.commit(batch.offsets)
        if len(shards) == 1:
            await may_end.wait()

    first = await prepared.plain(work).start()
    await until(lambda: first.partitions == 4)
    second = await prepared.plain(work).start()
    await shards[0].revoked.wait()
    await prepared.publish_values(numbers(20))
    await until(lambda: bool(put))
    assert put[0], "records came while the shard was released"
    assert not any(map(shards[0].first_unread, shards[0].positions))
    may_end.set()
    await until(lambda: len(taken) >= 20)
    assert sorted(map(str, taken)) == sorted(map(str, numbers(20)))
    monkeypatch.setattr(turn_reading, "POLL_SECONDS", 0.01)
    await first.leave()
    await second.leave()
