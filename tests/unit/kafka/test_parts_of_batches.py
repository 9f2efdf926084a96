"""A batch that is dealt with in parts commits part by part, in order, and each record once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from tocsin.kafka import (
    CRITICAL,
    Batch,
    ExactlyOnce,
    KafkaSettings,
    Limits,
    Outgoing,
    Part,
    Position,
    Record,
    Slot,
    TopicPartition,
)
from tocsin.kafka.transaction_queue import TransactionQueue
from tocsin.runtime import Health
from tocsin.testing import ManualClock

P = TopicPartition("in", 0)
Process = Callable[[Batch], Awaitable[Sequence[Outgoing] | Part]]


class Kafka:
    """What was committed: offsets, and the values that came with them."""

    def __init__(self) -> None:
        self.transactions: list[tuple[int, list[bytes | None]]] = []
        self.opened = asyncio.Event()
        self.opened.set()

    async def run(self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, Position]) -> None:
        await self.opened.wait()
        self.transactions.append((offsets[P].offset, [one.value for one in outgoing]))

    async def commit(self, offsets: Mapping[TopicPartition, Position]) -> None:
        raise AssertionError


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
def slot(kafka: Kafka) -> Slot:
    clock = ManualClock()
    queue = TransactionQueue(
        transactions=kafka,
        limits=Limits(None),
        clock=clock,
        gather=0,
        failed=lambda exc: None,
        observe=lambda seconds: None,
    )
    slot = Slot(
        number=0,
        assignment=1,
        positions={P: Position(0)},
        queue=queue,
        commit=kafka.commit,
        lease_ok=lambda: True,
        room=lambda: None,
        clock=clock,
        most_records=100,
        most_bytes=10_000,
    )
    slot.put([Record("in", 0, offset, 0, None, b"%d" % offset) for offset in range(5)])
    return slot


def work(process: Process, slot: Slot) -> Awaitable[None]:
    component = ExactlyOnce(
        settings=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        group="copier",
        topics=["in"],
        slots=1,
        timeouts=CRITICAL,
        process=process,
        health=Health(service="test"),
        clock=ManualClock(),
        gather=0,
    )
    return component._work(slot)


def copied(batch: Batch, count: int) -> Part:
    chosen = batch.records[:count]
    return Part([Outgoing("out", None, record.value) for record in chosen], records=len(chosen))


async def test_parts_commit_in_order_and_once(kafka: Kafka, slot: Slot) -> None:
    async def process(batch: Batch) -> Part:
        assert len(kafka.transactions) == (5 - len(batch.records)) / 2  # the part before is committed
        if len(batch.records) == 1:
            slot.revoke()
        return copied(batch, 2)

    await work(process, slot)
    assert kafka.transactions == [(2, [b"0", b"1"]), (4, [b"2", b"3"]), (5, [b"4"])]


async def test_the_rest_of_a_batch_is_left_to_the_next_owner(kafka: Kafka, slot: Slot) -> None:
    async def process(batch: Batch) -> Part:
        slot.revoke()
        return copied(batch, 3)

    await work(process, slot)
    assert kafka.transactions == [(3, [b"0", b"1", b"2"])]


@pytest.mark.parametrize("records", [0, 6])
async def test_a_part_has_some_of_the_records(kafka: Kafka, slot: Slot, records: int) -> None:
    async def process(batch: Batch) -> Part:
        return Part([], records=records)

    with pytest.raises(ValueError, match="1 to 5 of its records"):
        await work(process, slot)
    assert kafka.transactions == []


async def test_large_output_waits_for_its_commit(kafka: Kafka, slot: Slot) -> None:
    kafka.opened.clear()
    seen: list[int] = []
    large = bytes(1_000_000)

    async def process(batch: Batch) -> Sequence[Outgoing]:
        seen.append(len(batch.records))
        slot.put([Record("in", 0, 5 + len(seen), 0, None, b"x")])
        return [Outgoing("out", None, large)] * 17

    working = asyncio.ensure_future(work(process, slot))
    for _ in range(50):
        await asyncio.sleep(0)
    assert seen == [5]
    slot.revoke()
    kafka.opened.set()
    await working
