"""What many callers hand over goes to the broker together: each record once, in order, and each caller hears of its own records."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kafka import ProducerRecord, TopicPartition
from tocsin.kafka.produce import gathering
from tocsin.kafka.produce.gathering import GatheredBatch, Gathering
from tocsin.kafka.produce.packing import BATCH_BYTES, Limits


@dataclass
class Place:
    """As aiokafka answers."""

    topic: str
    partition: int
    offset: int
    timestamp: int = 7


@dataclass
class Producer:
    """Keeps what it is given; the test acknowledges."""

    sent: list[tuple[TopicPartition, list[bytes], "asyncio.Future[Any]"]] = field(default_factory=list)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    fails: Exception | None = None
    stuck: "asyncio.Future[None] | None" = None
    """While it is there, batches are being handed over until it is done."""

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        if self.fails is not None:
            raise self.fails
        if self.stuck is not None:
            await asyncio.shield(self.stuck)
        assert batch.closed()
        place = TopicPartition(topic, partition)
        assert all(future.done() for before, _, future in self.sent if before == place), "one is out at most"
        values = [record.value for record in DefaultRecordBatch(bytes(batch._build()))]
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent.append((place, values, future))
        return future

    def acknowledge(self, error: Exception | None = None) -> None:
        """All that is out."""
        for partition, values, future in self.sent:
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
                continue
            first = self.ends.get(partition, 0)
            self.ends[partition] = first + len(values)
            future.set_result(Place(*partition, first))


class Ground:
    """A gathering over a producer, and what it told."""

    def __init__(self) -> None:
        self.producer = Producer()
        self.ended: list[GatheredBatch] = []
        self.refused: list[BaseException] = []
        self.gathering = Gathering(
            self.producer, limits=Limits(None), ended=self.ended.append, refused=self.refused.append
        )

    def call(self, *records: tuple[int, bytes]) -> gathering.Call:
        outgoing = [(number, ProducerRecord("t", None, value)) for number, value in records]
        return self.gathering.add([(number, record, record.size) for number, record in outgoing])

    async def until_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.producer.sent) < count:  # noqa: ASYNC110 - the condition lies in a task
                await asyncio.sleep(0)


async def test_the_first_goes_at_once_and_the_next_share_a_request():
    ground = Ground()
    first = ground.call((0, b"1"))
    await ground.until_sent(1)
    later = [ground.call((0, b"%d" % number)) for number in range(2, 6)]
    ground.producer.acknowledge()
    await first.future
    await ground.until_sent(2)
    assert ground.producer.sent[1][1] == [b"2", b"3", b"4", b"5"]
    ground.producer.acknowledge()
    for number, call in enumerate(later, start=1):
        await call.future
        assert [place.offset for place in call.stored] == [number]


async def test_a_partition_whose_broker_does_not_answer_holds_back_no_other():
    ground = Ground()
    stuck = ground.call((0, b"stuck"))
    await ground.until_sent(1)
    waits, goes = ground.call((0, b"behind it")), ground.call((1, b"beside it"))
    await ground.until_sent(2)
    assert ground.producer.sent[1][:2] == (TopicPartition("t", 1), [b"beside it"])
    ground.producer.sent[1][2].set_result(Place("t", 1, 0))
    await goes.future
    assert not stuck.future.done()
    assert not waits.future.done()


async def test_a_caller_who_gives_up_takes_nothing_back():
    ground = Ground()
    given_up, stays = ground.call((0, b"1")), ground.call((0, b"2"))
    given_up.future.cancel()
    await ground.until_sent(1)
    assert ground.producer.sent[0][1] == [b"1", b"2"]
    ground.producer.acknowledge()
    await stays.future
    assert stays.stored[0].offset == 1
    assert sum(batch.held for batch in ground.ended) == 2 * ProducerRecord("t", None, b"1").size


async def test_a_refusal_is_heard_by_all_in_the_batch_and_the_owner():
    ground = Ground()
    calls = [ground.call((0, b"1")), ground.call((0, b"2"), (1, b"3"))]
    await ground.until_sent(2)
    error = MessageSizeTooLargeError()
    ground.producer.sent[0][2].set_exception(error)
    with pytest.raises(MessageSizeTooLargeError):
        await calls[0].future
    assert not calls[1].future.done(), "it waits for all its records before it tells"
    ground.producer.acknowledge()
    with pytest.raises(MessageSizeTooLargeError):
        await calls[1].future
    assert ground.refused == [error]


async def test_what_cannot_be_handed_over_is_told_to_who_waits_and_is_no_refusal():
    ground = Ground()
    ground.producer.fails = KafkaError("closed")
    call = ground.call((0, b"1"))
    with pytest.raises(KafkaError, match="closed"):
        await call.future
    assert ground.refused == []
    await ground.gathering.emptied()
    ground.producer.fails = None
    ground.call((0, b"2"))
    await ground.until_sent(1)


async def test_whoever_abandons_it_goes_on_once_no_task_hands_anything_over():
    ground = Ground()
    before = asyncio.all_tasks()
    ground.producer.stuck = asyncio.get_running_loop().create_future()
    ground.call((0, b"1"))
    async with asyncio.timeout(5):
        while not asyncio.all_tasks() - before:  # noqa: ASYNC110 - the condition is a task
            await asyncio.sleep(0)
    await ground.gathering.abandon()
    assert asyncio.all_tasks() == before
    assert ground.producer.sent == []


async def test_an_answer_that_comes_after_it_was_abandoned_plans_no_turn():
    ground = Ground()
    first = ground.call((0, b"1"))
    await ground.until_sent(1)
    waits = ground.call((0, b"2"))
    async with asyncio.timeout(5):
        while ground.gathering._turn is not None:  # noqa: ASYNC110 - the turn finds the partition's batch still out
            await asyncio.sleep(0)
    await ground.gathering.abandon()
    ground.producer.acknowledge()
    await first.future
    assert ground.gathering._turn is None
    assert not waits.future.done()


async def test_a_repeated_batch_whose_place_the_broker_forgot_has_no_offset():
    ground = Ground()
    call = ground.call((0, b"1"))
    await ground.until_sent(1)
    ground.producer.sent[0][2].set_result(Place("t", 0, -1))
    await call.future
    assert [place.offset for place in call.stored] == [-1]


async def test_larger_than_a_batch_goes_in_several_one_after_the_other():
    ground = Ground()
    values = [bytes([65 + number]) * 100_000 for number in range(5)]
    call = ground.call(*((0, value) for value in values))
    while not call.future.done():
        await ground.until_sent(len(ground.ended) + 1)
        ground.producer.acknowledge()
        await asyncio.sleep(0)
    await call.future
    assert [sent for _, batch, _ in ground.producer.sent for sent in batch] == values
    assert len(ground.producer.sent) == 3
    assert [place.offset for place in call.stored] == list(range(5))


calls_of_records = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6), max_size=12
)


@given(calls_of_records)
async def test_whatever_comes_is_sent_once_in_its_order(calls):
    """Each second flag lets the broker answer before the next call."""
    ground = Ground()
    handed: list[tuple[gathering.Call, list[tuple[int, bytes]]]] = []
    for at, numbers in enumerate(calls):
        records = [(number, b"%d.%d" % (at, place)) for place, (number, _) in enumerate(numbers)]
        handed.append((ground.call(*records), records))
        if numbers[0][1]:
            await asyncio.sleep(0)
            ground.producer.acknowledge()
    async with asyncio.timeout(5):
        while not all(call.future.done() for call, _ in handed):
            ground.producer.acknowledge()
            await asyncio.sleep(0)
        await ground.gathering.emptied()
    logs: dict[int, list[bytes]] = {}
    for partition, values, _ in ground.producer.sent:
        logs.setdefault(partition.partition, []).extend(values)
    wanted: dict[int, list[bytes]] = {}
    for _, records in handed:
        for number, value in records:
            wanted.setdefault(number, []).append(value)
    assert logs == wanted
    for call, records in handed:
        assert [logs[place.partition][place.offset] for place in call.stored] == [
            value for _, value in records
        ]
    assert sum(batch.count for batch in ground.ended) == sum(len(records) for _, records in handed)
