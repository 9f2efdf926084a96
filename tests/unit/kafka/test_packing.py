"""aiokafka's builder answers None, and drops the record, when it is full: no record may be lost to that."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kafka import ProducerRecord, RecordTooLarge
from tocsin.kafka.produce.packing import BATCH_BYTES, Limits, Packed, Partitions, pack

records = st.lists(
    st.builds(
        ProducerRecord,
        topic=st.sampled_from(["a", "b"]),
        key=st.none() | st.binary(max_size=20),
        value=st.none() | st.binary(max_size=400),
        headers=st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=20)), max_size=3).map(tuple),
        partition=st.integers(0, 2),
    ),
    max_size=60,
)


def builder(size: int = BATCH_BYTES) -> BatchBuilder:
    return BatchBuilder(size, 0, is_transactional=False)


def placed(outgoing: Sequence[ProducerRecord]) -> list[tuple[int, int, ProducerRecord]]:
    return [(index, record.partition or 0, record) for index, record in enumerate(outgoing)]


def aiokafkas(batch: Packed[Any]) -> BatchBuilder:
    """The batch's builder as what it is: our own protocol names only what we call."""
    assert isinstance(batch.builder, BatchBuilder)
    return batch.builder


@given(records, st.integers(100, 2000))
def test_every_record_is_in_one_batch_in_order_even_when_builders_are_full_early(outgoing, size):
    batches = pack(placed(outgoing), new_builder=lambda: builder(size), limits=Limits(None))
    indexes = [index for batch in batches for index in batch.indexes]
    assert sorted(indexes) == list(range(len(outgoing)))
    for batch in batches:
        assert aiokafkas(batch).record_count() == len(batch.indexes)
        assert aiokafkas(batch).closed()
        assert {(outgoing[index].topic, outgoing[index].partition) for index in batch.indexes} == {
            batch.partition
        }
    for partition in {batch.partition for batch in batches}:
        order = [index for batch in batches if batch.partition == partition for index in batch.indexes]
        assert order == sorted(order)


@given(records)
def test_a_batch_never_outgrows_its_topic(outgoing):
    limits = Limits({"a": 600, "b": 700})
    fitting = [record for record in outgoing if record.size <= limits.of(record.topic)]
    for batch in pack(placed(fitting), new_builder=builder, limits=limits):
        assert len(aiokafkas(batch)._build()) <= limits.of(batch.partition.topic)


@given(records)
def test_the_size_of_a_record_is_never_too_small(outgoing):
    for record in outgoing:
        alone = builder()
        alone.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
        assert len(alone._build()) <= record.size


def test_first_batches_of_all_partitions_come_first():
    big = [ProducerRecord("a", None, b"x" * 200_000, partition=number) for number in (0, 0, 0, 1)]
    batches = pack(placed(big), new_builder=builder, limits=Limits(None))
    assert [batch.partition.partition for batch in batches] == [0, 1, 0, 0]


def test_too_large_names_topic_and_bytes():
    with pytest.raises(RecordTooLarge, match="does not fit the 100 bytes that a takes"):
        Limits({"a": 100}).check([ProducerRecord("a", None, b"x" * 100)])


def test_a_builder_that_takes_nothing_is_no_silent_loss():
    class Never:
        def append(self, **_: object) -> None:
            return None

        def close(self) -> None: ...

    with pytest.raises(RecordTooLarge):
        pack(placed([ProducerRecord("a", None, b"x", partition=0)]), new_builder=Never, limits=Limits(None))


async def test_the_number_of_partitions_is_asked_once_and_bounds_are_checked():
    asked: list[str] = []

    async def ask(topic: str) -> set[int]:
        asked.append(topic)
        return {0, 1, 2}

    partitions = Partitions(ask)
    placed = await partitions.place(
        [ProducerRecord("a", b"k", b""), ProducerRecord("a", None, b""), ProducerRecord("a", b"k", b"")]
    )
    assert asked == ["a"]
    assert placed[0][1] == placed[2][1]
    with pytest.raises(ValueError, match="there is no partition 3"):
        await partitions.place([ProducerRecord("a", None, b"", partition=3)])
