"""What a shard commits, and when it reads on."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

import pytest

from tocsin.channel.shard_offsets import PARTITION_WINDOW, ShardOffsets
from tocsin.contracts.codec import encode
from tocsin.contracts.statuses import status_of
from tocsin.contracts.vocabulary import Channel, StatusName
from tocsin.kafka import (
    CommittedOffset,
    ConsumerRecord,
    FencedShard,
    Offsets,
    RecordMetadata,
    TopicPartition,
    read_back_metadata,
)
from tocsin.testing.jobs import job_for
from tocsin.testing.until import until

JOBS = TopicPartition("jobs", 0)


class Group:
    """The shard as its group has it, and the logs: their ends, the outcomes that stand, the first offset that is kept."""

    def __init__(self, *, outcomes_begin: int = 0) -> None:
        self.positions = {JOBS: CommittedOffset(0, read_back_metadata(outcomes_begin))}
        self.committed: dict[TopicPartition, CommittedOffset] = {}
        self.jobs_end = 0
        self.outcomes_end = outcomes_begin
        self.position = 0
        self.kept = 0
        self.outcomes: list[ConsumerRecord] = []
        self.asked: list[tuple[str, dict[int, int]]] = []
        self.flowing = asyncio.Event()
        """While it is not set, a commit reaches the broker and is not answered."""
        self.flowing.set()

    async def commit(self, positions: Mapping[TopicPartition, CommittedOffset]) -> None:
        self.committed.update(positions)
        await self.flowing.wait()

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: self.jobs_end if at == JOBS else self.outcomes_end for at in partitions}

    async def starts(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.kept)

    async def read_log(
        self, *, topic: str, partitions: Sequence[int], start: Mapping[int, int]
    ) -> AsyncIterator[list[ConsumerRecord]]:
        self.asked.append((topic, dict(start)))
        yield [record for record in self.outcomes if record.offset >= start[record.partition]]

    def read_past(self, partition: TopicPartition, offset: int) -> bool:
        return self.position >= offset

    def touch(self) -> None:
        """Nobody watches."""


async def begun(group: Group, *, window_bytes: int = 1_000_000) -> ShardOffsets:
    offsets = ShardOffsets(
        shard=cast("FencedShard", group),
        jobs="jobs",
        outcomes="status",
        group="g",
        labels=("dispatch-sms", "bulk"),
        offsets=cast("Offsets", group),
        read_log=group.read_log,
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


@pytest.mark.parametrize("kept", ["the transaction's", "the plain commit's"])
async def test_after_a_transaction_the_position_is_committed_anew_whichever_the_broker_has_kept(
    kept: str,
) -> None:
    """Offsets of a transaction and a plain commit that overlap: the broker keeps what it appended later."""
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
    if kept == "the transaction's":
        group.committed.update(positions)
    offsets.finish_with(record(2), positions)
    await offsets.commit()
    assert group.committed[JOBS].offset == 3


@pytest.mark.parametrize("kept", ["the transaction's", "the plain commit's"])
async def test_the_last_transaction_of_a_shard_leaves_no_position_behind(kept: str) -> None:
    """Its position is the final one, and the commit overlapped: nothing changes after it, and yet it is committed."""
    group = Group()
    offsets = await begun(group)
    for number in range(3):
        offsets.take(record(number))
    offsets.finish(record(0))
    offsets.finish(record(1))
    positions = offsets.position_after(record(2))
    assert positions == {JOBS: CommittedOffset(3, read_back_metadata(0))}
    await offsets.commit()
    if kept == "the transaction's":
        group.committed.update(positions)
    offsets.finish_with(record(2), positions)
    await offsets.commit()
    assert group.committed == positions


async def test_a_transaction_that_ends_during_a_commit_has_it_made_again() -> None:
    group = Group()
    offsets = await begun(group)
    for number in range(3):
        offsets.take(record(number))
    older = offsets.position_after(record(2))
    offsets.finish(record(0))
    group.flowing.clear()
    committing = asyncio.create_task(offsets.commit())
    await until(lambda: group.committed[JOBS].offset == 1)
    group.committed.update(older)
    offsets.finish_with(record(2), older)
    group.flowing.set()
    await committing
    await offsets.commit()
    assert group.committed[JOBS].offset == 1


async def test_a_commit_that_was_cancelled_is_made_again() -> None:
    group = Group()
    offsets = await begun(group)
    offsets.take(record(0))
    offsets.finish(record(0))
    group.flowing.clear()
    committing = asyncio.create_task(offsets.commit())
    await until(lambda: group.committed[JOBS].offset == 1)
    committing.cancel()
    await asyncio.wait([committing])
    group.committed.clear()
    group.flowing.set()
    await offsets.commit()
    assert group.committed[JOBS].offset == 1


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


def outcome(offset: int, *, of: str, status: StatusName = StatusName.SENT) -> ConsumerRecord:
    job = job_for(Channel.SMS)
    told = status_of(status, job, lane=job.lane, cause=of, at=job.event_time)
    return ConsumerRecord("status", 0, offset, 0, b"", encode(told))


async def test_jobs_whose_outcome_stands_are_finished_when_they_are_read() -> None:
    group = Group(outcomes_begin=7)
    group.jobs_end = 5
    group.outcomes = [
        outcome(6, of="jobs/0/0"),  # before the position that the commit names
        outcome(7, of="jobs/0/1"),
        outcome(8, of="other/0/2"),
        outcome(9, of="jobs/1/2"),
        outcome(10, of="jobs/0/3", status=StatusName.DEFERRED),
        outcome(11, of="jobs/0/4", status=StatusName.ACCEPTED),
        ConsumerRecord("status", 0, 12, 0, b"", b'{"cause":"jobs/0/2"'),
        outcome(13, of="jobs/0/x"),
    ]
    offsets = await begun(group)
    await offsets.read_back()
    assert group.asked == [("status", {0: 7})]
    for number in range(5):
        offsets.take(record(number))
    assert not offsets.ended_before(record(1), "of a topic that was made anew")
    job = job_for(Channel.SMS)
    ended = [offsets.ended_before(record(number), job.delivery_id) for number in range(5)]
    assert ended == [False, True, False, True, False]
    await offsets.commit()
    assert group.committed == {JOBS: CommittedOffset(0, read_back_metadata(7))}


async def test_until_the_replay_is_over_the_position_stays() -> None:
    """A transaction's marker ends the log of jobs: it is no record, and is passed all the same."""
    group = Group(outcomes_begin=7)
    group.jobs_end = 2
    offsets = await begun(group)
    await offsets.read_back()
    assert group.committed == {JOBS: CommittedOffset(0, read_back_metadata(7))}
    offsets.take(record(0))
    offsets.finish(record(0), RecordMetadata("status", 0, 41, 0))
    await offsets.commit()
    assert group.committed == {JOBS: CommittedOffset(1, read_back_metadata(7))}
    group.position = 2
    await offsets.commit()
    assert group.committed == {JOBS: CommittedOffset(1, read_back_metadata(42))}


async def test_where_nothing_was_left_nothing_is_read_back() -> None:
    group = Group()
    await (await begun(group)).read_back()
    assert group.asked == []


async def test_outcomes_that_are_no_longer_kept_are_not_asked_for() -> None:
    group = Group(outcomes_begin=7)
    group.jobs_end, group.kept = 1, 9
    await (await begun(group)).read_back()
    assert group.asked == [("status", {0: 9})]


async def test_an_outcome_log_that_is_shorter_than_it_was_is_read_back_whole() -> None:
    group = Group(outcomes_begin=7)
    group.jobs_end, group.outcomes_end = 1, 3
    await (await begun(group)).read_back()
    assert group.asked == [("status", {0: 0})]
    assert group.committed == {JOBS: CommittedOffset(0, read_back_metadata(0))}
