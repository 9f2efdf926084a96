import asyncio

import pytest

from tocsin.kafka import OwnershipLost, Position, Record, Slot, TopicPartition
from tocsin.kafka.packing import Limits
from tocsin.kafka.transaction_queue import TransactionQueue
from tocsin.testing.clock import ManualClock

P = TopicPartition("in", 0)


class Committed:
    def __init__(self) -> None:
        self.offsets: list[object] = []
        self.room = 0

    async def run(self, outgoing: object, offsets: object) -> None:
        self.offsets.append(offsets)

    async def commit(self, offsets: object) -> None:
        self.offsets.append(offsets)

    def make_room(self) -> None:
        self.room += 1


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def committed() -> Committed:
    return Committed()


@pytest.fixture
def slot(clock, committed) -> Slot:
    queue = TransactionQueue(
        transactions=committed,
        limits=Limits(None),
        clock=clock,
        gather=0,
        failed=lambda exc: None,
        observe=lambda seconds: None,
    )
    return Slot(
        number=0,
        assignment=7,
        positions={P: Position(10)},
        queue=queue,
        commit=committed.commit,
        lease_ok=lambda: True,
        room=committed.make_room,
        clock=clock,
        most_records=4,
        most_bytes=100,
    )


def records(*offsets: int, size: int = 1) -> list[Record]:
    return [Record("in", 0, offset, 1_000 + offset, None, b"x" * size) for offset in offsets]


async def test_hands_out_in_order_with_the_assignment_and_the_offsets_to_commit(slot):
    slot.put(records(10, 11, 12))
    batch = await slot.take(max_records=2)
    assert (batch.slot, batch.assignment) == (0, 7)
    assert [record.offset for record in batch.records] == [10, 11]
    assert batch.offsets == {P: Position(12)}


async def test_a_batch_is_bounded_by_bytes_but_never_empty(slot):
    slot.put(records(10, 11, 12, size=30))
    assert len((await slot.take(max_bytes=60)).records) == 2
    assert len((await slot.take(max_bytes=1)).records) == 1


@pytest.mark.parametrize("full", [records(10, 11, 12, 13), records(10, size=100)])
async def test_reading_pauses_while_it_is_full_and_goes_on_when_there_is_room(slot, committed, full):
    slot.put(full)
    assert slot.full
    await slot.take(max_records=1)
    assert not slot.full
    assert committed.room == 1


async def test_take_waits_for_records(slot):
    taking = asyncio.create_task(slot.take())
    await asyncio.sleep(0)
    assert slot.idle_since is None
    slot.put(records(10))
    assert len((await taking).records) == 1
    assert slot.idle_since is not None


async def test_when_revoked_nothing_is_handed_out_any_more(slot):
    taking = asyncio.create_task(slot.take())
    await asyncio.sleep(0)
    slot.put(records(10))
    slot.revoke()
    slot.put(records(11))
    assert await taking is None
    assert await slot.take() is None


async def test_until_its_end_a_revoked_slot_may_commit_and_then_no_more(slot, committed):
    slot.revoke()
    await slot.commit({P: Position(11)})
    await slot.transaction([], {P: Position(12)})
    slot.end()
    assert not slot.lease_ok()
    with pytest.raises(OwnershipLost, match="assignment 7, which is over"):
        await slot.transaction([])
    with pytest.raises(OwnershipLost):
        await slot.commit({P: Position(13)})
    assert committed.offsets == [{P: Position(11)}, {P: Position(12)}]


async def test_progress_knows_what_is_open_and_since_when(slot):
    slot.put(records(10, 11, 12))
    await slot.take(max_records=2)
    assert slot.progress.oldest_ms(P) == 1010
    assert slot.progress.behind(P, position=13, end=14) == 4
    await slot.commit({P: Position(12)})
    assert slot.progress.oldest_ms(P) is None
    assert slot.progress.behind(P, position=14, end=14) == 0


async def test_gathering_ends_with_the_batch_the_time_or_the_revoke(slot, clock):
    slot.put(records(10, 11))
    await slot.gather(records=2, seconds=60)
    await slot.gather(records=5, seconds=0)
    committing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(slot.gather(records=5, seconds=0, committing=committing))
    await asyncio.sleep(0)
    assert not waiting.done()
    committing.set_result(None)
    await waiting
    waiting = asyncio.create_task(slot.gather(records=5, seconds=60))
    await asyncio.sleep(0)
    slot.revoke()
    await waiting
