"""What a shard commits, and when it reads on."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from tocsin.channel.shard_offsets import PARTITION_WINDOW, ShardOffsets
from tocsin.kafka import (
    CommittedOffset,
    ConsumerRecord,
    FencedShard,
    Offsets,
    RecordMetadata,
    TopicPartition,
    read_back_metadata,
)

JOBS = TopicPartition("jobs", 0)


class Group:
    """The shard as its group has it, and where logs end: jobs and outcomes at 0."""

    def __init__(self) -> None:
        self.positions = {JOBS: CommittedOffset(0, read_back_metadata(0))}
        self.committed: dict[TopicPartition, CommittedOffset] = {}

    async def commit(self, positions: Mapping[TopicPartition, CommittedOffset]) -> None:
        self.committed.update(positions)

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)


async def begun(group: Group, *, window_bytes: int = 1_000_000) -> ShardOffsets:
    offsets = ShardOffsets(
        shard=cast("FencedShard", group),
        jobs="jobs",
        outcomes="status",
        group="g",
        labels=("dispatch-sms", "bulk"),
        offsets=cast("Offsets", group),
        window_bytes=window_bytes,
    )
    await offsets.begin()
    return offsets


def record(offset: int) -> ConsumerRecord:
    return ConsumerRecord("jobs", 0, offset, 0, b"", b"x" * 10)


async def test_an_outcome_moves_the_place_where_later_outcomes_begin() -> None:
    group = Group()
    offsets = await begun(group)
    offsets.take(record(0))
    offsets.finish(record(0), RecordMetadata("status", 0, 41, 0))
    await offsets.commit()
    assert group.committed == {JOBS: CommittedOffset(1, read_back_metadata(42))}


async def test_after_a_transaction_that_committed_an_older_position_the_newer_one_is_committed_again() -> (
    None
):
    group = Group()
    offsets = await begun(group)
    for number in range(3):
        offsets.take(record(number))
    positions = offsets.position_after(record(2))
    assert positions == {JOBS: CommittedOffset(0, read_back_metadata(0))}
    offsets.finish(record(0))
    offsets.finish(record(1))
    await offsets.commit()
    assert group.committed[JOBS].offset == 2
    offsets.take(record(3))
    await group.commit(positions)  # the transaction stands only now
    offsets.finish_with(record(2), positions)
    offsets.finish(record(3))
    await offsets.commit()
    assert group.committed[JOBS].offset == 4
    positions = {JOBS: CommittedOffset(1, read_back_metadata(0))}
    offsets.take(record(4))
    offsets.take(record(5))
    await group.commit(positions)
    offsets.finish_with(record(5), positions)
    await offsets.commit()
    assert group.committed[JOBS].offset == 4


async def test_reading_goes_on_once_there_is_room() -> None:
    for number_of_records, window_bytes in ((3, 30), (PARTITION_WINDOW, 1_000_000)):
        offsets = await begun(Group(), window_bytes=window_bytes)
        for number in range(number_of_records):
            offsets.take(record(number))
        room = asyncio.create_task(offsets.room())
        await asyncio.sleep(0)
        assert not room.done()
        offsets.finish(record(0))
        await asyncio.wait_for(room, 10)
        offsets.release()
