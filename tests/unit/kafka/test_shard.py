import asyncio
from collections.abc import Callable

import pytest

from tocsin.kafka import CommittedOffset, ConsumerRecord, FencedShard, OwnershipLost, TopicPartition
from tocsin.kafka.lag import LogEnds

P = TopicPartition("in", 0)


@pytest.fixture
def shard(new_shard: Callable[..., FencedShard]) -> FencedShard:
    return new_shard({P: 10}, buffer_records=4, buffer_bytes=100)


def records(*offsets: int, size: int = 1) -> list[ConsumerRecord]:
    return [ConsumerRecord("in", 0, offset, 1_000 + offset, None, b"x" * size) for offset in offsets]


async def test_hands_out_in_order_with_the_assignment_and_the_offsets_to_commit(shard):
    shard.put(records(10, 11, 12))
    batch = await shard.take(max_records=2)
    assert (shard.number, shard.assignment, batch.partition_count) == (0, 7, 4)
    assert [record.offset for record in batch.records] == [10, 11]
    assert batch.offsets == {P: CommittedOffset(12)}


async def test_a_batch_is_bounded_by_bytes_but_never_empty(shard):
    shard.put(records(10, 11, 12, size=30))
    assert len((await shard.take(max_bytes=60)).records) == 2
    assert len((await shard.take(max_bytes=1)).records) == 1


@pytest.mark.parametrize("full", [records(10, 11, 12, 13), records(10, size=100)])
async def test_reading_pauses_while_it_is_full_and_goes_on_when_there_is_room(shard, room, full):
    shard.put(full)
    assert shard.full
    await shard.take(max_records=1)
    assert not shard.full
    assert room.is_set()


async def test_take_waits_for_records(shard):
    taking = asyncio.create_task(shard.take())
    await asyncio.sleep(0)
    assert shard.idle_since is None
    shard.put(records(10))
    shard.wake()
    assert len((await taking).records) == 1
    assert shard.idle_since is not None


async def test_when_revoked_nothing_is_handed_out_any_more(shard):
    taking = asyncio.create_task(shard.take())
    await asyncio.sleep(0)
    shard.put(records(10))
    shard.revoke()
    shard.put(records(11))
    assert await taking is None
    assert await shard.take() is None


async def test_until_its_end_a_revoked_shard_may_commit_and_then_no_more(shard, committing):
    shard.revoke()
    await shard.commit({P: CommittedOffset(11)})
    await shard.transaction([], {P: CommittedOffset(12)})
    shard.end()
    assert not shard.lease_ok()
    with pytest.raises(OwnershipLost, match="assignment 7, which is over"):
        await shard.transaction([])
    with pytest.raises(OwnershipLost):
        await shard.commit({P: CommittedOffset(13)})
    assert committing.offsets == [{P: CommittedOffset(11)}, {P: CommittedOffset(12)}]


async def test_its_lag_knows_what_is_in_hand_and_since_when(shard):
    shard.put(records(10, 11, 12))
    await shard.take(max_records=2)
    assert shard.lag[P].behind(unread=None, ends=LogEnds(position=13, stable=14, end=14)) == (4, 1010)
    await shard.commit({P: CommittedOffset(12)})
    assert shard.lag[P].behind(unread=None, ends=LogEnds(position=14, stable=14, end=14)) == (0, None)


async def test_gathering_ends_with_the_batch_the_time_or_the_revoke(shard, clock):
    shard.put(records(10, 11))
    await shard.gather(records=2, seconds=60)
    await shard.gather(records=5, seconds=0)
    committing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(shard.gather(records=5, seconds=0, committing=committing))
    await asyncio.sleep(0)
    assert not waiting.done()
    committing.set_result(None)
    await waiting
    waiting = asyncio.create_task(shard.gather(records=5, seconds=60))
    await asyncio.sleep(0)
    shard.revoke()
    await waiting
