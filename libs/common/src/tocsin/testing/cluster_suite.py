"""What a cluster must show the engine of a consumer group, whether it is a real broker or one in memory.

A test module has a fixture `stage` that yields a `Stage` on its cluster, and subclasses the suite:

class TestMemoryCluster(ClusterSuite):
    pass
"""
# ruff: noqa: S101 - a suite is made of assertions

import asyncio
from collections import defaultdict
from collections.abc import Sequence, Sized
from functools import partial

import pytest

from tocsin.kafka import (
    CommittedOffset,
    FencedShard,
    OffsetMissing,
    OwnershipLost,
    PartitionsUnequal,
    ProducerRecord,
    RecordTooLarge,
    Shard,
    TopicPartition,
    TransactionFailed,
    partition_for,
)
from tocsin.runtime import Health
from tocsin.testing.stage import HoldAt, MemoryTable, Running, Stage, numbers, take_all
from tocsin.testing.until import until


class ClusterSuite:
    """Logs, transactions, ownership and offsets are as the engine needs them."""

    # Logs and transactions

    async def test_records_are_read_in_order_where_their_keys_put_them(self, stage: Stage) -> None:
        await stage.topics("in", groups=["plain"])
        read: dict[int, list[tuple[bytes | None, bytes | None]]] = defaultdict(list)

        async def collect(shard: Shard) -> None:
            while batch := await shard.take(max_records=7):
                for record in batch.records:
                    read[record.partition].append((record.key, record.value))

        written = [(f"k{number % 9}".encode(), f"{number}".encode()) for number in range(300)]
        running = await stage.plain(collect).start()
        stored = await stage.publish(*(ProducerRecord(stage.topic("in"), *record) for record in written))
        await until(lambda: sum(map(len, read.values())) == 300)
        await running.leave()
        assert [place.partition for place in stored] == [partition_for(key, 4) for key, _ in written]
        for partition, records in read.items():
            assert records == [record for record in written if partition_for(record[0], 4) == partition]
            offsets = [place.offset for place in stored if place.partition == partition]
            assert offsets == list(range(len(records)))

    async def test_a_transaction_is_seen_whole_or_not_at_all(self, stage: Stage) -> None:
        await stage.topics("in", "out", groups=["plain"])
        seen: list[bytes | None] = []

        async def collect(shard: Shard) -> None:
            while batch := await shard.take():
                seen.extend(record.value for record in batch.records)

        hold = HoldAt("before_commit")
        owner = stage.transactions(failpoints=hold)
        await owner.open()
        reader = await stage.plain(collect).start()
        records = [ProducerRecord(stage.topic("in"), None, value, partition=0) for value in (b"1", b"2")]
        writing = asyncio.create_task(
            owner.run([*records, ProducerRecord(stage.topic("out"), b"k", b"3")], {})
        )
        await hold.reached.wait()
        await stage.publish(ProducerRecord(stage.topic("in"), None, b"behind it", partition=0))
        await stage.publish(ProducerRecord(stage.topic("in"), None, b"beside it", partition=1))
        await until(lambda: bool(seen))
        assert seen == [b"beside it"]
        hold.open.set()
        await writing
        await until(lambda: len(seen) == 4)
        assert seen[1:] == [b"1", b"2", b"behind it"]
        assert [record.value for record in await stage.read("out")] == [b"3"]
        assert await stage.end("in", 0) == 4, "a transaction's marker takes one offset"
        assert await stage.end("in", 1) == 1, "in the partitions that it wrote to"
        await reader.leave()
        await owner.close()

    async def test_a_fenced_owner_writes_nothing(self, stage: Stage) -> None:
        await stage.topics("out")
        hold = HoldAt("before_commit")
        first, second = stage.transactions(failpoints=hold), stage.transactions()
        await first.open()
        record = ProducerRecord(stage.topic("out"), b"k", b"first")
        writing = asyncio.create_task(
            first.run([record], {TopicPartition(stage.topic("out"), 0): CommittedOffset(9)})
        )
        await hold.reached.wait()
        await second.open()
        hold.open.set()
        with pytest.raises(TransactionFailed, match=r"A newer owner of .*copier\.0 fenced this process\."):
            await writing
        await second.run([ProducerRecord(stage.topic("out"), b"k", b"second")], {})
        assert [record.value for record in await stage.read("out")] == [b"second"]
        await first.close()
        with pytest.raises(TransactionFailed, match="is not open"):
            await first.run([record], {})
        await second.close()

    async def test_transactions_called_at_once_share_one(self, stage: Stage) -> None:
        await stage.topics("in", "out", groups=["copier"])
        written = asyncio.Event()

        async def work(shard: FencedShard) -> None:
            if shard.number == 0:
                records = [ProducerRecord(stage.topic("out"), b"k", value) for value in numbers(100)]
                await asyncio.gather(*(shard.transaction([record]) for record in records))
                written.set()
            await shard.revoked.wait()

        running = await stage.fenced(work).start()
        await written.wait()
        await running.leave()
        records = await stage.read("out")
        assert [record.value for record in records] == numbers(100)
        assert records[-1].offset - 99 < 10, "one hundred calls made a hundred transactions"

    async def test_a_record_too_large_is_refused_before_anything_is_produced(self, stage: Stage) -> None:
        await stage.topics("in", "out", groups=["copier"])
        refused: list[RecordTooLarge] = []

        async def work(shard: FencedShard) -> None:
            if shard.number == 0:
                too_large = ProducerRecord(stage.topic("out"), b"k", b"x" * 2_000_000)
                with pytest.raises(RecordTooLarge) as caught:
                    await shard.transaction([ProducerRecord(stage.topic("out"), b"k", b"good"), too_large])
                await shard.transaction([ProducerRecord(stage.topic("out"), b"k", b"after")])
                refused.append(caught.value)
            await shard.revoked.wait()

        running = await stage.fenced(work).start()
        await until(lambda: bool(refused))
        await running.leave()
        assert refused[0].topic == stage.topic("out")
        assert [record.value for record in await stage.read("out")] == [b"after"]

    # Ownership that moves

    async def test_every_record_takes_effect_once_over_restarts(self, stage: Stage) -> None:
        await stage.topics("in", "out", groups=["copier"])
        for bound in (300, 600):
            await stage.publish_values(numbers(bound - 300, bound))
            running = await stage.copier().start()
            await until(partial(stage.copied, numbers(bound)))
            await running.leave()

    async def test_shards_move_without_loss_or_doubles(self, stage: Stage) -> None:
        await stage.topics("in", "out", groups=["copier"])
        first = await stage.copier().start()
        await stage.publish_values(numbers(200))
        second = await stage.copier().start()
        for start in range(200, 1200, 100):
            await stage.publish_values(numbers(start, start + 100))
        await until(lambda: len(first.component.held) == len(second.component.held) == 1)
        await first.leave()
        await stage.publish_values(numbers(1200, 1400))
        third = await stage.copier().start()
        await stage.publish_values(numbers(1400, 1600))
        await until(lambda: stage.copied(numbers(1600)))
        await second.leave()
        await third.leave()
        assert await stage.copied(numbers(1600))

    async def test_two_members_come_and_two_go_at_once_without_loss_or_doubles(self, stage: Stage) -> None:
        """As Pods are replaced."""
        await stage.topics("in", "out", groups=["copier"])
        old, new = ([stage.copier(shards=4) for _ in range(2)] for _ in range(2))
        written: list[bytes] = []
        stop = asyncio.Event()

        async def publish() -> None:
            while not stop.is_set():
                values = numbers(len(written), len(written) + 20)
                await stage.publish_values(values)
                written.extend(values)
                await asyncio.sleep(0.02)

        async def each_holds(members: Sequence[Running], shards: int) -> None:
            await until(lambda: all(len(member.component.held) == shards for member in members))

        publishing = asyncio.create_task(publish())
        for members in (old, new):
            await asyncio.gather(*(member.start() for member in members))
            await each_holds(members, 2 if members is old else 1)
        await each_holds(old, 1)
        await asyncio.gather(*(member.leave() for member in old))
        await each_holds(new, 2)
        stop.set()
        await publishing
        await until(partial(stage.copied, written))
        for member in new:
            await member.leave()
        assert await stage.copied(written)

    async def test_rows_move_to_a_second_member_and_back(self, stage: Stage) -> None:
        await stage.topics("in", groups=["table"])
        table = MemoryTable()
        first = await stage.projection(table, batch_records=20).start()
        await stage.publish_values(numbers(200))
        await until(lambda: first.partitions == 4)
        second = await stage.projection(table, batch_records=20).start()
        for start in range(200, 1200, 100):
            await stage.publish_values(numbers(start, start + 100))
        await until(lambda: first.partitions == second.partitions == 2)
        await first.leave()
        await stage.publish_values(numbers(1200, 1400))
        await until(lambda: len(table.rows) >= 1400)
        await second.leave()
        assert sorted(table.rows) == sorted(numbers(1400))

    async def test_a_release_waits_for_the_work_under_way(self, stage: Stage) -> None:
        await stage.topics("in", groups=["table"])
        table = MemoryTable()
        first = await stage.projection(table).start()
        await until(lambda: first.partitions == 4)
        table.may_apply.clear()
        await stage.publish_values(numbers(100))
        await until(lambda: table.calls == 1)
        second = await stage.projection(table).start()
        await until(lambda: not first.component.held)
        assert (table.rows, table.loads) == ([], 1)
        table.may_load.clear()
        table.may_apply.set()
        await until(lambda: table.loads == 3)
        assert not first.component.held, "what was released stays released when its work ends"
        table.may_load.set()
        await until(lambda: len(table.rows) >= 100)
        await first.leave()
        await second.leave()
        assert sorted(table.rows) == sorted(numbers(100))

    async def test_a_shard_that_was_released_takes_and_writes_nothing(self, stage: Stage) -> None:
        await stage.topics("in", "out", groups=["copier"])
        shards: list[FencedShard] = []

        async def work(shard: FencedShard) -> None:
            shards.append(shard)
            await shard.revoked.wait()

        first = await stage.fenced(work).start()
        await until(lambda: len(first.component.held) == 2)
        await stage.publish_values(numbers(20))
        await until(lambda: all(any(map(shard.first_unread, shard.positions)) for shard in shards))
        second = await stage.fenced(work).start()
        await until(lambda: len(first.component.held) == len(second.component.held) == 1)
        for shard in shards[:2]:
            assert await shard.take() is None
            with pytest.raises(OwnershipLost, match="assignment 1, which is over"):
                await shard.transaction([ProducerRecord(stage.topic("out"), b"k", b"v")])
            with pytest.raises(OwnershipLost):
                await shard.commit({})
            assert not shard.lease_ok()
        assert {shard.assignment for shard in first.component.held.values()} == {2}
        await first.leave()
        await second.leave()
        assert await stage.read("out") == []

    async def test_members_that_count_different_shards_are_refused(self, stage: Stage) -> None:
        await stage.topics("in", groups=["copier"])
        first = await stage.fenced(take_all).start()
        await until(lambda: len(first.component.held) == 2)
        second = await stage.fenced(take_all, shards=4).start()
        with pytest.raises(PartitionsUnequal, match="count 2 and 4 shards"):
            await first.ended()
        await second.discard()

    # Where reading begins

    async def test_offsets_and_their_metadata_reach_the_next_owner(self, stage: Stage) -> None:
        await stage.topics("in", groups=["copier"])
        place, positions = TopicPartition(stage.topic("in"), 1), list[CommittedOffset]()
        await stage.publish(*(ProducerRecord(place.topic, b"k", b"v", partition=1) for _ in range(4)))

        async def work(shard: FencedShard) -> None:
            if shard.number == 1 and (batch := await shard.take()):
                position = shard.positions[place]
                assert batch.records[0].offset == position.offset
                positions.append(position)
                if position.offset == 0:
                    await shard.commit({place: CommittedOffset(2, "committed")})
                if position.offset == 2:
                    await shard.transaction([], {place: CommittedOffset(3, "in a transaction")})
            await shard.revoked.wait()

        for count in (1, 2, 3):
            running = await stage.fenced(work).start()
            await until(partial(_has, positions, count))
            await running.leave()
        assert positions == [
            CommittedOffset(0),
            CommittedOffset(2, "committed"),
            CommittedOffset(3, "in a transaction"),
        ]

    async def test_what_was_not_committed_is_read_again(self, stage: Stage) -> None:
        await stage.topics("in", groups=["plain"], partitions=1)
        await stage.publish_values(numbers(20))
        taken: list[list[bytes | None]] = []

        async def work(shard: Shard) -> None:
            batch = await shard.take(max_records=10)
            assert batch is not None
            taken.append([record.value for record in batch.records])
            if len(taken) == 1:
                await shard.commit({place: CommittedOffset(3) for place in batch.offsets})
            await shard.revoked.wait()

        for count in (1, 2):
            running = await stage.plain(work).start()
            await until(partial(_has, taken, count))
            await running.leave()
        assert taken == [numbers(10), numbers(3, 13)]

    async def test_a_store_says_where_reading_begins(self, stage: Stage) -> None:
        """Also where the group has no offset, as after its offsets have expired on the broker."""
        await stage.topics("in", partitions=1)
        await stage.publish_values(numbers(20))
        table = MemoryTable()
        table.positions = {TopicPartition(stage.topic("in"), 0): 5}
        running = await stage.projection(table).start()
        await until(lambda: len(table.rows) >= 15)
        await running.leave()
        assert table.rows == numbers(5, 20)

    async def test_of_two_owners_the_store_refuses_the_one_that_does_not_know_its_position(
        self, stage: Stage
    ) -> None:
        await stage.topics("in", groups=["table"], partitions=1)
        table = MemoryTable()
        running = await stage.projection(table).start()
        await until(lambda: running.partitions == 1)
        table.positions = {TopicPartition(stage.topic("in"), 0): 7}
        await stage.publish_values(numbers(20))
        with pytest.raises(OwnershipLost, match="another process stored these"):
            await running.ended()
        assert table.rows == []

    async def test_a_projection_begins_by_itself_with_a_topic_that_nobody_has_read(
        self, stage: Stage
    ) -> None:
        """As with one that a new release adds, while members of the former one keep the command from committing."""
        await stage.topics("in", partitions=1)
        await stage.publish_values(numbers(20))
        table, place = MemoryTable(), TopicPartition(stage.topic("in"), 0)
        running = await stage.projection(table).start()
        await until(lambda: len(table.rows) >= 20)
        assert place in await stage.cluster.committed(stage.topic("table"), [place])
        await running.leave()
        assert table.rows == numbers(20)

    @pytest.mark.parametrize("ownership", ["fenced", "plain"])
    async def test_without_any_offset_the_command_is_named(self, stage: Stage, ownership: str) -> None:
        await stage.topics("in")
        running = await getattr(stage, ownership)(take_all).start()
        with pytest.raises(OffsetMissing, match=r"no usable offset for .*: run `tocsin topics apply`"):
            await running.ended()

    async def test_an_offset_out_of_range_names_the_command(self, stage: Stage) -> None:
        await stage.topics("in", groups=["copier"])
        committed: list[int] = []

        async def commit_nonsense(shard: FencedShard) -> None:
            await shard.commit({partition: CommittedOffset(4711) for partition in shard.positions})
            committed.append(shard.number)
            await shard.revoked.wait()

        first = await stage.fenced(commit_nonsense).start()
        await until(lambda: len(committed) == 2)
        await first.leave()
        health = Health(service="test")
        second = await stage.fenced(take_all, health=health).start()
        group = stage.topic("copier")
        await until(lambda: f"`tocsin topics apply --accept-loss {group}`" in str(health.reasons()))
        assert "ends at 0, below the committed 4711" in str(health.reasons())
        assert second.task is not None
        assert not second.task.done()

    async def test_a_stored_position_out_of_range_names_the_command_which_finds_it_in_the_group(
        self, stage: Stage
    ) -> None:
        await stage.topics("in", groups=["table"])
        table, health = MemoryTable(), Health(service="test")
        place, group = TopicPartition(stage.topic("in"), 0), stage.topic("table")
        table.positions = {place: 5000}
        running = await stage.projection(table, health=health).start()
        await until(lambda: f"`tocsin topics apply --accept-loss {group}`" in str(health.reasons()))
        assert (await stage.cluster.committed(group, [place]))[place].offset == 5000
        assert running.task is not None
        assert not running.task.done()
        await running.leave()


def _has(collection: Sized, count: int) -> bool:
    return len(collection) == count
